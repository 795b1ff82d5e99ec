// Answers that wait until what they rest on is stored.
//
// All that wait for the same batch share one promise, and all batches one timer: it goes off when the oldest promise is
// due, and is not touched before. A promise that comes to its deadline says that the outcome is unknown.

import { type Clock, StoreUnavailable } from '@skein/broker';

interface Wait {
  readonly batch: number;
  readonly sinceMs: number;
  readonly promise: Promise<void>;
  readonly stored: () => void;
  readonly failed: (error: Error) => void;
}

export interface WaitingOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** How long an answer waits, in milliseconds. */
  readonly deadlineMs: number;
  /** Called when answers have waited too long. */
  onLate(): void;
}

/** Who waits for which batch. */
export class Waiting {
  readonly #options: WaitingOptions;
  /** In order of batch. */
  readonly #waits: Wait[] = [];
  #cancel: (() => void) | undefined;
  readonly #look = (): void => this.#late();

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  /** Resolves when a batch is stored: the last one that there is. @throws StoreUnavailable at the deadline */
  until(batch: number): Promise<void> {
    const last = this.#waits.at(-1);
    if (last?.batch === batch) return last.promise;
    const { clock, deadlineMs } = this.#options;
    const { promise, resolve, reject } = withResolvers();
    this.#waits.push({ batch, sinceMs: clock.monotonicMs(), promise, stored: resolve, failed: reject });
    this.#cancel ??= clock.after(deadlineMs, this.#look);
    return promise;
  }

  /** Every batch up to this one is stored. */
  stored(batch: number): void {
    let count = 0;
    for (const wait of this.#waits) {
      if (wait.batch > batch) break;
      wait.stored();
      count += 1;
    }
    this.#waits.splice(0, count);
  }

  /** Nothing will be stored any more. */
  fail(error: Error): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const wait of this.#waits.splice(0)) wait.failed(error);
  }

  #late(): void {
    const { clock, deadlineMs, onLate } = this.#options;
    const nowMs = clock.monotonicMs();
    const late = this.#waits.findIndex((wait) => wait.sinceMs + deadlineMs > nowMs);
    const failed = this.#waits.splice(0, late < 0 ? this.#waits.length : late);
    const [oldest] = this.#waits;
    this.#cancel = oldest && clock.after(oldest.sinceMs + deadlineMs - nowMs, this.#look);
    for (const wait of failed) wait.failed(new StoreUnavailable('the data directory could not be written to in time'));
    if (failed.length > 0) onLate();
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
