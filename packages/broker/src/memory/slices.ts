// An enqueue for very many Sessions, a slice at a time.
//
// One message may be for a million Sessions. To store it for all of them in one breath would stop the event loop for
// seconds, and with it whoever has nothing to do with that message. So it is cut into slices, and between two of them
// others have their turn. Each slice is a call of its own, done in one breath at a time of its own: whatever else
// happens to a Session happens before its slice or after it, and its slice finds what is there by then.
//
// Order: no enqueue overtakes another. Whoever comes while one is under way stands in line behind it, however short its
// own is; and since a lane waits for its answer, the line is no longer than there are nodes.
//
// Where a full queue refuses a message as a whole, all queues are looked at before it goes into any. One that becomes
// full in between drops it for its own Session: by then others have it.

import { bytesOf } from '../message.ts';
import type { Enqueue, EnqueueOutcome } from '../ports.ts';
import { enqueue, wouldOverflow } from './queues.ts';
import type { MemoryState } from './state.ts';

/** Targets of one slice: some milliseconds. */
const sliceTargets = 2048;
/** The same while a snapshot is under way, which has each Session written down before it changes. */
const watchedTargets = 512;
/** So many bytes of a message are worth one target more: each slice that is recorded bears all of them. */
const bytesPerTarget = 512;
/** Short of so many slices nothing is cut: a turn's messages are seldom for more, and go faster as they are. */
const uncutSlices = 2;

/** What became of each message for each of its targets; undefined for one that was refused as a whole. */
type Outcomes = readonly (readonly EnqueueOutcome[] | undefined)[];

/** What was done in one breath: calls as they would have to be made to do the same again, and their outcomes. */
export interface Slice {
  readonly batch: readonly Enqueue[];
  readonly outcomes: Outcomes;
}

/** Whether a batch is for so many Sessions that it is to be cut. */
export function isLong(state: MemoryState, batch: readonly Enqueue[]): boolean {
  let targets = 0;
  for (const item of batch) targets += item.targets.length;
  return targets > uncutSlices * targetsAtOnce(state);
}

/** A batch on its way into the queues. Whoever is interrupted may go on with it later: nothing is done twice. */
export class SlicedEnqueue {
  readonly #state: MemoryState;
  readonly #batch: readonly Enqueue[];
  /** Of the messages that are done with. */
  readonly #outcomes: (readonly EnqueueOutcome[] | undefined)[] = [];
  /** Of the next message: at how many of its targets it was looked whether it is refused as a whole. */
  #looked = 0;
  /** Of the next message: what became of it for its first targets. */
  #begun: EnqueueOutcome[] = [];

  constructor(state: MemoryState, batch: readonly Enqueue[]) {
    this.#state = state;
    this.#batch = batch;
  }

  /** Whether all of it is done. */
  get isOver(): boolean {
    return this.#outcomes.length === this.#batch.length;
  }

  /** What became of it, once it is over. */
  get outcomes(): Outcomes {
    return this.#outcomes;
  }

  /** Does the next slice. */
  step(nowMs: number): Slice {
    const batch: Enqueue[] = [];
    const outcomes: (readonly EnqueueOutcome[])[] = [];
    for (let room = targetsAtOnce(this.#state); room > 0 && !this.isOver; ) {
      const item = this.#batch[this.#outcomes.length] as Enqueue;
      if (this.#isToBeLookedAt(item)) {
        room -= this.#look(item, room, nowMs);
        continue;
      }
      const part = this.#partOf(item, room);
      const [answers] = enqueue(this.#state, [part], nowMs) as readonly [readonly EnqueueOutcome[]];
      batch.push(part);
      outcomes.push(answers);
      for (const answer of answers) this.#begun.push(answer);
      if (this.#begun.length === item.targets.length) this.#end(this.#begun);
      room -= Math.max(1, answers.length);
    }
    return { batch, outcomes };
  }

  #isToBeLookedAt({ isRefusable, targets }: Enqueue): boolean {
    return isRefusable && this.#state.limits.queueFull === 'refuse' && this.#looked < targets.length;
  }

  /** Looks at some targets' queues. @returns how many */
  #look(item: Enqueue, most: number, nowMs: number): number {
    const some = item.targets.slice(this.#looked, this.#looked + most);
    this.#looked += some.length;
    if (some.some((target) => wouldOverflow(this.#state, item, target, nowMs))) this.#end(undefined);
    return some.length;
  }

  /** What goes into queues next. By now it is not refused as a whole any more, now or when the slice is made again. */
  #partOf({ message, targets, uid }: Enqueue, room: number): Enqueue {
    const most = Math.max(room, Math.floor(bytesOf(message) / bytesPerTarget));
    const from = this.#begun.length;
    const isWhole = from === 0 && targets.length <= most;
    return { message, targets: isWhole ? targets : targets.slice(from, from + most), isRefusable: false, uid };
  }

  #end(outcomes: readonly EnqueueOutcome[] | undefined): void {
    this.#outcomes.push(outcomes);
    this.#looked = 0;
    this.#begun = [];
  }
}

/** One after the other, in the order in which they came. */
export class Line {
  #last: Promise<void> | undefined;

  /** Whether anybody is in line. */
  get isBusy(): boolean {
    return this.#last !== undefined;
  }

  /** Does something once all that came before is done, well or badly. At once, if nobody is in line. */
  async behindOthers<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = this.#last;
    let over = (): void => {};
    const mine = new Promise<void>((resolve) => {
      over = resolve;
    });
    this.#last = mine;
    if (before !== undefined) await before;
    try {
      return await work();
    } finally {
      if (this.#last === mine) this.#last = undefined;
      over();
    }
  }
}

function targetsAtOnce(state: MemoryState): number {
  return state.isWatched ? watchedTargets : sliceTargets;
}
