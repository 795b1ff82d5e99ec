// From one message and what it matches to everybody who gets it: Clients here, other nodes, owners of stored Sessions.
//
// rule: One path per session. A QoS 0 message goes to connected Clients wherever they are. A QoS 1 or 2 message goes to
// volatile Sessions by the node that holds them; to stored ones by their queues, and what was stored there is pushed to
// the node that owns them, exactly as it was stored.
//
// Of each group that shares a filter one member gets it: at QoS 0 whoever is chosen here, at QoS 1 and 2 whom the lane has
// placed it with.

import { ReasonCode } from '@skein/protocol';
import type { Drops } from './drops.ts';
import type { Incoming } from './lane.ts';
import type { Message } from './message.ts';
import type { Counters } from './observer.ts';
import type { Peers } from './peer-ports.ts';
import type { Persistence } from './persist.ts';
import { type EnqueueOutcome, mark, type Owner, type QueueEntry, type Routes } from './ports.ts';
import { RecentUids } from './recent-uids.ts';
import type { Match, StoredTarget, VersionedMemberRoute, VersionedSessionRoute } from './router.ts';
import type { Session } from './session/session.ts';
import type { Chooser } from './shared/choose.ts';
import type { SharedGroup, SharedMember } from './shared/group.ts';
import type { Placement } from './shared/placement.ts';
import { sharedUid } from './shared/uid.ts';

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
  /** Chooses members of shared groups. */
  readonly chooser: Chooser;
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
  /** Members whose Client is away, though their routes name a node that holds it. */
  readonly #away = new Set<VersionedMemberRoute>();

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
    const isNew = this.isNew(uid);
    let reached = isNew ? this.qos0Here(message, match) : 1;
    if (match.nodes.length > 0) reached += this.#qos0Elsewhere(message, match, uid);
    if (isNew) for (const group of match.groups) this.#qos0Group(message, group, uid);
    return this.#answer(message, reached + match.groups.length);
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

  /** One member whose Client is connected gets it, or it is dropped. */
  #qos0Group(message: Message, group: SharedGroup, uid: string | undefined): void {
    const { peers, chooser, counters, drops } = this.#around;
    let tried: Set<string> | undefined;
    for (
      let member = chooser.online(group, message);
      member !== undefined;
      member = chooser.online(group, message, tried)
    ) {
      if (this.#qos0Member(message, group, member)) return;
      const { heldBy, generation } = member;
      const address = { sharedFilter: group.sharedFilter, generation };
      const name = uid === undefined ? undefined : sharedUid(uid, group.sharedFilter);
      if (peers?.publish(heldBy, { message, uid: name, member: address })) {
        counters.peerPublished++;
        return;
      }
      tried ??= new Set();
      tried.add(generation);
    }
    drops.add(message.publisherId, tried === undefined ? 'group_offline' : 'peer_slow');
  }

  /** @returns false if the member is not connected here */
  #qos0Member(message: Message, { sharedFilter }: SharedGroup, { session }: SharedMember): boolean {
    const subscription = session?.subscriptions.get(sharedFilter);
    if (session === undefined || subscription === undefined) return false;
    const { retainAsPublished, subscriptionIdentifier } = subscription;
    const identifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
    session.sendQos0(message, message.retain && retainAsPublished, identifiers);
    return true;
  }

  /** Hands a QoS 0 message that another node has chosen a member for to that one, or to another one that is here. */
  qos0ToMember(message: Message, group: SharedGroup | undefined, generation: string): void {
    const chosen = group?.member(generation);
    if (group !== undefined && chosen !== undefined && this.#qos0Member(message, group, chosen)) return;
    for (const member of group?.attended ?? []) if (group && this.#qos0Member(message, group, member)) return;
    this.#around.drops.add(message.publisherId, 'group_offline');
  }

  /**
   * Hands a QoS 1 or 2 message to all that match, but to other nodes' volatile Sessions.
   *
   * @param outcomes empty if no stored Session matches
   * @param shared what has become of it for the groups that match
   */
  qos12(
    incoming: Incoming,
    message: Message,
    match: Match,
    outcomes: Outcomes,
    shared: readonly Placement[],
  ): ReasonCode {
    if (outcomes === undefined) return ReasonCode.quotaExceeded;
    const { isRefusable, again } = incoming;
    let reached = 0;
    for (let i = 0; i < outcomes.length; i++) {
      if (this.#stored(message, match.stored[i] as StoredTarget, outcomes[i] as EnqueueOutcome)) reached++;
    }
    const isRefused = isRefusable && this.#around.refuseWhenFull;
    if (isRefused && match.volatile.some(({ session }) => session.isFull(message))) return ReasonCode.quotaExceeded;
    // Who is refused sends it again: not where a member of another group has it already.
    let isHad = shared.some(({ fate }) => fate?.is === 'stored');
    for (const placement of shared) {
      if (!this.#placed(message, placement, isRefused && !isHad)) return ReasonCode.quotaExceeded;
      isHad ||= placement.fate?.is === 'volatile';
      reached++;
    }
    if (again !== undefined) return this.#passedOn(message, again.except, shared);
    // A uid is not even asked for where it need not be remembered: it would be made for nothing.
    const isNew = incoming.isSingular === true || this.isNew(incoming.uid);
    reached += isNew ? this.volatileHere(message, match) : 1;
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

  /** Hands a message to whom it was placed with, if that is here. @returns false if its publisher is to be refused */
  #placed(message: Message, placement: Placement, isRefused: boolean): boolean {
    const { fate, findings, group, incoming } = placement;
    for (const { target, outcome } of findings) this.#found(target, outcome);
    switch (fate?.is) {
      case 'stored':
        this.#stored(message, fate.target, fate.outcome);
        break;
      case 'volatile': {
        const { session, generation } = fate.member;
        if (session === undefined) break; // the other node's affair
        if (isRefused && session.isFull(message)) return false;
        const uid = incoming.uid === undefined ? undefined : sharedUid(incoming.uid, group.sharedFilter);
        if (!this.toMember(message, group, generation, uid)) placement.missed(generation);
        break;
      }
      case 'dropped':
        if (isRefused && fate.reason === 'queue_full') return false;
        this.#around.drops.add(fate.clientId, fate.reason);
    }
    return true;
  }

  /** What a message that was to go to another member is answered: that it has, or that nobody else could take it. */
  #passedOn({ publisherId }: Message, except: string, [placement]: readonly Placement[]): ReasonCode {
    if (placement === undefined) this.#around.drops.add(publisherId, 'group_offline');
    const fate = placement?.fate;
    const isBack = fate?.is === 'stored' && fate.target.generation === except;
    return isBack ? ReasonCode.quotaExceeded : ReasonCode.success;
  }

  /** What was found out on the way to somebody who has it. */
  #found(target: StoredTarget, outcome: EnqueueOutcome): void {
    if (outcome.is === 'full') this.#around.drops.add(target.clientId, 'expired', outcome.expired);
    else if (outcome.is === 'offline') {
      for (const route of target.routes) if (isMemberRoute(route) && route.heldBy !== '') this.#away.add(route);
    } else if (outcome.is !== 'refused') for (const route of target.routes) this.#unwanted.add(route);
  }

  /**
   * Hands a QoS 1 or 2 message to the volatile Session that it was chosen for; to another one here, if that is full.
   *
   * @param uid of the copy for the group
   * @returns false if the Session is not here any more
   */
  toMember(message: Message, group: SharedGroup | undefined, generation: string, uid: string | undefined): boolean {
    const { chooser, counters } = this.#around;
    if (!this.isNew(uid === undefined ? undefined : `${uid} ${generation}`)) return true;
    const chosen = group?.member(generation)?.session;
    if (group === undefined || chosen === undefined || chosen.closed || chosen.stored) return false;
    const session = chosen.isFull(message) ? (chooser.here(group, message, generation)?.session ?? chosen) : chosen;
    const subscription = session.subscriptions.get(group.sharedFilter);
    if (subscription === undefined) return false;
    if (session.deliverShared(message, subscription)) counters.queued++;
    return true;
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
      case 'offline':
        return false; // a member of a group, and another one gets it
    }
  }

  /** Hints that no longer hold go, unless they have been put anew since [rule: Marks]: once for each batch. */
  removeUnwanted(): void {
    const { routes, persistence } = this.#around;
    if (this.#away.size > 0) {
      const away = [...this.#away];
      this.#away.clear();
      routes.awayIf(away).catch((error: unknown) => persistence.failed('away_route', error));
    }
    if (this.#unwanted.size === 0) return;
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

function isMemberRoute(route: VersionedSessionRoute): route is VersionedMemberRoute {
  return 'heldBy' in route;
}
