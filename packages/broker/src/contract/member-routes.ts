// What every store must do with the routes to members of shared groups: each tells who holds its Client, or that nobody
// does, and has a version like any other [MQTT 4.8.2].

import type { MemberRoute, Route, RouteChange, SessionRoute } from '../ports.ts';
import { caughtUp, follow, sorted, withoutVersion } from './followed-table.ts';
import { memberOf } from './samples.ts';
import type { OpenTrial, TestWords } from './trial.ts';

/** The suite of {@link Routes}, for members. */
export function describeMemberRoutes({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Shared groups, the routes to members', () => {
    const sharedFilter = '$share/group/a/#';
    const { node } = memberOf('one');
    const a: SessionRoute = { topicFilter: 'a/#', clientId: 'lamp', generation: 'g1' };
    const member: MemberRoute = { ...a, topicFilter: sharedFilter, isStored: true, heldBy: node };
    const other: MemberRoute = { ...member, clientId: 'door', generation: 'g2', isStored: false };

    it('are told as put, and again whenever they are put', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([member, other]);
      const moved = { ...member, heldBy: memberOf('two').node };
      await routes.put([moved]);
      await caughtUp(trial);
      expect(table.changes.map(withoutVersion)).toEqual(
        [member, other, moved].map((route) => ({ ...route, present: true })),
      );
      expect(table.now()).toEqual(sorted([moved, other]));
      expect((await follow(trial)).now()).toEqual(sorted([moved, other]));
    });

    it('have the place of a route to a Session, each generation its own', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      const plain: Route = { topicFilter: sharedFilter, clientId: 'lamp', generation: 'g1' };
      await routes.put([plain, { ...member, generation: 'g3' }]);
      await routes.put([member]);
      await caughtUp(trial);
      expect(table.now()).toEqual(sorted([member, { ...member, generation: 'g3' }]));
    });

    it('go if their version is still the one given', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([member, other]);
      await caughtUp(trial);
      const stale = table.versionOf(member);
      await routes.put([member]);
      await routes.removeIf([{ ...member, version: stale }]);
      await routes.removeIf([{ ...other, heldBy: '', version: table.versionOf(other) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([member]);
      expect(withoutVersion(table.changes.at(-1) as RouteChange)).toEqual({ ...other, present: false });
    });

    it('say that a Client is away, under a new version, if it is not back since', async () => {
      await using trial = await open();
      const { routes } = trial.store;
      const table = await follow(trial);
      await routes.put([member, other]);
      await caughtUp(trial);
      const [stale, version] = [table.versionOf(member), table.versionOf(other)];
      await routes.put([member]);
      await routes.awayIf([
        { ...member, version: stale },
        { ...other, version },
      ]);
      await caughtUp(trial);
      const away = { ...other, heldBy: '' };
      expect(table.now()).toEqual(sorted([member, away]));
      expect(table.versionOf(away)).toBeGreaterThan(version);
      expect(await routes.version()).toBe(table.versionOf(away));
      expect(withoutVersion(table.changes.at(-1) as RouteChange)).toEqual({ ...away, present: true });
      // Decided before that, a removal or another word about it comes too late.
      await routes.awayIf([{ ...other, version }]);
      await routes.removeIf([{ ...other, version }]);
      await caughtUp(trial);
      expect(table.changes).toHaveLength(4);
      expect((await follow(trial)).now()).toEqual(sorted([member, away]));
      await routes.removeIf([{ ...away, version: table.versionOf(away) }]);
      await caughtUp(trial);
      expect(table.now()).toEqual([member]);
    });

    it('say nothing of a member that there is not', async () => {
      await using trial = await open();
      const table = await follow(trial);
      await trial.store.routes.put([a]);
      await caughtUp(trial);
      const version = table.versionOf(a);
      await trial.store.routes.awayIf([
        { ...member, version },
        { ...a, isStored: true, heldBy: node, version },
      ]);
      await caughtUp(trial);
      expect(table.now()).toEqual([a]);
      expect(table.changes).toHaveLength(1);
    });
  });
}
