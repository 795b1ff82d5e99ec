// Nodes that die and are taken for dead: what only a Redis between several of them can show.

import { type Acquire, type Member, type Members, mark, StoreUnavailable } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BreakableWay } from '../testing/breakable-way.ts';
import { type OpenedStore, openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const one = memberOf('one');
const other = memberOf('other');

function memberOf(nodeId: string): Member {
  return { node: `${nodeId}:0a1b2c3d`, nodeId, address: '127.0.0.1:7000', secret: 'hush' };
}

function acquireOf(clientId: string, { node }: Member, fields: Partial<Acquire> = {}): Acquire {
  return {
    clientId,
    nonce: `${clientId} at ${node}`,
    cleanStart: false,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: node,
    receiveMaximum: 10,
    ...fields,
  };
}

function willOf(clientId: string, delaySeconds = 0): Acquire['will'] {
  const properties = delaySeconds === 0 ? undefined : { willDelayInterval: delaySeconds };
  return { topic: `will/${clientId}`, payload: Buffer.from('gone'), qos: 1, retain: false, properties };
}

/** Ends a node's lease as those who have watched it do. */
async function bury(members: Members, node: string): Promise<void> {
  const lease = (await members.renew('a node that looks on')).members.find((each) => each.node === node);
  expect(await members.bury(node, lease?.renewals ?? -1)).toBe(true);
}

/** Reaps a node to the end. @returns how many Sessions were let go */
async function reap(members: Members, node: string): Promise<number> {
  let sessions = 0;
  for (let cursor: number | undefined = 0; cursor !== undefined; ) {
    const reaped = await members.reap(node, cursor);
    sessions += reaped.sessions;
    cursor = reaped.next;
  }
  return sessions;
}

/** What is stored under the names that begin so. */
async function keysOf(cluster: string, begin: string): Promise<string[]> {
  const client = server.client();
  const found = await client.keys(`${cluster}:${begin}*`);
  client.disconnect();
  return found;
}

describe('a reap by several nodes at once', () => {
  it('lets go of each Session once, and every Will is published once', async () => {
    const cluster = server.newCluster();
    await using dead = await openStore(server.url, cluster);
    await using first = await openStore(server.url, cluster);
    await using second = await openStore(server.url, cluster);
    const clientIds = Array.from({ length: 500 }, (_, i) => `lamp-${i}`);
    await dead.store.members.join(one);
    await Promise.all(
      clientIds.map((clientId) =>
        dead.store.sessions.acquire(acquireOf(clientId, one, { will: willOf(clientId), cleanStart: true })),
      ),
    );
    await bury(first.store.members, one.node);
    const reapers = [first, second].map(({ store }) => store.members);
    const counts = await Promise.all(reapers.map((members) => reap(members, one.node)));
    expect(counts.reduce((a, b) => a + b)).toBe(clientIds.length);
    const claims = await Promise.all([first, second].map(({ store }) => store.wills.claim(1000)));
    expect(
      claims
        .flat()
        .map(({ clientId }) => clientId)
        .sort(),
    ).toEqual([...clientIds].sort());
    expect(await keysOf(cluster, 'o:')).toEqual([]);
    expect(await first.store.sessions.count()).toBe(clientIds.length);
  });

  it('finds a bucket however full it is, among Sessions of others that stay', async () => {
    const cluster = server.newCluster();
    await using alive = await openStore(server.url, cluster);
    const { sessions, members } = alive.store;
    // Client Identifiers of one bucket are rare: a hash of the same names is as good, and looked through alike.
    const client = server.client();
    const { claim } = await sessions.acquire(acquireOf('lamp', one));
    const [owners = ''] = await keysOf(cluster, 'o:');
    const crowd = Array.from({ length: 20_000 }, (_, i) => [`c${i}`, `${other.node}\0g`]).flat();
    await client.hset(owners, ...crowd);
    client.disconnect();
    let calls = 0;
    let reaped = 0;
    for (let cursor: number | undefined = 0; cursor !== undefined; calls++) {
      const step = await members.reap(one.node, cursor);
      reaped += step.sessions;
      cursor = step.next;
    }
    expect(reaped).toBe(1);
    // More than the 16 that go through empty buckets, and none looks at more than some thousands.
    expect(calls).toBeGreaterThan(16);
    expect(calls).toBeLessThan(40);
    expect(await sessions.release({ claim, sessionExpirySeconds: 1, will: 'drop', sentSeq: 0 })).toBe('fenced');
  });

  it('leaves to the reaper what the dead node had begun: a Will that it claimed is claimed again in time', async () => {
    const cluster = server.newCluster();
    await using dead = await openStore(server.url, cluster);
    await using alive = await openStore(server.url, cluster);
    const pass = async (ms: number): Promise<void> => {
      for (const { clock } of [dead, alive]) await clock.advance(ms);
    };
    await dead.store.members.join(one);
    const { claim } = await dead.store.sessions.acquire(acquireOf('lamp', one, { will: willOf('lamp') }));
    await dead.store.sessions.release({ claim, sessionExpirySeconds: 12, will: 'publish', sentSeq: 0 });
    expect(await alive.store.wills.claim(10)).toHaveLength(1);
    const { claim: door } = await dead.store.sessions.acquire(acquireOf('door', one, { will: willOf('door') }));
    await dead.store.sessions.release({ claim: door, sessionExpirySeconds: 12, will: 'publish', sentSeq: 0 });
    expect(await dead.store.wills.claim(10)).toMatchObject([{ clientId: 'door' }]);
    expect(await alive.store.sessions.ended(10)).toEqual([]);
    await bury(alive.store.members, one.node);
    await reap(alive.store.members, one.node);
    expect(await alive.store.wills.claim(10)).toEqual([]);
    expect(await alive.store.sessions.ended(10)).toEqual([]);
    await pass(10_000);
    const claimed = await alive.store.wills.claim(10);
    expect(claimed.map(({ clientId }) => clientId).sort()).toEqual(['door', 'lamp']);
    await pass(2000);
    expect(await alive.store.sessions.ended(10)).toHaveLength(2);
  });

  it('needs no node to be the only one that forgets', async () => {
    const cluster = server.newCluster();
    await using dead = await openStore(server.url, cluster);
    await using first = await openStore(server.url, cluster);
    await using second = await openStore(server.url, cluster);
    await dead.store.members.join(one);
    await first.store.members.miss(one.node);
    await bury(first.store.members, one.node);
    await Promise.all([first.store.members.forget(one.node), second.store.members.forget(one.node)]);
    expect((await dead.store.members.renew(one.node)).held).toBe(false);
    for (const begin of ['nm', 'nl', 'ng']) expect(await keysOf(cluster, begin)).toEqual([]);
  });
});

describe('a node that wakes after it was reaped', () => {
  it('may change nothing that it held', async () => {
    const cluster = server.newCluster();
    await using asleep = await openStore(server.url, cluster);
    await using alive = await openStore(server.url, cluster);
    await asleep.store.members.join(one);
    const { claim } = await asleep.store.sessions.acquire(acquireOf('lamp', one));
    await bury(alive.store.members, one.node);
    expect(await reap(alive.store.members, one.node)).toBe(1);

    const { sessions, queues, inbound, members } = asleep.store;
    expect(await sessions.unsubscribe(claim, ['a'])).toBe('fenced');
    expect(await sessions.release({ claim, sessionExpirySeconds: 0, will: 'publish', sentSeq: 0 })).toBe('fenced');
    expect(await queues.read(claim, 1, 10)).toBe('fenced');
    expect(await inbound.ingress([{ claim, packetId: 1, uid: 'u' }])).toEqual(['fenced']);
    expect((await members.renew(one.node)).held).toBe(false);
    expect(await sessions.abandon('lamp', acquireOf('lamp', one).nonce)).toBe(false);
    expect(await alive.store.sessions.acquire(acquireOf('lamp', other))).toMatchObject({
      sessionPresent: true,
      previousOwner: undefined,
    });
  });
});

describe('messages for volatile Sessions that were given up', () => {
  it('are heard of though the answer that told of them was lost', async () => {
    await using way = await BreakableWay.start(server.port);
    const cluster = server.newCluster();
    await using opened = await openStore(way.url, cluster);
    await using peer = await openStore(server.url, cluster);
    const { members } = opened.store;
    await members.join(one);
    await peer.store.members.miss(one.node);
    way.answers = 'cut';
    await expect(members.renew(one.node)).rejects.toThrow(StoreUnavailable);
    way.mend();
    await opened.happened('found');
    expect(await members.renew(one.node)).toMatchObject({ held: true, missed: true });
    expect(await members.renew(one.node)).toMatchObject({ held: true, missed: false });
    await peer.store.members.miss(one.node);
    expect(await members.renew(one.node)).toMatchObject({ held: true, missed: true });
  });
});

describe('rule: STALE', () => {
  it('a call of a node whose lease was renewed more than five seconds ago is refused, and has done nothing', async () => {
    const cluster = server.newCluster();
    await using opened = await openStore(server.url, cluster, {}, { time: 'server' });
    const { store } = opened;
    await store.members.join(one);
    await store.members.renew(one.node);
    const { claim } = await store.sessions.acquire(acquireOf('lamp', one));
    const message = {
      topic: 'a',
      payload: new Uint8Array([1]),
      qos: 1,
      retain: true,
      properties: undefined,
      publisherId: 'p',
      expiresAtMs: 0,
      frames: undefined,
    } as const;
    const writes: readonly (() => Promise<unknown>)[] = [
      () => store.sessions.acquire(acquireOf('lamp', one, { nonce: 'late', cleanStart: true })),
      () => store.sessions.abandon('lamp', acquireOf('lamp', one).nonce),
      () =>
        store.queues.enqueue([{ message, targets: [{ ...claim, topicFilters: ['a'] }], isRefusable: false, uid: 'u' }]),
      () => store.retained.set([{ message, uid: 'u', order: undefined }]),
      () => store.routes.put([{ topicFilter: 'a', node: one.node, marks: mark.any }]),
      () => store.wills.claim(10),
      () => store.sessions.release({ claim, sessionExpirySeconds: 0, will: 'publish', sentSeq: 0 }),
    ];
    const isLate = (): Promise<string> => store.routes.put([]).then(() => 'put', String);
    await expect.poll(isLate, { timeout: 10_000 }).toMatch(/STALE/);
    for (const write of writes) {
      const refused = write();
      await expect(refused).rejects.toThrow(StoreUnavailable);
      await expect(refused).rejects.toThrow(/STALE/);
    }
    expect(await store.routes.version()).toBe(0);
    expect(await store.retained.count()).toBe(0);

    // The same, when it has been renewed.
    await store.members.renew(one.node);
    expect(await store.sessions.acquire(acquireOf('lamp', one))).toMatchObject({ claim, previousOwner: undefined });
    for (const write of writes.slice(2)) await write();
    expect(await store.routes.version()).toBe(1);
    expect(await store.retained.count()).toBe(1);
  });
});

describe('the register', () => {
  it('shows every node the renewals of the others, by calls that cross', async () => {
    const cluster = server.newCluster();
    await using a = await openStore(server.url, cluster);
    await using b = await openStore(server.url, cluster);
    const nodes: readonly (readonly [OpenedStore, Member])[] = [
      [a, one],
      [b, other],
    ];
    await Promise.all(nodes.map(([{ store }, member]) => store.members.join(member)));
    for (let i = 1; i <= 3; i++) {
      await Promise.all(nodes.map(([{ store }, { node }]) => store.members.renew(node)));
    }
    const { members } = await a.store.members.renew('a node that looks on');
    expect([...members].sort((x, y) => (x.node < y.node ? -1 : 1))).toEqual([
      { ...one, renewals: 3, isDead: false },
      { ...other, renewals: 3, isDead: false },
    ]);
  });

  it('is renewed, and the dead buried and reaped, though the memory of the server is full', async () => {
    await using own = await RedisServer.start();
    await using opened = await openStore(own.url, 'full');
    const { members, sessions } = opened.store;
    await members.join(one);
    await members.join(other);
    await sessions.acquire(acquireOf('lamp', one));
    const client = own.client();
    await client.config('SET', 'maxmemory', '1');
    await expect(sessions.acquire(acquireOf('door', one))).rejects.toThrow(/OOM/);
    expect((await members.renew(other.node)).held).toBe(true);
    await members.miss(other.node);
    expect((await members.renew(other.node)).missed).toBe(true);
    await bury(members, one.node);
    expect(await reap(members, one.node)).toBe(1);
    await members.forget(one.node);
    expect((await members.renew(other.node)).members).toMatchObject([other]);
    client.disconnect();
  });
});
