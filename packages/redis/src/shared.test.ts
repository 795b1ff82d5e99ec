// What Shared Subscriptions leave in Redis, and what only several nodes at one Redis can show.

import type { Claim, Enqueue, LeftSession } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenedStore, openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { messageTo, subscribed, subscriptionToAll } from '../testing/subscribed.ts';
import { Keys } from './keys.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const sharedFilter = '$share/g/#';

/** A stored Session that is a member of a group. */
async function member(opened: OpenedStore, clientId: string): Promise<Claim> {
  const claim = await subscribed(opened, clientId);
  await opened.store.sessions.subscribe(claim, [{ ...subscriptionToAll, topicFilter: sharedFilter }]);
  return claim;
}

/** A message of the group for one of its members. */
function shared({ clientId, generation }: Claim): Enqueue {
  return { ...messageTo([]), targets: [{ clientId, generation, topicFilters: [sharedFilter] }] };
}

async function release({ store }: OpenedStore, claim: Claim, sessionExpirySeconds = 100): Promise<void> {
  await store.sessions.release({ claim, sessionExpirySeconds, will: 'drop', sentSeq: 0 });
}

describe('messages of a shared group in the queue of a Session', () => {
  it('are named while they are there, and cost an acknowledgement nothing', async () => {
    const cluster = server.newCluster();
    await using opened = await openStore(server.url, cluster);
    const { queues } = opened.store;
    const claim = await member(opened, 'lamp');
    const client = server.client();
    const held = new Keys(cluster).held(claim.clientId, claim.generation);
    await queues.enqueue([shared(claim), shared(claim), messageTo([claim]), shared(claim)]);
    expect(await client.zrange(held, '0', '-1')).toEqual([`1 2 1 ${sharedFilter}`, `4 4 1 ${sharedFilter}`]);
    await queues.ack([{ ...claim, seqs: [1, 2, 3] }]);
    expect(await client.zcard(held)).toBe(2);
    await queues.enqueue([shared(claim)]);
    expect(await client.zrange(held, '0', '-1')).toEqual([`4 4 1 ${sharedFilter}`, `5 5 1 ${sharedFilter}`]);
    client.disconnect();
  });

  it('leave no key behind, once the Session is over and others have had them', async () => {
    const cluster = server.newCluster();
    await using opened = await openStore(server.url, cluster);
    const { queues, sessions, shared: port } = opened.store;
    const claim = await member(opened, 'lamp');
    await queues.enqueue([shared(claim), messageTo([claim]), shared(claim)]);
    await release(opened, claim, 0);
    expect(await sessions.ended(10)).toEqual([]);
    const [left] = (await port.left(10)) as [LeftSession];
    expect(left).toEqual({
      clientId: 'lamp',
      generation: claim.generation,
      isOver: true,
      sharedFilters: [sharedFilter],
    });
    await port.done(await port.take(left, left.sharedFilters, 10));
    const ended = await sessions.ended(10);
    expect(ended).toMatchObject([{ clientId: 'lamp', undelivered: 1 }]);
    await sessions.forget(ended);
    const client = server.client();
    for (const letter of 'uqrtidhyc') expect(await client.keys(`${cluster}:${letter}:*`), letter).toEqual([]);
    for (const index of ['e', 'hd']) expect(await client.keys(`${cluster}:${index}:*`), index).toEqual([]);
    client.disconnect();
  });

  it.each([
    ['away', 100],
    ['over', 0],
  ])('are had by others, however much a Client that is %s has acknowledged before them', async (_, expiry) => {
    await using opened = await openStore(server.url, server.newCluster());
    const { queues, sessions, shared: port } = opened.store;
    const claim = await member(opened, 'lamp');
    await queues.enqueue([messageTo([claim])]); // never acknowledged: the head stays where it is
    for (let seq = 2; seq < 9000; seq += 100) {
      await queues.enqueue(Array.from({ length: 100 }, () => shared(claim)));
      await queues.ack([{ ...claim, seqs: Array.from({ length: 100 }, (_, i) => seq + i) }]);
    }
    const [[last] = []] = await queues.enqueue([shared(claim)]);
    await release(opened, claim, expiry);
    const found: LeftSession[] = [];
    for (let look = 0; look < 5 && found.length === 0; look++) {
      await opened.clock.advance(5000);
      found.push(...(await port.left(10)));
      expect(await sessions.ended(10)).toEqual([]);
    }
    const [left] = found as [LeftSession];
    const taken = await port.take(left, [sharedFilter], 10);
    expect(taken.map(({ uid }) => uid)).toEqual([
      `again-${claim.generation}-${last?.is === 'queued' && last.entry.seq}`,
    ]);
    await port.done(taken);
    expect(await port.left(10)).toEqual([]);
    expect(await sessions.ended(10)).toHaveLength(expiry === 0 ? 1 : 0);
  });

  it('are looked for in every Session, though others that nobody can help come again and again', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const { queues, shared: port } = opened.store;
    const names = Array.from({ length: 20 }, (_, i) => `lamp ${i}`);
    for (const name of names) {
      const claim = await member(opened, name);
      await queues.enqueue([shared(claim)]);
      await release(opened, claim);
    }
    const named = new Set<string>();
    // Those that were passed are due again after 5 seconds, when the rest has not been named yet.
    for (let look = 0; look < 15; look++) {
      await opened.clock.advance(look === 0 ? 5000 : 1000);
      for (const left of await port.left(2)) {
        named.add(left.clientId);
        await port.pass(left);
      }
    }
    expect([...named].sort()).toEqual(names.sort());
  });

  it('are found by another node within its round, when the one that let the Session go is gone', async () => {
    const cluster = server.newCluster();
    await using gone = await openStore(server.url, cluster);
    await using alive = await openStore(server.url, cluster, {}, { clock: gone.clock });
    const claim = await member(gone, 'lamp');
    await gone.store.queues.enqueue([shared(claim)]);
    expect(await alive.store.shared.left(10)).toEqual([]);
    await release(gone, claim);
    expect(await alive.store.shared.left(10)).toEqual([]);
    await gone.clock.advance(30_000);
    expect(await alive.store.shared.left(10)).toMatchObject([{ clientId: 'lamp', isOver: false }]);
  });

  it('are taken by one of two nodes that ask at once', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster, {}, { clock: one.clock });
    const claim = await member(one, 'lamp');
    const batch = Array.from({ length: 100 }, () => shared(claim));
    await one.store.queues.enqueue(batch);
    await release(one, claim);
    await one.clock.advance(5000);
    const [left] = (await one.store.shared.left(10)) as [LeftSession];
    const taken = await Promise.all(
      [one, other].map(({ store }) => store.shared.take(left, left.sharedFilters, batch.length)),
    );
    const uids = taken.flat().map(({ uid }) => uid);
    expect(uids).toHaveLength(batch.length);
    expect(new Set(uids).size).toBe(batch.length);
  });
});

describe('a page of retained messages for a queue', () => {
  it('is to be read anew where more was queued since than one call reads', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const { queues } = opened.store;
    const claim = await subscribed(opened, 'lamp');
    const page = { claim, topicFilter: '#', from: '', to: undefined, messages: [], sinceSeq: 1 };
    await queues.enqueue(Array.from({ length: 257 }, () => messageTo([claim])));
    expect(await queues.append(page)).toEqual({ is: 'unsure' });
    expect(await queues.append({ ...page, sinceSeq: 2 })).toMatchObject({ is: 'appended' });
    expect(await queues.append({ ...page, sinceSeq: 2 })).toEqual({ is: 'moved' });
  });
});
