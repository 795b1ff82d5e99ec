// How the oldest message is found that may make room: it must be the right one, and finding it must not cost more with
// every one that made room before.

import { type Claim, defaultLimits, type Enqueue, type EnqueueOutcome, memoryStore, type Store } from '@skein/broker';
import { SeededRandom } from '@skein/broker/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { messageTo, subscriptionToAll } from '../testing/subscribed.ts';

/** `SKEIN_SEED` repeats a run. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** One stored Session in a store, over its connections. */
class Lamp {
  readonly #store: Store;
  #claim: Claim = { clientId: 'lamp', generation: '', epoch: 0 };
  #connections = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async connect(receiveMaximum: number): Promise<void> {
    const { claim } = await this.#store.sessions.acquire({
      clientId: 'lamp',
      nonce: `n${this.#connections++}`,
      cleanStart: false,
      sessionExpirySeconds: 100,
      will: undefined,
      username: undefined,
      owner: 'node',
      receiveMaximum,
    });
    this.#claim = claim;
    await this.#store.sessions.subscribe(claim, [subscriptionToAll]);
  }

  async leave(sentSeq: number): Promise<void> {
    await this.#store.sessions.release({ claim: this.#claim, sessionExpirySeconds: 100, will: 'drop', sentSeq });
  }

  /** Messages for it, by when each expires or 0; what became of each. */
  async enqueue(expiries: readonly number[]): Promise<unknown[]> {
    const batch = expiries.map((expiresAtMs): Enqueue => {
      const { message, ...item } = messageTo([this.#claim]);
      return { ...item, message: { ...message, expiresAtMs } };
    });
    return (await this.#store.queues.enqueue(batch)).map((outcomes) => toldOf(outcomes?.[0]));
  }

  /** The first seqs it has, however many holes lie between. */
  async read(limit: number): Promise<readonly number[]> {
    const seqs: number[] = [];
    for (let from = 1, end = 2; from < end && seqs.length < limit; ) {
      const read = await this.#store.queues.read(this.#claim, from, limit - seqs.length);
      if (read === 'fenced') throw new Error('fenced');
      seqs.push(...read.entries.map(({ seq }) => seq));
      from = read.nextSeq;
      end = read.endSeq;
    }
    return seqs;
  }

  settle(what: 'ack' | 'rec', seqs: readonly number[]): Promise<void> {
    return this.#store.queues[what]([{ ...this.#claim, seqs }]);
  }
}

/** What is the same in every store: a reservation that lies below the entry means nothing. */
function toldOf(outcome: EnqueueOutcome | undefined): unknown {
  if (outcome?.is !== 'queued') return outcome?.is;
  const { entry, dropped, expired, sentSeq } = outcome;
  return [entry.seq, dropped, expired, sentSeq >= entry.seq];
}

describe('drop-old, where a message stays in flight', () => {
  it('costs what it drops, however many holes have come to lie behind that message', async () => {
    await using own = await RedisServer.start();
    const limits = { queueFull: 'drop-old', queueMaxMessages: 100 } as const;
    await using opened = await openStore(own.url, own.newCluster(), limits);
    const client = own.client();
    const asked = async (): Promise<number> => {
      const stats = await client.info('commandstats');
      return Number(/^cmdstat_hstrlen:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
    };
    const lamp = new Lamp(opened.store);
    await lamp.connect(10);
    const plain = Array.from({ length: 500 }, () => 0);
    for (let i = 0; i < 24; i++) await lamp.enqueue(plain);
    // What was not reserved, and not among the last, made room; each was asked for once at most.
    expect(await asked()).toBeLessThanOrEqual(12_000 - 100);
    expect(await asked()).toBeGreaterThan(0);

    // What was reserved and not sent may go once the connection has ended, and behind it begin the holes.
    await lamp.leave(1);
    const before = await asked();
    for (let i = 0; i < 2; i++) await lamp.enqueue(plain);
    expect((await asked()) - before).toBeLessThanOrEqual(1000 + 2 * 100);
    await lamp.connect(10);
    expect(await lamp.read(200)).toEqual([1, ...Array.from({ length: 99 }, (_, i) => 13_000 - 98 + i)]);
    client.disconnect();
  });

  it(`drops what the model drops (SKEIN_SEED=${seed})`, async () => {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 10; round++) {
      const limits = { queueFull: 'drop-old', queueMaxMessages: 2 + random.below(8) } as const;
      await using opened = await openStore(server.url, server.newCluster(), limits);
      const model = new Lamp(memoryStore(opened.clock, random, { ...defaultLimits, ...limits }));
      const real = new Lamp(opened.store);
      const both = async <Told>(ask: (lamp: Lamp) => Promise<Told>, what: string): Promise<Told> => {
        const [told, wanted] = [await ask(real), await ask(model)];
        expect(told, `seed ${seed}, round ${round}: ${what}`).toEqual(wanted);
        return told;
      };
      await both((lamp) => lamp.connect(3), 'connect');
      let read: readonly number[] = [];
      for (let step = 0; step < 60; step++) {
        const chance = random.below(12);
        if (chance < 6) {
          const nowMs = opened.clock.nowMs();
          const expiries = Array.from({ length: 1 + random.below(30) }, () => (random.oneIn(4) ? nowMs + 500 : 0));
          await both((lamp) => lamp.enqueue(expiries), `step ${step}, enqueue ${expiries}`);
        } else if (chance < 8) {
          const limit = 1 + random.below(4);
          read = await both((lamp) => lamp.read(limit), `step ${step}, read ${limit}`);
        } else if (chance < 9) {
          await opened.clock.advance(300);
        } else if (chance < 10) {
          const receiveMaximum = random.pick([1, 3, 20]);
          const sentSeq = read[random.below(read.length + 1)] ?? 0;
          await both((lamp) => lamp.leave(sentSeq), 'leave');
          if (random.oneIn(2)) await both((lamp) => lamp.enqueue([0, 0]), `step ${step}, enqueue while away`);
          await both((lamp) => lamp.connect(receiveMaximum), 'connect');
        } else if (read.length > 0) {
          const what = random.pick(['ack', 'ack', 'rec'] as const);
          const seqs = read.filter(() => random.oneIn(2));
          if (seqs.length > 0) await both((lamp) => lamp.settle(what, seqs), 'settle');
        }
      }
      await both((lamp) => lamp.read(100), 'what is left');
    }
  });
});
