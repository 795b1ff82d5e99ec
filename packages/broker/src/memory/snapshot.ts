// A snapshot of the state: all that it held at one moment, told piece by piece while it goes on changing.
//
// rule: Copy on write. A walk passes over everything in its own time. Whatever is about to change before the walk has
// come to it is told first, as it still is. What has been told bears the snapshot's number, and so does what came after
// its moment: neither is told again, wherever the walk meets it.
//
// A queue may hold a million messages, so a Session is told without it, and its entries follow some at a time: those that
// it had at the moment. One that is taken out meanwhile is told as it goes. A Session that ends, or is over and kept for
// others, was reached by somebody to make it so, and told then; its entries are kept here until they are told too.

import { bytesOf } from '../message.ts';
import type { QueueEntry } from '../ports.ts';
import type { SeenUid, SessionItem, StateItem } from './items.ts';
import type { Memory } from './remembered.ts';
import type { KeptMessage, Removal } from './retained.ts';
import type { ClientWills, Ended, MemoryState, SessionRecord, UnsavedQueue } from './state.ts';
import { topicOfKey } from './topic-order.ts';

/** How many pieces one step tells: about half a millisecond, if it takes a microsecond to write one down. */
const piecesWanted = 512;
/** So many bytes count as a piece. */
const pieceBytes = 512;
/** What one item has of a queue at most, but for one entry that is larger. */
const entriesMax = 256;
const entriesBytes = 256 * 1024;
/** Retained messages between two looks at what a step has told. */
const retainedLook = 32;

/** What will not change, whatever becomes of the state. */
interface Sealed {
  readonly epoch: number;
  readonly choices: Iterable<Memory<string>>;
  readonly uids: Iterable<Memory<true>>;
  readonly removals: Iterable<Memory<Removal>>;
}

/** The state as it was when this was made. One at a time may be under way. */
export class Snapshot {
  readonly #state: MemoryState;
  readonly #emit: (item: StateItem) => void;
  readonly #number: number;
  readonly #walk: Generator<number, void>;
  /** Queues of Sessions that have been told. */
  readonly #queues = new Set<QueueWalk>();
  readonly #stepPieces: number;
  #isEnded = false;

