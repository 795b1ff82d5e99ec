// What becomes of batches that one call does not hold, and of messages for nobody.

import { type Claim, type Enqueue, StoreUnavailable } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { messageTo, subscribed, subscriptionToAll } from '../testing/subscribed.ts';
import { EnqueueCall } from './enqueue-call.ts';
import { Keys } from './keys.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describe('enqueue', () => {
  it('refuses one message of a batch, and does not take another, for nobody, for it', async () => {
    await using opened = await openStore(server.url, server.newCluster(), { queueFull: 'refuse', queueMaxMessages: 1 });
    const full = await subscribed(opened, 'full');
    const batch = [messageTo([full]), messageTo([]), messageTo([full]), messageTo([])];
    expect(await opened.store.queues.enqueue(batch)).toMatchObject([[{ is: 'queued' }], [], undefined, []]);
  });

  it('stores one message for more Sessions than a call usually carries, all or nothing', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const claims = await Promise.all(Array.from({ length: 300 }, (_, i) => subscribed(opened, `c${i}`)));
    const [outcomes] = await opened.store.queues.enqueue([messageTo(claims)]);
    expect(outcomes).toHaveLength(300);
    for (const outcome of outcomes ?? []) {
      expect(outcome).toMatchObject({ is: 'queued', entry: { seq: 1, subscriptionIdentifiers: [3] } });
    }
  });

  it('knows the publisher by its Client Identifier, whatever generation is a target besides [MQTT-3.8.3-3]', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const claim = await subscribed(opened, 'lamp');
    const own = { ...subscriptionToAll, noLocal: true };
    await opened.store.sessions.subscribe(claim, [own]);
    const gone = { ...claim, generation: 'gone' };
    for (const claims of [
      [gone, claim],
      [claim, gone],
    ]) {
      const { message, ...item } = messageTo(claims);
      const [outcomes] = await opened.store.queues.enqueue([{ ...item, message: { ...message, publisherId: 'lamp' } }]);
      expect(outcomes).toEqual(claims.map((each) => ({ is: each === gone ? 'no_session' : 'skipped' })));
    }
  });

  it('keeps the order of a batch over several calls', async () => {
    await using opened = await openStore(server.url, server.newCluster(), { queueMaxMessages: 5000 });
    const claim = await subscribed(opened, 'lamp');
    const batch = Array.from({ length: 2500 }, () => messageTo([claim]));
    expect([...EnqueueCall.split(batch)].length).toBeGreaterThan(1);
    const outcomes = await opened.store.queues.enqueue(batch);
    const seqs = outcomes.map((each) => (each?.[0]?.is === 'queued' ? each[0].entry.seq : undefined));
    expect(seqs).toEqual(batch.map((_, i) => i + 1));
  });
});

describe('ends', () => {
  it('tells where the queues of these Sessions end, and which of them are other connections’ by now', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const { sessions, queues } = opened.store;
    const claims = await Promise.all(Array.from({ length: 600 }, (_, i) => subscribed(opened, `c${i}`)));
    await queues.enqueue([messageTo(claims.slice(0, 1)), messageTo(claims.slice(0, 2))]);
    const [one, two, ...others] = claims as [Claim, Claim, ...Claim[]];
    await sessions.release({ claim: others[0] as Claim, sessionExpirySeconds: 100, will: 'drop', sentSeq: 0 });
    const late = { ...two, epoch: two.epoch - 1 };
    const never = { ...one, generation: 'none' };
    expect(await queues.ends([one, two, late, never, ...others])).toEqual([
      3,
      2,
      'fenced',
      'fenced',
      'fenced',
      ...others.slice(1).map(() => 1),
    ]);
    expect(await queues.ends([])).toEqual([]);
  });
});

