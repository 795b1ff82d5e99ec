// Uids of messages that were had, and when: what is published again under one of them is known by it.
//
// They lie in two Maps, of which the older goes as a whole once nothing in it counts any more, or there is no room: one
// by one from its front, a Map would walk over all that was taken out before.

/** rule: QoS 2. Nobody publishes a message again after this. */
export const horizonMs: number = 5 * 60 * 1000;

/** Uids of the last {@link horizonMs}; if there are too many, at least half as many as it may hold. */
export class SeenUids {
  readonly #max: number;
  #recent = new Map<string, number>();
  #before = new Map<string, number>();
  #sinceMs = 0;

  constructor(max: number) {
    this.#max = max;
  }

  has(uid: string, nowMs: number): boolean {
    const seenMs = this.#recent.get(uid) ?? this.#before.get(uid);
    return seenMs !== undefined && seenMs > nowMs - horizonMs;
  }

  add(uid: string, nowMs: number): void {
    if (nowMs - this.#sinceMs >= horizonMs || this.#recent.size >= this.#max / 2) {
      this.#before = this.#recent;
      this.#recent = new Map();
      this.#sinceMs = nowMs;
    }
    this.#recent.set(uid, nowMs);
  }
}
