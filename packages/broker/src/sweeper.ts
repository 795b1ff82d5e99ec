// What comes due without a packet: Wills whose delay has passed, Sessions whose expiry has, and what has to be told.
//
// One look a second. A Will that is due sooner gets a look of its own, because a device that is gone should be known
// to be gone at once.

import { ReasonCode } from '@skein/protocol';
import type { Broker } from './broker.ts';
import type { EndedSession } from './ports.ts';
import type { VersionedSessionRoute } from './router.ts';
import { isShared } from './topic/filter.ts';

const lookEveryMs = 1000;
/** Wills, or ended Sessions, taken in one call. */
const pageSize = 256;
/** Drops are told with every n-th look. */
const tellEvery = 10;

/** Looks after what time does to Sessions. */
export class Sweeper {
  readonly #broker: Broker;
  #cancel: (() => void) | undefined;
  #looks = 0;
  #willsAsked = false;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  start(): void {
    this.#cancel = this.#broker.ports.clock.after(lookEveryMs, () => {
      this.start();
      void this.#look();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** A Will was left behind; whoever is nearest publishes it in time. */
  willDue(inMs: number): void {
    if (inMs > lookEveryMs || this.#willsAsked) return;
    if (inMs > 0) {
      this.#broker.ports.clock.after(inMs, () => void this.sweepWills());
      return;
    }
    this.#willsAsked = true; // many Clients may be lost in one turn: one call is enough for all
    this.#broker.ports.clock.endOfTurn(() => {
      this.#willsAsked = false;
      void this.sweepWills();
    });
  }

  /** Publishes the Wills that are due. */
  async sweepWills(): Promise<void> {
    await this.#attempt('wills', async () => {
      const { wills } = this.#broker.ports;
      for (let due = await wills.claim(pageSize); due.length > 0; due = await wills.claim(pageSize)) {
        this.#broker.publishWills(due);
      }
    });
  }

  async #look(): Promise<void> {
    if (++this.#looks % tellEvery === 0) this.#broker.drops.tell();
    this.#closeWaiting();
    await this.sweepWills();
    await this.#attempt('shared', () => this.#broker.redispatch.sweep());
    await this.#attempt('ended', () => this.#dismantle());
  }

  /** Generations that are over: their routes go first, so that nothing is stored for them any more. */
  async #dismantle(): Promise<void> {
    const { ports, drops } = this.#broker;
    for (;;) {
      const ended = await ports.sessions.ended(pageSize);
      if (ended.length === 0) return;
      await this.#removeRoutes(ended);
      await ports.sessions.forget(ended);
      for (const { clientId, undelivered } of ended) {
        drops.add(clientId, 'session_ended', undelivered);
        ports.observer.observe({ is: 'session_ended', clientId });
      }
      if (ended.length < pageSize) return;
    }
  }

  /** Until none is left: a word about a member that was on its way may have given its route another version meanwhile. */
  async #removeRoutes(ended: readonly EndedSession[]): Promise<void> {
    const { ports, router } = this.#broker;
    const left = (): VersionedSessionRoute[] =>
      ended.flatMap(({ generation, topicFilters }) =>
        topicFilters
          .map((topicFilter) => router.routeOf(topicFilter, generation))
          .filter((route) => route !== undefined),
      );
    for (let routes = left(); routes.length > 0; routes = left().filter(({ topicFilter }) => isShared(topicFilter))) {
      await ports.routes.removeIf(routes);
      if (!routes.some(({ topicFilter }) => isShared(topicFilter))) return;
      await router.atLeast(await ports.routes.version());
    }
  }

  /** The store has been away for long: Clients whose publishes wait for it are sent elsewhere. */
  #closeWaiting(): void {
    const { persistence, limits, ports } = this.#broker;
    const { awaySinceMs } = persistence;
    if (awaySinceMs === undefined) return;
    if (ports.clock.monotonicMs() - awaySinceMs < limits.storeAwayCloseSeconds * 1000) return;
    for (const client of [...this.#broker.waitingClients()]) {
      client.evict(ReasonCode.serverUnavailable, 'store_unavailable', 'the store is away');
    }
  }

  /** What fails now is done at the next look. */
  async #attempt(operation: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#broker.persistence.failed(operation, error);
    }
  }
}
