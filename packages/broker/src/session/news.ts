// What a Session is given of retained topics while a page of retained messages is on its way to it: a value that it has
// had must not be followed by an older one [MQTT-4.6.0-6].
//
// A message without Retain takes no retained message's place, so it counts for nothing here.

import type { Message } from '../message.ts';

/** Topics remembered; for more, the page is read anew. */
const topicsMax = 4096;

/** Topics of messages with Retain that went past, since a moment. */
export class News {
  /** What has a lower seq was queued before that moment: it is older than the page, and no news. */
  sinceSeq = 0;
  /** Topics of those that went to the Client itself. */
  readonly #sent = new Set<string>();
  /** Of those that went by its queue, each with the last seq. */
  readonly #queued = new Map<string, number>();
  #isOver = false;

  /** Whether there were too many to remember: then nothing is known. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** @param seq in the queue by which it went, if it did */
  note({ topic, retain }: Message, seq?: number): void {
    if (!retain || this.#isOver) return;
    if (this.#sent.size + this.#queued.size >= topicsMax) this.#isOver = true;
    else if (seq === undefined) this.#sent.add(topic);
    else this.#queued.set(topic, seq);
  }

  /** Whether a topic has had a newer message that a queue in the store cannot know of. */
  isPast({ topic }: Message): boolean {
    return this.#sent.has(topic);
  }

  /** Whether a topic has had a newer message, whichever way it went. */
  has({ topic }: Message): boolean {
    return this.#sent.has(topic) || (this.#queued.get(topic) ?? -1) >= this.sinceSeq;
  }
}
