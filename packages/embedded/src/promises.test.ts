// Promises of the store on disk, tried where they are weakest: each of these was broken once.

import { defaultLimits, type Limits, type Message, memory, type Store, StoreUnavailable } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import type { JournalClass } from './journal.ts';
import { type EmbeddedStore, openEmbeddedStore } from './open.ts';

type Acquire = Parameters<Store['sessions']['acquire']>[0];
type Subscription = Parameters<Store['sessions']['subscribe']>[1][number];

const hourMs = 3_600_000;
const startMs = 1_750_000_000_000;
let nonces = 0;

function acquireOf(clientId: string, fields: Partial<Acquire> = {}): Acquire {
  return {
    clientId,
    nonce: `nonce-${nonces++}`,
    cleanStart: false,
    sessionExpirySeconds: 3600,
    will: undefined,
    username: undefined,
    owner: 'node',
    receiveMaximum: 100,
    ...fields,
  };
}

function messageOn(topic: string, fields: Partial<Message> = {}): Message {
  return {
    topic,
    payload: Buffer.from('hello'),
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'publisher',
    expiresAtMs: 0,
    frames: undefined,
    ...fields,
  };
}

function subscriptionTo(topicFilter: string): Subscription {
  const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return { topicFilter, qos: 2, ...options, subscriptionIdentifier: undefined };
}

