// Which nodes live, as this one sees it; and what the living owe the dead.
//
// Every node renews its lease in the store once a second and reads, with the same call, the leases of all. How long
// another lease has stood still is timed by this node's own clock, and only while the store answers this node: so
// neither a clock that steps nor a store that was away for a minute makes anybody look dead.
//
// rule: Reap. A lease is first turned dead, if it is still the one that stood still. From then on that node cannot come
// back under its name; a renewal that finds it so means the node must let everything go. Then what it held is released
// as if its connections had been lost, its routes are taken away, and its name is forgotten. Any survivor may do all of
// it, several at once, or go on where another one died.
//
// rule: Fence. A node that cannot renew cannot know whether it is taken for dead. It lets go in time if others say that
// the store answers them, or if there are others and none can be heard. A store that answers nobody fences nobody.

import type { Counters, Observer } from './observer.ts';
import type { ClusterPorts, Member, MemberLease, Members, Renewal } from './peer-ports.ts';
import { type Persistence, persist } from './persist.ts';
import type { Clock, Routes } from './ports.ts';
import type { Router } from './router.ts';

const renewMs = 1000;
/** A renewal that failed is tried again so soon. */
const retryMs = 100;
/** A lease that has stood still for so long is dead. */
const leaseMs = 6000;
/** Between two answers of the store at most so much time counts. */
const countedMs = 1500;
/** How long a node may go without renewing before it asks the others. */
const doubtMs = 4000;
/** The store answers a node if it has done so for this long without a gap. */
const steadyMs = 3000;
const gapMs = 2500;
/** How long deliveries wait for a node that lives and cannot be reached. */
const unreachableMs = 5000;
/** How long the survivors leave a dead node to the first among them, for each that comes before. */
const turnMs = 1500;
/** Routes to nodes that nobody knows are looked for with every n-th renewal. */
const strayEvery = 30;
const routesMax = 500;
/** A node that has renewed more often than this was there before us. */
const newcomerRenewals = 3;
/** How long a lease under our own name is watched before it counts as left behind. */
const conflictMs = 2500;

/** A node with the same name is alive. */
export class NodeIdTaken extends Error {
  override readonly name = 'NodeIdTaken';

  constructor({ nodeId, address }: Member) {
    super(`the node id ${nodeId} is taken: a node of this cluster at ${address} has it and is alive`);
  }
}

/** What membership takes. */
export interface MembershipSurroundings {
  readonly members: Members;
  readonly routes: Routes;
  readonly router: Router;
  readonly cluster: ClusterPorts;
  readonly clock: Clock;
  readonly persistence: Persistence;
  readonly counters: Counters;
  readonly observer: Observer;
  /** Messages for volatile Sessions of this node were given up by others. */
  missed(): void;
  /** Wills may have come due. */
  willsDue(): void;
  /** This node may have been taken for dead. */
  fence(why: string): void;
}

/** Another node, as it was last seen. */
interface Seen {
  readonly member: Member;
  renewals: number;
  /** How long its lease has stood still. */
  stillMs: number;
}

