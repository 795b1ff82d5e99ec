// All shares of a run: one in this thread, or several in threads of their own, which are there in the built package only.

import { Worker } from 'node:worker_threads';
import { BenchError } from './bench-error.ts';
import { Counts } from './counts.ts';
import type { Plan } from './plan.ts';
import { type Setup, Share } from './share.ts';

/** What can be asked of a share. */
export type Method =
  | 'ready'
  | 'connect'
  | 'subscribe'
  | 'begin'
  | 'halt'
  | 'disconnect'
  | 'clearRetained'
  | 'account'
  | 'judge';

/** What a share in a thread is asked. */
export interface Question {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

/** What a thread says: the answer to a question, or that the run can't go on. */
export type Said =
  | { readonly is: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly is: 'failure'; readonly blames: BenchError['blames'] | undefined; readonly message: string };

type Answer<M extends Method> = Awaited<ReturnType<Share[M]>>;

/** One share, here or elsewhere. */
interface Hand {
  ask(method: Method, args: readonly unknown[]): Promise<unknown>;
  utilization(): ReturnType<typeof performance.eventLoopUtilization>;
  close(): Promise<void>;
}

/** All threads that send and receive. */
export class Crew implements AsyncDisposable {
  readonly counts: Counts;
  readonly #hands: readonly Hand[];
  readonly #failure: Promise<never>;
  readonly #stepSeconds: number;

  constructor(plan: Plan, epochMs: number) {
    this.counts = new Counts(plan);
    this.#stepSeconds = plan.stepSeconds;
    let fail: (error: Error) => void = () => {};
    this.#failure = new Promise((_, reject) => {
      fail = reject;
    });
    // It may fail while nobody is waiting; whoever waits next hears of it.
    this.#failure.catch(() => {});
    const { memory } = this.counts;
    const setups = Array.from({ length: plan.workers }, (_, worker) => ({ plan, worker, epochMs, memory }));
    const make = plan.workers === 1 ? here : elsewhere;
    this.#hands = setups.map((setup) => make(setup, fail));
  }

  /**
   * Asks all shares.
   *
   * @param what what is done, as an error would say it
   * @throws BenchError if one of them fails, or it takes too long
   */
  all<M extends Method>(what: string, method: M, ...args: Parameters<Share[M]>): Promise<Answer<M>[]> {
    return this.allSlowly(what, 0, method, ...args);
  }

  /** As {@link Crew.all}, for what takes so many seconds in any case. */
  allSlowly<M extends Method>(
    what: string,
    seconds: number,
    method: M,
    ...args: Parameters<Share[M]>
  ): Promise<Answer<M>[]> {
    const answers = Promise.all(this.#hands.map((hand) => hand.ask(method, args) as Promise<Answer<M>>));
    return this.#within(this.#stepSeconds + seconds, what, answers);
  }

  /** Waits, but not for ever, and not if the run can't go on. */
  async #within<T>(seconds: number, what: string, promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `${what} took more than ${seconds} s; see the option stepSeconds (--timeout)`;
      timer = setTimeout(() => reject(new BenchError('server', message)), seconds * 1000);
    });
    try {
      return await Promise.race([promise, late, this.#failure]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for some time, unless the run can't go on. */
  async pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    try {
      await Promise.race([over, this.#failure]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** How long each thread's loop has been busy and idle. */
  utilizations(): ReturnType<typeof performance.eventLoopUtilization>[] {
    return this.#hands.map((hand) => hand.utilization());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hands.map((hand) => hand.close()));
  }
}

function here(setup: Setup, fail: (error: Error) => void): Hand {
  const share = new Share(setup, fail);
  return {
    ask: async (method, args) => perform(share, method, args),
    utilization: () => performance.eventLoopUtilization(),
    close: () => share.close(),
  };
}

function elsewhere(setup: Setup, fail: (error: Error) => void): Hand {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup });
  const waiting = new Map<number, (value: unknown) => void>();
  let asked = 0;
  worker.on('message', (said: Said) => {
    if (said.is === 'failure') return fail(failureOf(said));
    waiting.get(said.id)?.(said.value);
    waiting.delete(said.id);
  });
  worker.on('error', fail);
  return {
    ask: (method, args) =>
      new Promise((resolve) => {
        const id = asked++;
        waiting.set(id, resolve);
        worker.postMessage({ id, method, args } satisfies Question);
      }),
    utilization: () => worker.performance.eventLoopUtilization(),
    close: async () => {
      await worker.terminate();
    },
  };
}

function failureOf({ blames, message }: Extract<Said, { is: 'failure' }>): Error {
  return blames === undefined ? new Error(message) : new BenchError(blames, message);
}

/** Does what is asked. */
export async function perform(share: Share, method: Method, args: readonly unknown[]): Promise<unknown> {
  return (share[method] as (...args: readonly unknown[]) => unknown).apply(share, [...args]);
}
