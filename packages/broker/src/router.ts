// Where a message goes: the Clients connected here, the stored Sessions wherever they are, and other nodes.
//
// All stand in one tree of filters. What a topic matches is worked out once and kept, already merged to one copy for
// each Client, because topics repeat and Subscriptions rarely change. A changed filter without wildcard makes only its
// own topic stale. One with a wildcard may make any topic stale: what was kept is good if no filter that has changed
// since matches it, which is seen when it is asked for, while the changes are few (match-cache.ts).
//
// rule: One path per session. QoS 0 goes to every connected Client (`any`) and is never stored. QoS 1 and 2 go to the
// Clients whose Session lives in a node's memory (`volatile`), and to stored Sessions (`stored`) through their queues.
// What Clients of another node want of either kind, that node's routes say by their marks.
//
// A Shared Subscription stands in the tree as its group, once, under the filter that is shared. Members come and go
// within the group: only with the first and the last of them what is kept grows stale.

import type { QoS } from '@skein/protocol';
import type { EnqueueTarget, MemberRoute, NodeRoute, RouteChange, SessionRoute } from './ports.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';
import { SharedGroup } from './shared/group.ts';
import { isShared, sharedPart } from './topic/filter.ts';
import { MatchCache } from './topic/match-cache.ts';
import { SubscriptionTree } from './topic/subscription-tree.ts';

/** What one connected Client gets of a topic: all its Subscriptions that match, merged into one copy [MQTT-3.3.4-2]. */
export interface LocalTarget {
  readonly session: Session;
  /** The highest QoS granted. */
  readonly qos: QoS;
  /** Whether any of the Subscriptions wants the Retain flag as it was published. */
  readonly retainAsPublished: boolean;
  readonly subscriptionIdentifiers: readonly number[] | undefined;
  /** What is left if this very Client is the publisher: the Subscriptions without No Local. */
  readonly own: LocalTarget | undefined;
}

/** Everything a topic matches. */
export interface Match {
  readonly any: readonly LocalTarget[];
  readonly volatile: readonly LocalTarget[];
  readonly stored: readonly StoredTarget[];
  readonly nodes: readonly NodeTarget[];
  /** Shared Subscriptions: one member of each gets it. They change as their members do. */
  readonly groups: readonly SharedGroup[];
}

/** A stored Session, by the routes that matched. */
export interface StoredTarget extends EnqueueTarget {
  readonly routes: readonly VersionedSessionRoute[];
}

/** Another node with Clients that may match. */
export interface NodeTarget {
  readonly node: string;
  /** What its routes that matched say together. */
  readonly marks: number;
}

/** A stored Session's route, and the version under which this node last saw it put. */
export interface VersionedSessionRoute extends SessionRoute {
  readonly version: number;
}

/** A node's route, and the version under which this node last saw it put. */
export interface VersionedNodeRoute extends NodeRoute {
  readonly version: number;
}

/** A member's route, and the version under which this node last saw it put. */
export interface VersionedMemberRoute extends MemberRoute {
  readonly version: number;
}

type VersionedRoute = VersionedSessionRoute | VersionedMemberRoute | VersionedNodeRoute;

/** Hears of the filters that Clients connected here have. */
export interface Interest {
  /** One more Subscription has this filter. */
  came(topicFilter: string, isVolatile: boolean): void;
  /** One less. */
  went(topicFilter: string, isVolatile: boolean): void;
}

/** Answers what a topic matches. */
export class Router {
  readonly #tree = new SubscriptionTree<Subscription | VersionedRoute | SharedGroup>();
  readonly #node: string;
  readonly #routes = new Map<string, VersionedRoute>();
  /** How many routes lead to each node, this one too. */
  readonly #routesTo = new Map<string, number>();
  readonly #groups = new Map<string, SharedGroup>();
  readonly #cache = new MatchCache<Match>();
  #routesVersion = 0;
  #waiting: { readonly version: number; readonly resolve: () => void }[] = [];

  /** Subscriptions of Clients connected here. */
  subscriptions = 0;

  /** Told of Subscriptions that come and go; undefined for a node that is alone. */
  interest: Interest | undefined;

  /** Called when this node's own route for a filter is told, with the marks it bears from now on. */
  onOwnRoute: (topicFilter: string, marks: number) => void = () => {};

  /** Called when a member that is connected here is told to be elsewhere, or nowhere. */
  onMisplaced: (sharedFilter: string, session: Session) => void = () => {};

  /** @param node this node, as routes name it */
  constructor(node: string) {
    this.#node = node;
  }

  /** Nodes that routes lead to. */
  get nodes(): Iterable<string> {
    return this.#routesTo.keys();
  }

  /** Routes of all kinds. */
  get routes(): number {
    return this.#routes.size;
  }

  /** The group that shares a filter, as its Clients spell it; undefined if nobody does. */
  groupOf(sharedFilter: string): SharedGroup | undefined {
    return this.#groups.get(sharedFilter);
  }

  /** Routes of members that were last known to be at a node. */
  membersAt(node: string): VersionedMemberRoute[] {
    const found: VersionedMemberRoute[] = [];
    for (const group of this.#groups.values()) {
      for (const { route } of group.members) if (route?.heldBy === node) found.push(route);
    }
    return found;
  }

