// Chance that can be repeated: every test that throws dice says its seed, and takes one from the environment.

/** The seed of this run: `SEED` if it is set, else another one each time. */
export const seed: number = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Numbers in [0, 1), the same ones for the same seed. */
export function dice(from: number = seed): () => number {
  let state = from >>> 0;
  return () => {
    // mulberry32's step: a counter, then two rounds of mixing.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
