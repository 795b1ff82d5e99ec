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
  /** The same for those whose QoS was cut to 0. */
  readonly #cut = new Map<string, number>();
  /** Of those that went by its queue in the store, each with the last seq. */
  readonly #queued = new Map<string, number>();
  /** Seqs of what was fed to the queue and has not gone out yet: the first and the last of each page, in order. */
  readonly #fed: (readonly [first: number, last: number])[] = [];
  #count = 0;
  #isOver = false;
  #missesLeft: number;

  /** @param missesMax so often a message that was dropped makes what is known void: a Client may be too slow for ever */
  constructor(missesMax: number = 8) {
    this.#missesLeft = missesMax;
  }

  /** What follows when nothing is known any more. */
  anew(): News {
    return new News(this.#missesLeft);
  }

  /** Whether there were too many to remember, or some are not what the Client has any more: then nothing is known. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How many there were: the number of the last one. */
  get count(): number {
    return this.#count;
  }

  /** @param seq in the queue by which it went, if it did */
  note({ topic, retain }: Message, seq?: number): void {
    if (seq !== undefined && this.#isFed(seq)) return;
    if (seq === undefined) this.#add(this.#sent, topic, retain);
    else if (this.#add(this.#queued, topic, retain)) this.#queued.set(topic, seq);
  }

  /** A copy at QoS 0, of a message that may have had a higher one. */
  noteAtQos0({ topic, retain, qos }: Message): void {
    this.#add(qos > 0 ? this.#cut : this.#sent, topic, retain);
  }

  /** One was dropped: of a topic that had news, the last is not what the Client has any more. */
  miss({ topic, retain }: Message): void {
    if (!retain || this.#isOver || this.#missesLeft === 0) return;
    if (!this.#sent.has(topic) && !this.#cut.has(topic) && !this.#queued.has(topic)) return;
    this.#missesLeft--;
    this.#isOver = true;
  }

  /** @returns whether it counts */
  #add(topics: Map<string, number>, topic: string, retain: boolean): boolean {
    if (!retain || this.#isOver) return false;
    this.#count++;
    if (this.#sent.size + this.#cut.size + this.#queued.size >= topicsMax) this.#isOver = true;
    else topics.set(topic, this.#count);
    return !this.#isOver;
  }

  /** What is fed to the queue: it will come by, and is no news. */
  feeds(entries: readonly QueueEntry[]): void {
    const first = entries[0];
    const last = entries.at(-1);
    if (first !== undefined && last !== undefined) this.#fed.push([first.seq, last.seq]);
  }

  /**
   * Whether a topic has had a newer message, or this one.
   *
   * A copy that was cut to QoS 0 does not take the place of what is owed at a higher one. It came by an older Subscription
   * alone, so it was retained before there was the one that is fed, and what is read for that is no older. (The Client's
   * own are not noted as cut: No Local leaves them out too.)
   *
   * @param qos at which the retained message would go
   * @param count what counts came after this number
   * @param sinceSeq and by the queue, if it did, from this seq on
   */
  has({ topic }: Message, qos: number, { count, seq: sinceSeq }: { count: number; seq: number }): boolean {
    if ((this.#sent.get(topic) ?? 0) > count || (this.#queued.get(topic) ?? -1) >= sinceSeq) return true;
    return qos === 0 && (this.#cut.get(topic) ?? 0) > count;
  }

  #isFed(seq: number): boolean {
    for (let page = this.#fed[0]; page !== undefined && page[0] <= seq; page = this.#fed[0]) {
      if (seq <= page[1]) return true;
      this.#fed.shift();
    }
    return false;
  }
}