  /** What a topic matches now. */
  match(topic: string): Match {
    const cached = this.#cache.get(topic);
    if (cached !== undefined) return cached;
    const match = this.#matchAnew(topic);
    this.#cache.set(topic, match, match.any.length + match.stored.length + match.nodes.length + match.groups.length);
    return match;
  }

  /** Puts a Subscription of a connected Client in place of an earlier one with the same filter. */
  subscribe(subscription: Subscription, replaced: Subscription | undefined): void {
    if (isShared(subscription.topicFilter)) {
      if (replaced === undefined) this.subscriptions++;
      this.#changeGroup(subscription.topicFilter, (group) => group.local(subscription, true));
      return;
    }
    if (replaced !== undefined) this.unsubscribe(replaced);
    if (this.#tree.add(subscription.topicFilter, subscription)) {
      this.subscriptions++;
      this.interest?.came(subscription.topicFilter, !subscription.session.stored);
    }
    this.#cache.changed(subscription.topicFilter);
  }

  unsubscribe(subscription: Subscription): void {
    if (isShared(subscription.topicFilter)) {
      this.subscriptions--;
      this.#changeGroup(subscription.topicFilter, (group) => group.local(subscription, false));
      return;
    }
    if (this.#tree.remove(subscription.topicFilter, subscription)) {
      this.subscriptions--;
      this.interest?.went(subscription.topicFilter, !subscription.session.stored);
    }
    this.#cache.changed(subscription.topicFilter);
  }

  /** Takes over changes of the table of routes. @param version how new this copy is with them */
  apply(changes: readonly RouteChange[], version: number = changes.at(-1)?.version ?? 0): void {
    for (const change of changes) {
      if ('node' in change) this.#applyNode(change);
      else if (isShared(change.topicFilter)) this.#applyMember(change as MemberRoute & Versioned);
      else this.#applySession(change);
    }
    this.#routesVersion = Math.max(this.#routesVersion, version);
    this.#waiting = this.#waiting.filter(({ version: wanted, resolve }) => {
      if (wanted > this.#routesVersion) return true;
      resolve();
      return false;
    });
  }

  /** rule: Read-index. Resolves when this copy of the table is at least as new as a version read from the store. */
  atLeast(version: number): Promise<void> | undefined {
    if (version <= this.#routesVersion) return undefined;
    return new Promise((resolve) => this.#waiting.push({ version, resolve }));
  }

  /** The route of a stored Session, as this node last saw it. */
  routeOf(topicFilter: string, generation: string): VersionedSessionRoute | undefined {
    return this.#routes.get(keyOf(topicFilter, generation)) as VersionedSessionRoute | undefined;
  }

  /** A node's route, as this node last saw it. */
  routeTo(topicFilter: string, node: string): VersionedNodeRoute | undefined {
    return this.#routes.get(keyOf(topicFilter, `@${node}`)) as VersionedNodeRoute | undefined;
  }

  /** All routes that lead to a node. */
  routesTo(node: string): VersionedNodeRoute[] {
    if (!this.#routesTo.has(node)) return [];
    const found: VersionedNodeRoute[] = [];
    for (const route of this.#routes.values()) if ('node' in route && route.node === node) found.push(route);
    return found;
  }

  #applySession({ topicFilter, clientId, generation, present, version }: SessionRoute & Versioned): void {
    const route = present ? { topicFilter, clientId, generation, version } : undefined;
    this.#replace(keyOf(topicFilter, generation), topicFilter, route, true);
    this.#cache.changed(topicFilter);
  }

  #applyNode({ topicFilter, node, marks, present, version }: NodeRoute & Versioned): void {
    const isOwn = node === this.#node; // what this node's Clients want, they say by their Subscriptions
    const route = present ? { topicFilter, node, marks, version } : undefined;
    const before = this.#replace(keyOf(topicFilter, `@${node}`), topicFilter, route, !isOwn);
    this.#countTo(node, (present ? 1 : 0) - (before === undefined ? 0 : 1));
    if (isOwn) this.onOwnRoute(topicFilter, present ? marks : 0);
    else this.#cache.changed(topicFilter);
  }

  #applyMember({
    topicFilter,
    clientId,
    generation,
    isStored,
    heldBy,
    present,
    version,
  }: MemberRoute & Versioned): void {
    const route = present ? { topicFilter, clientId, generation, isStored, heldBy, version } : undefined;
    const before = this.#replace(keyOf(topicFilter, generation), topicFilter, route, false);
    if (before !== undefined && 'heldBy' in before && before.heldBy !== '') this.#countTo(before.heldBy, -1);
    if (present && heldBy !== '') this.#countTo(heldBy, 1);
    this.#changeGroup(topicFilter, (group) => group.told(generation, route));
    const session = this.#groups.get(topicFilter)?.member(generation)?.session;
    if (session !== undefined && route?.heldBy !== this.#node) this.onMisplaced(topicFilter, session);
  }

  #countTo(node: string, change: number): void {
    const count = (this.#routesTo.get(node) ?? 0) + change;
    if (count > 0) this.#routesTo.set(node, count);
    else this.#routesTo.delete(node);
  }

  /** A group comes with its first member and goes with its last. */
  #changeGroup(sharedFilter: string, change: (group: SharedGroup) => void): void {
    const topicFilter = sharedPart(sharedFilter);
    if (topicFilter === undefined) return; // nobody can have subscribed to it
    const before = this.#groups.get(sharedFilter);
    const group = before ?? new SharedGroup(sharedFilter, this.#node);
    change(group);
    if (group.isEmpty === (before === undefined)) return;
    if (group.isEmpty) {
      this.#groups.delete(sharedFilter);
      this.#tree.remove(topicFilter, group);
    } else {
      this.#groups.set(sharedFilter, group);
      this.#tree.add(topicFilter, group);
    }
    this.#cache.changed(topicFilter);
  }

  #replace(
    key: string,
    topicFilter: string,
    route: VersionedRoute | undefined,
    isMatched: boolean,
  ): VersionedRoute | undefined {
    const before = this.#routes.get(key);
    if (before !== undefined && isMatched) this.#tree.remove(topicFilter, before);
    if (route === undefined) {
      this.#routes.delete(key);
    } else {
      this.#routes.set(key, route);
      if (isMatched) this.#tree.add(topicFilter, route);
    }
    return before;
  }

  #matchAnew(topic: string): Match {
    const subscriptions: Subscription[] = [];
    const routes: VersionedSessionRoute[] = [];
    const groups: SharedGroup[] = [];
    let nodes: Map<string, number> | undefined;
    this.#tree.match(topic, (entry) => {
      if ('session' in entry) subscriptions.push(entry);
      else if ('generation' in entry) routes.push(entry);
      else if ('sharedFilter' in entry) groups.push(entry);
      else {
        nodes ??= new Map();
        nodes.set(entry.node, (nodes.get(entry.node) ?? 0) | entry.marks);
      }
    });
    const any = grouped(subscriptions, ({ session }) => session).map(merge);
    return {
      any,
      volatile: any.every(isVolatile) ? any : any.filter(isVolatile),
      stored: storedTargets(routes),
      nodes: nodes === undefined ? none : Array.from(nodes, ([node, marks]) => ({ node, marks })),
      groups,
    };
  }
}

