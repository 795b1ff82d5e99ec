// The table of routes as a follower sees it: a copy, kept by what it is told.

import type { Route, RouteChange } from '../ports.ts';
import type { StoreTrial } from './trial.ts';

/** A copy of the table of routes, and how it came about. */
export interface FollowedTable {
  /** How new the copy was said to be, last. */
  readonly version: number;
  /** Waits until the copy is at least so new. */
  reaches(version: number): Promise<void>;
  readonly changes: RouteChange[];
  /** Of all changes, in the order in which they were told. */
  readonly versions: readonly number[];
  /** The version under which a route was last told. */
  versionOf(route: Route): number;
  /** The routes there are, sorted. */
  now(): Route[];
}

/** A copy of the table, kept by what a follower is told. */
export async function follow(trial: StoreTrial): Promise<FollowedTable> {
  const changes: RouteChange[] = [];
  let reached = -1;
  const waiting: (() => void)[] = [];
  const present = new Map<string, { readonly route: Route; readonly version: number }>();
  await trial.store.routes.follow((told, version) => {
    reached = version;
    for (const resolve of waiting.splice(0)) resolve();
    for (const change of told) {
      changes.push(change);
      const { present: isPresent, version, ...route } = change;
      if (isPresent) present.set(keyOf(route), { route, version });
      else present.delete(keyOf(route));
    }
  });
  const table: FollowedTable = {
    changes,
    get version() {
      return reached;
    },
    reaches: async (version) => {
      while (reached < version) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    get versions() {
      return changes.map(({ version }) => version);
    },
    versionOf: (route) => present.get(keyOf(route))?.version ?? -1,
    now: () => sorted(Array.from(present.values(), ({ route }) => route)),
  };
  tables.set(trial, [...(tables.get(trial) ?? []), table]);
  return table;
}

/** The copies that follow a store. */
const tables = new WeakMap<StoreTrial, readonly FollowedTable[]>();

/** Waits until every copy is as new as the table. */
export async function caughtUp(trial: StoreTrial): Promise<void> {
  await trial.clock.settle();
  const version = await trial.store.routes.version();
  for (const table of tables.get(trial) ?? []) await table.reaches(version);
}

/** A change, but for the version it made. */
export function withoutVersion({ version: _, ...change }: RouteChange): Omit<RouteChange, 'version'> {
  return change;
}

/** The same numbers as they must be: each once, and growing. */
export function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((x, y) => x - y);
}

/** Routes in an order of the suites' own. */
export function sorted(routes: readonly Route[]): Route[] {
  return [...routes].sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1));
}

function keyOf(route: Route): string {
  return `${route.topicFilter} ${'node' in route ? `@${route.node}` : route.generation}`;
}
