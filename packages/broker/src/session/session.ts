// The Session of a Client that is connected to this node [MQTT 4.1]: its Subscriptions, what it was sent, what it sent.
//
// There is one for each Network Connection. A stored Session's state outlives it in the store, a volatile one's ends
// with it; which of the two it is was fixed when its generation began.

import type { Drops } from '../drops.ts';
import type { Lane } from '../lane.ts';
import type { Limits } from '../limits.ts';
import type { Message } from '../message.ts';
import type { Counters } from '../observer.ts';
import type { Outlet } from '../outlet.ts';
import type { Persistence } from '../persist.ts';
import type { Acquired, Claim, Clock, QueueEntry, Queues } from '../ports.ts';
import type { LocalTarget } from '../router.ts';
import { Inbound, type InboundTerms } from './inbound.ts';
import { Outbound } from './outbound.ts';
import type { Settlements } from './settlements.ts';
import { StoredQueue } from './stored-queue.ts';
import type { Subscription } from './subscription.ts';
import { TopicAliases } from './topic-alias.ts';
import { VolatileQueue } from './volatile-queue.ts';

/** What a Session is made with. */
export interface SessionParts {
  readonly acquired: Acquired;
  readonly outlet: Outlet;
  readonly lane: Lane;
  readonly settlements: Settlements;
  readonly queues: Queues;
  readonly drops: Drops;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly inbound: InboundTerms;
  /** Messages in flight to the Client at most. */
  readonly inflightMax: number;
  /** Asks for reading to stop, or lets it go on. */
  readonly hold: (wanted: boolean) => void;
  /** Called when the store says that another connection owns the Session. */
  readonly fenced: () => void;
  /** Called when the Session's queue cannot be read for a reason of our own making. */
  readonly failed: (error: unknown) => void;
  readonly persistence: Persistence;
}

/** A Session and the Client that holds it, as long as its Network Connection lasts. */
export class Session {
  readonly claim: Claim;
  readonly stored: boolean;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  readonly #queue: VolatileQueue | StoredQueue;
  readonly #headReleases: readonly number[];
  readonly #topicAliasMaximum: number;
  /** What is fed to a stored queue leaves the other half to live messages. */
  readonly #fedMax: number;
  #aliases: TopicAliases | undefined;
  #subscriptions: Map<string, Subscription> | undefined;
  #closed = false;

  constructor(parts: SessionParts) {
    const { acquired, outlet, drops, counters, clock, limits } = parts;
    this.claim = acquired.claim;
    this.stored = acquired.stored;
    this.#headReleases = acquired.releases;
    this.#topicAliasMaximum = limits.topicAliasMaximum;
    this.#fedMax = limits.queueMaxMessages >>> 1;
    this.inbound = new Inbound({
      claim: acquired.claim,
      isStored: acquired.stored,
      received: acquired.inbound,
      outlet,
      lane: parts.lane,
      settlements: parts.settlements,
      terms: parts.inbound,
      hold: parts.hold,
      fenced: parts.fenced,
    });
    this.#queue = acquired.stored
      ? new StoredQueue({ ...parts, claim: acquired.claim, headSeq: acquired.headSeq })
      : new VolatileQueue(acquired.claim.clientId, limits, drops, clock);
    this.outbound = new Outbound({
      clientId: acquired.claim.clientId,
      outlet,
      source: this.#queue,
      inflightMax: parts.inflightMax,
      resendSeq: acquired.sentSeq,
      drops,
      counters,
      clock,
    });
    this.#queue.outbound = this.outbound;
  }

  get clientId(): string {
    return this.claim.clientId;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions ?? none;
  }

