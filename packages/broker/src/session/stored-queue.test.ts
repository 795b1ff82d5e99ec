import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import type { Claim, QueueAck, QueueEntry, QueueRead } from '../ports.ts';
import { type Call, DeferredCalls } from '../testing/deferred-calls.ts';
import { RecordingOutlet } from '../testing/recording-outlet.ts';
import { forEachSeed } from '../testing/seeds.ts';
import { Surroundings } from '../testing/surroundings.ts';
import { Outbound, packetIdOf } from './outbound.ts';
import { Settlements } from './settlements.ts';
import { StoredQueue } from './stored-queue.ts';

const claim: Claim = { clientId: 'lamp', generation: 'g1', epoch: 1 };

class Trial {
  readonly around = new Surroundings();
  readonly outlet = new RecordingOutlet();
  readonly calls = new DeferredCalls();
  readonly queue: StoredQueue;
  readonly outbound: Outbound;
  fenced = 0;
  readonly failures: unknown[] = [];

  constructor({ inflightMax = 10, headSeq = 1, resendSeq = 0 } = {}) {
    const { clock, counters, drops, persistence } = this.around;
    const queues = this.calls.port<never>('queues');
    this.queue = new StoredQueue({
      claim,
      headSeq,
      queues,
      settlements: new Settlements({ queues, inbound: this.calls.port<never>('inbound') }, clock, persistence),
      drops,
      persistence,
      fenced: () => {
        this.fenced++;
      },
      failed: (error) => this.failures.push(error),
    });
    this.outbound = new Outbound({
      clientId: 'lamp',
      outlet: this.outlet,
      source: this.queue,
      inflightMax,
      resendSeq,
      drops,
      counters,
      clock,
    });
    this.queue.outbound = this.outbound;
  }

  /** The open read, which must begin at this seq. */
  read(fromSeq: number): Call {
    const call = this.calls.next('queues.read');
    expect(call.args.slice(0, 2)).toEqual([claim, fromSeq]);
    return call;
  }

  /** Answers the open read, and lets what follows happen. */
  async answer(fromSeq: number, seqs: readonly number[], rest: Partial<QueueRead> = {}): Promise<void> {
    const nextSeq = (seqs.at(-1) ?? fromSeq - 1) + 1;
    const read: QueueRead = { entries: seqs.map(entry), nextSeq, endSeq: nextSeq, expired: 0, releases: [], ...rest };
    this.read(fromSeq).answer(read);
    await this.around.clock.settle();
  }

  /** A queue that was empty when it was acquired. */
  static async empty(options: ConstructorParameters<typeof Trial>[0] = {}): Promise<Trial> {
    const trial = new Trial(options);
    trial.queue.start();
    await trial.answer(1, []);
    return trial;
  }
}

function entry(seq: number): QueueEntry {
  return { seq, message: messageOn('a', `${seq}`), qos: 1, retain: false, subscriptionIdentifiers: undefined };
}

