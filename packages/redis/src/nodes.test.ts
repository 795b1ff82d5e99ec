// What several nodes on one Redis owe each other, beyond what one store promises alone.

import type { Acquire } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenedStore, openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { bucketCount } from './bucket.ts';
import { Looks } from './looks.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const will = {
  topic: 'status/lamp',
  payload: Buffer.from('gone'),
  qos: 1,
  retain: true,
  properties: { willDelayInterval: 5 },
} as const;

function lamp(node: string, fields: Partial<Acquire> = {}): Acquire {
  return {
    clientId: 'lamp',
    nonce: `${node} ${JSON.stringify(fields)}`,
    cleanStart: false,
    sessionExpirySeconds: 100,
    will: undefined,
    username: 'ada',
    owner: node,
    receiveMaximum: 10,
    ...fields,
  };
}

/** Lets time pass on both nodes alike. */
async function advance(nodes: readonly OpenedStore[], ms: number): Promise<void> {
  for (const { clock } of nodes) await clock.advance(ms);
}

describe('two nodes', () => {
  it('one owner: whoever acquires last may write, the other is fenced [MQTT-3.1.4-3]', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const first = await one.store.sessions.acquire(lamp('one'));
    const second = await other.store.sessions.acquire(lamp('other'));
    expect(second).toMatchObject({ previousOwner: 'one', sessionPresent: true });
    expect(await one.store.sessions.unsubscribe(first.claim, ['a'])).toBe('fenced');
    expect(await other.store.sessions.unsubscribe(second.claim, ['a'])).toEqual([false]);
    // The first knew the generation, the second had to ask for it; both ways lead to the same Session.
    const third = await one.store.sessions.acquire(lamp('one', { nonce: 'again' }));
    expect(third.claim.generation).toBe(first.claim.generation);
  });

  it('a guess that is out of date costs a round trip, and nothing else', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const first = await one.store.sessions.acquire(lamp('one'));
    await one.store.sessions.release({ claim: first.claim, sessionExpirySeconds: 100, will: 'drop', sentSeq: 0 });
    // Meanwhile the generation that the first node remembers is replaced.
    const second = await other.store.sessions.acquire(lamp('other', { cleanStart: true }));
    await other.store.sessions.subscribe(second.claim, [
      {
        topicFilter: 'a',
        qos: 1,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
        subscriptionIdentifier: 7,
      },
    ]);
    const third = await one.store.sessions.acquire(lamp('one', { nonce: 'again' }));
    expect(third).toMatchObject({
      sessionPresent: true,
      subscriptions: [{ topicFilter: 'a', subscriptionIdentifier: 7 }],
    });
    expect(third.claim.generation).toBe(second.claim.generation);
  });

  it('a Will is claimed by one of them, once, also by one that did not know of it', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    expect(await other.store.wills.claim(10)).toEqual([]); // it has looked everywhere, and found nothing
    const { claim } = await one.store.sessions.acquire(lamp('one', { will }));
    await one.store.sessions.release({ claim, sessionExpirySeconds: 100, will: 'publish', sentSeq: 0 });
    await advance([one, other], 30_000);
    const claims = await Promise.all([other.store.wills.claim(10), one.store.wills.claim(10)]);
    expect(claims.flat()).toEqual([
      { ...claim, username: 'ada', will: { ...will, payload: new Uint8Array(will.payload) } },
    ]);
  });

  it('a Session ends though the node that let it go is no more', async () => {
    const cluster = server.newCluster();
    await using other = await openStore(server.url, cluster);
    expect(await other.store.sessions.ended(10)).toEqual([]);
    {
      await using one = await openStore(server.url, cluster);
      const { claim } = await one.store.sessions.acquire(lamp('one'));
      await one.store.sessions.release({ claim, sessionExpirySeconds: 1, will: 'drop', sentSeq: 0 });
    }
    await advance([other], 31_000);
    const ended = await other.store.sessions.ended(10);
    expect(ended).toMatchObject([{ clientId: 'lamp', undelivered: 0, topicFilters: [] }]);
    await other.store.sessions.forget(ended);
    const client = server.client();
    const left = await client.keys(`${cluster}:*lamp*`);
    client.disconnect();
    expect(left).toEqual([]);
  });
});

describe('looks at buckets', () => {
  it('are few when nothing is due, and every bucket gets one within half a minute', () => {
    let nowMs = 0;
    const looks = new Looks(() => nowMs);
    expect(looks.due()).toHaveLength(bucketCount); // nothing is known at first
    for (const bucket of looks.due()) looks.looked(bucket, Number.POSITIVE_INFINITY);
    expect(looks.due()).toEqual([]);
    const seen = new Set<number>();
    let most = 0;
    for (let second = 1; second <= 30; second++) {
      nowMs = second * 1000;
      const due = looks.due();
      most = Math.max(most, due.length);
      for (const bucket of due) {
        seen.add(bucket);
        looks.looked(bucket, Number.POSITIVE_INFINITY);
      }
    }
    expect(seen.size).toBe(bucketCount);
    expect(most).toBeLessThan(100);
  });

  it('come when something is known to fall due, and not before', () => {
    let nowMs = 0;
    const looks = new Looks(() => nowMs);
    for (const bucket of looks.due()) looks.looked(bucket, Number.POSITIVE_INFINITY);
    looks.expect(7, 500);
    looks.expect(7, 900);
    looks.looked(9, 200);
    nowMs = 200;
    expect(looks.due()).toEqual([9]);
    looks.looked(9, Number.POSITIVE_INFINITY);
    nowMs = 500;
    expect(looks.due()).toEqual([7]);
  });
});
