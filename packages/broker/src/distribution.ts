// From one message and what it matches to everybody who gets it: Clients here, other nodes, owners of stored Sessions.
//
// rule: One path per session. A QoS 0 message goes to connected Clients wherever they are. A QoS 1 or 2 message goes to
// volatile Sessions by the node that holds them; to stored ones by their queues, and what was stored there is pushed to
// the node that owns them, exactly as it was stored.

import { ReasonCode } from '@skein/protocol';
import type { Drops } from './drops.ts';
import type { Incoming } from './lane.ts';
import type { Message } from './message.ts';
import type { Counters } from './observer.ts';
import type { PeerMessage, Peers } from './peer-ports.ts';
import type { Persistence } from './persist.ts';
import { type EnqueueOutcome, mark, type Owner, type QueueEntry, type Routes } from './ports.ts';
import { RecentUids } from './recent-uids.ts';
import type { Match, StoredTarget, VersionedSessionRoute } from './router.ts';
import type { Session } from './session/session.ts';

/** What handing messages over takes. */
export interface DistributionSurroundings {
  readonly routes: Routes;
  readonly drops: Drops;
  readonly counters: Counters;
  readonly persistence: Persistence;
  readonly refuseWhenFull: boolean;
  readonly nodeId: string;
  /** Undefined for a node that is alone. */
  readonly peers: Peers | undefined;
  /** The Session of a Client connected here. */
  sessionOf(clientId: string): Session | undefined;
}

/** What became of a message for the stored Sessions it matched; undefined if it was refused as a whole. */
export type Outcomes = readonly EnqueueOutcome[] | undefined;

/** Hands messages over. */
export class Distribution {
  readonly #around: DistributionSurroundings;
  readonly #handedOver = new RecentUids();
  /** Routes whose Sessions, or whose Subscriptions, are gone. */
  readonly #unwanted = new Set<VersionedSessionRoute>();

  constructor(surroundings: DistributionSurroundings) {
    this.#around = surroundings;
  }

  /** Whether this node has not had a message yet; from now on it has. */
  isNew(uid: string | undefined): boolean {
    if (uid === undefined) return true;
    if (this.#handedOver.has(uid)) return false;
    this.#handedOver.add(uid);
    return true;
  }

  /** Hands a QoS 0 message to every connected Client that matches, here and elsewhere. */
  qos0(message: Message, match: Match, uid?: string): ReasonCode {
    let reached = this.isNew(uid) ? this.qos0Here(message, match) : 1;
    if (match.nodes.length > 0) reached += this.#qos0Elsewhere(message, match, uid);
    return this.#answer(message, reached);
  }

  /** The same for the Clients of this node alone. @returns how many match */
  qos0Here(message: Message, match: Match): number {
    let reached = 0;
    for (const target of match.any) {
      const copy = target.session.clientId === message.publisherId ? target.own : target;
      if (copy === undefined) continue; // [MQTT-3.8.3-3]
      reached++;
      target.session.sendQos0(message, message.retain && copy.retainAsPublished, copy.subscriptionIdentifiers);
    }
    return reached;
  }

  #qos0Elsewhere(message: Message, match: Match, uid: string | undefined): number {
    const { peers, counters, drops } = this.#around;
    let reached = 0;
    for (const { node, marks } of match.nodes) {
      if ((marks & mark.any) === 0) continue;
      reached++;
      if (peers?.publish(node, { message, uid })) counters.peerPublished++;
      else drops.add(message.publisherId, 'peer_slow');
    }
    return reached;
  }

  /**
   * Hands a QoS 1 or 2 message to all that match, but to other nodes' volatile Sessions.
   *
   * @param outcomes empty if no stored Session matches
   */
  qos12({ isRefusable, uid }: Incoming, message: Message, match: Match, outcomes: Outcomes): ReasonCode {
    if (outcomes === undefined) return ReasonCode.quotaExceeded;
    let reached = 0;
    for (let i = 0; i < outcomes.length; i++) {
      if (this.#stored(message, match.stored[i] as StoredTarget, outcomes[i] as EnqueueOutcome)) reached++;
    }
    if (isRefusable && this.#around.refuseWhenFull && match.volatile.some(({ session }) => session.isFull(message))) {
      return ReasonCode.quotaExceeded;
    }
    reached += this.isNew(uid) ? this.volatileHere(message, match) : 1;
    for (const { marks } of match.nodes) if ((marks & mark.volatile) !== 0) reached++;
    return this.#answer(message, reached);
  }

  /** Hands a QoS 1 or 2 message to the volatile Sessions of this node. @returns how many match */
  volatileHere(message: Message, match: Match): number {
    let reached = 0;
    for (const target of match.volatile) {
      const copy = target.session.clientId === message.publisherId ? target.own : target;
      if (copy === undefined) continue; // [MQTT-3.8.3-3]
      reached++;
      if (target.session.closed) this.#around.drops.add(target.session.clientId, 'session_ended');
      else if (target.session.deliver(message, copy)) this.#around.counters.queued++;
    }
    return reached;
  }

  #answer(message: Message, reached: number): ReasonCode {
    if (reached > 0) return ReasonCode.success;
    this.#around.drops.add(message.publisherId, 'no_subscriber');
    return ReasonCode.noMatchingSubscribers;
  }

