// An enqueue that is done in slices, on a disk: what is there at the next start, whatever comes in between.

import { defaultLimits, memory, type Store, StoreUnavailable } from '@skein/broker';
import { dump, ManualClock, SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { EnqueuesSliced } from './enqueue-sliced.ts';
import { type EmbeddedStore, openEmbeddedStore } from './open.ts';

type Claim = Parameters<Store['queues']['ends']>[0][number];
type Batch = Parameters<Store['queues']['enqueue']>[0];
type Outcomes = Awaited<ReturnType<Store['queues']['enqueue']>>;

/** More than go in one breath. */
const many = 4200;

let nonces = 0;

/** A process with a store for very many Sessions. */
class Life {
  readonly clock: ManualClock;
  readonly disk: FaultyDisk;
  readonly store: EmbeddedStore;

  private constructor(clock: ManualClock, disk: FaultyDisk, store: EmbeddedStore) {
    this.clock = clock;
    this.disk = disk;
    this.store = store;
  }

  static async open(disk: FaultyDisk, clock: ManualClock): Promise<Life> {
    const opening = openEmbeddedStore({
      directory: '/data',
      disk,
      durability: 'everysec',
      limits: defaultLimits,
      clock,
      random: new SeededRandom(disk.calls),
      minFreeBytes: 0,
      onEvent: () => {},
    });
    return new Life(clock, disk, await ends(clock, opening));
  }

  /** The answer to a call. */
  does<Answer>(call: Promise<Answer>): Promise<Answer> {
    return ends(this.clock, call);
  }

  /** What the next process finds if this one is killed now. */
  killed(): FaultyDisk {
    return this.disk.after('kill', new SeededRandom(1));
  }

  /** Sessions that have subscribed to `news`. */
  async people(): Promise<Claim[]> {
    const claims = Array.from({ length: many }, async (_, i) => {
      const { claim } = await this.store.sessions.acquire(acquireOf(`c${i}`));
      await this.store.sessions.subscribe(claim, [toNews]);
      return claim;
    });
    return this.does(Promise.all(claims));
  }

  /** How many messages each of them has had by now, and how many Sessions there are of each kind. */
  async counts(claims: readonly Claim[]): Promise<ReadonlyMap<number, number>> {
    const back = claims.map(async ({ clientId }) => (await this.store.sessions.acquire(acquireOf(clientId))).claim);
    const seqs = await this.does(this.store.queues.ends(await this.does(Promise.all(back))));
    const counts = new Map<number, number>();
    for (const seq of seqs as number[]) counts.set(seq - 1, (counts.get(seq - 1) ?? 0) + 1);
    return counts;
  }
}

/** Lets everything happen that happens by itself, until a call is answered. */
async function ends<Answer>(clock: ManualClock, call: Promise<Answer>): Promise<Answer> {
  let isAnswered = false;
  const answered = (): void => {
    isAnswered = true;
  };
  call.then(answered, answered);
  for (let round = 0; round < 400 && !isAnswered; round++) {
    await turns(1);
    await clock.settle();
  }
  if (!isAnswered) throw new Error('the call was not answered');
  return call;
}

const toNews = {
  topicFilter: 'news',
  qos: 2,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionIdentifier: undefined,
} as const;

function acquireOf(clientId: string): Parameters<Store['sessions']['acquire']>[0] {
  return {
    clientId,
    nonce: `nonce-${nonces++}`,
    cleanStart: false,
    sessionExpirySeconds: 3600,
    will: undefined,
    username: undefined,
    owner: 'node',
    receiveMaximum: 100,
  };
}

function newsFor(claims: readonly Claim[], uid: string | undefined): Batch {
  const targets = claims.map(({ clientId, generation }) => ({ clientId, generation, topicFilters: ['news'] }));
  const message = {
    topic: 'news',
    payload: Buffer.from('hello'),
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'publisher',
    expiresAtMs: 0,
    frames: undefined,
  } as const;
  return [{ message, targets, isRefusable: false, uid }];
}

/** Counts what became of a message. */
function fates([outcomes]: Outcomes): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { is } of outcomes ?? []) counts[is] = (counts[is] ?? 0) + 1;
  return counts;
}

