// A port whose calls wait for the test to answer them: late, out of turn, or not at all.

import { StoreUnavailable } from '../ports.ts';

/** A call that nobody has answered yet. */
export interface Call {
  /** The port and method, say `queues.read`. */
  readonly name: string;
  readonly args: readonly unknown[];
  /** The store answers with this. */
  answer(value: unknown): void;
  /** The store did not answer. */
  fail(): void;
}

/** Calls in the order in which they were made. */
export class DeferredCalls {
  #open: Call[] = [];

  /** An object of the type wanted, all of whose methods end up here. */
  port<Port extends object>(name: string): Port {
    return new Proxy({} as Port, {
      get: (_, method) =>
        method === 'then' ? undefined : (...args: unknown[]) => this.#call(`${name}.${String(method)}`, args),
    });
  }

  /** The names of the calls that are open. */
  get open(): string[] {
    return this.#open.map(({ name }) => name);
  }

  /** Takes the oldest open call, which must be of that name. */
  next(name: string): Call {
    const call = this.#open.shift();
    if (call?.name !== name) throw new Error(`${name} was to be called, not ${call?.name ?? 'nothing'}`);
    return call;
  }

  #call(name: string, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new StoreUnavailable(`${name} did not answer`));
      this.#open.push({ name, args, answer: resolve, fail });
    });
  }
}
