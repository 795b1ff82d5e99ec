// SUBSCRIBE and UNSUBSCRIBE, one after the other for each Client [MQTT 3.8, 3.9, 3.10, 3.11].
//
// The Session first, then the route under a new version, then SUBACK: from then on every node that reads the routes'
// version finds the Subscription. Retained messages follow. To unsubscribe, the Session first, then the route, if
// nobody has put it anew. Of a Shared Subscription the route tells where the member is, and retained messages do not
// follow.

import { MqttError, ReasonCode, type Suback, type Subscribe, type Unsuback, type Unsubscribe } from '@skein/protocol';
import type { Lane } from './lane.ts';
import type { Limits } from './limits.ts';
import type { Marks } from './marks.ts';
import type { Persistence } from './persist.ts';
import { type Authorizer, type Feed, type Fenced, type Route, type Store, StoreUnavailable } from './ports.ts';
import { RetainedFeed } from './retained.ts';
import type { Router } from './router.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';
import type { Attendance } from './shared/attendance.ts';
import { isShared, refuseFilter, sharedPart } from './topic/filter.ts';

/** What serving SUBSCRIBE takes. */
export interface SubscribeSurroundings {
  readonly store: Store;
  readonly router: Router;
  readonly authorizer: Authorizer;
  readonly limits: Limits;
  readonly lane: Lane;
  readonly persistence: Persistence;
  /** What other nodes are told; undefined for a node that is alone. */
  readonly marks: Marks | undefined;
  /** What they are told of members of shared groups. */
  readonly attendance: Attendance;
  /** The Session of a Client connected here. */
  sessionOf(clientId: string): Session | undefined;
}

/** What serving one Client's SUBSCRIBE and UNSUBSCRIBE packets takes. */
export interface RequestsOf {
  readonly around: SubscribeSurroundings;
  readonly session: Session;
  readonly username: string | undefined;
  readonly send: (packet: Suback | Unsuback) => void;
  /** Asks for reading to stop, or lets it go on. */
  readonly hold: (wanted: boolean) => void;
  /** Called when another connection owns the Session. */
  readonly fenced: () => void;
  /** Whether UNSUBACK can say that it failed: in 5.0. */
  readonly hasUnsubackCodes: boolean;
  /** Called when the store did not answer, and no packet could say so. */
  readonly unavailable: () => void;
  /** Called when serving, or feeding retained messages, failed. */
  readonly failed: (error: unknown) => void;
}

/** Filters of one SUBSCRIBE that are looked at; the others are refused. */
const filtersMax = 1000;

/** The SUBSCRIBE and UNSUBSCRIBE packets of one Client, in order. */
export class Requests {
  readonly #of: RequestsOf;
  readonly #feed: RetainedFeed;
  readonly #waiting: (Subscribe | Unsubscribe)[] = [];
  #busy = false;

  constructor(of: RequestsOf) {
    this.#of = of;
    this.#feed = new RetainedFeed(of);
  }

  /** Goes on with the retained messages that earlier connections of the Session have not had. */
  resume(feeds: readonly Feed[]): void {
    this.#feed.resume(feeds);
  }

  /** @throws MqttError if the whole packet is in error */
  add(packet: Subscribe | Unsubscribe): void {
    if (packet.type === 'subscribe') checkSubscribe(packet);
    this.#waiting.push(packet);
    if (this.#busy) return;
    this.#busy = true;
    // What comes behind a SUBSCRIBE is looked at when it is served: nobody expects a Client's packets to change places.
    this.#of.hold(true);
    this.#serve().catch(this.#of.failed);
  }

  async #serve(): Promise<void> {
    const { around, session, fenced, hold } = this.#of;
    // Nor may what came before it be overtaken.
    if (session.inbound.isBusy) await around.lane.passed();
    for (let next = this.#waiting.shift(); next !== undefined && !session.closed; next = this.#waiting.shift()) {
      const answer = next.type === 'subscribe' ? await this.#subscribe(next) : await this.#unsubscribe(next);
      if (answer === 'fenced') fenced();
    }
    this.#busy = false;
    hold(false);
  }