function isVolatile({ session }: LocalTarget): boolean {
  return !session.stored;
}

/** Very many mostly match by one filter, and no Session does so twice. */
function storedTargets(routes: readonly VersionedSessionRoute[]): readonly StoredTarget[] {
  const topicFilter = routes[0]?.topicFilter;
  if (topicFilter === undefined || routes.some((route) => route.topicFilter !== topicFilter)) {
    return grouped(routes, ({ generation }) => generation).map(storedTarget);
  }
  const topicFilters = [topicFilter];
  return routes.map((route) => ({
    clientId: route.clientId,
    generation: route.generation,
    topicFilters,
    routes: [route],
  }));
}

function storedTarget(routes: readonly VersionedSessionRoute[]): StoredTarget {
  const { clientId, generation } = routes[0] as VersionedSessionRoute;
  return { clientId, generation, topicFilters: routes.map(({ topicFilter }) => topicFilter), routes };
}

interface Versioned {
  readonly present: boolean;
  readonly version: number;
}

const none: readonly NodeTarget[] = [];

/** Merges the Subscriptions of one Client; with No Local among them, also what is left for its own messages. */
function merge(subscriptions: readonly Subscription[]): LocalTarget {
  const merged = mergeAll(subscriptions);
  if (!subscriptions.some(({ noLocal }) => noLocal)) {
    merged.own = merged;
    return merged;
  }
  const foreign = subscriptions.filter(({ noLocal }) => !noLocal);
  if (foreign.length > 0) merged.own = mergeAll(foreign); // [MQTT-3.8.3-3]
  return merged;
}

function mergeAll(subscriptions: readonly Subscription[]): Writable<LocalTarget> {
  let qos: QoS = 0;
  let retainAsPublished = false;
  let identifiers: number[] | undefined;
  for (const subscription of subscriptions) {
    if (subscription.qos > qos) qos = subscription.qos;
    if (subscription.retainAsPublished) retainAsPublished = true;
    if (subscription.subscriptionIdentifier !== undefined) {
      identifiers ??= [];
      identifiers.push(subscription.subscriptionIdentifier); // [MQTT-3.3.4-4]
    }
  }
  const { session } = subscriptions[0] as Subscription;
  return { session, qos, retainAsPublished, subscriptionIdentifiers: identifiers, own: undefined };
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Those of one key together, in the order of their first. */
function grouped<Key, Value>(values: readonly Value[], keyOf: (value: Value) => Key): (readonly Value[])[] {
  if (values.length === 0) return [];
  if (values.length === 1) return [values];
  const groups = new Map<Key, Value[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return [...groups.values()];
}

/** U+0000 cannot stand in a filter [MQTT-1.5.4-2]; a generation begins with no `@`. */
function keyOf(topicFilter: string, destination: string): string {
  return `${topicFilter}\0${destination}`;
}
