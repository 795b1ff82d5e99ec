// What every store must do with the table of routes: a version for every change, told to all in order. A route to a
// node bears marks, which are added one by one and taken away one by one.

import { mark, type NodeRoute, type Route } from '../ports.ts';
import { ascending, caughtUp, follow, sorted, withoutVersion } from './followed-table.ts';
import { memberOf } from './samples.ts';
import type { OpenTrial, TestWords } from './trial.ts';

/** The suite of {@link Routes}. */
export function describeRoutes(words: TestWords, open: OpenTrial): void {
  describeVersions(words, open);
  describeMarks(words, open);
  describeFollowers(words, open);
}

const a: Route = { topicFilter: 'a/#', clientId: 'lamp', generation: 'g1' };
const b: Route = { topicFilter: 'b', clientId: 'lamp', generation: 'g1' };
const { node } = memberOf('one');
const any: NodeRoute = { topicFilter: 'a/#', node, marks: mark.any };
const volatile: NodeRoute = { ...any, marks: mark.volatile };
const both: NodeRoute = { ...any, marks: mark.any | mark.volatile };

function describeVersions({ describe, it, expect }: TestWords, open: OpenTrial): void {
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
      await caughtUp(trial);
      const stale = table.versionOf(a);
      await routes.put([a]);
      await routes.removeIf([{ ...a, version: stale }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([a, b]);
      await routes.removeIf([{ ...a, version: table.versionOf(a) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([b]);
    });

    it('a removal is told under a new version, and may be repeated', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const put = await routes.put([a]);
      await caughtUp(trial);
      const version = table.versionOf(a);
      await routes.removeIf([{ ...a, version }]);
      await routes.removeIf([{ ...a, version }]);
      expect(await routes.version()).toBeGreaterThan(put);
      await caughtUp(trial);
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
      await caughtUp(trial);
      await routes.removeIf([{ ...a, version: table.versionOf(a) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([newer]);
    });
  });
}

function describeMarks({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Marks, of a node', () => {
    it('are added to those that its route bears, under a new version whether they were there or not', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const versions: number[] = [];
      for (const put of [any, volatile, any, both]) versions.push(await routes.put([put]));
      await caughtUp(trial);
      expect(table.changes.map(withoutVersion)).toEqual([
        { ...any, present: true },
        { ...both, present: true },
        { ...both, present: true },
        { ...both, present: true },
      ]);
      expect(table.changes.map(({ version }) => version)).toEqual(versions);
      expect(versions).toEqual(ascending(versions));
      expect(table.now()).toEqual([both]);
    });

    it('are added within one call as well', async () => {
      await using trial = await open();
      const table = await follow(trial);
      await trial.store.routes.put([any, { ...any, topicFilter: 'c' }, volatile]);
      await caughtUp(trial);
      expect(table.now()).toEqual([both, { ...any, topicFilter: 'c' }]);
      expect(await trial.store.routes.version()).toBe(table.versionOf(any));
    });

    it('are taken away one by one: what is left is put anew, and the route goes with the last', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      await routes.put([both]);
      const table = await follow(trial);
      const first = table.versionOf(both);
      await routes.removeIf([{ ...any, version: first }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([volatile]);
      const second = table.versionOf(both);
      expect(second).toBeGreaterThan(first);
      expect(await routes.version()).toBe(second);

      await routes.removeIf([{ ...volatile, version: first }]); // decided before the other mark went
      await caughtUp(trial);
      expect(table.now()).toEqual([volatile]);

      await routes.removeIf([{ ...volatile, version: second }]);
      await routes.removeIf([{ ...volatile, version: second }]);
      await caughtUp(trial);
      expect(table.changes.map(withoutVersion)).toEqual([
        { ...both, present: true },
        { ...volatile, present: true },
        { ...volatile, marks: 0, present: false },
      ]);
      expect(table.now()).toEqual([]);
    });

    it('go together if both are taken away, and come back as put', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([both]);
      await caughtUp(trial);
      await routes.removeIf([{ ...both, version: table.versionOf(both) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([]);
      await routes.put([volatile]);
      await caughtUp(trial);
      expect(table.now()).toEqual([volatile]);
    });

    it('stay if the route was put since the removal was decided, though that put brought no new mark', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([both]);
      await caughtUp(trial);
      const stale = table.versionOf(both);
      await routes.put([any]);
      for (const taken of [any, volatile, both]) await routes.removeIf([{ ...taken, version: stale }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([both]);
      expect(table.changes).toHaveLength(2);
    });

    it('belong to one node and one filter each, and to no Session that has the filter too', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const again = { ...volatile, node: memberOf('one', '2').node };
      const namesake = { ...a, generation: 'g2', clientId: node };
      const elsewhere = { ...any, topicFilter: 'a' };
      await routes.put([a, any, again, namesake, elsewhere]);
      await caughtUp(trial);
      expect(table.now()).toEqual(sorted([a, any, again, namesake, elsewhere]));
      await routes.removeIf([{ ...any, version: table.versionOf(any) }]);
      await routes.removeIf([{ ...a, version: table.versionOf(a) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual(sorted([again, namesake, elsewhere]));
    });
  });
}

function describeFollowers({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Read-index', () => {
    it('a version read after a put is at least that of the put, and the table reaches it', async () => {
      await using trial = await open();
      const table = await follow(trial);
      for (let i = 0; i < 20; i++) {
        const put = await trial.store.routes.put([{ ...a, clientId: `c${i}`, generation: `g${i}` }]);
        const version = await trial.store.routes.version();
        expect(version).toBeGreaterThanOrEqual(put);
        await caughtUp(trial);
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
      await caughtUp(trial);
      for (const { versions } of [table, later]) expect(versions).toEqual(ascending(versions));
      expect(later.now()).toEqual(table.now());
      expect(table.now()).toEqual([a, { ...b, generation: 'g2' }]);
    });

    it('a follower that comes late has the same table as one that saw it grow, with the marks there are', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const early = await follow(trial);
      const other = { ...both, node: memberOf('other').node };
      await routes.put([any, a, other, volatile]);
      await caughtUp(trial);
      await routes.removeIf([{ ...any, node: other.node, version: early.versionOf(other) }]);
      await routes.removeIf([{ ...a, version: early.versionOf(a) }]);
      await caughtUp(trial);
      const late = await follow(trial);
      expect(late.now()).toEqual(sorted([both, { ...other, marks: mark.volatile }]));
      await routes.put([b, { ...other, marks: mark.any }]);
      await caughtUp(trial);
      for (const table of [early, late]) {
        expect(table.now()).toEqual(sorted([both, other, b]));
        expect(table.versions).toEqual(ascending(table.versions));
      }
      for (const route of [both, other, b]) expect(late.versionOf(route)).toBe(early.versionOf(route));
      // What the late one was told of last may be removed by it.
      await routes.removeIf([{ ...both, version: late.versionOf(both) }]);
      await caughtUp(trial);
      expect(early.now()).toEqual(sorted([other, b]));
    });

    it('says how new the copy is, though what was changed last is gone', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const empty = await follow(trial);
      expect(empty.version).toBe(await routes.version());
      await routes.put([a, b]);
      await caughtUp(trial);
      const put = (await follow(trial)).versionOf(b);
      await routes.removeIf([{ ...b, version: put }]);
      await caughtUp(trial);
      const late = await follow(trial);
      expect(late.now()).toEqual(sorted([a]));
      expect(late.version).toBe(await routes.version());
      expect(empty.version).toBe(late.version);
    });
  });
}
