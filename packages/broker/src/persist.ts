// Calls to the store that must not be given up: repeated in place until they are known to have happened.
//
// rule: Unknown outcome. Whatever comes later waits behind, so that order holds; the call is safe to repeat.

import type { Counters, Observer } from './observer.ts';
import { type Clock, StoreUnavailable } from './ports.ts';

const firstDelayMs = 20;
const lastDelayMs = 1000;

/** What repeating needs, and whether the store answers at present. */
export class Persistence {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly observer: Observer;
  /** Since when calls have been failing, on the monotonic clock; undefined while they succeed. */
  awaySinceMs: number | undefined;
  /** Called when calls begin to fail: whoever would rather go on than wait for the store does so now. */
  onAway: () => void = () => {};
  #stopped = false;

  constructor(clock: Clock, counters: Counters, observer: Observer) {
    this.clock = clock;
    this.counters = counters;
    this.observer = observer;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** A call failed with an unknown outcome. */
  failed(operation: string, error: unknown): void {
    this.counters.storeFailures++;
    this.observer.observe({ is: 'store_failed', operation, error });
    if (this.awaySinceMs !== undefined) return;
    this.awaySinceMs = this.clock.monotonicMs();
    this.observer.observe({ is: 'store_away' });
    this.onAway();
  }

  /** A call succeeded. */
  answered(): void {
    if (this.awaySinceMs === undefined) return;
    this.observer.observe({ is: 'store_back', awayMs: Math.round(this.clock.monotonicMs() - this.awaySinceMs) });
    this.awaySinceMs = undefined;
  }

  /** What fails from now on is given up. */
  stop(): void {
    this.#stopped = true;
  }
}

/**
 * Makes a call until its outcome is known.
 *
 * @param operation its name, for logs
 * @throws StoreUnavailable only after {@link Persistence.stop}, and then without making the call; anything else the
 *   call throws
 */
export async function persist<Result>(
  persistence: Persistence,
  operation: string,
  call: () => Promise<Result>,
): Promise<Result> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, lastDelayMs)) {
    // rule: Fence. Whoever may own nothing any more tells the store nothing more.
    if (persistence.stopped) throw new StoreUnavailable(`${operation} was given up`);
    try {
      const result = await call();
      persistence.answered();
      return result;
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || persistence.stopped) throw error;
      persistence.failed(operation, error);
      await new Promise<void>((resolve) => persistence.clock.after(delayMs, resolve));
    }
  }
}
