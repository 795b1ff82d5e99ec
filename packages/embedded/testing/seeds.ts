// Random tests, many in one, of which a failing one says how to have it again.

/**
 * Runs a test with many seeds, from 1.
 *
 * @throws whatever a run throws, its message led by the seed
 */
export async function forEachSeed(count: number, run: (seed: number) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= count; seed++) {
    try {
      await run(seed);
    } catch (error) {
      if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
}
