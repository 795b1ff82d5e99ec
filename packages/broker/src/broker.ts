// The broker: a table of contents. What there is one of stands here; how each thing works stands in its own file.
//
//   client.ts      one Network Connection: CONNECT to DISCONNECT       connect.ts, admit.ts, authenticate.ts,
//                                                                  subscribe.ts, incoming.ts
//   session/       what a Client was sent and has sent                 outbound.ts, inbound.ts, the queues
//   router.ts      which Clients and Sessions a topic reaches          topic/
//   ownership.ts   acquiring and releasing Sessions, in turn
//   lane.ts        the way of messages that are stored or acknowledged settlements.ts, persist.ts
//   distribution.ts who gets a message, here and on other nodes
//   shared/        who of a group gets a message                       choose.ts, place.ts, attendance.ts, redispatch.ts
//   membership.ts  which other nodes there are, and what is left     marks.ts, lookout.ts, peer-inbox.ts
//                  behind by those that died
//   retained.ts, will.ts, sweeper.ts                                   what happens beside the messages
//   ports.ts       what the broker needs of the world                  memory/ is the store that models all others

import { ReasonCode } from '@skein/protocol';
import { Exchanges } from './authenticate.ts';
import { Client } from './client.ts';
import { Distribution } from './distribution.ts';
import { Drops } from './drops.ts';
import { Lane } from './lane.ts';
import type { Limits } from './limits.ts';
import { Lookout } from './lookout.ts';
import { Marks } from './marks.ts';
import { Membership } from './membership.ts';
import { Counters, type Gauges, type StoredGauges } from './observer.ts';
import type { Origin, Outlet } from './outlet.ts';
import { Ownership } from './ownership.ts';
import { Inbox } from './peer-inbox.ts';
import type { ClusterPorts } from './peer-ports.ts';
import { Persistence } from './persist.ts';
import { defaultPolicy, type Policy } from './policy.ts';
import {
  type Acquired,
  type BrokerPorts,
  type Claim,
  type DueWill,
  type RouteChange,
  StoreUnavailable,
} from './ports.ts';
import { Router } from './router.ts';
import type { Ended, Session } from './session/session.ts';
import { Settlements } from './session/settlements.ts';
import { Attendance } from './shared/attendance.ts';
import { Chooser } from './shared/choose.ts';
import { Redispatch } from './shared/redispatch.ts';
import type { SubscribeSurroundings } from './subscribe.ts';
import { Sweeper } from './sweeper.ts';
import { publishWills } from './will.ts';

/** Kicks remembered for acquires under way: forgotten ones are made up for by the lookout. */
const kickedMax = 1024;

/** An MQTT server without its sockets. */
export class Broker {
  readonly ports: BrokerPorts;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly counters: Counters = new Counters();
  readonly router: Router;
  readonly drops: Drops;
  readonly persistence: Persistence;
  readonly distribution: Distribution;
  readonly lane: Lane;
  readonly settlements: Settlements;
  readonly ownership: Ownership;
  /** Clients that are shown in by an Authentication Method. */
  readonly exchanges: Exchanges;
  /** What serving SUBSCRIBE takes. */
  readonly subscribing: SubscribeSurroundings;
  readonly lookout: Lookout;
  readonly attendance: Attendance;
  readonly redispatch: Redispatch;
  /** Undefined for a node that is alone, as is what it says to others. */
  readonly membership: Membership | undefined;
  readonly #marks: Marks | undefined;
  readonly #willsUnderWay = new Set<string>();
  /** Epochs of other nodes' connections that acquired what this node is acquiring or releasing at the time. */
  readonly #kicked = new Map<string, number>();
  #isFenced = false;
  #isHalted = false;
  /** The wall clock, bound, for those who need it rarely. */
  readonly nowMs: () => number;
  readonly #sweeper: Sweeper;
  /** Every Network Connection, from its first byte. */
  readonly #clients = new Set<Client>();
  /** Clients that are connected, by Client Identifier. */
  readonly #connected = new Map<string, Client>();

