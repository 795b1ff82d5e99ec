// The keys of a Session's generation, written into a call where they will be sent from.
//
// Keys says what they are called; here the same names are put together without ever being texts: a call names four of
// them for every Session, and the text of a name that is thrown away costs more than its bytes.

import { bucketOf, bucketTags } from './bucket.ts';
import type { Frame } from './frame.ts';
import type { Keys } from './keys.ts';

/** Which of a generation's keys: Subscriptions, queue, releases, times, seen, held. */
export type KeyLetter = 'u' | 'q' | 'r' | 't' | 'd' | 'h';

const closedTags: readonly string[] = bucketTags.map((tag) => `${tag}}:`);

/** Bytes of a key, about. */
export const keyBytes = 64;

/** Writes the key of a Session, and then some of its generation's. */
export class SessionKeys {
  readonly #session: string;
  readonly #stems: readonly string[];
  readonly #keys: Keys;
  readonly #withLeft: boolean;

  /** @param withLeft whether `hd` of its bucket is the last of each Session's */
  constructor(keys: Keys, letters: readonly KeyLetter[], withLeft = false) {
    const { prefix } = keys;
    this.#keys = keys;
    this.#withLeft = withLeft;
    this.#session = `${prefix}s:{`;
    this.#stems = letters.map((letter) => `${prefix}${letter}:{`);
  }

  /** How many keys there are for each Session. */
  get count(): number {
    return 1 + this.#stems.length + (this.#withLeft ? 1 : 0);
  }

  write(frame: Frame, clientId: string, generation: string): void {
    const tag = closedTags[bucketOf(clientId)] as string;
    const end = `:${generation}`;
    frame.joined(this.#session, tag, clientId, '');
    for (const stem of this.#stems) frame.joined(stem, tag, clientId, end);
    if (this.#withLeft) frame.text(this.#keys.bucketOf(clientId).left);
  }
}
