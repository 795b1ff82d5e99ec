// The broker: a table of contents. What there is one of stands here; how each thing works stands in its own file.
//
//   client.ts      one Network Connection: CONNECT to DISCONNECT       connect.ts, subscribe.ts, incoming.ts
//   session/       what a Client was sent and has sent                 outbound.ts, inbound.ts, the queues
//   router.ts      which Clients and Sessions a topic reaches          topic/
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
import { Persistence, persist } from './persist.ts';
import { type BrokerPorts, type Claim, type DueWill, type Release, StoreUnavailable } from './ports.ts';
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
  /** What serving SUBSCRIBE takes. */
  readonly subscribing: SubscribeSurroundings;
  /** The wall clock, bound, for those who need it rarely. */
  readonly nowMs: () => number;
  readonly #sweeper: Sweeper;
  /** Every Network Connection, from its first byte. */
  readonly #clients = new Set<Client>();
  /** Clients that are connected, by Client Identifier. */
  readonly #connected = new Map<string, Client>();
  /** Releases the store has not answered, the last of each Client Identifier. */
  readonly #releases = new Map<string, Promise<void>>();

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
      sessionOf: (clientId) => this.sessionOf(clientId),
      queued: (count) => {
        this.counters.queued += count;
      },
      notRetained: () => {
        this.counters.retainedNotStored++;
      },
    });
    this.subscribing = { store: ports, router: this.router, authorizer: ports.authorizer, limits };
    this.#sweeper = new Sweeper(this);
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

  /**
   * Makes a Client the one connected under its identifier, and ends the one before it [MQTT-3.1.4-3].
   *
   * @returns false if a later epoch is connected already: this Client is the one that was taken over
   */
  register(client: Client, { clientId, epoch }: Claim): boolean {
    const before = this.#connected.get(clientId);
    if ((before?.session?.claim.epoch ?? 0) > epoch) return false;
    before?.takenOver();
    this.#connected.set(clientId, client);
    return true;
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

  /** Lets a Session go in the store, in the background, until the store has done it. */
  release(request: Release): void {
    const { clientId } = request.claim;
    const before = this.#releases.get(clientId) ?? Promise.resolve();
    const releasing = before
      .then(() => this.#release(request))
      .catch((error: unknown) => this.persistence.failed('release', error))
      .finally(() => {
        if (this.#releases.get(clientId) === releasing) this.#releases.delete(clientId);
      });
    this.#releases.set(clientId, releasing);
  }

  /**
   * Waits until this node has let go of a Session: a new connection must find it as the last one left it.
   *
   * @throws StoreUnavailable if that takes too long
   */
  async released(clientId: string): Promise<void> {
    const releasing = this.#releases.get(clientId);
    if (releasing === undefined) return;
    const { clock } = this.ports;
    let cancel = (): void => {};
    const tooLong = new Promise<never>((_, reject) => {
      cancel = clock.after(this.limits.storeDeadlineMs, () =>
        reject(new StoreUnavailable('the Session is still being released')),
      );
    });
    await Promise.race([releasing, tooLong]).finally(cancel);
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

  async #release(request: Release): Promise<void> {
    const { sessions } = this.ports;
    const released = await persist(this.persistence, 'release', () => sessions.release(request));
    if (released === 'fenced') return; // another connection has it, and has decided its Will
    if (released.willDueInMs !== undefined) this.#sweeper.willDue(released.willDueInMs);
  }

  /** Waits until everything under way is in the store: releases may bring Wills, Wills are published, both are settled. */
  async #flush(): Promise<void> {
    await Promise.all(this.#releases.values());
    await this.#sweeper.sweepWills();
    await this.lane.flush();
    await this.settlements.flush();
  }
}
