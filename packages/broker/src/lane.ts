// The way of messages that must be stored or acknowledged: gathered for a turn, then carried through together.
//
//   note QoS 2 identifiers ─ store retained ─ read the routes' version ─ match ─ enqueue ─ deliver ─ acknowledge
//
// One batch is under way at a time and everything in it keeps its order, so that no step of a message can overtake
// the same step of one that came before it. While a batch waits for the store the next one gathers: the slower the
// store, the fewer calls it gets. Deliveries to other nodes are begun in order and waited for beside the next batches,
// or one node that does not answer would hold up what has nothing to do with it.
//
// rule: Read-index. The version is read after all messages of the batch have arrived; once this node's routes are that
// new, every Subscription acknowledged before any of these messages was sent is among them.

import { ReasonCode } from '@skein/protocol';
import type { Distribution, Outcomes } from './distribution.ts';
import type { Drops } from './drops.ts';
import { ElsewhereBatch } from './elsewhere.ts';
import type { Limits } from './limits.ts';
import type { Membership } from './membership.ts';
import type { Message } from './message.ts';
import type { Counters } from './observer.ts';
import type { Peers } from './peer-ports.ts';
import { type Persistence, persist } from './persist.ts';
import {
  type Clock,
  type Enqueue,
  type Ingress,
  type PublishOrder,
  type RetainedSet,
  type Store,
  StoreUnavailable,
} from './ports.ts';
import type { Match, Router } from './router.ts';
import type { Chooser } from './shared/choose.ts';
import type { SharedGroup } from './shared/group.ts';
import { matchOf, place, placementsOf } from './shared/place.ts';
import type { Placement, PlacementSurroundings } from './shared/placement.ts';

/** A message on its way, and who is told when it has arrived. */
export interface Incoming {
  /** Undefined only keeps a place in the order: it is finished when all before it are. */
  readonly message: Message | undefined;
  /** To be noted before the message is published: a QoS 2 message of a stored Session. */
  readonly ingress: Ingress | undefined;
  /** Names the message if it must not arrive twice, however often it is published. May be made when it is asked for. */
  readonly uid: string | undefined;
  /** Set if nobody else will ever bring this message here under its uid, so that this node need not remember it. */
  readonly isSingular?: boolean;
  /** Whether its publisher can be told that a queue is full. */
  readonly isRefusable: boolean;
  /** Where the message stands among those of its publisher, if it is retained. */
  readonly order?: PublishOrder | undefined;
  /** Set for a message that is for one shared group alone, because a member that had it will not get it. */
  readonly again?: SharedAgain;
  /** Called once: the message is stored, or handed over, wherever it belongs; or why it is not. */
  finish(reasonCode: ReasonCode): void;
  /** Called instead: its Session is another connection's, so it is neither published nor answered. */
  fenced(): void;
}

/** A message of a shared group that is to go to another of its members. */
export interface SharedAgain {
  readonly sharedFilter: string;
  /** The generation of the member that had it. */
  readonly except: string;
}

/** What the lane needs of the broker around it. */
export interface LaneSurroundings {
  readonly store: Store;
  readonly clock: Clock;
  readonly router: Router;
  readonly distribution: Distribution;
  readonly drops: Drops;
  readonly counters: Counters;
  readonly persistence: Persistence;
  /** Chooses members of shared groups. */
  readonly chooser: Chooser;
  readonly queueFull: Limits['queueFull'];
  /** How long a small batch that follows another waits for more, in milliseconds. */
  readonly gatherMs: number;
  /** What the uids made here begin with: new with every start of a node. */
  readonly uidPrefix: string;
  /** The other nodes; undefined for a node that is alone. */
  readonly elsewhere: { readonly peers: Peers; readonly membership: Membership } | undefined;
}

/** Of a message that no stored Session matches. */
const nothing: Outcomes = [];
/** Of a message that no shared group matches. */
const unshared: readonly Placement[] = [];

/** So many messages are worth a batch of their own. */
const gatheredEnough = 64;
/** Messages in one batch. */
const batchMax = 4096;

