// One schedule, from the first step to the verdict: a broker, its store, its Clients and the network between them.
//
// The weather is bad for as many steps as the schedule has. Then it clears: the store answers, everybody comes back and
// acknowledges what it gets, until nothing is left to do; and what was seen is judged.

import { SeededRandom } from '../../packages/broker/src/contract/index.ts';
import {
  Broker,
  defaultLimits,
  type Fact,
  type Limits,
  type Message,
  memoryStore,
} from '../../packages/broker/src/index.ts';
import { UnreliableStore } from '../../packages/broker/src/testing/unreliable-store.ts';
import { Checker } from '../history/checker.ts';
import type { Happening } from '../history/event.ts';
import { Random } from '../history/random.ts';
import type { Violation } from '../history/verdict.ts';
import { retainedNow } from './audit.ts';
import type { BrokenRule } from './broken-rules.ts';
import { Calls } from './calls.ts';
import { ModelClient } from './client.ts';
import { keyOf, Ledger } from './ledger.ts';
import { Line, noticedWithinMs } from './line.ts';
import { faultsOfRetained } from './retained-judge.ts';
import type { Kind, Schedule } from './schedule.ts';
import { VirtualTime } from './time.ts';

/** How a schedule is run. */
export interface RunOptions {
  /** Broken on purpose, to see that it is found. */
  readonly rule?: BrokenRule | undefined;
  /** Is told everything that happens, a line each. */
  readonly tell?: ((line: string) => void) | undefined;
}

/** What came of a schedule. */
export interface Outcome {
  /** What went wrong, in words. */
  readonly faults: readonly string[];
  /** Events of the history. */
  readonly events: number;
}

const limits: Limits = { ...defaultLimits, receiveMaximum: 3, inboundInflightMax3: 2, storeAwayCloseSeconds: 3600 };
/** Longer than anything is put off: a retry, or a look for what is due; and a Will that was claimed by a call that failed. */
const quietMs = { atLeast: 1100, afterFailures: 5000 };
const roundsMax = 60;