  /** Goes on where the last Network Connection ended: owed PUBRELs, then messages by seq [MQTT-4.4.0-1]. */
  resume(): void {
    this.outbound.resume(this.#headReleases);
    if (this.#queue instanceof StoredQueue) this.#queue.start();
  }

  /** @returns the Subscription with the same filter that it replaces [MQTT-3.8.4-3] */
  subscribe(subscription: Subscription): Subscription | undefined {
    this.#subscriptions ??= new Map();
    const replaced = this.#subscriptions.get(subscription.topicFilter);
    this.#subscriptions.set(subscription.topicFilter, subscription);
    return replaced;
  }

  /** @returns the Subscription that there was */
  unsubscribe(topicFilter: string): Subscription | undefined {
    const subscription = this.#subscriptions?.get(topicFilter);
    this.#subscriptions?.delete(topicFilter);
    return subscription;
  }

  /** The Topic Name that a PUBLISH of this Client means. @throws MqttError if its alias means none */
  resolveAlias(topic: string, alias: number): string {
    this.#aliases ??= new TopicAliases(this.#topicAliasMaximum);
    return this.#aliases.resolve(topic, alias);
  }

  /** Whether a volatile Session cannot queue this message. */
  isFull(message: Message): boolean {
    return this.#queue instanceof VolatileQueue && this.#queue.isFull(message);
  }

  /**
   * Delivers a QoS 1 or 2 message to a volatile Session, at the lower of its QoS and the one granted [MQTT-3.8.4-8].
   *
   * @returns false if it was dropped, and counted
   */
  deliver(message: Message, target: LocalTarget): boolean {
    const retain = message.retain && target.retainAsPublished;
    return this.#deliver(message, Math.min(message.qos, target.qos), retain, target.subscriptionIdentifiers);
  }

  /** The same for a message that came by a Shared Subscription. */
  deliverShared(message: Message, subscription: Subscription): boolean {
    const { topicFilter, qos, retainAsPublished, subscriptionIdentifier } = subscription;
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    const retain = message.retain && retainAsPublished;
    return this.#deliver(message, Math.min(message.qos, qos), retain, identifiers, topicFilter);
  }

  #deliver(
    message: Message,
    qos: number,
    retain: boolean,
    subscriptionIdentifiers: readonly number[] | undefined,
    sharedFilter?: string,
  ): boolean {
    if (qos === 0 || !(this.#queue instanceof VolatileQueue)) {
      this.sendQos0(message, retain, subscriptionIdentifiers);
      return true;
    }
    const isTaken = this.#queue.push(message, qos as 1 | 2, retain, subscriptionIdentifiers, false, sharedFilter);
    if (isTaken) this.outbound.news?.note(message);
    else this.outbound.news?.miss(message);
    return isTaken;
  }

  /** Delivers a retained message to a volatile Session, whatever its queue's limits, or at QoS 0 to any. */
  deliverRetained(message: Message, qos: number, subscriptionIdentifiers: readonly number[] | undefined): void {
    if (qos === 0) this.outbound.sendQos0(message, true, subscriptionIdentifiers);
    else if (this.#queue instanceof VolatileQueue)
      this.#queue.push(message, qos as 1 | 2, true, subscriptionIdentifiers, true);
  }

  sendQos0(message: Message, retain: boolean, subscriptionIdentifiers: readonly number[] | undefined): void {
    const isSent = this.outbound.sendQos0(message, retain, subscriptionIdentifiers);
    const { news } = this.outbound;
    if (news === undefined) return;
    if (!isSent) news.miss(message);
    else if (message.publisherId === this.clientId)
      news.note(message); // No Local may keep it from a newer Subscription
    else news.noteAtQos0(message);
  }

  /** Takes what was stored for this Session while it is here. */
  push(entry: QueueEntry, sentSeq: number): void {
    if (this.#queue instanceof StoredQueue) this.#queue.push(entry, sentSeq);
  }

  /** Resolves when the Client takes more; or it is gone. */
  whenRoomy(): Promise<void> | undefined {
    return this.outbound.whenRoomy();
  }

  /**
   * The same, when at most so many messages wait before that, and the queue has room for more than what it is fed with:
   * messages in flight count as long as they are not acknowledged.
   */
  whenHungry(waitingMax: number): Promise<void> | undefined {
    return this.outbound.whenRoomy(() => {
      const { waiting } = this.#queue;
      return waiting <= waitingMax && waiting + this.outbound.inflight <= this.#fedMax;
    });
  }

  /** Keeps what the Client acknowledges from the store for a moment, or lets it go there. */
  withhold(wanted: boolean): void {
    if (this.#queue instanceof StoredQueue) this.#queue.withhold(wanted);
  }

  /** The seq after the last one known to be stored for it; a volatile Session has nothing to miss. */
  get endSeq(): number {
    return this.#queue instanceof StoredQueue ? this.#queue.endSeq : Number.POSITIVE_INFINITY;
  }

  /** Of the queue in the store, the first seq that has not gone out. */
  get unsentSeq(): number {
    return this.#queue instanceof StoredQueue ? this.#queue.unsentSeq : 0;
  }

  /** Something may have been stored for this Session that was not pushed. */
  look(): void {
    if (this.#queue instanceof StoredQueue) this.#queue.look();
  }

  /** The Network Connection is gone. */
  close(): Ended {
    this.#closed = true;
    this.inbound.close();
    const left = this.#queue instanceof VolatileQueue ? this.#queue.clear() : undefined;
    if (this.#queue instanceof StoredQueue) this.#queue.close();
    const { inflight } = this.outbound;
    this.outbound.close();
    if (left === undefined) return nothing;
    const { waiting, forOthers, begun, begunAtQos2 } = left;
    return { undelivered: waiting + inflight - begun, begunAtQos2, forOthers };
  }
}

/** What a Session leaves that ends with its Network Connection. */
export interface Ended {
  /** Messages of plain Subscriptions that nobody will get. */
  readonly undelivered: number;
  /** Messages of Shared Subscriptions that were begun at QoS 2: nobody else may have them [MQTT-4.8.2-5]. */
  readonly begunAtQos2: number;
  /** Messages of Shared Subscriptions that other members may have. */
  readonly forOthers: readonly QueueEntry[];
}

const nothing: Ended = { undelivered: 0, begunAtQos2: 0, forOthers: [] };
const none: ReadonlyMap<string, Subscription> = new Map();