/** What the store has said of a batch. */
interface Prepared {
  readonly fenced: ReadonlySet<Incoming> | undefined;
  readonly matches: readonly (Match | undefined)[];
  readonly enqueues: readonly Enqueue[];
  readonly outcomes: readonly Outcomes[];
  /** In the order of the batch. */
  readonly placements: readonly Placement[];
}

/** Carries messages from publishers to queues and Clients. */
export class Lane {
  readonly #around: LaneSurroundings;
  readonly #placing: PlacementSurroundings;
  /** Those who wait for what came before them to have passed. */
  readonly #passing = new Set<() => void>();
  #gathered: Incoming[] = [];
  /** QoS 0 messages of the batch under way that went to their Clients before the store had answered. */
  #ahead: Set<Incoming> | undefined;
  #underWay: readonly Incoming[] = [];
  /** Deliveries that other nodes have not acknowledged. */
  readonly #elsewhere = new Set<Promise<void>>();
  /** Uids of messages that need one only while they are retained, for as long as they are under way. */
  readonly #retainedUids = new WeakMap<Incoming, string>();
  #uids = 0;
  #busy = false;
  #idle: (() => void)[] = [];

  constructor(surroundings: LaneSurroundings) {
    this.#around = surroundings;
    const { chooser, queueFull } = surroundings;
    this.#placing = { chooser, dropsOld: queueFull === 'drop-old', newUid: () => this.newUid() };
  }

  /** A name that no other message of this cluster has. */
  newUid(): string {
    return `${this.#around.uidPrefix}${(this.#uids++).toString(36)}`;
  }