/** Runs a schedule. Never rejects: what is thrown is a fault. */
export async function run(schedule: Schedule, options: RunOptions = {}): Promise<Outcome> {
  const world = new World(schedule, options);
  try {
    await world.storm();
    await world.calm();
  } catch (error) {
    world.fault(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return world.outcome();
}

class World {
  readonly #schedule: Schedule;
  readonly #rule: BrokenRule | undefined;
  readonly #tell: ((line: string) => void) | undefined;
  readonly #time = new VirtualTime();
  readonly #checker: Checker;
  readonly #ledger = new Ledger();
  readonly #store: UnreliableStore;
  readonly #calls: Calls;
  readonly #broker: Broker;
  readonly #clients: ModelClient[];
  #lines: Line[] = [];
  #opened = 0;
  readonly #faults: string[] = [];
  #events = 0;

  constructor(schedule: Schedule, { rule, tell }: RunOptions) {
    this.#schedule = schedule;
    this.#rule = rule;
    this.#tell = tell && ((line) => tell(`${String(this.#time.monotonicMs()).padStart(6)} ms  ${line}`));
    // A store that is far may learn very late that a Client has left, and the time for which a Session is kept begins then.
    const slackMs = schedule.isFar ? 1e9 : noticedWithinMs + 500;
    this.#checker = new Checker({ acknowledgedShareMin: 0, slackMs });
    const random = new SeededRandom(schedule.seed);
    const store = memoryStore(this.#time, random, limits);
    const { isFar, failPercent } = schedule;
    const nowMs = (): number => this.#time.monotonicMs();
    this.#calls = new Calls({ areHeld: isFar, failPercent, nowMs, tell: this.#tell });
    this.#store = new UnreliableStore(store, (call) => this.#calls.meet(call));
    this.#broker = new Broker(
      {
        ...(rule?.store?.(this.#store) ?? this.#store),
        authenticator: { authenticate: async () => ({ accepted: true }) },
        authenticationMethods: [],
        authorizer: { mayPublish: () => true, maySubscribe: () => true },
        clock: this.#time,
        random,
        observer: { observe: (fact) => this.#observe(fact) },
        nodeId: 'n1',
        cluster: undefined,
      },
      limits,
    );
    this.#clients = schedule.kinds.map((kind) => this.#makeClient(kind));
  }

  fault(why: string): void {
    if (this.#faults.length >= 20) return;
    this.#faults.push(why);
    this.#tell?.(`!! ${why}`);
  }

  outcome(): Outcome {
    return { faults: this.#faults, events: this.#events };
  }

  /** The bad weather. */
  async storm(): Promise<void> {
    const started = this.#broker.start();
    for (let i = 0; i < 8 && this.#calls.areLeft; i++) {
      this.#calls.advance(new Random(1));
      await this.#time.rest();
    }
    await started;
    this.#store.holdsRoutes = this.#schedule.isFar;
    for (const step of this.#schedule.steps) {
      const random = new Random(step);
      await this.#happen(random);
      await this.#time.breathe(random.below(10));
    }
  }

  /** Lets everything come to rest, and judges. */
  async calm(): Promise<void> {
    this.#tell?.('the weather clears');
    this.#calls.answerAll();
    this.#store.holdsRoutes = false;
    let restedMs = 0;
    let owed = 0;
    const { atLeast, afterFailures } = quietMs;
    const enoughMs = this.#calls.haveFailed ? afterFailures : atLeast;
    for (let round = 0; restedMs < enoughMs; round++) {
      if (round === roundsMax) throw new Error(`no rest: ${this.#unrest()}`);
      await this.#comeToRest();
      // What has expired is owed for ever, as far as the checker says before the end.
      const { outstanding } = this.#checker;
      const isQuiet = this.#clients.every(({ isIdle }) => isIdle) && outstanding === owed;
      if (!isQuiet) restedMs = 0;
      owed = outstanding;
      restedMs += atLeast;
      await this.#time.pass(atLeast);
      // What took longer than a look may move only now.
      if (this.#lines.some(({ isBusy }) => isBusy)) restedMs = 0;
    }
    await this.#judge();
  }

  /** One step. */
  async #happen(random: Random): Promise<void> {
    const dice = random.below(100);
    const isFar = this.#schedule.isFar;
    if (dice < 36) this.#act(random);
    else if (dice < 66) this.#advanceLine(random);
    else if (dice < 90) {
      if (!isFar || dice === 66) this.#store.tellRoutes();
      if (isFar) this.#calls.advance(random);
      else this.#advanceLine(random);
    } else if (dice < 92) await this.#time.rest();
    else if (dice < 99) await this.#pass(random.pick([1, 10, 20, 100, 400, 1200]));
    else await this.#pass(random.pick([4000, 10_000]));
  }

  #act(random: Random): void {
    const client = random.pick(this.#clients);
    if (!this.#schedule.absent.includes(client.kind.clientId)) client.act(random);
  }

  #advanceLine(random: Random): void {
    const busy = this.#lines.filter(({ isBusy }) => isBusy);
    if (busy.length === 0) return;
    const line = random.pick(busy);
    const dice = random.below(100);
    if (dice < 2) {
      line.lose();
      this.#endSoon(line);
    } else if (dice < 4) line.setCongested(!line.congested);
    else for (let count = random.between(1, 3); count > 0; count--) line.advance(random.percent(50));
  }

  async #pass(ms: number): Promise<void> {
    this.#tell?.(`${ms} ms pass`);
    await this.#time.pass(ms);
    this.#calls.end();
    this.#tidy();
  }

  /** Moves everything that can move, until nothing does. */
  async #comeToRest(): Promise<void> {
    for (let isMoving = true; isMoving; ) {
      isMoving = this.#store.untoldRoutes > 0;
      while (this.#store.untoldRoutes > 0) this.#store.tellRoutes();
      for (const line of this.#lines) {
        line.setCongested(false);
        if (line.isAbandoned && !line.isBusy) line.lose();
        while (line.isBusy) {
          isMoving = true;
          line.advance(true);
        }
      }
      for (const client of this.#clients) {
        if (client.phase === 'away') {
          client.connect(undefined);
          isMoving = true;
        } else client.acknowledgeAll();
      }
      await this.#time.rest();
      this.#tidy();
      isMoving ||= this.#lines.some(({ isBusy }) => isBusy);
    }
  }

  /** What keeps it from coming to rest. */
  #unrest(): string {
    const busy = this.#clients.filter(({ isIdle }) => !isIdle).map(({ kind, phase }) => `${kind.clientId} is ${phase}`);
    return [...busy, `${this.#checker.outstanding} deliveries are owed`].join(', ');
  }

  #tidy(): void {
    this.#lines = this.#lines.filter((line) => line.isOpen || !line.isAbandoned);
  }

  async #judge(): Promise<void> {
    const verdict = this.#checker.verdict();
    for (const violation of verdict.is === 'violation' ? verdict.violations : []) {
      if (!this.#isExcused(violation)) this.fault(tell(violation));
    }
    if (verdict.is === 'invalid') this.fault(`it proves nothing: ${verdict.reasons.join('; ')}`);
    const { connected, inflight, unacknowledged } = this.#broker.gauges();
    if (connected !== this.#clients.length) this.fault(`${connected} Clients are connected of ${this.#clients.length}`);
    if (inflight + unacknowledged > 0) this.fault(`${inflight} in flight and ${unacknowledged} unacknowledged remain`);
    for (const line of this.#lines) {
      if (line.isOpen && line.isAbandoned) this.fault(`${line.name} was left open, without its Session`);
    }
    if (!this.#ledger.hasRetained) return;
    const stored = await retainedNow(this.#broker, this.#time);
    for (const why of faultsOfRetained(this.#ledger, stored, this.#clients)) this.fault(why);
  }

  /**
   * Where the store may fail, a message that is sent again may be published again, because nobody could note that it had
   * been: under its uid, so that it comes to nobody twice, but to those who have subscribed meanwhile it comes late. Late
   * comes too what expired before it came the first time, and was sent again with all its time before it.
   */
  #isExcused({ invariant, publisher = '', n = 0 }: Violation): boolean {
    if (invariant !== 'order') return false;
    const entry = this.#ledger.find({ publisher, n });
    return entry?.isRepeated === true && (this.#schedule.isFar || entry.expirySeconds !== undefined);
  }

  #makeClient(kind: Kind): ModelClient {
    return new ModelClient({
      kind,
      ledger: this.#ledger,
      mayFail: this.#schedule.isFar,
      record: (happening) => this.#record(happening),
      fault: (why) => this.fault(`${kind.clientId}: ${why}`),
      open: (client) => this.#open(client),
      broke: (line) => this.#loseSoon(line),
    });
  }

  #open(client: ModelClient): Line {
    const line: Line = new Line({
      broker: this.#broker,
      kind: client.kind,
      onWire: this.#schedule.onWire,
      rule: this.#rule,
      number: ++this.#opened,
      tell: this.#tell,
      hear: (packet) => client.hear(packet),
      ended: () => client.ended(line),
      arrived: (packet) => {
        if (packet.type !== 'publish' || packet.properties?.messageExpiryInterval === undefined) return;
        const entry = this.#ledger.ofPayload(packet.payload);
        if (entry !== undefined) entry.arrivedMs = this.#time.monotonicMs();
      },
      sent: (message, { dup }) => {
        if (message.expiresAtMs !== 0 && !dup) this.#judgeExpiry(client, message);
      },
    });
    this.#lines.push(line);
    return line;
  }

  /** [MQTT-3.3.2-5] Nobody gets a message for the first time when it has expired, however long it waited for the store. */
  #judgeExpiry({ kind }: ModelClient, { payload }: Message): void {
    const entry = this.#ledger.ofPayload(payload);
    if (entry?.arrivedMs === undefined || entry.expirySeconds === undefined) return;
    const lateMs = this.#time.monotonicMs() - entry.arrivedMs - entry.expirySeconds * 1000;
    if (lateMs > 0) this.fault(`${kind.clientId}: ${keyOf(entry)} was sent ${lateMs} ms after it had expired`);
  }

  /** The broker notices in time that a Client has given a connection up. */
  #loseSoon(line: Line): void {
    if (line.isOpen) this.#time.after(noticedWithinMs, () => line.lose());
  }

  /** A Client notices in time that its connection is gone. */
  #endSoon(line: Line): void {
    this.#time.after(noticedWithinMs, () => {
      while (!line.isAbandoned && line.isBusy) line.advance(false);
    });
  }

  #record(happening: Happening): void {
    this.#events++;
    this.#checker.observe(Object.assign(happening, { atMs: this.#time.monotonicMs() }));
  }

  #observe(fact: Fact): void {
    if (fact.is === 'internal_error') this.fault(`internal error in ${fact.where}: ${String(fact.error)}`);
  }
}

function tell({ invariant, client, publisher, n, why, atMs }: Violation): string {
  const about = publisher === undefined ? '' : ` ${publisher} ${n}:`;
  return `${invariant}: ${client},${about} ${why} (${atMs} ms)`;
}
