import { defaultLimits, type QueueEntry } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entry, message, nowMs, plain, session, sourceOf } from '../testing/import-source.ts';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { openRedisImport, type RedisImport, type RedisImportOptions } from './import.ts';
import type { ImportSource, StateItem } from './import-source.ts';
import { Keys } from './keys.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const clock = new ManualClock();

function open(cluster: string, source: ImportSource, more: Partial<RedisImportOptions> = {}): Promise<RedisImport> {
  return openRedisImport({ url: server.url, cluster, source, random: new SeededRandom(1), time: 'source', ...more });
}

/** Imports all of it in one go. */
async function importAll(cluster: string, source: ImportSource, more: Partial<RedisImportOptions> = {}) {
  await using importing = await open(cluster, source, more);
  for (const item of source.items()) await importing.put([item]);
  return await importing.complete();
}

function acquireOf(clientId: string) {
  return {
    clientId,
    nonce: `nonce-${clientId}`,
    cleanStart: false,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: 'node-a',
    receiveMaximum: 20,
  };
}

describe('what is imported', () => {
  it('is a Session as it was: what it owes in both directions, under the same Packet Identifiers', async () => {
    const cluster = server.newCluster();
    const subscriptions = [
      { ...plain, topicFilter: 'lamp/#', subscriptionIdentifier: 268_435_455 },
      {
        qos: 1,
        noLocal: true,
        retainAsPublished: true,
        retainHandling: 2,
        topicFilter: '+/ü',
        subscriptionIdentifier: undefined,
      },
    ] as const;
    const entries = [
      entry(11, { subscriptionIdentifiers: [268_435_455, 1] }),
      entry(13, {
        qos: 1,
        retain: true,
        message: message('a', '', { retain: true, properties: { contentType: 'ü' } }),
      }),
      entry(14, { message: message('a', 'expires', { expiresAtMs: nowMs + 3000 }) }),
      entry(15),
    ];
    const verdict = await importAll(
      cluster,
      sourceOf([
        { is: 'epoch', epoch: nowMs * 1000 + 500_000 },
        session('lamp', {
          nextSeq: 16,
          headSeq: 9,
          sentSeq: 13,
          subscriptions,
          feeds: [{ topicFilter: 'lamp/#', from: '' }],
          releases: [10, 9],
          inbound: [
            { packetId: 3, uid: 'three', isDone: false },
            { packetId: 65_535, uid: 'last', isDone: true },
          ],
        }),
        { is: 'entries', generation: 'generation-of-lamp', entries: entries.slice(0, 3) },
        { is: 'entries', generation: 'generation-of-lamp', entries: entries.slice(3) },
      ]),
    );
    expect(verdict).toMatchObject({
      isComplete: true,
      found: { sessions: 1, subscriptions: 2, messages: 4, releases: 2, inbound: 2, retained: 0, wills: 0 },
    });
    await using opened = await openStore(server.url, cluster, {}, { clock });
    const { sessions, queues, routes } = opened.store;
    const acquired = await sessions.acquire(acquireOf('lamp'));
    expect({ ...acquired, claim: 0, subscriptions: new Set(acquired.subscriptions) }).toEqual({
      claim: 0,
      stored: true,
      sessionPresent: true,
      previousOwner: undefined,
      subscriptions: new Set(subscriptions),
      headSeq: 9,
      sentSeq: 13,
      releases: [10, 9],
      inbound: [
        { packetId: 3, uid: 'three', isDone: false },
        { packetId: 65_535, uid: 'last', isDone: true },
      ],
      wills: [],
      feeds: [{ topicFilter: 'lamp/#', from: '' }],
    });
    expect(acquired.claim.generation).toBe('generation-of-lamp');
    expect(acquired.claim.epoch).toBe(nowMs * 1000 + 500_001);
    const read = await queues.read(acquired.claim, 1, 10);
    expect(read).toMatchObject({ nextSeq: 16, endSeq: 16, expired: 0, releases: [9, 10] });
    expect((read as Exclude<typeof read, 'fenced'>).entries).toEqual(entries);
    const told: unknown[] = [];
    await routes.follow((changes) => told.push(...changes));
    const of = { clientId: 'lamp', generation: 'generation-of-lamp', present: true };
    expect(told).toMatchObject([
      { ...of, topicFilter: 'lamp/#' },
      { ...of, topicFilter: '+/ü' },
    ]);
  });

  it('counts against the limits of its queue, and expires when it did', async () => {
    const cluster = server.newCluster();
    const expiring = message('lamp/1', 'x', { expiresAtMs: nowMs + 3000 });
    await importAll(
      cluster,
      sourceOf([
        session('lamp', { nextSeq: 4, sessionExpirySeconds: 60 }),
        {
          is: 'entries',
          generation: 'generation-of-lamp',
          entries: [entry(1), entry(2, { message: expiring }), entry(3)],
        },
      ]),
    );
    const own = new ManualClock();
    await using opened = await openStore(server.url, cluster, { queueMaxMessages: 3 }, { clock: own });
    const { queues, sessions } = opened.store;
    const target = { clientId: 'lamp', generation: 'generation-of-lamp', topicFilters: ['lamp/#'] };
    const enqueue = { message: message('lamp/2', 'y'), targets: [target], isRefusable: false, uid: undefined };
    expect(await queues.enqueue([enqueue])).toMatchObject([[{ is: 'full', expired: 0 }]]);
    await own.advance(3000);
    expect(await queues.enqueue([enqueue])).toMatchObject([[{ is: 'queued', expired: 1, entry: { seq: 4 } }]]);
    await own.advance(56_500);
    expect(await sessions.ended(10)).toMatchObject([{ clientId: 'lamp', undelivered: 3, topicFilters: ['lamp/#'] }]);
  });

  it("counts what an earlier Session of its Client holds for others to that one's queue, not to its own", async () => {
    const sharedFilter = '$share/g/lamp/#';
    const subscriptions = [{ ...plain, topicFilter: sharedFilter, subscriptionIdentifier: undefined }];
    const living: StateItem[] = [
      session('lamp', { nextSeq: 3 }),
      { is: 'entries', generation: 'generation-of-lamp', entries: [entry(2)] },
    ];
    const over: StateItem[] = [
      session('lamp', { generation: 'earlier', subscriptions, over: { undelivered: 0 }, nextSeq: 3 }),
      { is: 'entries', generation: 'earlier', entries: [entry(2, { sharedFilter })] },
    ];
    const client = server.client();
    async function queueOf(items: readonly StateItem[]): Promise<string | undefined> {
      const cluster = server.newCluster();
      expect(await importAll(cluster, sourceOf(items))).toMatchObject({ isComplete: true });
      return (await client.hgetBuffer(new Keys(cluster).session('lamp'), 'qs'))?.toString('hex');
    }
    const alone = await queueOf(living);
    expect(alone).toMatch(/^[0-9a-f]{100}$/);
    expect(await queueOf([...living, ...over])).toBe(alone);
    client.disconnect();
  });

  it('makes nobody wait for long: what was lost with a Session is noted by a thousand, in as many calls as it takes', async () => {
    const cluster = server.newCluster();
    const client = server.client();
    await client.config('RESETSTAT');
    const verdict = await importAll(
      cluster,
      sourceOf([
        { is: 'ended', session: { clientId: 'gone', generation: 'g', undelivered: 20_001, topicFilters: ['a'] } },
        session('over', { over: { undelivered: 10_500 } }),
      ]),
    );
    expect(verdict.isComplete).toBe(true);
    const calls = /cmdstat_fcall:calls=([0-9]+)/.exec(await client.info('commandstats'))?.[1];
    expect(Number(calls)).toBeGreaterThan(21 + 11);
    client.disconnect();
    await using opened = await openStore(server.url, cluster, {}, { clock });
    expect(await opened.store.sessions.ended(10)).toMatchObject([{ clientId: 'gone', undelivered: 20_001 }]);
  });

  it('[rule: QoS 2] knows which messages it has had, and which retained ones may come again', async () => {
    const cluster = server.newCluster();
    const seen = [
      { uid: 'had', sinceMs: nowMs - 5, refusal: undefined },
      { uid: 'refused', sinceMs: nowMs - 4, refusal: { is: 'offline' } },
    ] as const;
    const inbound = [{ packetId: 1, uid: 'unfinished', isDone: false }];
    const will = { topic: 'lamp/1', payload: Buffer.from('x'), qos: 1, retain: true, properties: undefined } as const;
    await importAll(
      cluster,
      sourceOf([
        { is: 'retained_uid', uid: 'unfinished', sinceMs: nowMs },
        { is: 'retained_uid', uid: 'will-g-5', sinceMs: nowMs },
        { is: 'retained_uid', uid: 'will-gone-5', sinceMs: nowMs },
        {
          is: 'will',
          clientId: 'two',
          generation: 'g',
          epoch: 5,
          will,
          username: undefined,
          dueMs: 1,
          isClaimed: true,
        },
        session('lamp', { seen, inbound }),
        { is: 'retained', message: message('lamp/1', 'newer', { retain: true }), order: undefined },
        { is: 'choice', name: 'chosen\0$share/g/a', member: 'her', sinceMs: nowMs },
      ]),
    );
    await using opened = await openStore(server.url, cluster, {}, { clock });
    const { queues, retained, shared } = opened.store;
    const target = { clientId: 'lamp', generation: 'generation-of-lamp', topicFilters: ['lamp/#'] };
    const enqueue = { message: message('lamp/2', 'y'), targets: [target], isRefusable: false };
    const outcomes = await queues.enqueue(['had', 'refused', 'new'].map((uid) => ({ ...enqueue, uid })));
    expect(outcomes).toMatchObject([[{ is: 'duplicate' }], [{ is: 'offline' }], [{ is: 'queued' }]]);
    const older = { message: message('lamp/1', 'older', { retain: true }), order: undefined };
    await retained.set(['unfinished', 'will-g-5'].map((uid) => ({ ...older, uid })));
    const { messages } = await retained.page('lamp/1', '');
    expect(messages.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['newer']);
    // Its publisher was answered, or is gone: whoever says so now says it anew.
    await retained.set([{ ...older, uid: 'will-gone-5' }]);
    expect((await retained.page('lamp/1', '')).messages).toEqual([older.message]);
    const choice = { uid: 'chosen', sharedFilter: '$share/g/a', member: 'him', instead: undefined };
    expect(await shared.choose([choice])).toEqual(['her']);
  });

  it('has Wills when they are due, those of a Client in their order, and voids one that waits for its Session', async () => {
    const cluster = server.newCluster();
    const will = { topic: 'gone', payload: Buffer.from('lamp'), qos: 1, retain: false, properties: undefined } as const;
    const of = { is: 'will', username: 'ada', isClaimed: false } as const;
    await importAll(
      cluster,
      sourceOf([
        { ...of, clientId: 'two', generation: 'g', epoch: 5, will, dueMs: nowMs - 1, isClaimed: true },
        { ...of, clientId: 'two', generation: 'g', epoch: 6, will, dueMs: nowMs - 1 },
        { ...of, clientId: 'lamp', generation: 'generation-of-lamp', epoch: 7_000, will, dueMs: nowMs + 50_000 },
        { ...of, clientId: 'short', generation: 'generation-of-short', epoch: 7_000, will, dueMs: nowMs + 50_000 },
        session('lamp'),
        session('short', { sessionExpirySeconds: 3 }),
      ]),
    );
    const own = new ManualClock();
    await using opened = await openStore(server.url, cluster, {}, { clock: own });
    const { wills, sessions } = opened.store;
    expect(await wills.claim(10)).toMatchObject([
      { clientId: 'two', epoch: 5, username: 'ada', will: { topic: 'gone' } },
      { clientId: 'two', epoch: 6 },
    ]);
    await own.advance(3000);
    // [MQTT-3.1.3-9]: a Session that ends takes its Will's delay with it.
    await sessions.ended(10);
    expect(await wills.claim(10)).toMatchObject([{ clientId: 'short', epoch: 7_000 }]);
    expect(await sessions.acquire(acquireOf('lamp'))).toMatchObject({ sessionPresent: true, wills: [] });
  });

  it('has what members of shared groups hold for others, and what was taken from them', async () => {
    const cluster = server.newCluster();
    const sharedFilter = '$share/g/lamp/#';
    const subscriptions = [{ ...plain, topicFilter: sharedFilter, subscriptionIdentifier: undefined }];
    const held = (seq: number, of: Partial<QueueEntry> = {}) => entry(seq, { sharedFilter, ...of });
    const over = { undelivered: 5 };
    await importAll(
      cluster,
      sourceOf([
        session('away', { subscriptions, nextSeq: 9, sentSeq: 5, taken: [{ entry: held(3), takenMs: nowMs }] }),
        {
          is: 'entries',
          generation: 'generation-of-away',
          entries: [held(4), held(5, { qos: 1 }), held(6), entry(7), held(8)],
        },
        session('over', { subscriptions, over, nextSeq: 3 }),
        { is: 'entries', generation: 'generation-of-over', entries: [held(2)] },
        {
          is: 'ended',
          session: { clientId: 'gone', generation: 'g', undelivered: 1200, topicFilters: ['a', sharedFilter] },
        },
      ]),
    );
    const own = new ManualClock();
    await using opened = await openStore(server.url, cluster, {}, { clock: own });
    const { shared, sessions, routes } = opened.store;
    const told: unknown[] = [];
    await routes.follow((changes) => told.push(...changes));
    expect(told).toMatchObject([{ clientId: 'away', topicFilter: sharedFilter, isStored: true, heldBy: '' }]);
    expect(told).toHaveLength(1);
    const [ofOver] = await shared.left(10);
    expect(ofOver).toMatchObject({ clientId: 'over', isOver: true, sharedFilters: [sharedFilter] });
    expect(await sessions.ended(10)).toEqual([
      {
        clientId: 'gone',
        generation: 'g',
        undelivered: 1200,
        topicFilters: expect.arrayContaining(['a', sharedFilter]),
      },
    ]);
    await sessions.forget([{ clientId: 'gone', generation: 'g', undelivered: 0, topicFilters: [] }]);
    const taken = await shared.take(ofOver as NonNullable<typeof ofOver>, [sharedFilter], 10);
    expect(taken.map(({ uid }) => uid)).toEqual(['again-generation-of-over-2']);
    await shared.done(taken);
    expect(await sessions.ended(10)).toMatchObject([
      { clientId: 'over', undelivered: 5, topicFilters: [sharedFilter] },
    ]);
    await own.advance(4000);
    const [ofAway] = await shared.left(10);
    expect(ofAway).toMatchObject({ clientId: 'away', isOver: false, sharedFilters: [sharedFilter] });
    // 4 was begun at QoS 2 and stays; 7 came by no shared filter.
    const rest = await shared.take(ofAway as NonNullable<typeof ofAway>, [sharedFilter], 10);
    expect(rest.map(({ uid }) => Number(uid.split('-').at(-1)))).toEqual([3, 5, 6, 8]);
  });

  it('has retained messages, their order among those of their publisher, and what was removed a moment ago', async () => {
    const cluster = server.newCluster();
    const many = Array.from({ length: 600 }, (_, n): StateItem => {
      return { is: 'retained', message: message(`many/${n}/ü`, `${n}`, { retain: true }), order: undefined };
    });
    const short = message('short', 'x', { retain: true, expiresAtMs: nowMs + 1000 });
    const order = { epoch: 5, n: 2 };
    const verdict = await importAll(
      cluster,
      sourceOf([
        ...many,
        { is: 'retained', message: short, order: undefined },
        { is: 'retained', message: message('ordered', 'second', { retain: true }), order },
        { is: 'removal', topic: 'removed/ü', publisherId: 'publisher', order, sinceMs: nowMs - 50_000 },
      ]),
    );
    expect(verdict.found.retained).toBe(602);
    const own = new ManualClock();
    await using opened = await openStore(server.url, cluster, { ...defaultLimits }, { clock: own });
    const { retained } = opened.store;
    expect(await retained.count()).toBe(602);
    const late = (topic: string) => ({
      message: message(topic, 'first', { retain: true }),
      uid: undefined,
      order: { epoch: 5, n: 1 },
    });
    await retained.set([late('ordered'), late('removed/ü')]);
    expect((await retained.page('ordered', '')).messages).toEqual([message('ordered', 'second', { retain: true })]);
    expect((await retained.page('removed/ü', '')).messages).toEqual([]);
    expect((await retained.page('short', '')).messages).toHaveLength(1);
    await own.advance(1000);
    expect((await retained.page('short', '')).messages).toEqual([]);
    const found: string[] = [];
    for (let from: string | undefined = ''; from !== undefined; ) {
      const page: Awaited<ReturnType<typeof retained.page>> = await retained.page('many/#', from);
      found.push(...page.messages.map(({ topic }) => topic));
      from = page.next;
    }
    expect(new Set(found).size).toBe(600);
    expect(found).toHaveLength(600);
  });

  it('feeds the retained messages that are left to a Subscription, and no others', async () => {
    const cluster = server.newCluster();
    const topics = Array.from({ length: 700 }, (_, n) => `t/${String(n).padStart(3, '0')}`);
    await importAll(
      cluster,
      sourceOf([
        session('lamp', { feeds: [{ topicFilter: 't/#', from: ['t', '400'].join('\0') }] }),
        ...topics.map(
          (topic): StateItem => ({ is: 'retained', message: message(topic, 'x', { retain: true }), order: undefined }),
        ),
      ]),
    );
    await using opened = await openStore(server.url, cluster, {}, { clock });
    const { sessions, retained } = opened.store;
    const { feeds } = await sessions.acquire(acquireOf('lamp'));
    const found: string[] = [];
    for (let from: string | undefined = feeds[0]?.from; from !== undefined; ) {
      const page: Awaited<ReturnType<typeof retained.page>> = await retained.page('t/#', from);
      found.push(...page.messages.map(({ topic }) => topic));
      from = page.next;
    }
    expect(found.sort()).toEqual(topics.slice(400));
  });

  it('keeps its times where the clocks differ: what had an hour left has it there too', async () => {
    const cluster = server.newCluster();
    const behindMs = 3_600_000;
    const sourceNow = (): number => Date.now() - behindMs;
    const expiring = message('lamp/1', 'x', { expiresAtMs: sourceNow() + 50_000 });
    await importAll(
      cluster,
      sourceOf(
        [
          session('lamp', { disconnectedAtMs: sourceNow() - 1000, sessionExpirySeconds: 60, nextSeq: 2 }),
          { is: 'entries', generation: 'generation-of-lamp', entries: [entry(1, { message: expiring })] },
        ],
        { nowMs: sourceNow },
      ),
      { time: 'server' },
    );
    await using opened = await openStore(server.url, cluster, {}, { time: 'server' });
    const acquired = await opened.store.sessions.acquire(acquireOf('lamp'));
    expect(acquired.sessionPresent).toBe(true);
    const read = await opened.store.queues.read(acquired.claim, 1, 10);
    const [first] = (read as Exclude<typeof read, 'fenced'>).entries;
    const leftMs = (first?.message.expiresAtMs ?? 0) - Date.now();
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThan(51_000);
  });
});