/** A clock whose wall time can be set. */
class SteppingClock extends ManualClock {
  #aheadMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.#aheadMs;
  }

  step(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** A process with a store on a disk. */
class Life {
  readonly clock: ManualClock;
  readonly disk: FaultyDisk;
  readonly store: EmbeddedStore;

  private constructor(clock: ManualClock, disk: FaultyDisk, store: EmbeddedStore) {
    this.clock = clock;
    this.disk = disk;
    this.store = store;
  }

  static async open(
    disk: FaultyDisk,
    clock: ManualClock,
    limits: Partial<Limits> = {},
    durability: JournalClass = 'everysec',
    journalMaxBytes = 64 * 1024 * 1024,
  ): Promise<Life> {
    const store = await ends(
      clock,
      openEmbeddedStore({
        directory: '/data',
        disk,
        durability,
        limits: { ...defaultLimits, ...limits },
        clock,
        random: new SeededRandom(disk.calls + nonces++),
        minFreeBytes: 0,
        journalMaxBytes,
        onEvent: () => {},
      }),
    );
    return new Life(clock, disk, store);
  }

  /** The answer to a call. */
  does<Answer>(this: Pick<Life, 'clock'>, call: Promise<Answer>): Promise<Answer> {
    return ends(this.clock, call);
  }

  /** What the next process finds if this one is killed now. */
  killed(): FaultyDisk {
    return this.disk.after('kill', new SeededRandom(1));
  }
}

/** Lets everything happen that happens by itself, until a call is answered. */
async function ends<Answer>(clock: ManualClock, call: Promise<Answer>): Promise<Answer> {
  let isAnswered = false;
  const answered = (): void => {
    isAnswered = true;
  };
  call.then(answered, answered);
  for (let round = 0; round < 400 && !isAnswered; round++) await clock.settle();
  if (!isAnswered) throw new Error('the call was not answered');
  return call;
}

/** Lets some real turns of the event loop go by: a snapshot is taken in them. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function seconds(clock: ManualClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await clock.advance(1000);
    await clock.settle();
  }
}

describe('a snapshot', () => {
  it('that is begun between two records of one call does not have what the second one brings again', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock, {}, 'everysec', 1);
    const { sessions, queues } = first.store;
    const { claim } = await first.does(sessions.acquire(acquireOf('client')));
    // As much as the last snapshot has, so that the next record is the occasion for another one.
    const filters = Array.from({ length: 20 }, (_, i) => subscriptionTo(`a/${i}`));
    for (let i = 0; i < 3; i++) await first.does(sessions.subscribe(claim, filters));
    await turns();
    const { clientId, generation } = claim;
    const targets = [{ clientId, generation, topicFilters: ['a/1'] }];
    const item = () => ({
      message: messageOn('a/1', { payload: Buffer.alloc(1024 * 1024) }),
      targets,
      isRefusable: false,
      uid: undefined,
    });
    for (let i = 0; i < 3; i++) {
      const snapshots = first.store.gauges.snapshots;
      await first.does(queues.enqueue([item(), item()]));
      await turns();
      if (first.store.gauges.snapshots > snapshots) break;
    }
    const read = await first.does(queues.read(claim, 1, 100));
    const count = first.store.gauges.snapshots;
    expect(count).toBeGreaterThan(1);
    const live = await first.does(queues.ends([claim]));

    const second = await Life.open(first.killed(), clock);
    const back = await second.does(second.store.sessions.acquire(acquireOf('client')));
    expect(await second.does(second.store.queues.ends([back.claim]))).toEqual(live);
    expect(read).not.toBe('fenced');
  });
});

describe('what was acknowledged is there after a kill', () => {
  it('a retained message that was taken because refused ones had cleared away what had expired', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock, { retainedMaxMessages: 100 });
    const sets = Array.from({ length: 100 }, (_, i) => ({
      message: messageOn(`old/${i}`, { retain: true, expiresAtMs: startMs + 10_000 }),
      uid: undefined,
      order: undefined,
    }));
    await first.does(first.store.retained.set(sets));

    // Started again with a lower limit; what there is has expired, and goes 16 at a time.
    const second = await Life.open(first.killed(), clock, { retainedMaxMessages: 50 });
    await seconds(clock, 20);
    const set = async (topic: string): Promise<readonly boolean[]> =>
      second.does(
        second.store.retained.set([{ message: messageOn(topic, { retain: true }), uid: undefined, order: undefined }]),
      );
    const answers = [];
    for (const topic of ['new/0', 'new/1', 'new/2', 'new/3']) answers.push(...(await set(topic)));
    expect(answers).toEqual([false, false, false, true]);

    // Replayed, the one call that was recorded finds 84 messages, and is refused.
    const third = await Life.open(second.killed(), clock, { retainedMaxMessages: 50 });
    const { messages } = await third.does(third.store.retained.page('new/#', ''));
    expect(messages.map(({ topic }) => topic)).toEqual(['new/3']);
  });

  it('a Subscription of a Session whose acquire was refused for what could not be written down', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    const { sessions } = first.store;
    // The name comes from an authenticator: MQTT does not bound it.
    const will = { topic: 't', payload: Buffer.from('gone'), qos: 1, retain: false, properties: undefined } as const;
    const tooLong = acquireOf('client', { will, username: 'x'.repeat(70_000) });
    await expect(first.does(sessions.acquire(tooLong))).rejects.toThrow(RangeError);
    const { claim } = await first.does(sessions.acquire(acquireOf('client')));
    await first.does(sessions.subscribe(claim, [subscriptionTo('a')]));

    const second = await Life.open(first.killed(), clock);
    const { subscriptions } = await second.does(second.store.sessions.acquire(acquireOf('client')));
    expect(subscriptions.map(({ topicFilter }) => topicFilter)).toEqual(['a']);
  });
});

describe('a QoS 2 message arrives once', () => {
  it('though its publisher comes back an hour after the kill to finish what it has begun', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    const subscriber = await first.does(
      first.store.sessions.acquire(acquireOf('subscriber', { sessionExpirySeconds: 86_400 })),
    );
    await first.does(first.store.sessions.subscribe(subscriber.claim, [subscriptionTo('a')]));
    const publisher = await first.does(
      first.store.sessions.acquire(acquireOf('publisher', { sessionExpirySeconds: 86_400 })),
    );
    const { clientId, generation } = subscriber.claim;
    const once = {
      message: messageOn('a', { qos: 2 }),
      targets: [{ clientId, generation, topicFilters: ['a'] }],
      isRefusable: false,
    };
    // Noted and queued; the process is killed before it has sent PUBREC.
    await first.does(first.store.inbound.ingress([{ claim: publisher.claim, packetId: 1, uid: 'the one' }]));
    await first.does(first.store.queues.enqueue([{ ...once, uid: 'the one' }]));

    const second = await Life.open(first.killed(), clock);
    await clock.advance(hourMs);
    // Another message comes by, and what is older than five minutes is forgotten with it.
    await second.does(second.store.queues.enqueue([{ ...once, uid: 'another one' }]));
    const again = await second.does(second.store.sessions.acquire(acquireOf('publisher')));
    expect(again.inbound).toEqual([{ packetId: 1, uid: 'the one', isDone: false }]); // so a repeat is published again
    const [[outcome] = []] = await second.does(second.store.queues.enqueue([{ ...once, uid: 'the one' }]));
    expect(outcome?.is).toBe('duplicate');
  });

  it('and none is swallowed after a loss of power: an identifier whose release may be lost is not taken for used', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    const { claim } = await first.does(first.store.sessions.acquire(acquireOf('publisher')));
    const ingress = { claim, packetId: 1, uid: 'the first' };
    await first.does(first.store.inbound.ingress([ingress]));
    await first.does(first.store.inbound.done([ingress]));
    await seconds(clock, 3); // synced
    await first.does(first.store.inbound.release([ingress])); // PUBCOMP is sent
    const disk = first.disk.after('power loss', { below: () => 0, oneIn: () => false });

    const second = await Life.open(disk, clock);
    const { inbound } = await second.does(second.store.sessions.acquire(acquireOf('publisher')));
    // Else the next message under it, DUP = 0, is answered with PUBREC and goes nowhere (session/inbound.ts isRepeat).
    expect(inbound).toEqual([]);
  });
});

describe('a Session is its Client’s until its expiry', () => {
  it('though the clock was ahead for a while, was set right, and the process is killed then', async () => {
    const clock = new SteppingClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    clock.step(10 * hourMs); // the machine's clock is wrong
    await first.does(first.store.sessions.acquire(acquireOf('somebody')));
    clock.step(-10 * hourMs); // it is set right
    const { claim } = await first.does(first.store.sessions.acquire(acquireOf('client')));
    await first.does(first.store.sessions.release({ claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }));

    const later = new SteppingClock(startMs + 60_000);
    const second = await Life.open(first.killed(), later);
    later.step(second.store.aheadMs); // as the process does with its clock
    const back = await second.does(second.store.sessions.acquire(acquireOf('client')));
    expect(back.sessionPresent).toBe(true);
  });
});

describe('the node’s time goes on from what was stored last', () => {
  it('after a stop in good order too', async () => {
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    await first.does(first.store.sessions.acquire(acquireOf('client')));
    await first.does(first.store.close());

    const behind = await Life.open(first.disk, new ManualClock(startMs - hourMs));
    expect(behind.store.aheadMs).toBe(hourMs);
  });
});

describe('a call that was made, and not answered in time, may be repeated', () => {
  it('and the undoing of an acquire still tells that it had happened', async () => {
    const clock = new ManualClock(startMs);
    const { store, disk } = await Life.open(new FaultyDisk(), clock, {}, 'always');
    const call = <Answer>(asked: Promise<Answer>): Promise<Answer> => ends(clock, asked);
    await call(store.sessions.acquire(acquireOf('client')));
    const taking = acquireOf('client'); // by a second Network Connection, whose CONNECT is refused for lateness
    await call(store.sessions.acquire(taking));

    let goOn = (): void => {};
    const stall = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    disk.waits = (is) => (is === 'sync' ? stall : undefined);
    const undone = store.sessions.abandon('client', taking.nonce);
    const refused = expect(undone).rejects.toThrow(StoreUnavailable);
    await clock.settle();
    await seconds(clock, 6);
    await refused;
    goOn();
    await clock.settle();
    await seconds(clock, 1);

    // False means that the first connection owns the Session; nobody does, so it would wait for messages for ever.
    expect(await call(store.sessions.abandon('client', taking.nonce))).toBe(true);
  });
});

describe('a Packet Identifier that a Client may still know is given to no other message', () => {
  it('though the power fails twice, the second time before anything was synced', async () => {
    const nothingUnsynced = { below: () => 0, oneIn: () => false };
    const clock = new ManualClock(startMs);
    const first = await Life.open(new FaultyDisk(), clock);
    const { claim } = await first.does(first.store.sessions.acquire(acquireOf('client')));
    await first.does(first.store.sessions.subscribe(claim, [subscriptionTo('a')]));
    await seconds(clock, 3);

    /** Stores a message, of which the Client is told at once, and loses power. */
    const serve = async (
      disk: FaultyDisk,
    ): Promise<{ readonly disk: FaultyDisk; readonly seq: number | undefined }> => {
      const life = await Life.open(disk, clock);
      await life.does(life.store.sessions.acquire(acquireOf('client')));
      const { clientId, generation } = claim;
      const targets = [{ clientId, generation, topicFilters: ['a'] }];
      const item = { message: messageOn('a', { qos: 2 }), targets, isRefusable: false, uid: `uid-${nonces++}` };
      const [[outcome] = []] = await life.does(life.store.queues.enqueue([item]));
      const seq = outcome?.is === 'queued' ? outcome.entry.seq : undefined;
      expect(seq).toBeDefined();
      return { disk: life.disk.after('power loss', nothingUnsynced), seq };
    };
    const second = await serve(first.disk.after('power loss', nothingUnsynced));
    const third = await serve(second.disk);
    expect(second.seq).toBe(1 + memory.sessions.seqJump);
    expect(third.seq).toBe(1 + 2 * memory.sessions.seqJump);
  });
});

