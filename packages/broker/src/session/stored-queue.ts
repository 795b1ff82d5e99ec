// The queue of a stored Session, as the node that owns it sees it: the store holds the truth, this is its near end.
//
// What is stored while the Client keeps up is pushed to the owner along with the answer of the enqueue, and need not be
// read. Pushes of two nodes may cross on their way, so one that comes early is kept for a moment; if the gap before it
// stays, what is missing is read. All else that comes out of turn is left alone: it is read when the window comes to it.
//
// rule: st is a reservation. Only entries that a push or a read has reserved are ever kept here.

import type { Drops } from '../drops.ts';
import type { Persistence } from '../persist.ts';
import { type Claim, type Fenced, type QueueEntry, type QueueRead, type Queues, StoreUnavailable } from '../ports.ts';
import type { Outbound, Source } from './outbound.ts';
import type { Settlements } from './settlements.ts';

/** Entries in one read. */
const readMax = 128;
/** Pushes that may be kept because they came early, and for how long the one before them is waited for. */
const earlyMax = 64;
const crossingMs = 20;
/** How long to wait before a store that did not answer is asked again. */
const retryMs = 200;

/** What the owner of a stored Session knows of its queue. */
export class StoredQueue implements Source {
  /** Set once, by whoever makes both. */
  outbound!: Outbound;
  readonly #claim: Claim;
  readonly #queues: Queues;
  readonly #settlements: Settlements;
  readonly #drops: Drops;
  readonly #persistence: Persistence;
  readonly #failed: (error: unknown) => void;
  readonly #fenced: () => void;
  /** Reserved and not yet sent, in order of seq, from #first on. */
  #ahead: QueueEntry[] = [];
  #first = 0;
  /** The seq after the last one that is here or was: reading goes on from it. */
  #nextSeq: number;
  /** The seq after the last one known to be stored. */
  #endSeq: number;
  #reading = false;
  /** Reserved entries beyond a gap, by seq. */
  #early: Map<number, QueueEntry> | undefined;
  /** Whether what fills the gap may still be on its way. */
  #crossing = false;
  /** Something may have been stored that nobody told of: to be looked for. */
  #unsure = false;
  /** What is to be told to the store a little later, in order; undefined while it is told at once. */
  #withheld: (() => void)[] | undefined;
  #closed = false;

  /**
   * @param of.fenced called when the store says that another connection owns the Session
   * @param of.failed called when reading fails for a reason of our own making
   */
  constructor(of: {
    claim: Claim;
    headSeq: number;
    queues: Queues;
    settlements: Settlements;
    drops: Drops;
    persistence: Persistence;
    fenced: () => void;
    failed: (error: unknown) => void;
  }) {
    this.#claim = of.claim;
    this.#nextSeq = of.headSeq;
    this.#endSeq = of.headSeq;
    this.#queues = of.queues;
    this.#settlements = of.settlements;
    this.#drops = of.drops;
    this.#persistence = of.persistence;
    this.#fenced = of.fenced;
    this.#failed = of.failed;
  }

  /** Begins to send what waits in the store. */
  start(): void {
    this.#read();
  }

