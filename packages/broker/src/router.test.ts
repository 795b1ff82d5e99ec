import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { subscriptionTo } from './contract/samples.ts';
import type { NodeRoute, RouteChange, SessionRoute, StoredSubscription } from './ports.ts';
import { type LocalTarget, type Match, Router } from './router.ts';
import type { Session } from './session/session.ts';
import type { Subscription } from './session/subscription.ts';
import { isShared } from './topic/filter.ts';

/** All that the router asks of a Session. */
function sessionOf(clientId: string, stored: boolean): Session {
  return { clientId, stored, claim: { clientId, generation: `${clientId}-1`, epoch: 1 } } as Session;
}

type SessionChange = SessionRoute & RouteChange;
type NodeChange = NodeRoute & RouteChange;

function put(topicFilter: string, clientId: string, version: number, generation = `${clientId}-1`): SessionChange {
  const route = { topicFilter, clientId, generation, version, present: true };
  return isShared(topicFilter) ? { ...route, isStored: true, heldBy: 'there' } : route;
}

/** A Match without object identity, in a fixed order. */
function plain({ any, volatile, stored, nodes, groups }: Match): unknown {
  const local = ({ session, own, ...target }: LocalTarget): object => ({
    clientId: session.clientId,
    ...target,
    subscriptionIdentifiers: target.subscriptionIdentifiers?.toSorted(),
    own: own === undefined ? undefined : { ...own, session: undefined, own: undefined },
  });
  const byName = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return {
    any: any.map(local).sort(byName),
    volatile: volatile.map(({ session }) => session.clientId).sort(),
    stored: stored
      .map(({ routes, topicFilters, ...target }) => ({
        ...target,
        topicFilters: topicFilters.toSorted(),
        routes: routes.toSorted(byName),
      }))
      .sort(byName),
    nodes: nodes.toSorted(byName),
    groups: groups
      .map(({ sharedFilter, members }) => ({
        sharedFilter,
        members: members.map(({ session, ...member }) => ({ ...member, isHere: session !== undefined })),
      }))
      .sort(byName),
  };
}

describe('rule: One path per session', () => {
  it('QoS 0 goes to every connected Client, QoS 1 and 2 to volatile Sessions here and to stored ones by route', () => {
    const router = new Router('here');
    const here = sessionOf('volatile', false);
    const lasting = sessionOf('stored', true);
    router.subscribe({ ...subscriptionTo('a/#'), session: here }, undefined);
    router.subscribe({ ...subscriptionTo('a/b'), session: lasting }, undefined);
    router.apply([put('a/b', 'stored', 1), put('+/b', 'away', 2), put('other', 'away', 3)]);
    const match = router.match('a/b');
    expect(new Set(match.any.map(({ session }) => session))).toEqual(new Set([here, lasting]));
    expect(match.volatile.map(({ session }) => session)).toEqual([here]);
    expect(match.stored.map(({ clientId, topicFilters }) => [clientId, topicFilters]).sort()).toEqual([
      ['away', ['+/b']],
      ['stored', ['a/b']],
    ]);
    expect(router.subscriptions).toBe(2);
  });

  it('names a stored Session once, with all the filters that matched', () => {
    const router = new Router('here');
    router.apply([put('a', 'lamp', 1), put('+', 'lamp', 2), put('b', 'lamp', 3), put('#', 'lamp', 4, 'lamp-2')]);
    const { stored } = router.match('a');
    expect(stored.map(({ generation, topicFilters }) => [generation, topicFilters.toSorted()]).sort()).toEqual([
      ['lamp-1', ['+', 'a']],
      ['lamp-2', ['#']],
    ]);
    expect(stored.flatMap(({ routes }) => routes.map(({ version }) => version)).sort()).toEqual([1, 2, 4]);
  });
});

describe('the Subscriptions of one Client are one copy [MQTT-3.3.4-2]', () => {
  const session = sessionOf('lamp', false);
  const matchOf = (subscriptions: readonly StoredSubscription[]): LocalTarget => {
    const router = new Router('here');
    for (const subscription of subscriptions) router.subscribe({ ...subscription, session }, undefined);
    const [target, ...others] = router.match('a/b').any;
    expect(others).toEqual([]);
    return target as LocalTarget;
  };

  it('at the highest QoS, with every Subscription Identifier [MQTT-3.3.4-4]', () => {
    const target = matchOf([
      subscriptionTo('a/b', { qos: 0, subscriptionIdentifier: 1 }),
      subscriptionTo('a/#', { qos: 2 }),
      subscriptionTo('+/b', { qos: 1, subscriptionIdentifier: 3, retainAsPublished: true }),
      subscriptionTo('elsewhere', { subscriptionIdentifier: 4 }),
    ]);
    expect(target).toMatchObject({ qos: 2, retainAsPublished: true });
    expect(target.subscriptionIdentifiers?.toSorted()).toEqual([1, 3]);
    expect(matchOf([subscriptionTo('a/b')])).toMatchObject({
      retainAsPublished: false,
      subscriptionIdentifiers: undefined,
    });
  });

  it('and of its own messages it gets what No Local leaves [MQTT-3.8.3-3]', () => {
    const mixed = matchOf([
      subscriptionTo('a/b', { qos: 2, noLocal: true, subscriptionIdentifier: 1, retainAsPublished: true }),
      subscriptionTo('a/+', { qos: 1, subscriptionIdentifier: 2 }),
    ]);
    expect(mixed).toMatchObject({ qos: 2, retainAsPublished: true });
    expect(mixed.own).toMatchObject({ qos: 1, retainAsPublished: false, subscriptionIdentifiers: [2] });
    expect(matchOf([subscriptionTo('a/b', { noLocal: true })]).own).toBeUndefined();
    const free = matchOf([subscriptionTo('a/b'), subscriptionTo('#')]);
    expect(free.own).toBe(free);
  });
});

