// Uids of messages that a Session has had, or refused for good, oldest first.
//
// They are forgotten from the oldest on. Whoever walks a Map from its front passes over all that has been taken out there
// since it was last put in order; so the walk goes on where it stopped the last time, and none begins at the front again.

import { horizonMs } from './remembered.ts';
import type { Refusal } from './state.ts';

/** Uids remembered for a Session; more than can be on their way to it at once. */
const seenMax = 10_000;

/** Since when a uid is known, and why its message was refused if it was. */
export interface Seen {
  readonly sinceMs: number;
  readonly refusal: Refusal | undefined;
}

/** Uids to look at, and not to change. */
export type ReadonlySeen = Omit<SeenUids, 'set' | 'forget'>;

/** What is known of uids. */
export class SeenUids {
  readonly #uids = new Map<string, Seen>();
  /** Goes on behind `#oldest`. */
  #rest: MapIterator<[string, Seen]> | undefined = undefined;
  /** The first that was not passed; undefined if that has to be looked for. */
  #oldest: readonly [string, Seen] | undefined = undefined;

  get size(): number {
    return this.#uids.size;
  }

  get(uid: string): Seen | undefined {
    return this.#uids.get(uid);
  }

  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  [Symbol.iterator](): MapIterator<[string, Seen]> {
    return this.#uids[Symbol.iterator]();
  }

  set(uid: string, seen: Seen): void {
    this.#uids.set(uid, seen);
  }

  /**
   * Forgets what nobody publishes again, and the oldest of too many.
   *
   * @param unfinished is not forgotten, however old: its publisher has not been told that it arrived, and may come back to
   *   send it again. What was unfinished stays so, and is not looked at again
   */
  forget(nowMs: number, unfinished: ReadonlySet<string>): void {
    for (;;) {
      this.#oldest ??= this.#next();
      if (this.#oldest === undefined) return;
      const [uid, seen] = this.#oldest;
      if (!this.#isToGo(seen, nowMs)) return;
      if (!unfinished.has(uid)) this.#uids.delete(uid);
      this.#oldest = undefined;
    }
  }

  #isToGo({ sinceMs }: Seen, nowMs: number): boolean {
    return sinceMs <= nowMs - horizonMs || this.#uids.size > seenMax;
  }

  #next(): readonly [string, Seen] | undefined {
    this.#rest ??= this.#uids.entries();
    const { done, value } = this.#rest.next();
    if (done !== true) return value;
    this.#rest = undefined; // a walk that is over does not go on for those that come later
    return undefined;
  }
}

/** What is known to all Sessions that have not had a uid yet. */
export const noSeen: ReadonlySeen = new SeenUids();

/** Puts down what is known of a uid. @returns those among which it is: the same, unless they were nobody's own */
export function remember(seen: ReadonlySeen, uid: string, what: Seen): SeenUids {
  const own = seen === noSeen ? new SeenUids() : (seen as SeenUids);
  own.set(uid, what);
  return own;
}
