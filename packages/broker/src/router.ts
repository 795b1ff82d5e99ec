// Where a message goes: the Clients connected here, and the stored Sessions wherever they are.
//
// Both stand in one tree of filters. What a topic matches is worked out once and kept, already merged to one copy for
// each Client, because topics repeat and Subscriptions rarely change. A changed filter without wildcard makes only
// its own topic stale; one with a wildcard may make any topic stale, and what was kept is dropped, lest it keep Sessions
// alive that are gone. What is kept is bounded by what it takes: topics, and the targets that they have.
//
// rule: One path per session. QoS 0 goes to every connected Client (`any`) and is never stored. QoS 1 and 2 go to the
// Clients whose Session lives in this node's memory (`volatile`), and to stored Sessions (`stored`) through their queues.

import type { QoS } from '@skein/protocol';
import type { EnqueueTarget, Route, RouteChange } from './ports.ts';
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
}

/** A stored Session, by the routes that matched. */
export interface StoredTarget extends EnqueueTarget {
  readonly routes: readonly VersionedRoute[];
}

/** A route and the version under which this node last saw it put. */
export interface VersionedRoute extends Route {
  readonly version: number;
}

/** Topics whose match is kept, and targets in all of them; about 100 bytes each. */
const cachedTopicsMax = 65_536;
const cachedTargetsMax = 500_000;

/** Answers what a topic matches. */
export class Router {
  readonly #tree = new SubscriptionTree<Subscription | VersionedRoute>();
  readonly #routes = new Map<string, VersionedRoute>();
  #cache = new Map<string, Match>();
  #cachedTargets = 0;
  #routesVersion = 0;
  #waiting: { readonly version: number; readonly resolve: () => void }[] = [];

  /** Subscriptions of Clients connected here. */
  subscriptions = 0;

  /** What a topic matches now. */
  match(topic: string): Match {
    const cached = this.#cache.get(topic);
    if (cached !== undefined) return cached;
    const match = this.#matchAnew(topic);
    // Forgetting everything now and then is cheaper than remembering what was used when.
    if (this.#cache.size >= cachedTopicsMax || this.#cachedTargets > cachedTargetsMax) this.#forget();
    this.#cachedTargets += match.any.length + match.stored.length;
    this.#cache.set(topic, match);
    return match;
  }

  /** Puts a Subscription of a connected Client in place of an earlier one with the same filter. */
  subscribe(subscription: Subscription, replaced: Subscription | undefined): void {
    if (replaced !== undefined) this.unsubscribe(replaced);
    if (this.#tree.add(subscription.topicFilter, subscription)) this.subscriptions++;
    this.#stale(subscription.topicFilter);
  }

  unsubscribe(subscription: Subscription): void {
    if (this.#tree.remove(subscription.topicFilter, subscription)) this.subscriptions--;
    this.#stale(subscription.topicFilter);
  }

  /** Takes over changes of the table of routes. */
  apply(changes: readonly RouteChange[]): void {
    for (const { topicFilter, clientId, generation, present, version } of changes) {
      const key = keyOf(topicFilter, generation);
      const before = this.#routes.get(key);
      if (before !== undefined) this.#tree.remove(topicFilter, before);
      if (present) {
        const route = { topicFilter, clientId, generation, version };
        this.#routes.set(key, route);
        this.#tree.add(topicFilter, route);
      } else {
        this.#routes.delete(key);
      }
      this.#stale(topicFilter);
      this.#routesVersion = Math.max(this.#routesVersion, version);
    }
    this.#waiting = this.#waiting.filter(({ version, resolve }) => {
      if (version > this.#routesVersion) return true;
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
  routeOf(topicFilter: string, generation: string): VersionedRoute | undefined {
    return this.#routes.get(keyOf(topicFilter, generation));
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
    const stored = new Map<string, VersionedRoute[]>();
    this.#tree.match(topic, (entry) => {
      if ('session' in entry) gather(local, entry.session, entry);
      else gather(stored, entry.generation, entry);
    });
    const any = Array.from(local.values(), merge);
    return {
      any,
      volatile: any.filter(({ session }) => !session.stored),
      stored: Array.from(stored.values(), (routes) => ({
        clientId: (routes[0] as VersionedRoute).clientId,
        generation: (routes[0] as VersionedRoute).generation,
        topicFilters: routes.map(({ topicFilter }) => topicFilter),
        routes,
      })),
    };
  }
}

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

/** U+0000 cannot stand in a filter [MQTT-1.5.4-2]. */
function keyOf(topicFilter: string, generation: string): string {
  return `${topicFilter}\0${generation}`;
}