  constructor(ports: BrokerPorts, limits: Limits, policy: Policy = defaultPolicy) {
    this.ports = ports;
    this.limits = limits;
    this.policy = policy;
    this.exchanges = new Exchanges(ports.authenticationMethods);
    this.nowMs = () => ports.clock.nowMs();
    this.drops = new Drops(this.counters, ports.observer);
    this.persistence = new Persistence(ports.clock, this.counters, ports.observer);
    this.router = new Router(ports.nodeId);
    this.settlements = new Settlements(ports, ports.clock, this.persistence);
    const { router, persistence, drops, counters } = this;
    const sessionOf = (clientId: string): Session | undefined => this.sessionOf(clientId);
    const chooser = new Chooser({
      strategy: policy.sharedStrategy,
      node: ports.nodeId,
      knows: (node) => this.membership?.knows(node) ?? false,
    });
    this.distribution = new Distribution({
      routes: ports.routes,
      chooser,
      drops,
      counters,
      persistence,
      refuseWhenFull: limits.queueFull === 'refuse',
      nodeId: ports.nodeId,
      peers: ports.cluster?.peers,
      sessionOf,
    });
    this.lookout = new Lookout({
      queues: ports.queues,
      clock: ports.clock,
      persistence,
      sessions: () => this.#sessions(),
      fenced: ({ claim }) => this.supersede({ clientId: claim.clientId, epoch: claim.epoch + 1 }),
    });
    if (ports.cluster !== undefined) {
      this.membership = this.#membershipOf(ports.cluster);
      this.#marks = new Marks({ routes: ports.routes, router, node: ports.nodeId, clock: ports.clock, persistence });
      router.interest = this.#marks;
    }
    this.lane = new Lane({
      store: ports,
      clock: ports.clock,
      router,
      distribution: this.distribution,
      drops,
      counters,
      persistence,
      chooser,
      queueFull: limits.queueFull,
      gatherMs: limits.gatherMs,
      uidPrefix: `${Array.from(ports.random.bytes(6), (byte) => byte.toString(36)).join('')}-`,
      elsewhere: this.membership && ports.cluster && { peers: ports.cluster.peers, membership: this.membership },
    });
    this.persistence.onAway = () => this.lane.storeAway();
    const node = ports.cluster && ports.nodeId;
    this.attendance = new Attendance({ routes: ports.routes, router, node, clock: ports.clock, persistence });
    this.redispatch = new Redispatch({ shared: ports.shared, lane: this.lane, router, chooser, persistence });
    this.subscribing = {
      store: ports,
      router: this.router,
      authorizer: ports.authorizer,
      limits,
      lane: this.lane,
      persistence: this.persistence,
      marks: this.#marks,
      attendance: this.attendance,
      sessionOf,
    };
    this.#sweeper = new Sweeper(this);
    this.ownership = new Ownership({
      sessions: ports.sessions,
      persistence: this.persistence,
      willDue: (inMs) => this.#sweeper.willDue(inMs),
      undone: (clientId) => this.#connected.get(clientId)?.takenOver(),
    });
  }

