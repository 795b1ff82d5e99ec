// An enqueue for very many Sessions, with a journal: each slice is recorded in the breath in which it is done.
//
// So it is a call like any other. The journal has it in its place among the calls that others make between two slices,
// and a snapshot may begin before it or after it. What the disk is slow to take is waited for on the way: a few slices
// may be ahead of it.
//
// If the disk fails half way, or the store closes, the outcome is unknown; whoever asks again with the same batch goes
// on where it stopped, so that nobody has the message twice.

import { type Enqueue, type EnqueueOutcome, type Limits, memory, type Store } from '@skein/broker';
import { changing } from './changing.ts';

/** What it takes. */
export interface EnqueueSlicedParts {
  readonly state: memory.MemoryState;
  readonly limits: Pick<Limits, 'queueFull'>;
  /** The time of the slice that begins. @throws StoreUnavailable if nothing may change */
  readonly begin: () => number;
  /** Records what a slice has changed. */
  readonly record: (changed: readonly Enqueue[], nowMs: number) => void;
  /** Called between two slices: here a snapshot may begin. */
  readonly recorded: () => void;
  /** What to wait for until all that was recorded is stored; undefined if it is. */
  readonly stored: () => Promise<void> | undefined;
}

/** So many slices may be ahead of the disk. */
const aheadMax = 16;

/** Enqueues for very many Sessions, and those that come while one is under way. */
export class EnqueuesSliced {
  readonly #parts: EnqueueSlicedParts;
  readonly #line: memory.Line = new memory.Line();
  /** Those that were interrupted. */
  readonly #begun = new WeakMap<readonly Enqueue[], memory.SlicedEnqueue>();

  constructor(parts: EnqueueSlicedParts) {
    this.#parts = parts;
  }

  /** Whether a batch has to go this way. */
  takes(batch: readonly Enqueue[]): boolean {
    return this.#line.isBusy || this.#begun.has(batch) || memory.isLong(this.#parts.state, batch);
  }

  /**
   * Enqueues a batch, once those before it are done. The answer may be given when all that was recorded is stored.
   *
   * @throws StoreUnavailable the outcome is unknown: to be repeated with the very same batch
   */
  enqueue(batch: readonly Enqueue[]): ReturnType<Store['queues']['enqueue']> {
    return this.#line.behindOthers(() => this.#enqueue(batch));
  }

  async #enqueue(batch: readonly Enqueue[]): Promise<readonly (readonly EnqueueOutcome[] | undefined)[]> {
    const { state, recorded, stored } = this.#parts;
    const sliced = this.#begun.get(batch) ?? new memory.SlicedEnqueue(state, batch);
    this.#begun.set(batch, sliced);
    this.#step(sliced);
    for (let ahead = 1; !sliced.isOver; ahead++) {
      recorded();
      if (ahead % aheadMax === 0) await stored();
      await othersTurn();
      this.#step(sliced);
    }
    this.#begun.delete(batch);
    return sliced.outcomes;
  }

  #step(sliced: memory.SlicedEnqueue): void {
    const { limits, begin, record } = this.#parts;
    const nowMs = begin();
    const { batch, outcomes } = sliced.step(nowMs);
    record(changing(batch, outcomes, limits), nowMs);
  }
}

/** Lets others have their turn. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