/** Lets some real turns of the event loop go by: a snapshot is taken in them. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a message for very many Sessions', () => {
  it('is there after a kill, and so is what others did between its slices, in its place', async () => {
    const clock = new ManualClock();
    const first = await Life.open(new FaultyDisk(), clock);
    const claims = await first.people();
    const [had, toCome] = [claims[0] as Claim, claims.at(-1) as Claim];
    const enqueued = first.store.queues.enqueue(newsFor(claims, undefined));
    // The first slice is done. One acknowledges what it has, another one takes its Subscription back.
    const between = [
      first.store.queues.ack([{ ...had, seqs: [1] }]),
      first.store.sessions.unsubscribe(toCome, ['news']),
    ];
    expect(fates(await first.does(enqueued))).toEqual({ queued: many - 1, no_subscription: 1 });
    await first.does(Promise.all(between));

    const second = await Life.open(first.killed(), clock);
    expect(await second.counts(claims)).toEqual(
      new Map([
        [1, many - 1],
        [0, 1],
      ]),
    );
    const { claim } = await second.does(second.store.sessions.acquire(acquireOf(had.clientId)));
    expect(await second.does(second.store.queues.read(claim, 1, 10))).toMatchObject({ entries: [] });
  });

  it('is once in each queue, at whichever moment between two slices a snapshot begins', async () => {
    const state = new memory.MemoryState(defaultLimits);
    const claims = Array.from({ length: many }, (_, i) => {
      const { claim } = memory.sessions.acquire(state, acquireOf(`c${i}`), `g${i}`, 0);
      memory.sessions.subscribe(state, claim, [toNews]);
      return claim;
    });
    const records: Batch[] = [];
    const moments: { readonly pieces: memory.StateItem[]; readonly recorded: number }[] = [];
    const enqueues = new EnqueuesSliced({
      state,
      limits: defaultLimits,
      begin: () => 0,
      record: (changed) => records.push(changed),
      recorded: () => {
        const pieces: memory.StateItem[] = [];
        const snapshot = new memory.Snapshot(state, (piece) => pieces.push(piece));
        while (snapshot.step());
        moments.push({ pieces, recorded: records.length });
      },
      stored: () => undefined,
    });
    const [one] = newsFor(claims, undefined);
    const [another] = newsFor(claims.slice(0, many / 2), 'uid');
    if (one === undefined || another === undefined) throw new Error('there is nothing to enqueue');
    await enqueues.enqueue([one, another]);

    expect(moments.length).toBeGreaterThan(1);
    const wanted = dump(state, 0);
    for (const { pieces, recorded } of moments) {
      const restoration = new memory.Restoration(defaultLimits);
      for (const piece of pieces) restoration.add(piece);
      const restored = restoration.finish(0);
      for (const record of records.slice(recorded)) memory.queues.enqueue(restored, record, 0);
      expect(dump(restored, 0)).toEqual(wanted);
    }
  });

  it('has no doubles, though the disk is full half way: who asks again goes on where it stopped', async () => {
    const clock = new ManualClock();
    const first = await Life.open(new FaultyDisk(), clock);
    const claims = await first.people();
    const batch = newsFor(claims, undefined);
    first.disk.roomBytes = 1000;
    await expect(first.does(first.store.queues.enqueue(batch))).rejects.toThrow(StoreUnavailable);
    await expect(first.does(first.store.queues.enqueue(batch))).rejects.toThrow(StoreUnavailable);
    first.disk.roomBytes = Number.POSITIVE_INFINITY;
    await clock.advance(1000);
    const partly = first.killed();

    expect(fates(await first.does(first.store.queues.enqueue(batch)))).toEqual({ queued: many });
    expect(await (await Life.open(first.killed(), clock)).counts(claims)).toEqual(new Map([[1, many]]));
    // It had indeed been done for some, and not for others.
    const counts = await (await Life.open(partly, clock)).counts(claims);
    expect([...counts.keys()].sort()).toEqual([0, 1]);
  });

  it('under a uid reaches each Session once, though the store closes half way and it comes again later', async () => {
    const clock = new ManualClock();
    const first = await Life.open(new FaultyDisk(), clock);
    const claims = await first.people();
    const enqueued = first.store.queues.enqueue(newsFor(claims, 'the one'));
    const refused = expect(enqueued).rejects.toThrow('the store is closing');
    const closed = first.store.close();
    for (let i = 0; i < 50; i++) {
      await turns(5);
      await clock.settle();
    }
    await refused;
    await first.does(closed);

    const second = await Life.open(first.disk, clock);
    const again = fates(await second.does(second.store.queues.enqueue(newsFor(claims, 'the one'))));
    expect(again.queued).toBeGreaterThan(0);
    expect(again.duplicate).toBeGreaterThan(0);
    expect(await second.counts(claims)).toEqual(new Map([[1, many]]));
  });
});
