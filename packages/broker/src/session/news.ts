// What a Session is given of retained topics while retained messages are on their way to it: a value that it has had must
// not be followed by an older one [MQTT-4.6.0-6], nor by itself once more.
//
// Each SUBSCRIBE looks at what went past since its own moment: what came before it says nothing of what it asks for. A
// message without Retain takes no retained message's place, so it counts for nothing here; and retained messages that are
// fed to the Session are no news.

import type { Message } from '../message.ts';
import type { QueueEntry } from '../ports.ts';

/** Topics remembered; for more, the page is read anew. */
const topicsMax = 4096;

/** Topics of messages with Retain that went past, since a moment. */
export class News {
  /** Topics of those that went to the Client itself, each with its number. */
  readonly #sent = new Map<string, number>();
  /** Of those that went by its queue in the store, each with the last seq. */
  readonly #queued = new Map<string, number>();
  /** Seqs of what was fed to the queue and has not gone out yet: the first and the last of each page, in order. */
  readonly #fed: (readonly [first: number, last: number])[] = [];
  #count = 0;
  #isOver = false;

  /** Whether there were too many to remember: then nothing is known. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How many there were: the number of the last one. */
  get count(): number {
    return this.#count;
  }

  /** @param seq in the queue by which it went, if it did */
  note({ topic, retain }: Message, seq?: number): void {
    if (!retain || this.#isOver || (seq !== undefined && this.#isFed(seq))) return;
    this.#count++;
    if (this.#sent.size + this.#queued.size >= topicsMax) this.#isOver = true;
    else if (seq === undefined) this.#sent.set(topic, this.#count);
    else this.#queued.set(topic, seq);
  }

  /** What is fed to the queue: it will come by, and is no news. */
  feeds(entries: readonly QueueEntry[]): void {
    const first = entries[0];
    const last = entries.at(-1);
    if (first !== undefined && last !== undefined) this.#fed.push([first.seq, last.seq]);
  }

  /**
   * Whether a topic has had a newer message.
   *
   * @param count what counts came after this number
   * @param sinceSeq and by the queue, if it did, from this seq on
   */
  has({ topic }: Message, count: number, sinceSeq: number): boolean {
    return (this.#sent.get(topic) ?? 0) > count || (this.#queued.get(topic) ?? -1) >= sinceSeq;
  }

  #isFed(seq: number): boolean {
    for (let page = this.#fed[0]; page !== undefined && page[0] <= seq; page = this.#fed[0]) {
      if (seq <= page[1]) return true;
      this.#fed.shift();
    }
    return false;
  }
}