describe('rule: Unknown outcome, a queue that Redis cannot write', () => {
  it('refuses what is for it, and everything else is stored in its order', async () => {
    const cluster = server.newCluster();
    await using opened = await openStore(server.url, cluster);
    const { queues } = opened.store;
    const [first, broken, last] = (await Promise.all(
      ['first', 'broken', 'last'].map((clientId) => subscribed(opened, clientId)),
    )) as [Claim, Claim, Claim];
    const client = server.client();
    await client.set(new Keys(cluster).queue(broken.clientId, broken.generation), 'no hash');
    const batch = [
      messageTo([first, broken, last]),
      messageTo([broken]),
      messageTo([]),
      messageTo([last, broken]),
      messageTo([first]),
    ];
    const seq = (of: number): object => ({ is: 'queued', entry: { seq: of } });
    expect(await queues.enqueue(batch)).toMatchObject([
      [seq(1), { is: 'refused' }, seq(1)],
      [{ is: 'refused' }],
      [],
      [seq(2), { is: 'refused' }],
      [seq(2)],
    ]);
    // Nor do the acknowledgements of others wait for it.
    await queues.ack([first, broken, last].map((claim) => ({ ...claim, seqs: [1] })));
    await queues.rec([first, broken, last].map((claim) => ({ ...claim, seqs: [2] })));
    for (const claim of [first, last]) {
      expect(await queues.read(claim, 1, 10)).toMatchObject({ entries: [], releases: [2], endSeq: 3 });
    }
    await client.del(new Keys(cluster).queue(broken.clientId, broken.generation));
    expect(await queues.enqueue([messageTo([broken])])).toMatchObject([[seq(1)]]);
    client.disconnect();
  });

  it('refuses a message as a whole that one more queue has no room for', async () => {
    const cluster = server.newCluster();
    await using opened = await openStore(server.url, cluster, { queueFull: 'refuse', queueMaxMessages: 1 });
    const { queues } = opened.store;
    const full = await subscribed(opened, 'full');
    const broken = await subscribed(opened, 'broken');
    await queues.enqueue([messageTo([full])]);
    const client = server.client();
    await client.set(new Keys(cluster).queue(broken.clientId, broken.generation), 'no hash');
    client.disconnect();
    expect(await queues.enqueue([messageTo([broken, full]), messageTo([full, broken])])).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('is not what a store is that has no memory left: that passes', async () => {
    await using own = await RedisServer.start();
    await using opened = await openStore(own.url, own.newCluster());
    const claim = await subscribed(opened, 'lamp');
    const client = own.client();
    await client.config('SET', 'maxmemory', '1');
    await expect(opened.store.queues.enqueue([messageTo([claim])])).rejects.toThrow(StoreUnavailable);
    await client.config('SET', 'maxmemory', '0');
    client.disconnect();
    expect(await opened.store.queues.enqueue([messageTo([claim])])).toMatchObject([[{ is: 'queued' }]]);
  });
});

describe('a call of enqueue', () => {
  const claims = Array.from({ length: 150 }, (_, i) => ({ clientId: `c${i}`, generation: `g${i}`, epoch: 1 }));
  const sizes = (batch: readonly Enqueue[]): number[] =>
    Array.from(EnqueueCall.split(batch), ({ batch: carried }) => carried.length);

  it('carries about 200 Sessions, 1000 copies and 1 MiB at most, and a larger message alone', () => {
    const other = claims.map(({ clientId, generation }) => ({
      clientId: `${clientId}x`,
      generation: `${generation}x`,
      epoch: 1,
    }));
    expect(sizes([])).toEqual([]);
    expect(sizes([messageTo(claims), messageTo(other)])).toEqual([1, 1]);
    expect(sizes(Array.from({ length: 8 }, () => messageTo(claims)))).toEqual([6, 2]);
    const large = new Uint8Array(400 * 1024);
    const [first = claims[0] as Claim] = claims;
    expect(sizes([1, 2, 3, 4, 5].map(() => messageTo([first], large)))).toEqual([2, 2, 1]);
    expect(sizes([messageTo([first]), messageTo(claims, large), messageTo([first])])).toEqual([1, 1, 1]);
  });
});
