// The way of messages that must be stored or acknowledged: gathered for a turn, then carried through together.
//
//   note QoS 2 identifiers ─ store retained ─ read the routes' version ─ match ─ enqueue ─ deliver here ─ acknowledge
//
// One batch is under way at a time and everything in it keeps its order, so that no step of a message can overtake
// the same step of one that came before it. While a batch waits for the store the next one gathers: the slower the
// store, the fewer calls it gets.
//
// rule: Read-index. The version is read after all messages of the batch have arrived; once this node's routes are that
// new, every Subscription acknowledged before any of these messages was sent is among them.

import { ReasonCode } from '@skein/protocol';
import type { Drops } from './drops.ts';
import type { Message } from './message.ts';
import { type Persistence, persist } from './persist.ts';
import type { Clock, Enqueue, EnqueueOutcome, Ingress, Owner, Store } from './ports.ts';
import type { Match, Router, StoredTarget } from './router.ts';
import type { Session } from './session/session.ts';

/** A message on its way, and who is told when it has arrived. */
export interface Incoming {
  /** Undefined only keeps a place in the order: it is finished when all before it are. */
  readonly message: Message | undefined;
  /** To be noted before the message is published: a QoS 2 message of a stored Session. */
  readonly ingress: Ingress | undefined;
  /** Names the message if it must not arrive twice, however often it is published. */
  readonly uid: string | undefined;
  /** Whether its publisher can be told that a queue is full. */
  readonly isRefusable: boolean;
  /** Called once: the message is stored, or handed over, wherever it belongs; or why it is not. */
  finish(reasonCode: ReasonCode): void;
  /** Called instead: its Session is another connection's, so it is neither published nor answered. */
  fenced(): void;
}

/** What the lane needs of the broker around it. */
export interface LaneSurroundings {
  readonly store: Store;
  readonly clock: Clock;
  readonly router: Router;
  readonly drops: Drops;
  readonly persistence: Persistence;
  readonly refuseWhenFull: boolean;
  readonly nodeId: string;
  /** What the uids made here begin with: new with every start of a node. */
  readonly uidPrefix: string;
  /** The Session of a Client connected here. */
  sessionOf(clientId: string): Session | undefined;
  /** Counts copies accepted into queues. */
  queued(count: number): void;
  /** Counts QoS 0 messages that could not be retained. */
  notRetained(message: Message): void;
}

const nothing: readonly EnqueueOutcome[] = [];

/** Messages in one batch. */
const batchMax = 4096;
/** Uids remembered: many times what can be under way on one node. */
const recentUidsMax = 65_536;

/** The last uids, at least half of as many as it may hold. */
class RecentUids {
  #recent = new Set<string>();
  #before = new Set<string>();

  has(uid: string): boolean {
    return this.#recent.has(uid) || this.#before.has(uid);
  }

  add(uid: string): void {
    this.#recent.add(uid);
    if (this.#recent.size < recentUidsMax / 2) return;
    this.#before = this.#recent;
    this.#recent = new Set();
  }
}

/** Carries messages from publishers to queues and Clients. */
export class Lane {
  readonly #around: LaneSurroundings;
  /** Messages that Clients here have had and must not get again: what dedupes for Sessions that are not stored. */
  readonly #handedOver = new RecentUids();
  /** Those who wait for what came before them to have passed. */
  readonly #passing = new Set<() => void>();
  #gathered: Incoming[] = [];
  #uids = 0;
  #busy = false;
  #idle: (() => void)[] = [];

  constructor(surroundings: LaneSurroundings) {
    this.#around = surroundings;
  }

  /** A name that no other message of this cluster has. */
  newUid(): string {
    return `${this.#around.uidPrefix}${(this.#uids++).toString(36)}`;
  }