  async #subscribe(packet: Subscribe): Promise<undefined | Fenced> {
    const { around, session, send } = this.#of;
    const { packetId } = packet;
    const { granted, reasonCodes } = this.#decide(packet);
    const isNew = await put(around, session, granted);
    if (isNew === 'fenced') return 'fenced';
    if (session.closed) {
      around.attendance.missed(session, topicFiltersOf(granted));
      return undefined;
    }
    if (isNew === 'unavailable') {
      const codes = reasonCodes.map((code) => (code < 0x80 ? ReasonCode.unspecifiedError : code));
      send({ type: 'suback', packetId, reasonCodes: codes, properties: undefined });
      return undefined;
    }
    const added = new Set<string>();
    for (const subscription of granted) {
      const replaced = session.subscribe(subscription);
      if (replaced === undefined) added.add(subscription.topicFilter);
      around.router.subscribe(subscription, replaced);
    }
    send({ type: 'suback', packetId, reasonCodes, properties: undefined });
    const asked = new Map<string, Subscription>();
    for (const [i, { retainHandling, topicFilter }] of granted.entries()) {
      // The same filter may stand there twice; its retained messages are sent once, for the last of them.
      const subscription = session.subscriptions.get(topicFilter);
      if (subscription === undefined) continue;
      // [MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11]
      // The store may have it already from a SUBSCRIBE that failed half way; to the Client it is new all the same.
      if (retainHandling === 2 || (retainHandling === 1 && !isNew[i] && !added.has(topicFilter))) continue;
      if (isShared(topicFilter)) continue; // [§4.8.2]: no retained messages
      asked.set(topicFilter, subscription);
    }
    this.#feed.add([...asked.values()]);
    return undefined;
  }

  /** A Reason Code for every filter, in order [MQTT-3.8.4-6]. */
  #decide(packet: Subscribe): { granted: Subscription[]; reasonCodes: ReasonCode[] } {
    const { session } = this.#of;
    const subscriptionIdentifier = packet.properties?.subscriptionIdentifier;
    const added = new Set<string>();
    const granted: Subscription[] = [];
    const reasonCodes = packet.subscriptions.map((request, i): ReasonCode => {
      const { topicFilter, qos, noLocal, retainAsPublished, retainHandling } = request;
      const refusal = i < filtersMax ? this.#refuse(topicFilter, added) : ReasonCode.quotaExceeded;
      if (refusal !== undefined) return refusal;
      if (!session.subscriptions.has(topicFilter)) added.add(topicFilter);
      // All of one shape, and none larger than it has to be: there may be millions.
      granted.push({
        topicFilter,
        qos,
        noLocal,
        retainAsPublished,
        retainHandling,
        subscriptionIdentifier,
        session,
      });
      return qos;
    });
    return { granted, reasonCodes };
  }

  /** @param added filters that are new with this packet */
  #refuse(topicFilter: string, added: ReadonlySet<string>): ReasonCode | undefined {
    const { around, session, username } = this.#of;
    const { limits, authorizer } = around;
    const refusal = refuseFilter(topicFilter, limits);
    if (refusal !== undefined) return refusal;
    const matched = sharedPart(topicFilter) ?? topicFilter;
    if (!authorizer.maySubscribe(session.clientId, username, matched)) return ReasonCode.notAuthorized;
    if (session.subscriptions.has(topicFilter) || added.has(topicFilter)) return undefined;
    return session.subscriptions.size + added.size < limits.subscriptionsMax ? undefined : ReasonCode.quotaExceeded;
  }

  async #unsubscribe({ packetId, topicFilters }: Unsubscribe): Promise<undefined | Fenced> {
    const { around, session, send } = this.#of;
    const gone = await remove(around, session, topicFilters);
    if (gone === 'fenced') return 'fenced';
    if (session.closed) return undefined;
    if (gone === 'unavailable' && !this.#of.hasUnsubackCodes) {
      this.#of.unavailable(); // an UNSUBACK would say that nothing more comes
      return undefined;
    }
    const reasonCodes = topicFilters.map((topicFilter): ReasonCode => {
      if (gone === 'unavailable') return ReasonCode.unspecifiedError;
      const subscription = session.unsubscribe(topicFilter);
      if (subscription === undefined) return ReasonCode.noSubscriptionExisted;
      around.router.unsubscribe(subscription);
      return ReasonCode.success;
    });
    if (gone !== 'unavailable') around.attendance.gone(session, topicFilters);
    send({ type: 'unsuback', packetId, reasonCodes, properties: undefined });
    return undefined;
  }
}