  /** @returns whether the message had a subscriber there */
  #stored(message: Message, target: StoredTarget, outcome: EnqueueOutcome): boolean {
    const { drops, counters } = this.#around;
    switch (outcome.is) {
      case 'queued':
        counters.queued++;
        drops.add(target.clientId, 'queue_full', outcome.dropped);
        drops.add(target.clientId, 'expired', outcome.expired);
        this.#push(target, outcome.owner, outcome.entry, outcome.sentSeq);
        return true;
      case 'qos0':
        this.#push(target, outcome.owner, { ...outcome.entry, message, seq: 0 }, 0);
        return outcome.owner !== undefined;
      case 'duplicate':
        this.#push(target, outcome.owner, undefined, 0);
        return true;
      case 'full':
        drops.add(target.clientId, 'expired', outcome.expired);
        drops.add(target.clientId, 'queue_full');
        return true;
      case 'refused':
        drops.add(target.clientId, 'store_refused');
        return true;
      case 'skipped':
        return false;
      case 'no_session':
      case 'no_subscription':
        for (const route of target.routes) this.#unwanted.add(route);
        return false;
    }
  }

  /** Hints that no longer hold go, unless they have been put anew since [rule: Marks]: once for each batch. */
  removeUnwanted(): void {
    if (this.#unwanted.size === 0) return;
    const { routes, persistence } = this.#around;
    const unwanted = [...this.#unwanted];
    this.#unwanted.clear();
    routes.removeIf(unwanted).catch((error: unknown) => persistence.failed('remove_route', error));
  }

  /** rule: Push. Passes on what was stored to whoever the store named as the owner. */
  #push(
    { clientId, generation }: StoredTarget,
    owner: Owner | undefined,
    entry: QueueEntry | undefined,
    sentSeq: number,
  ): void {
    const { nodeId, peers, counters, sessionOf } = this.#around;
    if (owner === undefined) return;
    if (owner.node !== nodeId) {
      counters.peerPushed++;
      peers?.push(owner.node, { clientId, generation, epoch: owner.epoch, entry, sentSeq });
      return;
    }
    const session = sessionOf(clientId);
    // An earlier connection of the Session is not its owner.
    if (session?.claim.generation !== generation || session.claim.epoch !== owner.epoch) return;
    if (entry === undefined) session.look();
    else if (entry.seq === 0) session.sendQos0(entry.message, entry.retain, entry.subscriptionIdentifiers);
    else session.push(entry, sentSeq);
  }
}

/** Messages of one batch that wait for other nodes before their publishers are answered. */
export class ElsewhereBatch {
  readonly #byNode = new Map<string, { readonly messages: PeerMessage[]; readonly waiting: Waiting[] }>();

  /** Adds a message for the volatile Sessions of other nodes. @returns false if there are none that match */
  add(incoming: Incoming, message: Message, match: Match, reasonCode: ReasonCode): boolean {
    let waiting: Waiting | undefined;
    for (const { node, marks } of match.nodes) {
      if ((marks & mark.volatile) === 0) continue;
      waiting ??= { incoming, reasonCode, nodes: 0 };
      waiting.nodes++;
      let batch = this.#byNode.get(node);
      if (batch === undefined) {
        batch = { messages: [], waiting: [] };
        this.#byNode.set(node, batch);
      }
      batch.messages.push({ message, uid: incoming.uid });
      batch.waiting.push(waiting);
    }
    return waiting !== undefined;
  }

  /**
   * Hands the messages over; each is finished when all of its nodes have it, or are gone, or know that they have missed
   * it. If it is this node that is gone they are not: unanswered and not noted as published, they come again through
   * their publishers' next node.
   *
   * @param missed tells a node, if it is alive, that messages for it were given up
   */
  async send(peers: Peers, missed: (node: string) => Promise<void>, around: SendSurroundings): Promise<void> {
    const { counters, drops, persistence } = around;
    await Promise.all(
      Array.from(this.#byNode, async ([node, { messages, waiting }]) => {
        const isTaken = await peers.deliver(node, messages);
        if (!isTaken) {
          if (persistence.stopped) return;
          await missed(node);
          for (const { message } of messages) drops.add(message.publisherId, 'peer_unreachable');
        } else {
          counters.peerDelivered += messages.length;
        }
        for (const one of waiting) if (--one.nodes === 0) one.incoming.finish(one.reasonCode);
      }),
    );
  }
}

/** What handing over is counted by, and whether it still may be. */
export interface SendSurroundings {
  readonly counters: Counters;
  readonly drops: Drops;
  readonly persistence: Persistence;
}

interface Waiting {
  readonly incoming: Incoming;
  readonly reasonCode: ReasonCode;
  nodes: number;
}
