// Chance that can be had again: everything random in a test comes from one seed, which the test prints.

/** The seed to use: `SKEIN_SEED` if it is set, else a new one. */
export function chooseSeed(): number {
  const given = process.env.SKEIN_SEED;
  return given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given);
}

/** A stream of random numbers, the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A number from 0 up to, and not including, 1. */
  next(): number {
    // A counter, with its bits stirred until neighbours have nothing in common any more.
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from 0 up to, and not including, `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** A whole number from one to the other, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True so many times out of one hundred. */
  percent(share: number): boolean {
    return this.below(100) < share;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
