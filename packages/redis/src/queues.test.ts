// What becomes of batches that one call does not hold, and of messages for nobody.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenedStore, openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { EnqueueCall } from './enqueue-call.ts';
import type { Claim, Enqueue } from './ports.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A stored Session that has everything at QoS 1. */
async function subscribed({ store }: OpenedStore, clientId: string): Promise<Claim> {
  const { claim } = await store.sessions.acquire({
    clientId,
    nonce: clientId,
    cleanStart: true,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: 'node',
    receiveMaximum: 10,
  });
  await store.sessions.subscribe(claim, [
    {
      topicFilter: '#',
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      subscriptionIdentifier: 3,
    },
  ]);
  return claim;
}

function messageTo(claims: readonly Claim[], payload = new Uint8Array(1)): Enqueue {
  return {
    message: {
      topic: 'a',
      payload,
      qos: 1,
      retain: false,
      properties: undefined,
      publisherId: 'publisher',
      expiresAtMs: 0,
      frames: undefined,
    },
    targets: claims.map(({ clientId, generation }) => ({ clientId, generation, topicFilters: ['#'] })),
    isRefusable: true,
    uid: undefined,
  };
}

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
