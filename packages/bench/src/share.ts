// One thread's share of the Clients: each n-th publisher and subscriber, and all that is done with them.
//
// What is asked of a share and what it answers is plain data, because it may have come from another thread.

import { encode, type Suback } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { nowMs, pause } from './clock.ts';
import type { Connection } from './connection.ts';
import { Counts } from './counts.ts';
import { Dialler, type Dialling, type Role } from './dialler.ts';
import { Histogram, type HistogramData } from './histogram.ts';
import { dueMsOf, type Load } from './load.ts';
import { Pacer } from './pacer.ts';
import { Payloads } from './payload.ts';
import { filtersOf, lineCount, linesOfPublisher, linesOfSubscriber, type Plan, topicOf } from './plan.ts';
import { dueBy, Publisher } from './publisher.ts';
import { reasonName } from './reason-name.ts';
import type { ServerFacts } from './scenario.ts';
import { byLine, GroupSequences, OwnSequences } from './sequences.ts';
import { serverFacts } from './server-facts.ts';
import { type Faults, noFaults, type Recording, type Stage } from './stage.ts';
import { Subscriber } from './subscriber.ts';
import { Topics } from './topics.ts';
import { type Pending, Turn } from './turn.ts';

/** What a share is made from. */
export interface Setup {
  plan: Plan;
  worker: number;
  epochMs: number;
  memory: SharedArrayBuffer;
}

/** How to connect. */
export interface Connecting {
  role: Role;
  /** Ends whatever Session there was. */
  cleanStart: boolean;
  /** Connections per second, of all threads; 0 for so many at once as the plan says. */
  rate: number;
  startMs: number;
}

/** What came of connecting. */
export interface Connected {
  latencies: HistogramData;
  servers: ServerFacts[];
  sessionsPresent: number;
}

/** What came of subscribing. */
export interface Subscribed {
  acknowledgements: HistogramData;
  refused: Record<string, number>;
}

/** What a share has recorded. */
export interface Account {
  latencies: HistogramData;
  acknowledgements: HistogramData;
  faults: Faults;
  sentLateMsMax: number;
  refusedFor: Record<string, number>;
  /** Lines and sequences in turn. */
  refused: number[];
  /** By publisher: its first line, and how many messages it sent on it and the following ones. */
  sent: { from: number; counts: Int32Array }[];
}

/** What a share's subscribers have not received. */
export interface Verdict {
  expected: number;
  lost: number;
  /** Of a shared group: by line, a bit for each message. */
  group: readonly Uint32Array[];
}

/** A Client that does nothing. */
interface Idler extends Dialling {
  connection: Connection | undefined;
}

/** The Clients of one thread. */
export class Share implements Stage, Pending {
  pending = false;
  readonly plan: Plan;
  readonly worker: number;
  readonly payloads: Payloads;
  readonly topics: Topics;
  readonly turn: Turn = new Turn();
  readonly counts: Counts;
  readonly epochMs: number;
  readonly recording: Recording = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
  readonly #publishers: Publisher[];
  readonly #subscribers: Subscriber[];
  readonly #clients: Idler[];
  readonly #group: GroupSequences | undefined;
  readonly #latencies = new Histogram();
  readonly #acknowledgements = new Histogram();
  readonly #faults: Faults = noFaults();
  readonly #delivered: Int32Array;
  /** By line. */
  readonly #publisherOf: Int32Array;
  /** By publisher: it, if it is of this share. */
  readonly #here: (Publisher | undefined)[] = [];
  readonly #dialler: Dialler;
  readonly #open = new Set<Connection>();
  readonly #fail: (error: BenchError) => void;
  readonly #others: InstanceType<typeof BroadcastChannel> | undefined;
  readonly #sweep: NodeJS.Timeout;
  #pacer: Pacer | undefined = undefined;
  #sentLateMsMax = 0;