describe('the near end of a stored queue', () => {
  it('sends what is pushed next and reserved, without asking the store', async () => {
    const { queue, outlet, calls } = await Trial.empty();
    queue.push(entry(1), 32);
    queue.push(entry(2), 32);
    expect(outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    expect(calls.open).toEqual([]);
  });

  it('keeps what is pushed while the window is full, in order', async () => {
    const { queue, outbound, outlet } = await Trial.empty({ inflightMax: 1 });
    for (const seq of [1, 2, 3]) queue.push(entry(seq), 32);
    expect(outlet.said()).toEqual(['publish a=1 q1 #1']);
    outbound.puback(1);
    outbound.puback(2);
    expect(outlet.said()).toEqual(['publish a=2 q1 #2', 'publish a=3 q1 #3']);
  });

  it('sends what two nodes pushed across each other in order, without asking the store', async () => {
    const trial = await Trial.empty();
    trial.queue.push(entry(3), 32);
    trial.queue.push(entry(2), 32);
    expect(trial.outlet.said()).toEqual([]);
    trial.queue.push(entry(1), 32);
    trial.queue.push(entry(4), 32);
    expect(trial.outlet.said()).toEqual([1, 2, 3, 4].map((seq) => `publish a=${seq} q1 #${seq}`));
    await trial.around.clock.advance(1000);
    expect(trial.calls.open).toEqual([]);
  });

  it('reads what is missing when it has been on its way for too long', async () => {
    const trial = await Trial.empty();
    trial.queue.push(entry(1), 32);
    trial.queue.push(entry(3), 32);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1']);
    await trial.around.clock.advance(19);
    expect(trial.calls.open).toEqual([]);
    await trial.around.clock.advance(1);
    await trial.answer(2, [2, 3]);
    expect(trial.outlet.said()).toEqual(['publish a=2 q1 #2', 'publish a=3 q1 #3']);
  });

  it('waits anew for a second gap behind the first', async () => {
    const trial = await Trial.empty();
    trial.queue.push(entry(2), 32);
    trial.queue.push(entry(4), 32);
    await trial.around.clock.advance(15);
    trial.queue.push(entry(1), 32);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    await trial.around.clock.advance(10);
    expect(trial.calls.open).toEqual([]);
    await trial.around.clock.advance(15);
    await trial.answer(3, [3, 4]);
    expect(trial.outlet.said()).toEqual(['publish a=3 q1 #3', 'publish a=4 q1 #4']);
  });

  it('reads at once what was pushed out of turn while there is more to read', async () => {
    const trial = await Trial.empty({ inflightMax: 1 });
    trial.queue.push(entry(1), 1);
    trial.queue.push(entry(2), 1); // not reserved: to be read
    trial.queue.push(entry(4), 32);
    trial.outbound.puback(1);
    await trial.answer(2, [2, 3, 4]);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
  });

  it('passes over what it has read already', async () => {
    const trial = await Trial.empty();
    trial.queue.push(entry(1), 32);
    trial.queue.push(entry(1), 32);
    trial.queue.push(entry(2), 32);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    expect(trial.calls.open).toEqual([]);
  });

  it('rule: st is a reservation: reads what lies above it, when the window comes to it', async () => {
    const trial = await Trial.empty({ inflightMax: 1 });
    trial.queue.push(entry(1), 1);
    trial.queue.push(entry(2), 1);
    expect(trial.calls.open).toEqual([]);
    trial.outbound.puback(1);
    await trial.answer(2, [2]);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
  });

  it('asks once for what it misses, however much is pushed meanwhile', async () => {
    const trial = new Trial();
    trial.queue.start();
    for (const seq of [1, 2, 3, 4]) trial.queue.push(entry(seq), 32);
    expect(trial.outlet.said()).toEqual([]);
    await trial.answer(1, [1, 2], { endSeq: 3 });
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    await trial.answer(3, [3, 4]);
    expect(trial.outlet.said()).toEqual(['publish a=3 q1 #3', 'publish a=4 q1 #4']);
    expect(trial.calls.open).toEqual([]);
  });

  it('goes on over pages without entries', async () => {
    const trial = new Trial();
    trial.queue.start();
    await trial.answer(1, [], { nextSeq: 4097, endSeq: 9000, expired: 3 });
    await trial.answer(4097, [8000], { nextSeq: 8001, endSeq: 9000 });
    await trial.answer(8001, [], { nextSeq: 9000, endSeq: 9000 });
    expect(trial.outlet.said()).toEqual([`publish a=8000 q1 #8000`]);
    expect(trial.around.dropped).toEqual({ expired: 3 });
    trial.queue.push(entry(9000), 9000);
    expect(trial.outlet.said()).toEqual([`publish a=9000 q1 #9000`]);
  });

  it('reads no further ahead than the window has use for', async () => {
    const trial = new Trial({ inflightMax: 2 });
    trial.queue.start();
    await trial.answer(1, [1, 2, 3], { endSeq: 100 });
    expect(trial.calls.open).toEqual([]);
    trial.outbound.puback(1);
    await trial.around.clock.settle();
    trial.calls.next('queues.ack').answer(undefined);
    expect(trial.calls.open).toEqual([]);
    trial.outbound.puback(2);
    await trial.answer(4, [4], { endSeq: 100 });
    expect(trial.outlet.said()).toEqual([1, 2, 3, 4].map((seq) => `publish a=${seq} q1 #${seq}`));
  });

  it('sends PUBRELs that a read finds owed, ahead of its messages', async () => {
    const trial = new Trial({ resendSeq: 3 });
    trial.queue.start();
    await trial.answer(1, [2, 3], { releases: [1] });
    expect(trial.outlet.said()).toEqual(['pubrel #1', 'publish a=2 q1 #2 dup', 'publish a=3 q1 #3 dup']);
  });
});

describe('a store that does not answer', () => {
  it('is asked again until it does, and nothing pushed meanwhile is sent early or lost', async () => {
    const trial = new Trial();
    trial.queue.start();
    for (let attempt = 0; attempt < 3; attempt++) {
      trial.queue.push(entry(attempt + 1), 32);
      trial.read(1).fail();
      await trial.around.clock.settle();
      expect(trial.calls.open).toEqual([]);
      await trial.around.clock.advance(1000);
    }
    expect(trial.outlet.said()).toEqual([]);
    expect(trial.around.counters.storeFailures).toBe(3);
    await trial.answer(1, [1, 2, 3]);
    expect(trial.outlet.said()).toEqual([1, 2, 3].map((seq) => `publish a=${seq} q1 #${seq}`));
  });

  it('is not asked again for a Client that is gone', async () => {
    const trial = new Trial();
    trial.queue.start();
    trial.read(1).fail();
    await trial.around.clock.settle();
    trial.queue.close();
    await trial.around.clock.advance(60_000);
    expect(trial.calls.open).toEqual([]);
  });

  it('that answers when the Client is gone changes nothing', async () => {
    const trial = new Trial();
    trial.queue.start();
    trial.queue.close();
    trial.outbound.close();
    await trial.answer(1, [1, 2]);
    expect(trial.outlet.said()).toEqual([]);
    expect(trial.fenced).toBe(0);
  });

  it('that says another connection owns the Session ends this one', async () => {
    const trial = new Trial();
    trial.queue.start();
    trial.read(1).answer('fenced');
    await trial.around.clock.settle();
    expect(trial.fenced).toBe(1);
    expect(trial.outlet.said()).toEqual([]);
  });
});

describe('acknowledgements', () => {
  it('reach the store with the seq that their Packet Identifier stands for, over the wrap', async () => {
    const trial = new Trial({ headSeq: 65_535 });
    trial.queue.start();
    await trial.answer(65_535, [65_535, 65_536]);
    trial.outbound.puback(1);
    trial.outbound.puback(65_535);
    await trial.around.clock.settle();
    const ack = trial.calls.next('queues.ack');
    expect((ack.args[0] as QueueAck[])[0]?.seqs).toEqual([65_536, 65_535]);
  });
});

/** A store, the way to it, and a Client that acknowledges, moved one random step after the other. */
class Schedule {
  readonly stored: number[] = [];
  readonly sent: number[] = [];
  readonly #random: SeededRandom;
  readonly #trial: Trial;
  /** Entries that were stored; the news of them is on its way. */
  readonly #pushes: { readonly seq: number; readonly sentSeq: number }[] = [];
  readonly #unacknowledged: number[] = [];
  /** The read that is open, and its answer once the store has worked it out. */
  #read: { readonly call: Call; answer: QueueRead | undefined } | undefined;
  #reservedSeq = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#trial = new Trial({ inflightMax: 1 + this.#random.below(5) });
    this.#trial.queue.start();
  }

  async step(): Promise<void> {
    const random = this.#random;
    const does = [
      () => this.#store(),
      () => this.#store(),
      () => this.#push(),
      () => this.#acknowledge(),
      () => (random.oneIn(3) ? this.#fail() : this.#answer()),
      () => this.#trial.around.clock.advance(random.below(300)),
    ];
    await random.pick(does)();
    await this.#settle();
  }

  /** Lets everything on its way arrive, and the Client acknowledge all it gets. */
  async finish(): Promise<void> {
    for (let rounds = 0; rounds < 300 && this.sent.length < this.stored.length; rounds++) {
      for (const does of [() => this.#push(), () => this.#acknowledge(), () => this.#answer(), () => this.#answer()]) {
        does();
        await this.#settle();
      }
      await this.#trial.around.clock.advance(100);
      await this.#settle();
    }
  }

  #store(): void {
    const seq = this.stored.length + 1;
    this.stored.push(seq);
    if (this.#random.oneIn(2)) this.#reservedSeq = Math.max(this.#reservedSeq, seq + 4);
    this.#pushes.push({ seq, sentSeq: this.#reservedSeq });
  }

  #push(): void {
    const push = this.#pushes.splice(this.#random.below(this.#pushes.length), 1)[0];
    if (push !== undefined) this.#trial.queue.push(entry(push.seq), push.sentSeq);
  }

  #acknowledge(): void {
    const seq = this.#unacknowledged.splice(this.#random.below(this.#unacknowledged.length), 1)[0];
    if (seq !== undefined) this.#trial.outbound.puback(packetIdOf(seq));
  }

  /** The store works out the answer of the open read, or the answer that it has worked out arrives. */
  #answer(): void {
    const read = this.#read;
    if (read?.answer !== undefined) {
      this.#read = undefined;
      read.call.answer(read.answer);
    } else if (read !== undefined) {
      const [, fromSeq, limit] = read.call.args as [Claim, number, number];
      const seqs = this.stored.slice(fromSeq - 1, fromSeq - 1 + Math.min(limit, this.#random.below(4)));
      this.#reservedSeq = Math.max(this.#reservedSeq, seqs.at(-1) ?? 0);
      const nextSeq = fromSeq + seqs.length;
      read.answer = { entries: seqs.map(entry), nextSeq, endSeq: this.stored.length + 1, expired: 0, releases: [] };
    }
  }

  #fail(): void {
    this.#read?.call.fail();
    this.#read = undefined;
  }

  async #settle(): Promise<void> {
    await this.#trial.around.clock.settle();
    for (const name of this.#trial.calls.open) {
      const call = this.#trial.calls.next(name);
      if (name !== 'queues.read') call.answer(undefined);
      else if (this.#read === undefined) this.#read = { call, answer: undefined };
      else throw new Error('two reads at once');
    }
    for (const packet of this.#trial.outlet.take()) {
      const seq = packet.type === 'publish' ? Number(packet.text) : Number.NaN;
      if (!(seq <= this.#reservedSeq)) throw new Error(`${packet.type} ${seq} went out unreserved`);
      this.sent.push(seq);
      this.#unacknowledged.push(seq);
    }
  }
}

describe('whatever the order of pushes, reads and failures', () => {
  it('nothing is lost, nothing goes twice, order is kept', async () => {
    await forEachSeed(100, async (seed) => {
      const schedule = new Schedule(seed);
      for (let i = 0; i < 150; i++) await schedule.step();
      await schedule.finish();
      expect(schedule.stored.length).toBeGreaterThan(10);
      expect(schedule.sent).toEqual(schedule.stored);
    });
  });
});
