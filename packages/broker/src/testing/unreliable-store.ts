// A store that is far away: calls reach it late, answers come back late, and some calls fail with the outcome unknown.
//
// What happens to a call is decided by whoever is told of it. It has two halves: the store does it, and the answer
// arrives; it may fail before the first, or between the two.

import { type RouteChange, type Routes, type Store, StoreUnavailable } from '../ports.ts';

/** A call on its way. */
export class PendingCall {
  /** The port and method, say `queues.read`. */
  readonly name: string;
  readonly args: readonly unknown[];
  #work: (() => Promise<unknown>) | undefined;
  #outcome: Promise<unknown> | undefined;
  readonly #resolve: (answer: unknown) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    name: string,
    args: readonly unknown[],
    work: () => Promise<unknown>,
    resolve: (answer: unknown) => void,
    reject: (error: Error) => void,
  ) {
    this.name = name;
    this.args = args;
    this.#work = work;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether the store has done it. */
  get isDone(): boolean {
    return this.#outcome !== undefined;
  }

  /** It reaches the store, which does it. */
  do(): void {
    this.#outcome ??= this.#work?.();
    this.#work = undefined;
  }

  /** The answer arrives; the store does it first, if it has not. */
  answer(): void {
    this.do();
    this.#outcome?.then(this.#resolve, this.#reject);
  }

  /** Nobody will ever know from this call whether it was done; or, with another error, it certainly was not. */
  fail(error: Error = new StoreUnavailable(`${this.name} did not answer`)): void {
    this.#reject(error);
  }
}

/** A store behind another, to which the way is long. */
export class UnreliableStore implements Store {
  readonly sessions: Store['sessions'];
  readonly queues: Store['queues'];
  readonly inbound: Store['inbound'];
  readonly retained: Store['retained'];
  readonly routes: Store['routes'];
  readonly wills: Store['wills'];
  readonly members: Store['members'];
  readonly shared: Store['shared'];
  /** Whether news of routes waits for {@link tellRoutes}. */
  holdsRoutes = false;
  readonly #meet: (call: PendingCall) => void;
  #untold: { readonly changes: readonly RouteChange[]; readonly version: number }[] = [];
  #follower: ((changes: readonly RouteChange[], version: number) => void) | undefined;

  /** @param meet is told of every call, now or later to `answer` it or let it `fail` */
  constructor(behind: Store, meet: (call: PendingCall) => void = (call) => call.answer()) {
    this.#meet = meet;
    this.sessions = this.#port('sessions', behind.sessions);
    this.queues = this.#port('queues', behind.queues);
    this.inbound = this.#port('inbound', behind.inbound);
    this.retained = this.#port('retained', behind.retained);
    this.routes = { ...this.#port('routes', behind.routes), follow: (changed) => this.#follow(behind.routes, changed) };
    this.wills = this.#port('wills', behind.wills);
    this.members = this.#port('members', behind.members);
    this.shared = this.#port('shared', behind.shared);
  }

  /** How many changes of routes the follower has not been told of. */
  get untoldRoutes(): number {
    return this.#untold.length;
  }

  /** Tells the follower of the oldest changes of routes it does not know. */
  tellRoutes(): void {
    const told = this.#untold.shift();
    if (told !== undefined) this.#follower?.(told.changes, told.version);
  }

  #port<Port extends object>(name: string, port: Port): Port {
    const methods = Object.entries(port) as [string, (...args: unknown[]) => Promise<unknown>][];
    return Object.fromEntries(
      methods.map(([method, work]) => [
        method,
        (...args: unknown[]) => this.#call(`${name}.${method}`, args, () => work(...args)),
      ]),
    ) as Port;
  }

  #call(name: string, args: readonly unknown[], work: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#meet(new PendingCall(name, args, work, resolve, reject));
    });
  }

  /** All routes there are have been told when this resolves; it is the changes after that which may be held back. */
  async #follow(routes: Routes, changed: (changes: readonly RouteChange[], version: number) => void): Promise<void> {
    this.#follower = changed;
    let isTold = false;
    await routes.follow((changes, version) => {
      if (this.holdsRoutes && isTold) this.#untold.push({ changes, version });
      else changed(changes, version);
    });
    isTold = true;
  }
}