  /** Adds a message behind all others. Its bytes must be its own by now. */
  push(incoming: Incoming): void {
    if (this.#around.persistence.awaySinceMs !== undefined && isPassing(incoming)) {
      this.#passBy(incoming);
      return;
    }
    this.#gathered.push(incoming);
    if (this.#busy) return;
    this.#busy = true;
    this.#around.clock.endOfTurn(() => void this.#run().catch((error: unknown) => this.#stopped(error)));
  }

  /** Resolves when all that was pushed until now has passed, or the store is away and nobody knows when that will be. */
  passed(): Promise<void> {
    if (this.#around.persistence.awaySinceMs !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#passing.delete(finish);
        resolve();
      };
      this.#passing.add(finish);
      this.push({ message: undefined, ingress: undefined, uid: undefined, isRefusable: false, finish, fenced: finish });
    });
  }

  /**
   * The store does not answer: whoever only keeps order waits no longer, and QoS 0 goes on to whoever is connected.
   * What of it was to be retained is not, but for the batch under way.
   */
  storeAway(): void {
    for (const finish of [...this.#passing]) finish();
    const gathered = this.#gathered;
    this.#gathered = gathered.filter((incoming) => !isPassing(incoming));
    for (const incoming of this.#underWay) {
      if (!isPassing(incoming) || this.#ahead?.has(incoming)) continue;
      this.#ahead ??= new Set();
      this.#ahead.add(incoming);
      this.#handOver(incoming);
    }
    for (const incoming of gathered) if (isPassing(incoming)) this.#passBy(incoming);
  }

  #passBy(incoming: Incoming): void {
    if (incoming.message?.retain) this.#around.counters.retainedNotStored++;
    this.#handOver(incoming);
  }

  #handOver(incoming: Incoming): void {
    const { distribution, router } = this.#around;
    const message = incoming.message as Message;
    incoming.finish(distribution.qos0(message, router.match(message.topic)));
  }

  /** Resolves when nothing is under way. */
  async flush(): Promise<void> {
    // What another node did not take goes through the lane again, to another member of its group.
    while (this.#busy || this.#elsewhere.size > 0) {
      if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
      await Promise.all(this.#elsewhere);
    }
  }

  async #run(): Promise<void> {
    while (this.#gathered.length > 0) {
      const batch = this.#gathered.length <= batchMax ? this.#gathered : this.#gathered.slice(0, batchMax);
      this.#gathered = batch === this.#gathered ? [] : this.#gathered.slice(batchMax);
      this.#underWay = batch;
      await this.#carry(batch);
      this.#underWay = [];
      this.#ahead = undefined;
      await this.#gather();
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** A batch costs much the same whatever it carries: a small one that follows another waits for more to come. */
  async #gather(): Promise<void> {
    const { gatherMs, clock } = this.#around;
    const { length } = this.#gathered;
    if (gatherMs === 0 || length === 0 || length >= gatheredEnough) return;
    await new Promise<void>((resolve) => clock.after(gatherMs, resolve));
  }

  /** Only a broker that stops may leave its lane; whatever was under way is unanswered, and its publishers know. */
  #stopped(error: unknown): void {
    if (!this.#around.persistence.stopped) throw error;
  }

  /**
   * Carries a batch through. What the store refuses for certain, and would again, is found by halves: one message that
   * cannot be stored costs nobody else anything, least of all the process.
   */
  async #carry(batch: readonly Incoming[]): Promise<void> {
    const { persistence } = this.#around;
    let prepared: Prepared;
    try {
      prepared = await this.#prepare(batch);
    } catch (error) {
      if (error instanceof StoreUnavailable || persistence.stopped) throw error;
      if (batch.length === 1) {
        this.#refuse(batch[0] as Incoming, error);
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.#carry(batch.slice(0, half));
      await this.#carry(batch.slice(half));
      return;
    }
    this.#distribute(batch, prepared);
  }

  #refuse(incoming: Incoming, error: unknown): void {
    const { persistence, drops } = this.#around;
    if (this.#ahead?.has(incoming)) return;
    persistence.observer.observe({ is: 'internal_error', where: 'lane', error });
    if (isPassing(incoming)) {
      this.#passBy(incoming);
      return;
    }
    if (incoming.message !== undefined) drops.add(incoming.message.publisherId, 'store_refused');
    incoming.finish(ReasonCode.implementationSpecificError);
  }

  /** All that is asked of the store before anybody gets anything. */
  async #prepare(batch: readonly Incoming[]): Promise<Prepared> {
    const { store, router, persistence, queueFull } = this.#around;
    const fenced = await this.#note(batch);
    await this.#retain(batch, fenced);
    const version = await persist(persistence, 'version', () => store.routes.version());
    await router.atLeast(version);

    const matches = batch.map((incoming) => this.#match(incoming, fenced));
    await this.#meet(matches);
    const enqueues: Enqueue[] = [];
    for (let i = 0; i < batch.length; i++) {
      const stored = matches[i]?.stored;
      if (stored === undefined || stored.length === 0) continue;
      const { message, isRefusable, uid } = batch[i] as Incoming;
      if (message === undefined || message.qos === 0) continue;
      enqueues.push({ message, targets: stored, isRefusable, uid });
    }
    const placements = placementsOf(this.#placing, batch, matches);
    const refuseWhenFull = queueFull === 'refuse';
    const outcomes = await place({ store, persistence, refuseWhenFull }, enqueues, placements);
    return { fenced, matches, enqueues, outcomes, placements };
  }

  #distribute(batch: readonly Incoming[], { fenced, matches, enqueues, outcomes, placements }: Prepared): void {
    const { distribution } = this.#around;
    const elsewhere = new ElsewhereBatch();
    let isElsewhere = false;
    let at = 0;
    let placed = 0;
    for (let i = 0; i < batch.length; i++) {
      const incoming = batch[i] as Incoming;
      const match = matches[i];
      const before = placed;
      while (placements[placed]?.incoming === incoming) placed++;
      if (this.#ahead?.has(incoming)) continue;
      if (match === undefined) {
        if (fenced?.has(incoming)) incoming.fenced();
        else incoming.finish(ReasonCode.success);
        continue;
      }
      const message = incoming.message as Message;
      if (message.qos === 0) {
        incoming.finish(distribution.qos0(message, match, incoming.uid));
        continue;
      }
      const isEnqueued = enqueues[at]?.message === message;
      const shared = placed === before ? unshared : placements.slice(before, placed);
      const reasonCode = distribution.qos12(incoming, message, match, isEnqueued ? outcomes[at++] : nothing, shared);
      if (reasonCode >= 0x80 || !elsewhere.add(incoming, message, match, shared, reasonCode))
        incoming.finish(reasonCode);
      else isElsewhere = true;
    }
    distribution.removeUnwanted();
    if (isElsewhere) this.#deliver(elsewhere);
  }

  /** What a message matches; undefined if it goes nowhere. */
  #match(incoming: Incoming, fenced: ReadonlySet<Incoming> | undefined): Match | undefined {
    const { message, again } = incoming;
    if (message === undefined || fenced?.has(incoming)) return undefined;
    const { router } = this.#around;
    return again === undefined ? router.match(message.topic) : matchOf(router.groupOf(again.sharedFilter));
  }

  /** rule: Marks. A node that is not known may be new, so the register is read after the route; then it is known, or gone. */
  async #meet(matches: readonly (Match | undefined)[]): Promise<void> {
    const { elsewhere, persistence } = this.#around;
    if (elsewhere === undefined) return;
    const { membership } = elsewhere;
    const knowsHolders = ({ holders }: SharedGroup): boolean => holders.every((node) => membership.knows(node));
    const isKnown = ({ nodes, groups }: Match): boolean =>
      nodes.every(({ node }) => membership.knows(node)) && groups.every(knowsHolders);
    if (matches.every((match) => match === undefined || isKnown(match))) return;
    await persist(persistence, 'members', () => membership.refresh());
  }

  #deliver(batch: ElsewhereBatch): void {
    const { elsewhere, persistence, store } = this.#around;
    const around = { ...this.#around, push: (incoming: Incoming) => this.push(incoming) };
    batch.passOn(around);
    if (elsewhere === undefined) return;
    const { peers, membership } = elsewhere;
    const missed = async (node: string): Promise<void> => {
      if (membership.knows(node)) await persist(persistence, 'miss', () => store.members.miss(node));
    };
    const sent = batch
      .send(peers, missed, around)
      .catch((error: unknown) => this.#stopped(error))
      .finally(() => this.#elsewhere.delete(sent));
    this.#elsewhere.add(sent);
  }

  /**
   * Notes the identifiers of QoS 2 messages before anything is done with them [MQTT-4.3.3-10].
   *
   * @returns those whose Session is another connection's by now: their Clients send them again there, and there they
   *   will be published
   */
  async #note(batch: readonly Incoming[]): Promise<ReadonlySet<Incoming> | undefined> {
    const noted: Incoming[] = [];
    for (const incoming of batch) if (incoming.ingress !== undefined) noted.push(incoming);
    if (noted.length === 0) return undefined;
    const { store, persistence } = this.#around;
    const ids = noted.map(({ ingress }) => ingress as Ingress);
    const answers = await persist(persistence, 'ingress', () => store.inbound.ingress(ids));
    const fenced = noted.filter((_, i) => answers[i] === 'fenced');
    return fenced.length === 0 ? undefined : new Set(fenced);
  }

  /**
   * Retained messages are stored before the routes are read, so that no new subscriber falls between [§3.3.1.3].
   *
   * They go with their uids, so that an old one that comes again does not take the place of a newer one. What precedes
   * such a one of the same topic gets a uid too: else, if all are repeated, it alone would be set again.
   */
  async #retain(batch: readonly Incoming[], fenced: ReadonlySet<Incoming> | undefined): Promise<void> {
    const sets: RetainedSet[] = [];
    const named = new Set<string>();
    for (let i = batch.length - 1; i >= 0; i--) {
      const incoming = batch[i] as Incoming;
      const { message } = incoming;
      if (!message?.retain || incoming.again !== undefined || fenced?.has(incoming)) continue;
      let uid = incoming.uid ?? this.#retainedUids.get(incoming);
      if (uid === undefined && named.has(message.topic)) {
        uid = this.newUid();
        this.#retainedUids.set(incoming, uid);
      }
      if (uid !== undefined) named.add(message.topic);
      sets.push({ message, uid, order: incoming.order });
    }
    if (sets.length === 0) return;
    sets.reverse();
    const { store, persistence } = this.#around;
    const stored = await persist(persistence, 'retain', () => store.retained.set(sets));
    for (const isStored of stored) if (!isStored) this.#around.counters.retainedNotStored++;
  }
}

/** A QoS 0 message of a Client's own, which need not wait for a store that is away. A Will has to: it is done once. */
function isPassing(incoming: Incoming): boolean {
  return incoming.message?.qos === 0 && incoming.uid === undefined;
}
