// Every wait of a test ends, and says what it was waiting for.

/** How long a test waits for something that should happen at once, on a busy machine. Milliseconds. */
export const soonMs = 5000;

/**
 * Waits for a promise, but not for ever.
 *
 * @param what what is waited for, as the error will say it
 * @throws Error when `deadlineMs` passes first
 */
export async function within<T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms for ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks again and again, a few milliseconds apart, until the answer is there. For facts that nobody announces, such as
 * a counter in /metrics.
 *
 * @returns the first answer that is not undefined
 * @throws Error when `deadlineMs` passes first
 */
export async function until<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  deadlineMs: number = soonMs,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Measures how long something took. Milliseconds, by the monotonic clock. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