  /** @param fail is told when the run can't go on */
  constructor({ plan, worker, epochMs, memory }: Setup, fail: (error: BenchError) => void) {
    this.plan = plan;
    this.worker = worker;
    this.epochMs = epochMs;
    this.#fail = fail;
    this.payloads = new Payloads({ run: plan.run, bytes: plan.payloadBytes, seed: plan.seed });
    this.topics = new Topics(plan);
    this.#dialler = new Dialler(plan, worker, this.turn);
    this.counts = new Counts(plan, memory);
    this.#delivered = this.counts.deliveredAt(worker);
    this.#group = plan.scenario === 'shared' ? new GroupSequences(lineCount(plan)) : undefined;
    this.#publishers = this.#mine(plan.publishers).map((i) => new Publisher(this, i, this.#acknowledgements));
    this.#subscribers = this.#mine(plan.subscribers).map((i) => this.#makeSubscriber(i));
    this.#clients = this.#mine(plan.clients).map((i) => this.#makeIdler(i));
    for (const publisher of this.#publishers) this.#here[publisher.index] = publisher;
    this.#publisherOf = new Int32Array(lineCount(plan));
    for (let publisher = 0; publisher < plan.publishers; publisher++) {
      const { from, count } = linesOfPublisher(plan, publisher);
      this.#publisherOf.fill(publisher, from, from + count);
    }
    if (plan.workers > 1) {
      this.#others = new BroadcastChannel(`skein-bench-${plan.run}`);
      this.#others.onmessage = () => this.#wake();
    }
    this.#sweep = setInterval(() => this.#look(), 250);
    this.#sweep.unref();
  }

  /** Is ready to begin at a given moment. */
  async ready(): Promise<void> {
    if (this.plan.rate > 0) this.#pacer = await Pacer.open();
  }

  /** Connects everybody of a role. */
  async connect({ role, cleanStart, rate, startMs }: Connecting): Promise<Connected> {
    const latencies = new Histogram();
    const servers = new Map<string, ServerFacts>();
    let sessionsPresent = 0;
    await this.#dialler.dialAll(this.#of(role), { rate, startMs, pacer: this.#pacer }, async (who, dueMs) => {
      const { connection, connack } = await this.#dialler.dial(who, role, cleanStart);
      latencies.record((this.turn.nowMs - dueMs) * 1000);
      servers.set(connection.url, serverFacts(connection.url, connack));
      if (connack.sessionPresent) sessionsPresent++;
      this.#open.add(connection);
      this.counts.connected(this.worker, 1);
      who.attach(connection, connack);
    });
    return { latencies: latencies.data, servers: [...servers.values()], sessionsPresent };
  }

  /** All subscribers subscribe, each with one packet at a time. */
  async subscribe(): Promise<Subscribed> {
    const acknowledgements = new Histogram();
    const refused: Record<string, number> = {};
    const subscribe = async (subscriber: Subscriber): Promise<void> => {
      const filters = filtersOf(this.plan, subscriber.index);
      for (let at = 0, packetId = 1; at < filters.length; packetId = (packetId % 65_535) + 1) {
        const some = filters.slice(at, at + this.plan.filtersPerPacket);
        const sentAtMs = nowMs();
        const suback: Suback = await subscriber.subscribe(packetId, some);
        acknowledgements.record((this.turn.nowMs - sentAtMs) * 1000);
        for (const code of suback.reasonCodes) {
          if (code >= 0x80) refused[reasonName(code)] = (refused[reasonName(code)] ?? 0) + 1;
        }
        this.counts.subscribed(this.worker, some.length);
        at += some.length;
      }
    };
    await Promise.all(this.#subscribers.map(subscribe));
    return { acknowledgements: acknowledgements.data, refused };
  }

  /** Publishers begin. */
  begin(load: Load): void {
    this.recording.fromMs = load.recordFromMs;
    this.recording.toMs = load.recordToMs;
    for (const publisher of this.#publishers) publisher.begin(load);
    if (load.rate === 0) return;
    let known = 0;
    this.#pacer?.start(load.startMs, load.tickMs, () => {
      this.turn.begin();
      const due = dueBy(load, this.turn.nowMs);
      for (; known < due; known++) {
        const late = this.turn.nowMs - load.startMs - dueMsOf(load, known);
        if (late > this.#sentLateMsMax) this.#sentLateMsMax = late;
        this.#here[known % this.plan.publishers]?.dueNext();
      }
    });
  }

  /** Publishers send nothing new. */
  halt(): void {
    this.#pacer?.stop();
    for (const publisher of this.#publishers) publisher.halt();
  }

  /** Everybody of a role disconnects. */
  async disconnect(role: Role): Promise<void> {
    await Promise.all(
      this.#of(role).map(async (who) => {
        const { connection } = who;
        if (connection === undefined) return;
        who.connection = undefined;
        await connection.end();
        this.#open.delete(connection);
        this.counts.connected(this.worker, -1);
      }),
    );
  }

  /** Takes back every retained message. */
  async clearRetained(): Promise<void> {
    const payload = new Uint8Array(0);
    for (const { lines, connection } of this.#publishers) {
      for (let line = lines.from; line < lines.from + lines.count; line++) {
        const topic = topicOf(this.plan, line);
        if (connection === undefined) return;
        encode(
          { type: 'publish', topic, payload, qos: 0, retain: true, dup: false, packetId: 0, properties: undefined },
          this.plan.protocolVersion,
          connection.roomyOut(),
        );
        while (connection.congested) await pause(1);
      }
    }
  }

  account(): Account {
    const refusedFor: Record<string, number> = {};
    for (const publisher of this.#publishers) {
      for (const [name, count] of Object.entries(publisher.refusedFor)) {
        refusedFor[name] = (refusedFor[name] ?? 0) + count;
      }
    }
    return {
      latencies: this.#latencies.data,
      acknowledgements: this.#acknowledgements.data,
      faults: this.#faults,
      sentLateMsMax: this.#sentLateMsMax,
      refusedFor,
      refused: this.#publishers.flatMap(({ refused }) => refused),
      sent: this.#publishers.map(({ lines, sentByLine }) => ({ from: lines.from, counts: sentByLine })),
    };
  }

  /**
   * Tells what is missing, now that it is known what was sent.
   *
   * @param sent by line
   * @param refused lines and sequences in turn
   */
  judge(sent: readonly number[], refused: readonly number[]): Verdict {
    const refusedOf = byLine(refused);
    let expected = 0;
    let lost = 0;
    for (const { lines, sequences } of this.#subscribers) {
      if (!(sequences instanceof OwnSequences)) continue;
      for (let index = 0; index < lines.count; index++) {
        const line = lines.from + index;
        expected += (sent[line] ?? 0) - (refusedOf.get(line)?.size ?? 0);
        lost += sequences.missing(index, sent[line] ?? 0, refusedOf.get(line));
      }
    }
    return { expected, lost, group: this.#group?.bits ?? [] };
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#others?.close();
    for (const connection of this.#open) connection.drop();
    await this.#pacer?.close();
  }

  fault(what: keyof Faults): void {
    this.#faults[what]++;
    if (what !== 'redelivered') this.counts.fault(this.worker);
  }

  arrived(line: number): void {
    const publisher = this.#publisherOf[line] as number;
    this.#delivered[publisher] = ((this.#delivered[publisher] as number) + 1) | 0;
    this.turn.soon(this.#here[publisher] ?? this);
  }

  completed(): void {
    this.counts.completedLast(this.worker, this.turn.nowMs);
  }

  lost(who: string, url: string | undefined, why: string): void {
    this.#fail(new BenchError('server', `${url}: the connection of ${who} ended: ${why}`));
  }

  /** Something has arrived from publishers of other threads. */
  endTurn(): void {
    this.#others?.postMessage(0);
  }

  #wake(): void {
    this.turn.begin();
    for (const publisher of this.#publishers) this.turn.soon(publisher);
  }

  /** Four times a second: windows that got stuck, and connections that have been silent for long. */
  #look(): void {
    this.turn.begin();
    for (const publisher of this.#publishers) publisher.checkStall();
    for (const connection of this.#open) connection.keepAlive(this.turn.nowMs);
  }

  #mine(count: number): number[] {
    const mine: number[] = [];
    for (let index = this.worker; index < count; index += this.plan.workers) mine.push(index);
    return mine;
  }

  #of(role: Role): readonly (Publisher | Subscriber | Idler)[] {
    if (role === 'publishers') return this.#publishers;
    return role === 'subscribers' ? this.#subscribers : this.#clients;
  }

  #makeSubscriber(index: number): Subscriber {
    const { count } = linesOfSubscriber(this.plan, index);
    const sequences = this.#group?.member() ?? new OwnSequences(count);
    return new Subscriber(this, index, sequences, this.#latencies);
  }

  #makeIdler(index: number): Idler {
    const idler: Idler = {
      index,
      connection: undefined,
      attach: (connection) => {
        idler.connection = connection;
      },
      published: () => this.fault('misrouted'),
      acknowledged: () => this.fault('misrouted'),
      answered: () => this.fault('misrouted'),
      drained: () => {},
      gone: (why) => this.lost(`client ${index}`, idler.connection?.url, why),
    };
    return idler;
  }
}
