import { type Acquire, type Claim, type Enqueue, StoreUnavailable } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BreakableWay } from '../testing/breakable-way.ts';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Long enough for a machine that stands still for a while, short enough to wait for. */
const storeDeadlineMs = 2500;

describe('a call whose connection breaks', () => {
  it('is StoreUnavailable if the answer is lost, though it was done', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    way.answers = 'cut';
    await expect(store.sessions.acquire(lamp('n1'))).rejects.toThrow(StoreUnavailable);
    way.mend();
    await opened.happened('found');
    expect(await store.sessions.count()).toBe(1);
  });

  it('is StoreUnavailable if it never arrived, and is not sent again by itself', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    way.requests = 'cut';
    await expect(store.sessions.acquire(lamp('n1'))).rejects.toThrow(StoreUnavailable);
    way.mend();
    await opened.happened('found');
    expect(await store.sessions.count()).toBe(0);
  });

  it('does not hang where nothing comes back and nothing breaks', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster(), { storeDeadlineMs });
    const { store } = opened;
    way.answers = 'swallow';
    const startedMs = performance.now();
    const calls = [store.sessions.acquire(lamp('n1')), store.routes.version(), store.sessions.count()];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { name: 'StoreUnavailable' } });
    }
    expect(performance.now() - startedMs).toBeLessThan(storeDeadlineMs * 4);
    way.mend();
    await opened.happened('found');
    expect(await store.sessions.count()).toBe(1);
  });

  it('fails at once, and all after it, while there is no Redis; and goes on when it is back', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    way.isDown = true;
    way.cut();
    await opened.happened('lost');
    for (let i = 0; i < 20; i++) {
      const failed = store.sessions.count().catch((error: unknown) => error);
      const turn = new Promise((resolve) => setImmediate(resolve));
      expect(await Promise.race([failed, turn])).toMatchObject({ message: expect.stringMatching(/Redis is away/) });
    }
    way.mend();
    await opened.happened('found');
    expect(opened.events.map(({ is }) => is)).toEqual(['lost', 'found']);
    expect(await store.sessions.count()).toBe(0);
  });
});

describe('a call that is repeated after an unknown outcome', () => {
  it('acquires once under its nonce: one epoch, one answer', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    const before = await store.sessions.acquire(lamp('n0'));
    way.answers = 'cut';
    await expect(store.sessions.acquire(lamp('n1'))).rejects.toThrow(StoreUnavailable);
    way.mend();
    await opened.happened('found');
    const again = await store.sessions.acquire(lamp('n1'));
    expect(again).toMatchObject({ sessionPresent: true, previousOwner: 'node-a' });
    expect(again.claim.epoch).toBeGreaterThan(before.claim.epoch);
    expect(await store.sessions.acquire(lamp('n1'))).toEqual(again);
  });

  it('stores a message with a uid once, and says so', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    const { claim } = await store.sessions.acquire(lamp('n1'));
    await store.sessions.subscribe(claim, [subscription]);
    way.answers = 'cut';
    await expect(store.queues.enqueue([messageFor(claim, 'u1')])).rejects.toThrow(StoreUnavailable);
    way.mend();
    await opened.happened('found');
    expect(await store.queues.enqueue([messageFor(claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
    expect(await store.queues.read(claim, 1, 10)).toMatchObject({ entries: [{ seq: 1 }], endSeq: 2 });
  });

  it('settles and puts routes as if it had been once', async () => {
    await using way = await BreakableWay.start(server.port);
    await using opened = await openStore(way.url, server.newCluster());
    const { store } = opened;
    const { claim } = await store.sessions.acquire(lamp('n1'));
    await store.sessions.subscribe(claim, [subscription]);
    await store.queues.enqueue([messageFor(claim, 'u1'), messageFor(claim, 'u2')]);
    const changes: string[] = [];
    await store.routes.follow((told) => {
      for (const { topicFilter, present } of told) changes.push(`${topicFilter} ${present}`);
    });
    way.answers = 'cut';
    const route = { topicFilter: 'a', clientId: claim.clientId, generation: claim.generation };
    const twice = [
      () => store.queues.rec([{ ...claim, seqs: [1] }]),
      () => store.queues.ack([{ ...claim, seqs: [2] }]),
      () => store.routes.put([route]),
    ];
    for (const outcome of await Promise.allSettled(twice.map((call) => call()))) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'StoreUnavailable' } });
    }
    way.mend();
    await opened.happened('found');
    for (const call of twice) await call();
    expect(await store.sessions.acquire(lamp('n2'))).toMatchObject({ headSeq: 1, releases: [1] });
    expect(await store.queues.read(claim, 1, 10)).toBe('fenced');
    await expect.poll(() => changes, { timeout: 10_000 }).toEqual(['a true', 'a true']);
  });
});

describe('all calls of a turn', () => {
  it('leave together, in the order in which they were made', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const { store } = opened;
    const acquired = await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.sessions.acquire({ ...lamp(`n${i}`), owner: `node-${i}` })),
    );
    expect(acquired.map(({ previousOwner }) => previousOwner)).toEqual([
      undefined,
      ...Array.from({ length: 49 }, (_, i) => `node-${i}`),
    ]);
  });

  it('share one read of the version of the routes, and a later turn has its own', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const { routes } = opened.store;
    const first = routes.version();
    expect(routes.version()).toBe(first);
    expect(await first).toBe(0);
    const put = await routes.put([{ topicFilter: 'a', clientId: 'lamp', generation: 'g' }]);
    expect(await routes.version()).toBe(put);
  });
});

const subscription = {
  topicFilter: 'a',
  qos: 2,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionIdentifier: undefined,
} as const;

function lamp(nonce: string): Acquire {
  return {
    clientId: 'lamp',
    nonce,
    cleanStart: false,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: 'node-a',
    receiveMaximum: 10,
  };
}

function messageFor({ clientId, generation }: Claim, uid: string): Enqueue {
  return {
    message: {
      topic: 'a',
      payload: new Uint8Array([1]),
      qos: 2,
      retain: false,
      properties: undefined,
      publisherId: 'publisher',
      expiresAtMs: 0,
      frames: undefined,
    },
    targets: [{ clientId, generation, topicFilters: ['a'] }],
    isRefusable: false,
    uid,
  };
}
