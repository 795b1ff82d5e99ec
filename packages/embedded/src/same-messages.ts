// Messages that were written not long ago, so that one that many Sessions hold is written once, and is one again when it
// is read: a snapshot must not make more of a message than there was.
//
// A message has a place in the row of those that were written; naming it says how many come from it to the end. Writer
// and reader keep the same last ones, so what is read must be read from the beginning, and whole.

import type { Message } from './parts.ts';

/** How many are kept. Those of one Session stand together: this is more than its queue holds, unless it is very long. */
const keptMessages = 4096;

/** The last messages that were written. */
export class WrittenMessages {
  readonly #places = new Map<Message, number>();
  readonly #last: Message[] = [];
  #count = 0;

  /**
   * Where a message is that may have been written before.
   *
   * @returns how many come from it to the end; 0 if it has to be written now, and is the last with that
   */
  backTo(message: Message): number {
    const place = this.#places.get(message);
    if (place !== undefined) return this.#count - place;
    const at = this.#count % keptMessages;
    const oldest = this.#last[at];
    if (oldest !== undefined) this.#places.delete(oldest);
    this.#last[at] = message;
    this.#places.set(message, this.#count++);
    return 0;
  }
}

/** The last messages that were read. */
export class ReadMessages {
  readonly #last: Message[] = [];
  #count = 0;

  add(message: Message): void {
    this.#last[this.#count++ % keptMessages] = message;
  }

  /** The message from which so many come to the end. @throws RangeError if it is not kept */
  at(back: number): Message {
    const message = back > 0 && back <= keptMessages ? this.#last[(this.#count - back) % keptMessages] : undefined;
    if (message === undefined) throw new RangeError(`the message ${back} before this one is not there`);
    return message;
  }
}