describe('the kept matches', () => {
  it('are the same object until a change may concern their topic, and no longer', () => {
    const router = new Router('here');
    const session = sessionOf('lamp', false);
    const a = { ...subscriptionTo('a'), session };
    const wild = { ...subscriptionTo('x/+'), session };
    router.subscribe(a, undefined);
    const first = router.match('a');
    expect(router.match('a')).toBe(first);

    router.subscribe({ ...subscriptionTo('b'), session }, undefined);
    router.apply([put('c', 'away', 1)]);
    expect(router.match('a')).toBe(first);

    router.subscribe(wild, undefined);
    expect(router.match('a')).toBe(first);
    const all = { ...subscriptionTo('#'), session };
    router.subscribe(all, undefined);
    const second = router.match('a');
    expect(second).not.toBe(first);
    expect(router.match('a')).toBe(second);
    router.unsubscribe(all);
    expect(router.match('a')).not.toBe(second);

    router.unsubscribe(a);
    expect(router.match('a').any).toEqual([]);
    router.apply([put('a', 'away', 2)]);
    expect(router.match('a').stored).toHaveLength(1);
    router.apply([{ ...put('a', 'away', 3), present: false }]);
    expect(router.match('a').stored).toEqual([]);
  });

  it('are those of a router made anew, whatever came and went', () => {
    const plainFilters = ['a', 'a/b', 'b', '+', 'a/+', '+/b', '#', 'a/#', '$s/#', '$s/a', '/'];
    const filter = fc.constantFrom(
      ...plainFilters,
      '$share/g/a',
      '$share/g/+',
      '$share/h/+',
      '$queue/#',
      '$queue/$s/a',
    );
    const topic = fc.constantFrom('a', 'a/b', 'b', 'b/b', '/', '$s', '$s/a', 'unknown');
    const client = fc.constantFrom('c0', 'c1', 'c2');
    const options = fc.record({
      qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      subscriptionIdentifier: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    });
    const step = fc.oneof(
      fc.record({ does: fc.constant('subscribe' as const), client, filter, options, topic }),
      fc.record({ does: fc.constant('unsubscribe' as const), client, filter, topic }),
      fc.record({ does: fc.constant('put' as const), client, filter, topic }),
      fc.record({ does: fc.constant('remove' as const), client, filter, topic }),
      fc.record({
        does: fc.constant('node' as const),
        client: fc.constantFrom('n0', 'n1'),
        filter: fc.constantFrom(...plainFilters),
        marks: fc.constantFrom(0, 1, 2, 3),
        topic,
      }),
      fc.record({ does: fc.constant('match' as const), topic }),
    );
    const sessions = new Map([
      ['c0', sessionOf('c0', false)],
      ['c1', sessionOf('c1', true)],
      ['c2', sessionOf('c2', false)],
    ]);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const router = new Router('here');
        const subscriptions = new Map<string, Subscription>();
        const routes = new Map<string, SessionChange>();
        const nodes = new Map<string, NodeChange>();
        let version = 0;
        for (const each of steps) {
          const key = each.does === 'match' ? '' : `${each.client} ${each.filter}`;
          if (each.does === 'subscribe') {
            const session = sessions.get(each.client) as Session;
            const subscription = { ...subscriptionTo(each.filter, each.options), session };
            router.subscribe(subscription, subscriptions.get(key));
            subscriptions.set(key, subscription);
          } else if (each.does === 'unsubscribe') {
            const subscription = subscriptions.get(key);
            if (subscription !== undefined) router.unsubscribe(subscription);
            subscriptions.delete(key);
          } else if (each.does === 'put') {
            const change = put(each.filter, each.client, ++version);
            router.apply([change]);
            routes.set(key, change);
          } else if (each.does === 'remove' && routes.delete(key)) {
            router.apply([{ ...put(each.filter, each.client, ++version), present: false }]);
          } else if (each.does === 'node') {
            const { filter: topicFilter, client: node, marks } = each;
            const change = { topicFilter, node, marks, version: ++version, present: marks > 0 };
            router.apply([change]);
            if (change.present) nodes.set(key, change);
            else nodes.delete(key);
          }
          const fresh = new Router('here');
          for (const subscription of subscriptions.values()) fresh.subscribe(subscription, undefined);
          fresh.apply([...routes.values(), ...nodes.values()]);
          expect(plain(router.match(each.topic))).toEqual(plain(fresh.match(each.topic)));
          expect(router.subscriptions).toBe(subscriptions.size);
          for (const route of routes.values()) {
            const { topicFilter, generation } = route;
            expect(router.routeOf(topicFilter, generation)?.version).toBe(route.version);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('rule: Read-index', () => {
  it('waits for the version that was read, and not longer', async () => {
    const router = new Router('here');
    expect(router.atLeast(0)).toBeUndefined();
    const reached: number[] = [];
    const waits = [3, 1, 5].map((version) => router.atLeast(version)?.then(() => reached.push(version)));
    router.apply([put('a', 'lamp', 1)]);
    await Promise.resolve();
    expect(reached).toEqual([1]);
    router.apply([put('a', 'lamp', 2), put('b', 'lamp', 4)]);
    await Promise.resolve();
    expect(reached).toEqual([1, 3]);
    expect(router.atLeast(4)).toBeUndefined();
    router.apply([put('b', 'lamp', 6)]);
    await Promise.all(waits);
    expect(reached).toEqual([1, 3, 5]);
  });
});