  /**
   * Joins the other nodes, learns the routes, and begins to sweep. Clients may be opened once this resolves.
   *
   * @throws NodeIdTaken if another node of this name is alive
   * @throws StoreUnavailable
   */
  async start(): Promise<void> {
    const { cluster, routes } = this.ports;
    cluster?.peers.start(new Inbox(this));
    await this.membership?.join();
    await routes.follow((changes, version) => this.#follow(changes, version));
    await this.membership?.begin();
    // rule: Fence. It may have been fenced meanwhile, and then must not begin to sweep.
    if (this.#isHalted) throw new StoreUnavailable('this node was stopped before it had started');
    this.#sweeper.start();
    if (cluster === undefined) return;
    this.#marks?.start();
    this.lookout.start();
  }

  /** Takes over changes of routes; one that leads to a node nobody knows has a newcomer behind it. */
  #follow(changes: readonly RouteChange[], version: number): void {
    if (this.#isHalted) return;
    this.router.apply(changes, version);
    const { membership } = this;
    if (membership === undefined) return;
    const isStrange = (change: RouteChange): boolean => {
      const node = 'node' in change ? change.node : 'heldBy' in change ? change.heldBy : '';
      return change.present && node !== '' && node !== this.ports.nodeId && !membership.knows(node);
    };
    if (changes.some(isStrange)) {
      membership.refresh().catch((error: unknown) => this.persistence.failed('members', error));
    }
  }

  /** Takes a new Network Connection. */
  open(outlet: Outlet, origin: Origin): Client {
    const client = new Client(this, outlet, origin);
    this.#clients.add(client);
    return client;
  }

  /**
   * Tells every Client that the server is shutting down, or which other one to use, and lets its Session go.
   * Resolves when the store has all of it, or the deadline has passed.
   */
  async stop(deadlineMs: number): Promise<void> {
    this.#sweeper.stop();
    const { serverReference } = this.policy;
    for (const client of this.#clients) {
      if (serverReference === undefined) client.evict(ReasonCode.serverShuttingDown, 'server_shutting_down');
      else client.redirect(serverReference, 'server_shutting_down');
    }
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancel = this.ports.clock.after(deadlineMs, resolve);
    });
    // A node that is fenced meanwhile has nothing left to say.
    const said = this.#flush()
      .then(() => this.#leave())
      .catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
    await Promise.race([said, deadline]);
    cancel();
    this.drops.tell();
    await this.halt();
  }

  /**
   * rule: Fence. This node may have been taken for dead: it lets go of every Client at once, and tells the store nothing
   * more. Whoever made this broker is told, once, and makes another under a new name.
   */
  fence(why: string): void {
    if (this.#isFenced) return;
    this.#isFenced = true;
    this.ports.observer.observe({ is: 'fenced', why });
    this.persistence.stop();
    for (const client of [...this.#clients]) client.fence();
    this.ports.cluster?.peers.meet([]); // what waits for others is not said any more
    void this.halt();
    this.ports.cluster?.fenced(why);
  }

  /** Does nothing of its own accord any more, and answers no peers. */
  async halt(): Promise<void> {
    this.#isHalted = true;
    this.persistence.stop();
    this.#sweeper.stop();
    this.membership?.stop();
    this.#marks?.stop();
    this.attendance.stop();
    this.lookout.stop();
    await this.ports.cluster?.peers.close();
  }

  /** How much there is of everything, now. Asks nobody. */
  gauges(): Gauges {
    let inflight = 0;
    let unacknowledged = 0;
    for (const { session } of this.#connected.values()) {
      inflight += session?.outbound.inflight ?? 0;
      unacknowledged += session?.inbound.waiting ?? 0;
    }
    return {
      connected: this.#connected.size,
      subscriptions: this.router.subscriptions,
      inflight,
      unacknowledged,
      members: this.membership?.size ?? 1,
      routes: this.router.routes,
      storeUp: this.persistence.awaySinceMs === undefined,
    };
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
  supersede({ clientId, epoch }: Pick<Claim, 'clientId' | 'epoch'>): void {
    const before = this.#connected.get(clientId);
    if ((before?.session?.claim.epoch ?? epoch) < epoch) before?.takenOver();
  }

  /** Tells the node that owned a Session until now. */
  kick({ previousOwner, claim }: Acquired): void {
    if (previousOwner === undefined || previousOwner === this.ports.nodeId) return;
    this.ports.cluster?.peers.kick(previousOwner, claim.clientId, claim.epoch);
  }

  /** Another node has acquired a Session. Its word may be here before the store's answer to an acquire of our own. */
  kicked(by: Pick<Claim, 'clientId' | 'epoch'>): void {
    if (this.#kicked.size >= kickedMax) this.#kicked.clear(); // those that nobody has asked for any more
    if (this.ownership.isBusy(by.clientId)) this.#kicked.set(by.clientId, by.epoch);
    this.supersede(by);
  }

  /** Whether another node has acquired a Session since. Asked once, when the answer to an acquire is here. */
  isLost({ clientId, epoch }: Claim): boolean {
    const kickedBy = this.#kicked.get(clientId);
    this.#kicked.delete(clientId);
    return kickedBy !== undefined && kickedBy > epoch;
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

  /** A Session has lost its Network Connection. @param isFenced whether another connection has it, or may have */
  sessionEnded(session: Session, ended: Ended, isFenced: boolean): void {
    const { drops, attendance, redispatch } = this;
    drops.add(session.clientId, 'session_ended', ended.undelivered);
    drops.add(session.clientId, 'member_gone', ended.begunAtQos2);
    attendance.left(session, isFenced);
    // rule: Fence. Whoever may own nothing any more publishes nothing.
    if (this.persistence.stopped) drops.add(session.clientId, 'session_ended', ended.forOthers.length);
    else redispatch.passOn(session, ended);
  }

  /** Publishes Wills that have been claimed, ahead of all that is published later. */
  publishWills(due: readonly DueWill[]): void {
    const { lane, counters, persistence } = this;
    const { wills, clock, authorizer, observer } = this.ports;
    const underWay = this.#willsUnderWay;
    publishWills({ wills, lane, clock, authorizer, counters, observer, persistence, underWay }, due);
  }

  /** Clients that have publishes waiting for the store. */
  *waitingClients(): Iterable<Client> {
    for (const client of this.#connected.values()) if ((client.session?.inbound.waiting ?? 0) > 0) yield client;
  }

  *#sessions(): Iterable<Session> {
    for (const { session } of this.#connected.values()) if (session !== undefined) yield session;
  }

  #membershipOf(cluster: ClusterPorts): Membership {
    const { ports, router, persistence, counters } = this;
    return new Membership({
      members: ports.members,
      routes: ports.routes,
      router,
      cluster,
      clock: ports.clock,
      persistence,
      counters,
      observer: ports.observer,
      missed: () => this.#evictVolatile(),
      willsDue: () => this.#sweeper.willDue(0),
      fence: (why) => this.fence(why),
    });
  }

  /** What volatile Sessions have missed they cannot get any more; their Clients come back to new ones. */
  #evictVolatile(): void {
    for (const client of [...this.#connected.values()]) {
      if (client.session?.stored !== false) continue;
      client.evict(ReasonCode.unspecifiedError, 'messages_missed', 'messages for this Session were lost');
    }
  }

  /** Waits until everything under way is in the store: releases may bring Wills, Wills are published, both are settled. */
  async #flush(): Promise<void> {
    await this.ownership.flush();
    await this.#sweeper.sweepWills();
    await this.lane.flush();
    await this.settlements.flush();
    await this.attendance.flush();
  }

  /** Until the others know that its members have gone they hand messages to this node, which has to pass them on. */
  async #leave(): Promise<void> {
    await this.lane.flush();
    await this.membership?.leave();
    await this.lane.flush();
  }
}
