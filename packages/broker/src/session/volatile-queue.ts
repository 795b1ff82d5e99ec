// The queue of a Session that lives and ends with its Network Connection: it is kept here and nowhere else.
//
// A message goes to the window in the same breath if there is room. What waits is bounded as a stored queue is, and
// what does not fit has the same three fates.

import type { Drops } from '../drops.ts';
import type { Limits } from '../limits.ts';
import { bytesOf, type Message } from '../message.ts';
import type { Clock, QueueEntry } from '../ports.ts';
import type { Outbound, Source } from './outbound.ts';

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

  constructor(clientId: string, limits: Limits, drops: Drops, clock: Clock) {
    this.#clientId = clientId;
    this.#limits = limits;
    this.#drops = drops;
    this.#clock = clock;
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
   * @returns false if it was dropped, and counted, because the queue is full
   */
  push(
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIdentifiers: readonly number[] | undefined,
    always = false,
  ): boolean {
    while (!always && this.isFull(message)) {
      this.#drops.add(this.#clientId, 'queue_full');
      if (this.#limits.queueFull !== 'drop-old' || this.#take() === undefined) return false;
    }
    this.#entries.push({ seq: this.#nextSeq++, message, qos, retain, subscriptionIdentifiers });
    this.#bytes += bytesOf(message);
    this.outbound.pump();
    return true;
  }

  next(): QueueEntry | undefined {
    return this.#take();
  }

  settled(): void {}

  /** Nothing outlives this process, so there is nothing to store first. */
  received(seq: number): void {
    this.outbound.release(seq);
  }

  /** The Session is over. @returns how many messages were still waiting */
  clear(): number {
    const { length } = this;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
    return length;
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

  #removeExpired(): void {
    const nowMs = this.#clock.nowMs();
    const live: QueueEntry[] = [];
    let expired = 0;
    for (const entry of this.#entries) {
      if (entry === undefined) continue;
      if (entry.message.expiresAtMs > 0 && entry.message.expiresAtMs <= nowMs) {
        expired++;
        this.#bytes -= bytesOf(entry.message);
      } else live.push(entry);
    }
    if (expired === 0) return;
    this.#drops.add(this.#clientId, 'expired', expired);
    this.#entries = live;
    this.#first = 0;
  }
}