describe('a full queue that makes room', () => {
  it('drops nothing in vain: a message that does not fit all the same costs no other', async () => {
    const clock = new ManualClock(startMs);
    const { store } = await Life.open(new FaultyDisk(), clock, { queueFull: 'drop-old', queueMaxBytes: 10_000 });
    const call = <Answer>(asked: Promise<Answer>): Promise<Answer> => ends(clock, asked);
    const { claim } = await call(store.sessions.acquire(acquireOf('client')));
    await call(store.sessions.subscribe(claim, [subscriptionTo('a')]));
    await call(store.sessions.release({ claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }));
    const { clientId, generation } = claim;
    const put = (payload: Uint8Array) =>
      call(
        store.queues.enqueue([
          {
            message: messageOn('a', { payload }),
            targets: [{ clientId, generation, topicFilters: ['a'] }],
            isRefusable: false,
            uid: undefined,
          },
        ]),
      );
    for (let i = 0; i < 5; i++) await put(Buffer.alloc(10));
    const [[outcome] = []] = await put(Buffer.alloc(20_000));
    expect(outcome?.is).toBe('full');
    const back = await call(store.sessions.acquire(acquireOf('client')));
    const read = await call(store.queues.read(back.claim, 1, 100));
    expect(read === 'fenced' ? read : read.entries.length).toBe(5);
  });
});
