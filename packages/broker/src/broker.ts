// The broker: a table of contents. What there is one of stands here; how each thing works stands in its own file.
//
//   client.ts      one Network Connection: CONNECT to DISCONNECT       connect.ts, subscribe.ts, incoming.ts
//   session/       what a Client was sent and has sent                 outbound.ts, inbound.ts, the queues
//   router.ts      which Clients and Sessions a topic reaches          topic/
//   ownership.ts   acquiring and releasing Sessions, in turn
//   lane.ts        the way of messages that are stored or acknowledged settlements.ts, persist.ts
//   retained.ts, will.ts, sweeper.ts                                   what happens beside the messages
//   ports.ts       what the broker needs of the world                  memory/ is the store that models all others

import { ReasonCode } from '@skein/protocol';
import { Client } from './client.ts';
import { Drops } from './drops.ts';
import { Lane } from './lane.ts';
import type { Limits } from './limits.ts';
import { Counters, type Gauges, type StoredGauges } from './observer.ts';
import type { Origin, Outlet } from './outlet.ts';
import { Ownership } from './ownership.ts';
import { Persistence } from './persist.ts';
import type { BrokerPorts, Claim, DueWill } from './ports.ts';
import { Router } from './router.ts';
import type { Session } from './session/session.ts';
import { Settlements } from './session/settlements.ts';
import type { SubscribeSurroundings } from './subscribe.ts';
import { Sweeper } from './sweeper.ts';
import { publishWills } from './will.ts';

/** An MQTT server without its sockets. */
export class Broker {
  readonly ports: BrokerPorts;
  readonly limits: Limits;
  readonly counters: Counters = new Counters();
  readonly router: Router = new Router();
  readonly drops: Drops;
  readonly persistence: Persistence;
  readonly lane: Lane;
  readonly settlements: Settlements;
  readonly ownership: Ownership;
  /** What serving SUBSCRIBE takes. */
  readonly subscribing: SubscribeSurroundings;
  /** The wall clock, bound, for those who need it rarely. */
  readonly nowMs: () => number;
  readonly #sweeper: Sweeper;
  /** Every Network Connection, from its first byte. */
  readonly #clients = new Set<Client>();
  /** Clients that are connected, by Client Identifier. */
  readonly #connected = new Map<string, Client>();

  constructor(ports: BrokerPorts, limits: Limits) {
    this.ports = ports;
    this.limits = limits;
    this.nowMs = () => ports.clock.nowMs();
    this.drops = new Drops(this.counters, ports.observer);
    this.persistence = new Persistence(ports.clock, this.counters, ports.observer);
    this.settlements = new Settlements(ports, ports.clock, this.persistence);
    this.lane = new Lane({
      store: ports,
      clock: ports.clock,
      router: this.router,
      drops: this.drops,
      persistence: this.persistence,
      refuseWhenFull: limits.queueFull === 'refuse',
      nodeId: ports.nodeId,
      uidPrefix: `${Array.from(ports.random.bytes(6), (byte) => byte.toString(36)).join('')}-`,
      sessionOf: (clientId) => this.sessionOf(clientId),
      queued: (count) => {
        this.counters.queued += count;
      },
      notRetained: () => {
        this.counters.retainedNotStored++;
      },
    });
    this.persistence.onAway = () => this.lane.storeAway();
    this.subscribing = {
      store: ports,
      router: this.router,
      authorizer: ports.authorizer,
      limits,
      lane: this.lane,
      persistence: this.persistence,
      sessionOf: (clientId) => this.sessionOf(clientId),
    };
    this.#sweeper = new Sweeper(this);
    this.ownership = new Ownership({
      sessions: ports.sessions,
      persistence: this.persistence,
      willDue: (inMs) => this.#sweeper.willDue(inMs),
      undone: (clientId) => this.#connected.get(clientId)?.takenOver(),
    });
  }

  /** Learns the routes, and begins to sweep. Clients may be opened once this resolves. */
  async start(): Promise<void> {
    await this.ports.routes.follow((changes) => this.router.apply(changes));
    this.#sweeper.start();
  }

  /** Takes a new Network Connection. */
  open(outlet: Outlet, origin: Origin): Client {
    const client = new Client(this, outlet, origin);
    this.#clients.add(client);
    return client;
  }

  /**
   * Tells every Client that the server is shutting down and lets its Session go.
   * Resolves when the store has all of it, or the deadline has passed.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#sweeper.stop();
    for (const client of this.#clients) {
      client.evict(ReasonCode.serverShuttingDown, 'server_shutting_down');
    }
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancel = this.ports.clock.after(deadlineMs, resolve);
    });
    await Promise.race([this.#flush(), deadline]);
    cancel();
    this.persistence.stop();
    this.drops.tell();
  }

  /** How much there is of everything, now. Asks nobody. */
  gauges(): Gauges {
    let inflight = 0;
    let unacknowledged = 0;
    for (const { session } of this.#connected.values()) {
      inflight += session?.outbound.inflight ?? 0;
      unacknowledged += session?.inbound.waiting ?? 0;
    }
    return { connected: this.#connected.size, subscriptions: this.router.subscriptions, inflight, unacknowledged };
  }

  /** How much the store holds. Rejects if it does not answer. */
  async stored(): Promise<StoredGauges> {
    const [sessions, retained] = await Promise.all([this.ports.sessions.count(), this.ports.retained.count()]);
    return { sessions, retained };
  }

  /** Makes a Client the one connected under its identifier, and ends the one before it [MQTT-3.1.4-3]. */
  register(client: Client, { clientId }: Claim): void {
    this.#connected.get(clientId)?.takenOver();
    this.#connected.set(clientId, client);
  }

  /** Ends the Client whose Session an acquire has taken, though nobody is there to have it. */
  supersede({ clientId, epoch }: Claim): void {
    const before = this.#connected.get(clientId);
    if ((before?.session?.claim.epoch ?? epoch) < epoch) before?.takenOver();
  }

  /** The Session of a Client connected here. */
  sessionOf(clientId: string): Session | undefined {
    return this.#connected.get(clientId)?.session;
  }

  /** A Network Connection has ended; `clientId` if its Client was connected. */
  forget(client: Client, clientId: string | undefined): void {
    this.#clients.delete(client);
    if (clientId !== undefined && this.#connected.get(clientId) === client) this.#connected.delete(clientId);
  }

  /** Publishes Wills that have been claimed, ahead of all that is published later. */
  publishWills(due: readonly DueWill[]): void {
    const { lane, counters, persistence } = this;
    const { wills, clock, authorizer, observer } = this.ports;
    publishWills({ wills, lane, clock, authorizer, counters, observer, persistence }, due);
  }

  /** Clients that have publishes waiting for the store. */
  *waitingClients(): Iterable<Client> {
    for (const client of this.#connected.values()) if ((client.session?.inbound.waiting ?? 0) > 0) yield client;
  }

  /** Waits until everything under way is in the store: releases may bring Wills, Wills are published, both are settled. */
  async #flush(): Promise<void> {
    await this.ownership.flush();
    await this.#sweeper.sweepWills();
    await this.lane.flush();
    await this.settlements.flush();
  }
}