/** What can be said of a SUBSCRIBE before anything is done. */
function checkSubscribe({ subscriptions }: Subscribe): void {
  if (subscriptions.some(({ noLocal, topicFilter }) => noLocal && isShared(topicFilter))) {
    throw new MqttError(ReasonCode.protocolError, 'No Local on a Shared Subscription', 'MQTT-3.8.3-4');
  }
}

/**
 * Stores Subscriptions and then their routes, where the Session is stored, and tells other nodes what this one's Clients
 * want. @returns for each, whether it is new
 */
async function put(
  { store, marks, attendance }: SubscribeSurroundings,
  session: Session,
  subscriptions: readonly Subscription[],
): Promise<readonly boolean[] | Fenced | 'unavailable'> {
  const topicFilters = topicFiltersOf(subscriptions);
  const plain = topicFilters.filter((topicFilter) => !isShared(topicFilter));
  try {
    const marked = marks?.ensure(plain, !session.stored);
    const replaced =
      session.stored && subscriptions.length > 0
        ? await store.sessions.subscribe(
            session.claim,
            subscriptions.map(({ session: _, ...subscription }) => subscription),
          )
        : undefined;
    if (replaced === 'fenced') return 'fenced';
    const { clientId, generation } = session.claim;
    const members = attendance.routesOf(session, topicFilters);
    const routes: Route[] = session.stored ? plain.map((topicFilter) => ({ topicFilter, clientId, generation })) : [];
    if (members.length > 0) routes.push(...members);
    const put = routes.length === 0 ? undefined : store.routes.put(routes);
    await Promise.all([put, marked]);
    return replaced?.map((was) => !was) ?? newAmong(topicFilters, session);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    attendance.gone(
      session,
      topicFilters.filter((topicFilter) => !session.subscriptions.has(topicFilter)),
    );
    return 'unavailable';
  }
}

function topicFiltersOf(subscriptions: readonly Subscription[]): string[] {
  return subscriptions.map(({ topicFilter }) => topicFilter);
}

/** For each filter, whether a Session that is not stored has it now, or earlier in the same packet. */
function newAmong(topicFilters: readonly string[], session: Session): boolean[] {
  const seen = new Set<string>();
  return topicFilters.map((topicFilter) => {
    const isNew = !session.subscriptions.has(topicFilter) && !seen.has(topicFilter);
    seen.add(topicFilter);
    return isNew;
  });
}

/**
 * Removes Subscriptions from a stored Session, and then their routes unless they have been put anew: by the versions
 * known before, since a later connection elsewhere may subscribe while the answer is on its way [rule: Marks].
 */
async function remove(
  { store, router }: SubscribeSurroundings,
  session: Session,
  topicFilters: readonly string[],
): Promise<undefined | Fenced | 'unavailable'> {
  if (!session.stored) return undefined;
  const { claim } = session;
  try {
    const routes = topicFilters.map((topicFilter) => router.routeOf(topicFilter, claim.generation));
    if ((await store.sessions.unsubscribe(claim, topicFilters)) === 'fenced') return 'fenced';
    await store.routes.removeIf(routes.filter((route) => route !== undefined));
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return 'unavailable';
  }
}
