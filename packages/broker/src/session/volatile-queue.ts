// The queue of a Session that lives and ends with its Network Connection: it is kept here and nowhere else.
//
// A message goes to the window in the same breath if there is room. What waits is bounded as a stored queue is, and
// what does not fit has the same three fates.

import type { Drops } from '../drops.ts';
import type { Limits } from '../limits.ts';
import { bytesOf, type Message } from '../message.ts';
import type { Clock, QueueEntry } from '../ports.ts';
import type { Outbound, Source } from './outbound.ts';

/** What was in the queue, or in flight from it, when its Session ended. */
export interface LeftBehind {
  /** How many wait that came by plain Subscriptions. */
  readonly waiting: number;
  /** Those of Shared Subscriptions that other members may have, in order: not sent, or at QoS 1 and not acknowledged. */
  readonly forOthers: readonly QueueEntry[];
  /** How many of Shared Subscriptions were in flight, and of these at QoS 2, which no other member may have [MQTT-4.8.2-5]. */
  readonly begun: number;
  readonly begunAtQos2: number;
}

/** Messages for a volatile Session, in order. */
export class VolatileQueue implements Source {
  /** Set once, by whoever makes both. */
  outbound!: Outbound;
  readonly #clientId: string;
  readonly #limits: Limits;
  readonly #drops: Drops;
  readonly #clock: Clock;
  /** Entries from #first on are waiting; those before it have been taken, and go when all have. */
  #entries: (QueueEntry | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #nextSeq = 1;
  /** Nothing that waits expires before this. */
  #earliestExpiryMs = Number.POSITIVE_INFINITY;
  /** Those that came by a shared filter and were sent, and that the Client does not have for certain, by seq. */
  #begun: Map<number, QueueEntry> | undefined;

  constructor(clientId: string, limits: Limits, drops: Drops, clock: Clock) {
    this.#clientId = clientId;
    this.#limits = limits;
    this.#drops = drops;
    this.#clock = clock;
  }

  /** The same, for whoever has either queue. */
  get waiting(): number {
    return this.length;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** Whether a message would not fit; those that expired in the meantime make room first. */
  isFull(message: Message): boolean {
    if (!this.#overflows(message)) return false;
    this.#removeExpired();
    return this.#overflows(message);
  }

  /**
   * Queues a message and sends what can be sent.
   *
   * @param always whether limits do not count, because the caller waits for room itself
   * @param sharedFilter by which it came, if it did
   * @returns false if it was dropped, and counted, because the queue is full
   */
  push(
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIdentifiers: readonly number[] | undefined,
    always = false,
    sharedFilter?: string,
  ): boolean {
    while (!always && this.isFull(message)) {
      this.#drops.add(this.#clientId, 'queue_full');
      const oldest = this.#limits.queueFull === 'drop-old' ? this.#take() : undefined;
      if (oldest === undefined) return false;
      this.outbound.news?.miss(oldest.message);
    }
    const seq = this.#nextSeq++;
    // Most find nothing before them, and need no entry. Those of a shared filter are remembered by theirs.
    const isNext = this.#entries.length === 0 && sharedFilter === undefined;
    if (isNext && this.outbound.sendAtOnce(seq, message, qos, retain, subscriptionIdentifiers)) return true;
    this.#entries.push(
      sharedFilter === undefined
        ? { seq, message, qos, retain, subscriptionIdentifiers }
        : { seq, message, qos, retain, subscriptionIdentifiers, sharedFilter },
    );
    this.#bytes += bytesOf(message);
    if (message.expiresAtMs > 0) this.#earliestExpiryMs = Math.min(this.#earliestExpiryMs, message.expiresAtMs);
    this.outbound.pump();
    return true;
  }

  next(): QueueEntry | undefined {
    const entry = this.#take();
    if (entry?.sharedFilter !== undefined) {
      this.#begun ??= new Map();
      this.#begun.set(entry.seq, entry);
    }
    return entry;
  }

  settled(seq: number): void {
    this.#begun?.delete(seq);
  }

  /** Nothing outlives this process, so there is nothing to store first. */
  received(seq: number): void {
    this.#begun?.delete(seq);
    this.outbound.release(seq);
  }

  /** The Session is over. */
  clear(): LeftBehind {
    const { stalled } = this.outbound;
    if (stalled !== undefined) this.#begun?.delete(stalled.seq); // taken, and not sent
    const begun = [...(this.#begun?.values() ?? [])];
    const forOthers = begun.filter(({ qos }) => qos === 1);
    let waiting = 0;
    for (const entry of [stalled, ...this.#entries]) {
      if (entry === undefined) continue;
      if (entry.sharedFilter === undefined) waiting++;
      else forOthers.push(entry);
    }
    const left = { waiting, forOthers, begun: begun.length, begunAtQos2: begun.filter(({ qos }) => qos === 2).length };
    this.#begun = undefined;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
    return left;
  }

  #overflows(message: Message): boolean {
    return this.length >= this.#limits.queueMaxMessages || this.#bytes + bytesOf(message) > this.#limits.queueMaxBytes;
  }

  #take(): QueueEntry | undefined {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return undefined;
    this.#entries[this.#first++] = undefined;
    this.#bytes -= bytesOf(entry.message);
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024 && this.#first * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#first);
      this.#first = 0;
    }
    return entry;
  }

  /** A queue that is full is asked for every message of a group: so only once there may be something to find. */
  #removeExpired(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#earliestExpiryMs > nowMs) return;
    this.#earliestExpiryMs = Number.POSITIVE_INFINITY;
    const live: QueueEntry[] = [];
    let expired = 0;
    for (const entry of this.#entries) {
      if (entry === undefined) continue;
      const { expiresAtMs } = entry.message;
      if (expiresAtMs > 0 && expiresAtMs <= nowMs) {
        expired++;
        this.#bytes -= bytesOf(entry.message);
        continue;
      }
      live.push(entry);
      if (expiresAtMs > 0) this.#earliestExpiryMs = Math.min(this.#earliestExpiryMs, expiresAtMs);
    }
    if (expired === 0) return;
    this.#drops.add(this.#clientId, 'expired', expired);
    this.#entries = live;
    this.#first = 0;
  }
}
