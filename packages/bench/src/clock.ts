// One clock for all threads of the machine: monotonic milliseconds, with fractions.
//
// performance.now() is the cheapest clock there is, but counts from when its own thread began. So each thread learns
// once by how much that differs from the kernel's monotonic clock, which is the same for all.

const difference = learnDifference();

/** Milliseconds of the machine's monotonic clock. */
export function nowMs(): number {
  return performance.now() + difference;
}

/** Of several tries the one that was interrupted least. */
function learnDifference(): number {
  let best = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const machine = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before >= shortest) continue;
    shortest = after - before;
    best = machine - (before + after) / 2;
  }
  return best;
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
