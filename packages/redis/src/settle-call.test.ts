// What becomes of acknowledgements that come in any order, twice, or in numbers that one call does not hold.

import type { Claim } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OpenedStore, openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { messageTo, subscribed } from '../testing/subscribed.ts';
import { SettleCall } from './settle-call.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A Session with so many messages, 1000 bytes each and read, in a queue that takes so many. */
async function filled(opened: OpenedStore, count: number): Promise<Claim> {
  const claim = await subscribed(opened, 'lamp');
  const batch = Array.from({ length: count }, () => messageTo([claim], new Uint8Array(1000)));
  for (const outcome of await opened.store.queues.enqueue(batch)) expect(outcome).toMatchObject([{ is: 'queued' }]);
  return claim;
}

async function seqsLeft({ store }: OpenedStore, claim: Claim): Promise<number[]> {
  const read = await store.queues.read(claim, 1, 2000);
  return read === 'fenced' ? [] : read.entries.map(({ seq }) => seq);
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe('ack', () => {
  it('takes what is named twice, in any order, or was never there as what it is', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const claim = await filled(opened, 6);
    await opened.store.queues.ack([
      { ...claim, seqs: [5, 2, 2, 99] },
      { ...claim, seqs: [2, 1] },
    ]);
    expect(await seqsLeft(opened, claim)).toEqual([3, 4, 6]);
    const { headSeq } = await reacquired(opened);
    expect(headSeq).toBe(3);
  });

  it('gives back all the room there was, of more seqs than one call names', async () => {
    await using opened = await openStore(server.url, server.newCluster(), {
      queueMaxBytes: 1_500_000,
      queueMaxMessages: 5000,
    });
    const claim = await filled(opened, 1200);
    await opened.store.queues.ack([{ ...claim, seqs: upTo(1200) }]);
    expect(await seqsLeft(opened, claim)).toEqual([]);
    expect(await reacquired(opened)).toMatchObject({ headSeq: 1201 });
    const batch = Array.from({ length: 1200 }, () => messageTo([claim], new Uint8Array(1000)));
    for (const outcome of await opened.store.queues.enqueue(batch)) expect(outcome).toMatchObject([{ is: 'queued' }]);
  });

  it('leaves what lies between', async () => {
    await using opened = await openStore(server.url, server.newCluster(), { queueMaxBytes: 1 << 20 });
    const claim = await filled(opened, 20);
    const even = upTo(20).filter((seq) => seq % 2 === 0);
    await opened.store.queues.ack([{ ...claim, seqs: even }]);
    expect(await seqsLeft(opened, claim)).toEqual(upTo(20).filter((seq) => seq % 2 === 1));
    await opened.store.queues.ack([{ ...claim, seqs: upTo(20) }]);
    expect(await reacquired(opened)).toMatchObject({ headSeq: 21 });
  });
});

describe('rec', () => {
  it('owes a PUBREL for each of several PUBRECs of one Session, in their order [MQTT-4.6.0-4]', async () => {
    await using opened = await openStore(server.url, server.newCluster());
    const claim = await filled(opened, 5);
    const { queues } = opened.store;
    await queues.rec([
      { ...claim, seqs: [3] },
      { ...claim, seqs: [1, 3] },
      { ...claim, seqs: [2] },
    ]);
    expect(await reacquired(opened)).toMatchObject({ releases: [3, 1, 2], headSeq: 1 });
    await queues.ack([
      { ...claim, seqs: [3] },
      { ...claim, seqs: [2, 1] },
    ]);
    expect(await reacquired(opened)).toMatchObject({ releases: [], headSeq: 4 });
  });
});

describe('a call of ack', () => {
  it('carries 100 Sessions, 2000 seqs, and 500 of one Session at most', () => {
    const sizes = (...counts: number[]): number[][] => {
      const acks = counts.map((count, i) => ({ clientId: `c${i}`, generation: `g${i}`, seqs: upTo(count) }));
      return Array.from(SettleCall.split('ack', acks), ({ settled }) => settled.map(({ seqs }) => seqs.length));
    };
    expect(sizes()).toEqual([]);
    expect(sizes(1, 2)).toEqual([[1, 2]]);
    expect(sizes(1300)).toEqual([[500, 500, 300]]);
    expect(sizes(499, 499, 499, 499, 499)).toEqual([[499, 499, 499, 499], [499]]);
    expect(sizes(...new Array<number>(250).fill(1)).map(({ length }) => length)).toEqual([100, 100, 50]);
  });
});

function reacquired({ store }: OpenedStore) {
  return store.sessions.acquire({
    clientId: 'lamp',
    nonce: `again ${performance.now()}`,
    cleanStart: false,
    sessionExpirySeconds: 100,
    will: undefined,
    username: undefined,
    owner: 'node',
    receiveMaximum: 10,
  });
}
