// Where a message goes: the Clients connected here, the stored Sessions wherever they are, and other nodes.
//
// All stand in one tree of filters. What a topic matches is worked out once and kept, already merged to one copy for
// each Client, because topics repeat and Subscriptions rarely change. A changed filter without wildcard makes only
// its own topic stale; one with a wildcard may make any topic stale, and what was kept is dropped, lest it keep Sessions
// alive that are gone. What is kept is bounded by what it takes: topics, and the targets that they have.
//
// rule: One path per session. QoS 0 goes to every connected Client (`any`) and is never stored. QoS 1 and 2 go to the
// Clients whose Session lives in a node's memory (`volatile`), and to stored Sessions (`stored`) through their queues.
// What Clients of another node want of either kind, that node's routes say by their marks.

import type { QoS } from '@skein/protocol';
import type { EnqueueTarget, NodeRoute, RouteChange, SessionRoute } from './ports.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';
import { hasWildcard } from './topic/filter.ts';
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

type VersionedRoute = VersionedSessionRoute | VersionedNodeRoute;

/** Hears of the filters that Clients connected here have. */
export interface Interest {
  /** One more Subscription has this filter. */
  came(topicFilter: string, isVolatile: boolean): void;
  /** One less. */
  went(topicFilter: string, isVolatile: boolean): void;
}

/** Topics whose match is kept, and targets in all of them; about 100 bytes each. */
const cachedTopicsMax = 65_536;
const cachedTargetsMax = 500_000;

/** Answers what a topic matches. */
export class Router {
  readonly #tree = new SubscriptionTree<Subscription | VersionedRoute>();
  readonly #node: string;
  readonly #routes = new Map<string, VersionedRoute>();
  /** How many routes lead to each node, this one too. */
  readonly #routesTo = new Map<string, number>();
  #cache = new Map<string, Match>();
  #cachedTargets = 0;
  #routesVersion = 0;
  #waiting: { readonly version: number; readonly resolve: () => void }[] = [];

  /** Subscriptions of Clients connected here. */
  subscriptions = 0;

  /** Told of Subscriptions that come and go; undefined for a node that is alone. */
  interest: Interest | undefined;

  /** Called when this node's own route for a filter is told, with the marks it bears from now on. */
  onOwnRoute: (topicFilter: string, marks: number) => void = () => {};

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

  /** What a topic matches now. */
  match(topic: string): Match {
    const cached = this.#cache.get(topic);
    if (cached !== undefined) return cached;
    const match = this.#matchAnew(topic);
    // Forgetting everything now and then is cheaper than remembering what was used when.
    if (this.#cache.size >= cachedTopicsMax || this.#cachedTargets > cachedTargetsMax) this.#forget();
    this.#cachedTargets += match.any.length + match.stored.length + match.nodes.length;
    this.#cache.set(topic, match);
    return match;
  }

  /** Puts a Subscription of a connected Client in place of an earlier one with the same filter. */
  subscribe(subscription: Subscription, replaced: Subscription | undefined): void {
    if (replaced !== undefined) this.unsubscribe(replaced);
    if (this.#tree.add(subscription.topicFilter, subscription)) {
      this.subscriptions++;
      this.interest?.came(subscription.topicFilter, !subscription.session.stored);
    }
    this.#stale(subscription.topicFilter);
  }

  unsubscribe(subscription: Subscription): void {
    if (this.#tree.remove(subscription.topicFilter, subscription)) {
      this.subscriptions--;
      this.interest?.went(subscription.topicFilter, !subscription.session.stored);
    }
    this.#stale(subscription.topicFilter);
  }

  /** Takes over changes of the table of routes. @param version how new this copy is with them */
  apply(changes: readonly RouteChange[], version: number = changes.at(-1)?.version ?? 0): void {
    for (const change of changes) {
      if ('node' in change) this.#applyNode(change);
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
    this.#stale(topicFilter);
  }

  #applyNode({ topicFilter, node, marks, present, version }: NodeRoute & Versioned): void {
    const isOwn = node === this.#node; // what this node's Clients want, they say by their Subscriptions
    const route = present ? { topicFilter, node, marks, version } : undefined;
    const before = this.#replace(keyOf(topicFilter, `@${node}`), topicFilter, route, !isOwn);
    const count = (this.#routesTo.get(node) ?? 0) + (present ? 1 : 0) - (before === undefined ? 0 : 1);
    if (count > 0) this.#routesTo.set(node, count);
    else this.#routesTo.delete(node);
    if (isOwn) this.onOwnRoute(topicFilter, present ? marks : 0);
    else this.#stale(topicFilter);
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

  #stale(topicFilter: string): void {
    if (!hasWildcard(topicFilter)) this.#cache.delete(topicFilter);
    else if (this.#cache.size > 0) this.#forget();
  }

  #forget(): void {
    this.#cache = new Map();
    this.#cachedTargets = 0;
  }

  #matchAnew(topic: string): Match {
    const local = new Map<Session, Subscription[]>();
    const stored = new Map<string, VersionedSessionRoute[]>();
    let nodes: Map<string, number> | undefined;
    this.#tree.match(topic, (entry) => {
      if ('session' in entry) gather(local, entry.session, entry);
      else if ('generation' in entry) gather(stored, entry.generation, entry);
      else {
        nodes ??= new Map();
        nodes.set(entry.node, (nodes.get(entry.node) ?? 0) | entry.marks);
      }
    });
    const any = Array.from(local.values(), merge);
    return {
      any,
      volatile: any.filter(({ session }) => !session.stored),
      stored: Array.from(stored.values(), (routes) => ({
        clientId: (routes[0] as VersionedSessionRoute).clientId,
        generation: (routes[0] as VersionedSessionRoute).generation,
        topicFilters: routes.map(({ topicFilter }) => topicFilter),
        routes,
      })),
      nodes: nodes === undefined ? none : Array.from(nodes, ([node, marks]) => ({ node, marks })),
    };
  }
}

interface Versioned {
  readonly present: boolean;
  readonly version: number;
}

const none: readonly NodeTarget[] = [];

/** Merges the Subscriptions of one Client; with No Local among them, also what is left for its own messages. */
function merge(subscriptions: readonly Subscription[]): LocalTarget {
  const merged = mergeAll(subscriptions);
  const foreign = subscriptions.filter(({ noLocal }) => !noLocal);
  if (foreign.length === subscriptions.length) merged.own = merged;
  else if (foreign.length > 0) merged.own = mergeAll(foreign); // [MQTT-3.8.3-3]
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

function gather<Key, Value>(groups: Map<Key, Value[]>, key: Key, value: Value): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [value]);
  else group.push(value);
}

/** U+0000 cannot stand in a filter [MQTT-1.5.4-2]; a generation begins with no `@`. */
function keyOf(topicFilter: string, destination: string): string {
  return `${topicFilter}\0${destination}`;
}