  /**
   * @param emit is told each piece and has to write it down during the call: what it refers to changes later. It is
   *   called by {@link step}, and by whoever changes the state, and must not throw
   * @param stepPieces how much one step tells
   */
  constructor(state: MemoryState, emit: (item: StateItem) => void, stepPieces: number = piecesWanted) {
    if (state.isWatched) throw new Error('another snapshot of this state is under way');
    this.#state = state;
    this.#emit = emit;
    this.#stepPieces = stepPieces;
    this.#number = state.beginWatch({
      session: (record) => this.#session(record),
      wills: (wills) => this.#wills(wills),
      ended: (ended) => this.#ended(ended),
      retained: (kept) => this.#retained(kept),
    });
    this.#walk = this.#pieces({
      epoch: state.epoch,
      choices: state.choices.seal(),
      uids: state.retained.seen.seal(),
      removals: state.retained.removed.seal(),
    });
  }

  /** Tells some more. @returns false if that was all */
  step(): boolean {
    for (let pieces = 0; pieces < this.#stepPieces; ) {
      const { done, value } = this.#walk.next();
      if (done === true) {
        this.end();
        return false;
      }
      pieces += value;
    }
    return true;
  }

  /** Nothing more is told. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#walk.return();
    for (const queue of this.#queues) queue.end();
    this.#queues.clear();
    this.#state.endWatch();
  }

  /** Yields how many pieces it has told since the last time. */
  *#pieces(sealed: Sealed): Generator<number, void> {
    const state = this.#state;
    this.#emit({ is: 'epoch', epoch: sealed.epoch });
    for (const records of [state.sessions, state.over]) {
      for (const record of records.values()) {
        yield this.#session(record);
        if (this.#queues.size > 0) yield* this.#entries();
      }
    }
    yield* this.#entries();
    for (const wills of state.pendingWills.values()) yield this.#wills(wills);
    for (const ended of state.ended.values()) yield this.#ended(ended);
    for (let from: string | undefined = ''; from !== undefined; ) {
      let pieces = 1;
      from = state.retained.walk(from, retainedLook, (kept) => {
        pieces += this.#retained(kept);
      });
      yield pieces;
    }
    for (const { name, value, sinceMs } of sealed.removals) {
      this.#emit({ is: 'removal', topic: topicOfKey(name), ...value, sinceMs });
      yield 1;
    }
    for (const { name, sinceMs } of sealed.uids) {
      this.#emit({ is: 'retained_uid', uid: name, sinceMs });
      yield 1;
    }
    for (const { name, value, sinceMs } of sealed.choices) {
      this.#emit({ is: 'choice', name, member: value, sinceMs });
      yield 1;
    }
  }

  *#entries(): Generator<number, void> {
    for (const queue of this.#queues) {
      for (let pieces = queue.step(); pieces > 0; pieces = queue.step()) yield pieces;
      queue.end();
      this.#queues.delete(queue);
    }
  }

  #session(record: SessionRecord): number {
    if (record.savedIn === this.#number) return 1;
    record.savedIn = this.#number;
    this.#emit(sessionItemOf(record));
    if (record.queue.size > 0) {
      const queue = new QueueWalk(record, Math.min(this.#stepPieces, entriesMax), this.#emit);
      record.unsaved = queue;
      this.#queues.add(queue);
    }
    const { subscriptions, feeds, releases, inbound, seen, taken } = record;
    return 1 + (subscriptions.size + feeds.size + releases.size + inbound.size + seen.size) / 4 + taken.size;
  }

  #wills(wills: ClientWills): number {
    if (wills.savedIn === this.#number) return 1;
    wills.savedIn = this.#number;
    for (const { clientId, generation, epoch, will, username, dueMs, state } of wills.pending) {
      const isClaimed = state === 'claimed';
      this.#emit({ is: 'will', clientId, generation, epoch, will, username, dueMs, isClaimed });
    }
    return wills.pending.length;
  }

  #ended(ended: Ended): number {
    if (ended.savedIn === this.#number) return 1;
    ended.savedIn = this.#number;
    this.#emit({ is: 'ended', session: ended.session });
    return 1;
  }

  #retained(kept: KeptMessage): number {
    if (kept.savedIn === this.#number) return 0;
    kept.savedIn = this.#number;
    const { message, order } = kept;
    this.#emit({ is: 'retained', message, order });
    return 1 + bytesOf(message) / pieceBytes;
  }
}

/** The queue of a Session that has been told: what it had then, in order. */
class QueueWalk implements UnsavedQueue {
  readonly #record: SessionRecord;
  readonly #itemMax: number;
  readonly #emit: (item: StateItem) => void;
  /** What has this seq, or a higher one, came later. */
  readonly #endSeq: number;
  /** All up to this one are told, or gone. */
  #toldSeq = 0;

  constructor(record: SessionRecord, itemMax: number, emit: (item: StateItem) => void) {
    this.#record = record;
    this.#itemMax = itemMax;
    this.#emit = emit;
    this.#endSeq = record.nextSeq;
  }

  removing(entry: QueueEntry): void {
    if (entry.seq > this.#toldSeq && entry.seq < this.#endSeq) this.#tell([entry]);
  }

  /** Tells some entries. @returns how many pieces that were; 0 if there are no more */
  step(): number {
    const entries: QueueEntry[] = [];
    let bytes = 0;
    for (const entry of this.#record.queue.values(this.#toldSeq + 1)) {
      if (entry.seq >= this.#endSeq) break;
      entries.push(entry);
      bytes += bytesOf(entry.message);
      this.#toldSeq = entry.seq;
      if (entries.length >= this.#itemMax || bytes >= entriesBytes) break;
    }
    if (entries.length > 0) this.#tell(entries);
    return entries.length + bytes / pieceBytes;
  }

  end(): void {
    this.#record.unsaved = undefined;
  }

  #tell(entries: readonly QueueEntry[]): void {
    this.#emit({ is: 'entries', generation: this.#record.generation, entries });
  }
}

function sessionItemOf(record: SessionRecord): SessionItem {
  const { undelivered } = record;
  return {
    is: 'session',
    clientId: record.clientId,
    generation: record.generation,
    stored: record.stored,
    over: undelivered === undefined ? undefined : { undelivered },
    epoch: record.epoch,
    owner: record.owner,
    sessionExpirySeconds: record.sessionExpirySeconds,
    disconnectedAtMs: record.disconnectedAtMs,
    reserve: record.reserve,
    nextSeq: record.nextSeq,
    headSeq: record.headSeq,
    sentSeq: record.sentSeq,
    subscriptions: [...record.subscriptions.values()],
    feeds: Array.from(record.feeds, ([topicFilter, from]) => ({ topicFilter, from })),
    releases: [...record.releases],
    inbound: Array.from(record.inbound, ([packetId, { uid, isDone }]) => ({ packetId, uid, isDone })),
    seen: Array.from(record.seen, ([uid, { sinceMs, refusal }]): SeenUid => ({ uid, sinceMs, refusal })),
    taken: [...record.taken.values()].sort((one, other) => one.entry.seq - other.entry.seq),
    will: record.will,
    username: record.username,
  };
}