/** The register of nodes, and this one's place in it. */
export class Membership {
  readonly #around: MembershipSurroundings;
  readonly #self: string;
  /** The others that are alive. */
  readonly #alive = new Map<string, Seen>();
  readonly #reaping = new Set<string>();
  /** Those whose name this node has struck off the register; an answer that left before that may still name them. */
  readonly #reaped = new Set<string>();
  /** Those whose lease has ended and whose name is not yet forgotten. */
  #dead = new Set<string>();
  /** How often this node's own lease has been renewed, as the register says. */
  #renewals = 0;
  /** When the renewal that was answered last was asked for. */
  #lastRenewedMs = 0;
  /** Since when the store has been answering without a gap. */
  #steadySinceMs = 0;
  #renewal: Promise<Renewal> | undefined;
  /** A renewal that has not been asked for yet. */
  #following: Promise<void> | undefined;
  #isRetrying = false;
  #ticks = 0;
  /** Whether the routes are known, so that those of the dead can be taken away. */
  #mindsDead = false;
  #doubting = false;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(surroundings: MembershipSurroundings) {
    this.#around = surroundings;
    this.#self = surroundings.cluster.self.node;
  }

  /** Nodes that are alive, this one too. */
  get size(): number {
    return this.#alive.size + 1;
  }

  /** Whether another node is known to be alive. */
  knows(node: string): boolean {
    return this.#alive.has(node);
  }

  /** Whether the store answers this node, and has for a while. */
  get storeAnswers(): boolean {
    const nowMs = this.#around.clock.monotonicMs();
    return nowMs - this.#lastRenewedMs < gapMs && nowMs - this.#steadySinceMs >= steadyMs;
  }

  /**
   * Enters the register.
   *
   * @throws NodeIdTaken
   * @throws StoreUnavailable
   */
  async join(): Promise<void> {
    const { members, cluster, clock } = this.#around;
    this.#lastRenewedMs = this.#steadySinceMs = clock.monotonicMs();
    await members.join(cluster.self);
    await this.#refuseTwins();
    if (!this.#stopped) this.#tick();
  }

  /**
   * Learns who else is there, and minds the dead from now on. Called when the routes are known: theirs are to be taken
   * away.
   *
   * @throws StoreUnavailable
   */
  async begin(): Promise<void> {
    this.#mindsDead = true;
    await this.refresh();
  }

  /** Reads the register, after this was called. @throws StoreUnavailable */
  refresh(): Promise<void> {
    this.#following ??= this.#renewNext();
    return this.#following;
  }

  async #renewNext(): Promise<void> {
    await this.#renewal?.catch(() => {});
    this.#following = undefined;
    await this.#renew();
  }

  /** Leaves: the others need not wait to find this node dead. What it still holds they release. */
  async leave(): Promise<void> {
    this.stop();
    const { members, persistence } = this.#around;
    await this.#renewal?.catch(() => {});
    await persist(persistence, 'leave', async () => {
      // How often it has been renewed may have been answered too late to be seen.
      const { members: named } = await members.renew(this.#self);
      const renewals = named.find(({ node }) => node === this.#self)?.renewals ?? 0;
      await members.bury(this.#self, renewals);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Another node with our name is a mistake of whoever named them, unless it is what was left of us. */
  async #refuseTwins(): Promise<void> {
    const { members, cluster, clock, observer } = this.#around;
    const { nodeId, node } = cluster.self;
    const twinsIn = ({ members: all }: Renewal): MemberLease[] => {
      this.#renewals = all.find((member) => member.node === node)?.renewals ?? 0;
      return all.filter((other) => other.nodeId === nodeId && other.node !== node && !other.isDead);
    };
    const first = twinsIn(await members.renew(node));
    for (let waitedMs = 0; waitedMs < conflictMs && first.length > 0; waitedMs += 500) {
      await new Promise<void>((resolve) => clock.after(500, resolve));
      for (const twin of twinsIn(await members.renew(node))) {
        const before = first.find((other) => other.node === twin.node);
        const isOlder = twin.renewals > newcomerRenewals || twin.node < node;
        if (before === undefined || twin.renewals === before.renewals || !isOlder) continue;
        await members.bury(node, this.#renewals);
        throw new NodeIdTaken(twin);
      }
    }
    for (const twin of first) {
      if (await members.bury(twin.node, twin.renewals)) observer.observe({ is: 'node_dead', node: twin.node });
    }
  }

  #tick(): void {
    if (this.#stopped) return;
    const { clock, fence } = this.#around;
    const dueMs = clock.monotonicMs() + renewMs;
    this.#cancel = clock.after(renewMs, () => {
      const lateMs = clock.monotonicMs() - dueMs;
      if (lateMs > doubtMs - renewMs) fence(`it stood still for ${Math.round(lateMs)} ms`);
      else this.#tick();
    });
    this.#renewUntilDone();
    this.#doubt().catch((error: unknown) => this.#failed('doubt', error));
    this.#giveUpUnreachable();
    if (++this.#ticks % strayEvery === 0) {
      this.#removeStrays().catch((error: unknown) => this.#failed('remove_strays', error));
    }
  }

  /** Renews; if the store does not answer, again soon: until it has, what this node asks for is refused as stale. */
  #renewUntilDone(): void {
    if (this.#renewal !== undefined || this.#isRetrying || this.#stopped) return;
    this.#renew().catch((error: unknown) => {
      this.#failed('renew', error);
      this.#isRetrying = true;
      this.#around.clock.after(retryMs, () => {
        this.#isRetrying = false;
        this.#renewUntilDone();
      });
    });
  }

  async #renew(): Promise<void> {
    const { members, clock, cluster, persistence, missed, fence } = this.#around;
    const askedMs = clock.monotonicMs();
    const renewal = members.renew(this.#self);
    this.#renewal = renewal;
    const answer = await renewal.finally(() => {
      if (this.#renewal === renewal) this.#renewal = undefined;
    });
    if (this.#stopped) return;
    persistence.answered();
    if (!answer.held) {
      fence('its lease was ended');
      return;
    }
    const passedMs = Math.max(0, askedMs - this.#lastRenewedMs);
    if (passedMs > gapMs) this.#steadySinceMs = clock.monotonicMs();
    this.#lastRenewedMs += passedMs;
    this.#see(answer, Math.min(passedMs, countedMs));
    cluster.peers.meet(Array.from(this.#alive.values(), ({ member }) => member));
    if (answer.missed) missed();
  }

  /** Compares the leases with what they were. */
  #see({ members }: Renewal, passedMs: number): void {
    const { observer } = this.#around;
    const named = new Set<string>();
    this.#dead = new Set(members.filter(({ isDead }) => isDead).map(({ node }) => node));
    for (const node of this.#reaped) if (!this.#dead.has(node)) this.#reaped.delete(node);
    for (const lease of members) {
      if (lease.node === this.#self) {
        this.#renewals = lease.renewals;
      } else if (lease.isDead) {
        this.#reap(lease.node).catch((error: unknown) => this.#failed('reap', error));
      } else {
        named.add(lease.node);
        this.#time(lease, passedMs);
      }
    }
    for (const node of this.#alive.keys()) {
      if (named.has(node)) continue;
      this.#alive.delete(node);
      observer.observe({ is: 'node_left', node });
    }
  }

  #time(lease: MemberLease, passedMs: number): void {
    const { node, renewals, address } = lease;
    const seen = this.#alive.get(node);
    if (seen === undefined) {
      this.#alive.set(node, { member: lease, renewals, stillMs: 0 });
      this.#around.observer.observe({ is: 'node_joined', node, address });
    } else if (seen.renewals !== renewals) {
      seen.renewals = renewals;
      seen.stillMs = 0;
    } else {
      seen.stillMs += passedMs;
      if (seen.stillMs < leaseMs) return;
      this.#bury(node, renewals).catch((error: unknown) => this.#failed('bury', error));
    }
  }

  async #bury(node: string, renewals: number): Promise<void> {
    const { members, observer } = this.#around;
    if (!(await members.bury(node, renewals))) return;
    observer.observe({ is: 'node_dead', node });
    await this.refresh(); // finds it dead, and reaps
  }

  async #reap(node: string): Promise<void> {
    if (!this.#mindsDead || this.#reaping.has(node) || this.#reaped.has(node) || this.#stopped) return;
    this.#reaping.add(node);
    try {
      await this.#myTurn(node);
      if (!this.#stopped && this.#dead.has(node)) await this.#release(node);
    } finally {
      this.#reaping.delete(node);
    }
  }

  /** The first of the survivors begins at once; the others find nothing left to do, unless it dies as well. */
  async #myTurn(node: string): Promise<void> {
    const survivors = [this.#self, ...this.#alive.keys()].filter((other) => other !== node).sort();
    const place = survivors.indexOf(this.#self);
    if (place > 0) await new Promise<void>((resolve) => this.#around.clock.after(place * turnMs, resolve));
  }

  async #release(node: string): Promise<void> {
    const { members, counters, observer, willsDue } = this.#around;
    let released = 0;
    for (let cursor: number | undefined = 0; cursor !== undefined && !this.#stopped; ) {
      const { sessions, next } = await members.reap(node, cursor);
      released += sessions;
      cursor = next;
      if (sessions > 0) willsDue();
    }
    if (this.#stopped) return;
    await this.#removeRoutes(node);
    await members.forget(node);
    this.#reaped.add(node);
    counters.sessionsReaped += released;
    counters.nodesReaped++;
    observer.observe({ is: 'node_reaped', node, sessions: released });
  }

  async #removeRoutes(node: string): Promise<void> {
    const { router, routes } = this.#around;
    const all = router.routesTo(node);
    for (let at = 0; at < all.length; at += routesMax) await routes.removeIf(all.slice(at, at + routesMax));
    // Stored members of shared groups are away now, volatile ones are gone.
    const members = router.membersAt(node);
    for (let at = 0; at < members.length; at += routesMax) {
      const some = members.slice(at, at + routesMax);
      const [stored, volatile] = [some.filter(({ isStored }) => isStored), some.filter(({ isStored }) => !isStored)];
      if (stored.length > 0) await routes.awayIf(stored);
      if (volatile.length > 0) await routes.removeIf(volatile);
    }
  }

  /** What a node put while it was already being buried leads nowhere. */
  async #removeStrays(): Promise<void> {
    const { router } = this.#around;
    const strange = (): string[] =>
      [...router.nodes].filter((node) => node !== this.#self && !this.knows(node) && !this.#dead.has(node));
    if (strange().length === 0) return;
    await this.refresh(); // the register is read after the routes: who is not in it is gone
    for (const node of strange()) await this.#removeRoutes(node);
  }

  /** rule: Fence. */
  async #doubt(): Promise<void> {
    const { clock, cluster, fence } = this.#around;
    if (this.#doubting || clock.monotonicMs() - this.#lastRenewedMs < doubtMs) return;
    this.#doubting = true;
    try {
      const others = [...this.#alive.keys()];
      const answers = await Promise.all(others.map((node) => cluster.peers.asksStore(node)));
      if (this.#stopped || clock.monotonicMs() - this.#lastRenewedMs < doubtMs) return;
      if (answers.includes(true)) fence('the store answers others and not this node');
      else if (others.length > 0 && answers.every((answer) => answer === undefined)) {
        fence('neither the store nor any other node answers');
      }
    } finally {
      this.#doubting = false;
    }
  }

  /** A node that lives and cannot be reached is waited for no longer; whoever gives a message up tells it so by the store. */
  #giveUpUnreachable(): void {
    const { cluster, observer } = this.#around;
    for (const [node, { stillMs }] of this.#alive) {
      // One whose lease stands still is about to be found dead, and that ends the waiting too.
      if (stillMs > gapMs || cluster.peers.unreachableMs(node) < unreachableMs) continue;
      cluster.peers.giveUp(node);
      observer.observe({ is: 'node_unreachable', node });
    }
  }

  #failed(operation: string, error: unknown): void {
    if (!this.#stopped) this.#around.persistence.failed(operation, error);
  }
}
