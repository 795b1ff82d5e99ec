// What is remembered for a while by name: uids that were had, choices that were made, removals.
//
// It lies in some Maps, of which the oldest goes as a whole once nothing in it counts any more, or there is no room: one
// by one from its front, a Map would walk over all that was taken out before. None of them grows large, because a Map
// that grows stands still meanwhile.

/** rule: QoS 2. Nobody publishes a message again after this. */
export const horizonMs: number = 5 * 60 * 1000;

/** How many Maps there are at most. */
const partsMax = 32;

interface Part<Value> {
  readonly values: Map<string, { readonly value: Value; readonly sinceMs: number }>;
  /** When the last one was put in. */
  lastMs: number;
}

/** Values of the last `forMs`; if there are too many, the newest of them. */
export class Remembered<Value> {
  readonly #forMs: number;
  readonly #partMax: number;
  /** Newest first. */
  readonly #parts: Part<Value>[] = [];

  /**
   * @param forMs how long each counts
   * @param max how many there may be; the oldest 32nd is forgotten for more
   */
  constructor(forMs: number, max: number) {
    this.#forMs = forMs;
    this.#partMax = Math.ceil(max / partsMax);
  }

  get(name: string, nowMs: number): Value | undefined {
    for (const { values } of this.#parts) {
      const found = values.get(name);
      if (found !== undefined) return found.sinceMs > nowMs - this.#forMs ? found.value : undefined;
    }
    return undefined;
  }

  set(name: string, value: Value, nowMs: number): void {
    let part = this.#parts[0];
    if (part === undefined || part.values.size >= this.#partMax) {
      part = { values: new Map(), lastMs: nowMs };
      this.#parts.unshift(part);
      if (this.#parts.length > partsMax) this.#parts.pop();
    }
    part.values.set(name, { value, sinceMs: nowMs });
    part.lastMs = nowMs;
    for (let last = this.#parts.at(-1); last !== undefined && last !== part; last = this.#parts.at(-1)) {
      if (last.lastMs > nowMs - this.#forMs) break;
      this.#parts.pop();
    }
  }

  forget(name: string): void {
    for (const { values } of this.#parts) values.delete(name);
  }
}