  /** Entries that wait to be sent, as far as this node knows; it does not while it reads. */
  get waiting(): number {
    if (this.#reading || this.#unsure) return Number.POSITIVE_INFINITY;
    return this.#ahead.length - this.#first + Math.max(0, this.#endSeq - this.#nextSeq);
  }

  /** The seq after the last one that this node knows to be stored. */
  get endSeq(): number {
    return this.#endSeq;
  }

  /** The first seq that {@link next} has not given. */
  get unsentSeq(): number {
    return this.#ahead[this.#first]?.seq ?? this.#nextSeq;
  }

  /** A message was stored; it may be sent if it is the next one and reserved. */
  push(entry: QueueEntry, sentSeq: number): void {
    if (this.#closed) return;
    const isBehind = this.#nextSeq < this.#endSeq && this.#early === undefined;
    if (entry.seq >= this.#endSeq) this.#endSeq = entry.seq + 1;
    if (!this.#reading && entry.seq <= sentSeq) {
      if (entry.seq === this.#nextSeq) this.#take(entry);
      else if (entry.seq > this.#nextSeq && !isBehind) this.#keep(entry);
    }
    this.outbound.pump();
  }

  #take(entry: QueueEntry): void {
    this.#ahead.push(entry);
    this.#nextSeq++;
    this.#takeEarly();
  }

  /** What lies next among the early ones is early no more. */
  #takeEarly(): void {
    if (this.#early === undefined) return;
    for (let next = this.#early.get(this.#nextSeq); next !== undefined; next = this.#early.get(this.#nextSeq)) {
      this.#early.delete(this.#nextSeq++);
      this.#ahead.push(next);
    }
    for (const seq of this.#early.keys()) if (seq < this.#nextSeq) this.#early.delete(seq);
    if (this.#early.size > 0) return;
    this.#early = undefined;
    this.#crossing = false;
  }

  #keep(entry: QueueEntry): void {
    this.#early ??= new Map();
    if (this.#early.size >= earlyMax) {
      this.#crossing = false; // too much is missing to be on its way
      return;
    }
    if (this.#early.size === 0) this.#await(this.#nextSeq);
    this.#early.set(entry.seq, entry);
  }

  /** Waits a moment for the push of a seq. */
  #await(seq: number): void {
    this.#crossing = true;
    this.#persistence.clock.after(crossingMs, () => {
      if (this.#closed || !this.#crossing) return;
      if (this.#nextSeq === seq) this.#crossing = false;
      else this.#await(this.#nextSeq);
      this.outbound.pump();
    });
  }

  /** A message was stored, and the answer that would have brought it along was lost. */
  look(): void {
    this.#unsure = true;
    this.outbound.pump();
  }

  next(): QueueEntry | undefined {
    const entry = this.#ahead[this.#first];
    if (entry === undefined) {
      if (this.#unsure || (this.#nextSeq < this.#endSeq && !this.#crossing)) this.#read();
      return undefined;
    }
    this.#first++;
    if (this.#first === this.#ahead.length) {
      this.#ahead = [];
      this.#first = 0;
    }
    this.outbound.news?.note(entry.message, entry.seq);
    return entry;
  }

  settled(seq: number): void {
    this.#tell(() => this.#settlements.ack(this.#claim, seq));
  }

  received(seq: number): void {
    this.#tell(() => this.#settlements.rec(this.#claim, seq, this.outbound));
  }

  /** Keeps what the Client acknowledges from the store for a moment, so that it can still look at the messages. */
  withhold(wanted: boolean): void {
    const withheld = this.#withheld;
    this.#withheld = wanted && !this.#closed ? (withheld ?? []) : undefined;
    if (this.#withheld === undefined) for (const tell of withheld ?? []) tell();
  }

  #tell(tell: () => void): void {
    if (this.#withheld === undefined) tell();
    else this.#withheld.push(tell);
  }

  close(): void {
    this.#closed = true;
    this.withhold(false);
  }

  #read(): void {
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    this.#unsure = false;
    this.#queues.read(this.#claim, this.#nextSeq, readMax).then(
      (answer) => this.#answered(answer),
      (error: unknown) => this.#unanswered(error),
    );
  }

  /** The store did not answer: it is asked again while the Client is there. */
  #unanswered(error: unknown): void {
    if (this.#closed) return;
    if (!(error instanceof StoreUnavailable)) {
      this.#failed(error);
      return;
    }
    this.#persistence.failed('read', error);
    this.#persistence.clock.after(retryMs, () => {
      this.#reading = false;
      this.#read();
    });
  }

  #answered(answer: QueueRead | Fenced): void {
    this.#reading = false;
    if (this.#closed) return;
    if (answer === 'fenced') {
      this.#fenced();
      return;
    }
    this.#drops.add(this.#claim.clientId, 'expired', answer.expired);
    this.outbound.resume(answer.releases);
    this.#ahead.push(...answer.entries);
    this.#nextSeq = answer.nextSeq;
    this.#takeEarly();
    if (answer.endSeq > this.#endSeq) this.#endSeq = answer.endSeq;
    this.outbound.pump();
  }
}
