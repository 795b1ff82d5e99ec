import { describe, expect, it } from 'vitest';
import { subscriptionTo } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import type { Session } from '../session/session.ts';
import { forEachSeed } from '../testing/seeds.ts';
import { SharedGroup } from './group.ts';

const sharedFilter = '$share/g/t';

function sessionOf(generation: string): Session {
  return { clientId: generation, stored: true, claim: { clientId: generation, generation, epoch: 1 } } as Session;
}

describe('the members of a group', () => {
  it('are what was told and what is here, in one order, however they come and go', async () => {
    await forEachSeed(50, async (seed) => {
      const random = new SeededRandom(seed);
      const group = new SharedGroup(sharedFilter, 'here');
      const routes = new Map<string, string>();
      const sessions = new Map<string, Session>();
      for (let i = 0; i < 200; i++) {
        const generation = `g${random.below(12)}`;
        const subscription = { ...subscriptionTo(sharedFilter), session: sessionOf(generation) };
        switch (random.below(4)) {
          case 0: {
            const heldBy = random.pick(['', 'here', 'east', 'west']);
            routes.set(generation, heldBy);
            const route = { topicFilter: sharedFilter, clientId: generation, generation, isStored: true, version: i };
            group.told(generation, { ...route, heldBy });
            break;
          }
          case 1:
            routes.delete(generation);
            group.told(generation, undefined);
            break;
          case 2:
            sessions.set(generation, subscription.session);
            group.local(subscription, true);
            break;
          default: {
            // Half of the times it is an earlier connection of the Session that goes, and nothing changes.
            const session = random.oneIn(2) ? sessions.get(generation) : undefined;
            if (session !== undefined) sessions.delete(generation);
            group.local({ ...subscription, session: session ?? subscription.session }, false);
          }
        }
        const elsewhere = (name: string): string => (routes.get(name) === 'here' ? '' : (routes.get(name) ?? ''));
        const all = [...new Set([...routes.keys(), ...sessions.keys()])].sort();
        const attended = all.filter((name) => sessions.has(name) || elsewhere(name) !== '');
        // As one text: to expect each by itself is what would cost most here.
        const lineOf = (name: string, session: Session | undefined, heldBy: string, at: number | undefined): string =>
          `${at} ${name}, ${session?.clientId} here, ${heldBy}`;
        const found = [
          ...group.members.map(({ generation, session, heldBy }) =>
            lineOf(generation, session, heldBy, group.placeOf(generation)),
          ),
          group.attended.map((member) => member.generation),
          [...group.holders].sort(),
          group.isEmpty,
        ];
        const wanted = [
          ...all.map((name, at) => lineOf(name, sessions.get(name), elsewhere(name), at)),
          attended,
          [...new Set(all.map(elsewhere))].filter((node) => node !== '').sort(),
          all.length === 0,
        ];
        expect(found.join('\n')).toBe(wanted.join('\n'));
      }
    });
  });

  it('that are away are not walked through: thousands of them cost what one does', () => {
    const group = new SharedGroup(sharedFilter, 'here');
    for (let i = 0; i < 1000; i++) {
      const generation = `g${i}`;
      const route = { topicFilter: sharedFilter, clientId: generation, generation, isStored: true, version: i };
      group.told(generation, { ...route, heldBy: i === 500 ? 'east' : '' });
    }
    expect(group.attended.map(({ generation }) => generation)).toEqual(['g500']);
    expect([group.attendedFrom('g499'), group.attendedFrom('g501')]).toEqual([0, 1]);
  });
});
