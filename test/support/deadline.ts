// Every wait of a test ends, and says what it was waiting for.
//
// Time in which this process stood still does not count: what it waits for may have come meanwhile, and it has had no
// chance to see it. After a gap, what has arrived is looked at first.

/** How long a test waits for something that should happen at once, on a busy machine. Milliseconds. */
export const soonMs = 5000;

/** How often waits look at the time, in milliseconds. */
const lookMs = 50;
/** What counts at most between two looks: more, and the process has stood still. Milliseconds. */
const gapMs = 250;

interface Wait {
  /** By {@link awakeMs}. */
  readonly dueMs: number;
  readonly late: () => void;
}

/** All there are: one timer looks after them. */
const waits = new Set<Wait>();
let timer: NodeJS.Timeout | undefined;
/** How long this process was awake while anybody waited, until the last look. */
let awakeMs = 0;
let lookedMs = 0;

function awakeSinceLook(): number {
  return Math.min(performance.now() - lookedMs, gapMs);
}

function look(): void {
  awakeMs += awakeSinceLook();
  lookedMs = performance.now();
  for (const wait of waits) {
    // Timers come before sockets in a turn of the loop.
    if (wait.dueMs <= awakeMs) setImmediate(() => waits.delete(wait) && wait.late());
  }
  timer = waits.size === 0 ? undefined : setTimeout(look, lookMs);
}

/**
 * Calls back once so much time has passed in which this process was awake.
 *
 * @returns forgets it
 */
export function afterAwake(deadlineMs: number, late: () => void): () => void {
  if (timer === undefined) {
    lookedMs = performance.now();
    timer = setTimeout(look, lookMs);
  }
  const wait = { dueMs: awakeMs + awakeSinceLook() + deadlineMs, late };
  waits.add(wait);
  return () => {
    waits.delete(wait);
    if (waits.size > 0) return;
    clearTimeout(timer);
    timer = undefined;
  };
}

/**
 * Waits for a promise, but not for ever.
 *
 * @param what what is waited for, as the error will say it
 * @throws Error when `deadlineMs` passes first
 */
export async function within<T>(deadlineMs: number, what: string, promise: Promise<T>): Promise<T> {
  let forget: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    forget = afterAwake(deadlineMs, () => reject(new Error(`waited ${deadlineMs} ms for ${what}`)));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    forget?.();
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
  let isLate = false;
  const forget = afterAwake(deadlineMs, () => {
    isLate = true;
  });
  try {
    for (;;) {
      const isLast = isLate;
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (isLast) throw new Error(`waited ${deadlineMs} ms for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    forget();
  }
}

/** Measures how long something took. Milliseconds, by the monotonic clock. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
