// What every store must do with the table of routes: a version for every change, told to all in order.

import type { Route, RouteChange } from '../ports.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Routes}. */
export function describeRoutes({ describe, it, expect }: TestWords, open: OpenTrial): void {
  const a: Route = { topicFilter: 'a/#', clientId: 'lamp', generation: 'g1' };
  const b: Route = { topicFilter: 'b', clientId: 'lamp', generation: 'g1' };

  describe('rule: Marks', () => {
    it('a put makes a new version, though the route was there', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const before = await routes.version();
      const first = await routes.put([a]);
      expect(first).toBeGreaterThan(before);
      const second = await routes.put([a]);
      expect(second).toBeGreaterThan(first);
      expect(await routes.version()).toBeGreaterThanOrEqual(second);
    });

    it('a removal that was decided before the last put does nothing', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([a, b]);
      await trial.clock.settle();
      const stale = table.versionOf(a);
      await routes.put([a]);
      await routes.removeIf([{ ...a, version: stale }]);
      await trial.clock.settle();
      expect(table.now()).toEqual([a, b]);
      await routes.removeIf([{ ...a, version: table.versionOf(a) }]);
      await trial.clock.settle();
      expect(table.now()).toEqual([b]);
    });

    it('a removal is told under a new version, and may be repeated', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const put = await routes.put([a]);
      await trial.clock.settle();
      const version = table.versionOf(a);
      await routes.removeIf([{ ...a, version }]);
      await routes.removeIf([{ ...a, version }]);
      expect(await routes.version()).toBeGreaterThan(put);
      await trial.clock.settle();
      expect(table.changes.map(({ present }) => present)).toEqual([true, false]);
      expect(table.now()).toEqual([]);
    });

    it('a route belongs to one generation', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const newer = { ...a, generation: 'g2' };
      await routes.put([a]);
      await routes.put([newer]);
      await trial.clock.settle();
      await routes.removeIf([{ ...a, version: table.versionOf(a) }]);
      await trial.clock.settle();
      expect(table.now()).toEqual([newer]);
    });
  });

  describe('rule: Read-index', () => {
    it('a version read after a put is at least that of the put, and the table reaches it', async () => {
      await using trial = await open();
      const table = await follow(trial);
      for (let i = 0; i < 20; i++) {
        const put = await trial.store.routes.put([{ ...a, clientId: `c${i}`, generation: `g${i}` }]);
        const version = await trial.store.routes.version();
        expect(version).toBeGreaterThanOrEqual(put);
        await trial.clock.settle();
        expect(table.changes.at(-1)?.version).toBe(version);
      }
    });

    it('a follower is told all there is before follow resolves, then every change in order of version', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      await routes.put([a, b]);
      const table = await follow(trial);
      expect(table.now()).toEqual([a, b]);
      const later = await follow(trial);
      await routes.put([{ ...b, generation: 'g2' }, a]);
      await routes.removeIf([{ ...b, version: table.versionOf(b) }]);
      await trial.clock.settle();
      for (const { changes } of [table, later]) {
        const versions = changes.map(({ version }) => version);
        expect(versions).toEqual([...new Set(versions)].sort((x, y) => x - y));
      }
      expect(later.now()).toEqual(table.now());
      expect(table.now()).toEqual([a, { ...b, generation: 'g2' }]);
    });
  });
}

interface FollowedTable {
  readonly changes: RouteChange[];
  /** The version under which a route was last told. */
  versionOf(route: Route): number;
  /** The routes there are, sorted. */
  now(): Route[];
}

/** A copy of the table, kept by what a follower is told. */
async function follow(trial: StoreTrial): Promise<FollowedTable> {
  const changes: RouteChange[] = [];
  const present = new Map<string, { readonly route: Route; readonly version: number }>();
  await trial.store.routes.follow((told) => {
    for (const { present: isPresent, version, ...route } of told) {
      changes.push({ ...route, present: isPresent, version });
      if (isPresent) present.set(keyOf(route), { route, version });
      else present.delete(keyOf(route));
    }
  });
  return {
    changes,
    versionOf: (route) => present.get(keyOf(route))?.version ?? -1,
    now: () => [...present].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, { route }]) => route),
  };
}

function keyOf({ topicFilter, generation }: Route): string {
  return `${topicFilter} ${generation}`;
}