  /** Adds a message behind all others. Its bytes must be its own by now. */
  push(incoming: Incoming): void {
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

  /** The store does not answer: whoever only keeps order waits no longer. */
  storeAway(): void {
    for (const finish of [...this.#passing]) finish();
  }

  /** Resolves when nothing is under way. */
  async flush(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    while (this.#gathered.length > 0) {
      const batch = this.#gathered.length <= batchMax ? this.#gathered : this.#gathered.slice(0, batchMax);
      this.#gathered = batch === this.#gathered ? [] : this.#gathered.slice(batchMax);
      await this.#carry(batch);
    }
    this.#busy = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Only a broker that stops may leave its lane; whatever was under way is unanswered, and its publishers know. */
  #stopped(error: unknown): void {
    if (!this.#around.persistence.stopped) throw error;
  }

  async #carry(batch: readonly Incoming[]): Promise<void> {
    const { store, router, persistence } = this.#around;
    const fenced = await this.#note(batch);
    await this.#retain(batch, fenced);
    const version = await persist(persistence, 'version', () => store.routes.version());
    await router.atLeast(version);

    const matches: (Match | undefined)[] = [];
    const enqueues: Enqueue[] = [];
    for (const incoming of batch) {
      const message = fenced?.has(incoming) ? undefined : incoming.message;
      const match = message === undefined ? undefined : router.match(message.topic);
      matches.push(match);
      if (message === undefined || match === undefined || message.qos === 0 || match.stored.length === 0) continue;
      enqueues.push({ message, targets: match.stored, isRefusable: incoming.isRefusable, uid: incoming.uid });
    }
    const outcomes =
      enqueues.length === 0 ? [] : await persist(persistence, 'enqueue', () => store.queues.enqueue(enqueues));

    let at = 0;
    for (let i = 0; i < batch.length; i++) {
      const incoming = batch[i] as Incoming;
      const match = matches[i];
      if (match === undefined) {
        if (fenced?.has(incoming)) incoming.fenced();
        else incoming.finish(ReasonCode.success);
        continue;
      }
      const isEnqueued = enqueues[at]?.message === incoming.message;
      incoming.finish(this.#deliver(incoming, match, isEnqueued ? outcomes[at] : nothing, isEnqueued));
      if (isEnqueued) at++;
    }
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

  /** Retained messages are stored before the routes are read, so that no new subscriber falls between [§3.3.1.3]. */
  async #retain(batch: readonly Incoming[], fenced: ReadonlySet<Incoming> | undefined): Promise<void> {
    const messages: Message[] = [];
    for (const incoming of batch) {
      const { message, uid } = incoming;
      if (!message?.retain || fenced?.has(incoming)) continue;
      // An old message that comes again must not put an old value back.
      if (uid === undefined || !this.#handedOver.has(uid)) messages.push(message);
    }
    if (messages.length === 0) return;
    const { store, persistence } = this.#around;
    const stored = await persist(persistence, 'retain', () => store.retained.set(messages));
    for (const [i, message] of messages.entries()) if (stored[i] === false) this.#around.notRetained(message);
  }

  /** Hands a message to the Clients here, and tells the publisher's side what to answer. */
  #deliver(
    { message, isRefusable, uid }: Incoming,
    match: Match,
    outcomes: readonly EnqueueOutcome[] | undefined,
    isEnqueued: boolean,
  ): ReasonCode {
    if (message === undefined || outcomes === undefined) return ReasonCode.quotaExceeded;
    const isRepeat = uid !== undefined && this.#handedOver.has(uid);
    if (message.qos === 0) return isRepeat ? ReasonCode.success : this.#handOver(message, match, uid);
    if (isRefusable && this.#around.refuseWhenFull && match.volatile.some(({ session }) => session.isFull(message))) {
      return ReasonCode.quotaExceeded;
    }
    let reached = isRepeat ? 1 : 0;
    for (const target of isRepeat ? [] : match.volatile) {
      const copy = target.session.clientId === message.publisherId ? target.own : target;
      if (copy === undefined) continue; // [MQTT-3.8.3-3]
      reached++;
      if (target.session.deliver(message, copy)) this.#around.queued(1);
    }
    if (uid !== undefined) this.#handedOver.add(uid);
    if (isEnqueued) {
      for (const [i, outcome] of outcomes.entries()) {
        if (this.#stored(message, match.stored[i] as StoredTarget, outcome)) reached++;
      }
    }
    if (reached === 0) this.#around.drops.add(message.publisherId, 'no_subscriber');
    return reached === 0 ? ReasonCode.noMatchingSubscribers : ReasonCode.success;
  }

  #handOver(message: Message, match: Match, uid: string | undefined): ReasonCode {
    if (uid !== undefined) this.#handedOver.add(uid);
    return this.deliverQos0(message, match);
  }

  /** Hands a QoS 0 message to every connected Client that matches. */
  deliverQos0(message: Message, match: Match): ReasonCode {
    let reached = 0;
    for (const target of match.any) {
      const copy = target.session.clientId === message.publisherId ? target.own : target;
      if (copy === undefined) continue; // [MQTT-3.8.3-3]
      reached++;
      target.session.sendQos0(message, message.retain && copy.retainAsPublished, copy.subscriptionIdentifiers);
    }
    if (reached === 0) this.#around.drops.add(message.publisherId, 'no_subscriber');
    return reached === 0 ? ReasonCode.noMatchingSubscribers : ReasonCode.success;
  }

  /** @returns whether the message had a subscriber there */
  #stored(message: Message, target: StoredTarget, outcome: EnqueueOutcome): boolean {
    const { drops } = this.#around;
    switch (outcome.is) {
      case 'queued':
        this.#around.queued(1);
        drops.add(target.clientId, 'queue_full', outcome.dropped);
        drops.add(target.clientId, 'expired', outcome.expired);
        this.#ownerOf(target, outcome.owner)?.push(outcome.entry, outcome.sentSeq);
        return true;
      case 'qos0':
        this.#ownerOf(target, outcome.owner)?.sendQos0(
          message,
          outcome.entry.retain,
          outcome.entry.subscriptionIdentifiers,
        );
        return outcome.owner !== undefined;
      case 'duplicate':
        this.#ownerOf(target, outcome.owner)?.look();
        return true;
      case 'full':
        drops.add(target.clientId, 'expired', outcome.expired);
        drops.add(target.clientId, 'queue_full');
        return true;
      case 'skipped':
        return false;
      case 'no_session':
      case 'no_subscription':
        // A hint that no longer holds goes, unless it has been put anew since [rule: Marks].
        void this.#around.store.routes
          .removeIf(target.routes)
          .catch((error: unknown) => this.#around.persistence.failed('remove_route', error));
        return false;
    }
  }

  /** The Session here that the store named as the owner; an earlier connection of it is not. */
  #ownerOf({ clientId, generation }: StoredTarget, owner: Owner | undefined): Session | undefined {
    if (owner?.node !== this.#around.nodeId) return undefined;
    const session = this.#around.sessionOf(clientId);
    return session?.claim.generation === generation && session.claim.epoch === owner.epoch ? session : undefined;
  }
}
