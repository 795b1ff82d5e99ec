// The steps that scenarios are made of, and the record of what each of them took.

import { nowMs } from './clock.ts';
import type { Totals } from './counts.ts';
import type { Crew } from './crew.ts';
import type { Role } from './dialler.ts';
import { Histogram, type HistogramData } from './histogram.ts';
import { judge } from './judge.ts';
import type { Load } from './load.ts';
import { type Moment, ownCost, readMeters, rounded, serverCost } from './meter.ts';
import type { Plan } from './plan.ts';
import type { Checked, Phase, PhaseName, Progress, ServerFacts } from './scenario.ts';

const progressMs = 250;
/** How often is looked whether something has come to its end. */
const pollMs = 3;
/** More than this between two looks is our own doing. */
const stoodStillMs = 50;
/** How long duplicates are listened for when everything has arrived. */
const lingerMs = 200;
/** All threads know of a schedule before it begins. */
const leadMs = 20;

/** What a phase is told from. */
export interface PhaseFacts {
  before: Moment;
  after: Moment;
  count: number;
  /** When the last of it happened, if that was before `after`; milliseconds. */
  endMs?: number;
  sent?: number;
  latencies?: HistogramData[];
  acknowledgements?: HistogramData[];
  sentLateMsMax?: number;
  /** From when on the server's memory counts, if not from `before`. */
  grownSince?: Moment;
}

/** What is shown of a phase while it lasts. */
interface Current {
  name: PhaseName;
  unit: Phase['unit'];
  sinceMs: number;
  counted: (totals: Totals) => number;
  /** What it was when the phase began, and when it was shown last. */
  base: number;
  shown: number;
  shownMs: number;
  done: (count: number, seconds: number) => number;
}

/** A run in progress. */
export class Script implements AsyncDisposable {
  readonly plan: Plan;
  readonly crew: Crew;
  readonly phases: Phase[] = [];
  readonly servers: ServerFacts[] = [];
  sessionsGone = 0;
  readonly #subscriptionsRefused: Record<string, number> = {};
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  #current: Current | undefined = undefined;

  constructor(plan: Plan, crew: Crew, onProgress: ((progress: Progress) => void) | undefined) {
    this.plan = plan;
    this.crew = crew;
    this.#onProgress = onProgress;
    this.#timer = setInterval(() => this.#show(), progressMs);
    this.#timer.unref();
  }

  /** Reads all meters. */
  moment(): Moment {
    return readMeters(this.plan, this.crew);
  }

  /**
   * Says which phase it is now.
   *
   * @param counted what the phase counts
   * @param done from that, and from the seconds that it has lasted, how much of it is done
   */
  enter(
    name: PhaseName,
    unit: Phase['unit'],
    counted: (totals: Totals) => number,
    done: (count: number, seconds: number) => number,
  ): void {
    const base = counted(this.crew.counts.totals());
    const sinceMs = nowMs();
    this.#current = { name, unit, sinceMs, counted, base, shown: 0, shownMs: sinceMs, done };
  }

  /** Writes down what the phase took. */
  leave(facts: PhaseFacts): void {
    const { before, after, count, sent } = facts;
    const { name, unit } = this.#current as Current;
    const seconds = ((facts.endMs ?? after.atMs) - before.atMs) / 1000;
    const perSecond = (amount: number): number => rounded(seconds > 0 ? amount / seconds : 0, 1);
    const latencyMs = together(facts.latencies);
    const acknowledgementMs = together(facts.acknowledgements);
    this.phases.push({
      name,
      unit,
      seconds: rounded(seconds, 6),
      count,
      perSecond: perSecond(count),
      ...(sent === undefined ? {} : { sent, sentPerSecond: perSecond(sent) }),
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(acknowledgementMs === undefined ? {} : { acknowledgementMs }),
      ...(facts.sentLateMsMax === undefined ? {} : { sentLateMsMax: rounded(facts.sentLateMsMax, 3) }),
      ...(before.server === undefined ? {} : { server: serverCost(before, after, count, facts.grownSince) }),
      own: ownCost(before, after, count),
    });
  }

  /** Everybody of these roles connects; that is a phase. */
  async connect(roles: readonly Role[], rate = 0): Promise<void> {
    const { plan } = this;
    const size = { publishers: plan.publishers, subscribers: plan.subscribers, clients: plan.clients };
    const count = roles.reduce((sum, role) => sum + size[role], 0);
    this.enter(
      'connect',
      'connection',
      ({ connected }) => connected,
      (done) => done / count,
    );
    const before = this.moment();
    const latencies: HistogramData[] = [];
    for (const role of roles) latencies.push(...(await this.open(role, !plan.storedSessions, rate)).latencies);
    this.leave({ before, after: this.moment(), count, latencies });
  }

  /** Everybody of a role connects. */
  async open(role: Role, cleanStart: boolean, rate = 0): Promise<{ latencies: HistogramData[]; present: number }> {
    const startMs = nowMs() + leadMs;
    const rampSeconds = rate > 0 ? this.plan.clients / rate : 0;
    const connecting = { role, cleanStart, rate, startMs };
    const connected = await this.crew.allSlowly(`connecting ${role}`, rampSeconds, 'connect', connecting);
    for (const server of connected.flatMap(({ servers }) => servers)) {
      if (!this.servers.some(({ url }) => url === server.url)) this.servers.push(server);
    }
    return {
      latencies: connected.map(({ latencies }) => latencies),
      present: connected.reduce((sum, { sessionsPresent }) => sum + sessionsPresent, 0),
    };
  }

  /** Everybody subscribes. */
  async subscribe(): Promise<HistogramData[]> {
    const subscribed = await this.crew.all('subscribing', 'subscribe');
    for (const { refused } of subscribed) {
      for (const [name, count] of Object.entries(refused)) {
        this.#subscriptionsRefused[name] = (this.#subscriptionsRefused[name] ?? 0) + count;
      }
    }
    return subscribed.map(({ acknowledgements }) => acknowledgements);
  }

  /** Publishers begin, in a moment; until halted, or until each has sent as many as `limits` says. */
  async begin(load: Omit<Load, 'startMs' | 'recordFromMs' | 'recordToMs'>, timed: boolean): Promise<Load> {
    const { warmupSeconds, durationSeconds } = this.plan;
    const startMs = nowMs() + (load.rate > 0 ? leadMs : 0);
    const recordFromMs = timed ? startMs + warmupSeconds * 1000 : 0;
    // A schedule has an end; a window is filled until it is halted.
    const ends = timed && load.rate > 0;
    const recordToMs = ends ? recordFromMs + durationSeconds * 1000 : Number.POSITIVE_INFINITY;
    const whole = { ...load, startMs, recordFromMs, recordToMs };
    await this.crew.all('publishing', 'begin', whole);
    return whole;
  }

  /**
   * Waits until everything that was sent has been acknowledged, and delivered to so many, or nothing moves any more.
   *
   * @param sentMin how many messages will have been sent by then
   */
  async drain(deliveriesEach: number, sentMin = 0): Promise<void> {
    const { plan, crew } = this;
    let moved = -1;
    let quietMs = 0;
    let lookedMs = nowMs();
    for (;;) {
      const { sent, completed, refused, delivered } = crew.counts.totals();
      const acknowledged = plan.qos === 0 || completed >= sent;
      if (sent >= sentMin && acknowledged && delivered >= (sent - refused) * deliveriesEach) break;
      const atMs = nowMs();
      // When this program itself stood still, nothing could arrive.
      quietMs = sent + completed + delivered === moved ? quietMs + Math.min(atMs - lookedMs, stoodStillMs) : 0;
      moved = sent + completed + delivered;
      lookedMs = atMs;
      // What is not due yet can't move.
      const betweenMs = sent < sentMin && plan.rate > 0 ? 2000 / plan.rate : 0;
      if (quietMs > plan.drainSeconds * 1000 + betweenMs) break;
      await crew.pause(pollMs);
    }
  }

  /** Compares what was sent with what has arrived, once late duplicates had time to come. */
  async judge(): Promise<Checked> {
    await this.crew.pause(lingerMs);
    return judge(this.plan, this.crew, this.sessionsGone, this.#subscriptionsRefused);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
  }

  #show(): void {
    const current = this.#current;
    if (current === undefined || this.#onProgress === undefined) return;
    const totals = this.crew.counts.totals();
    const now = nowMs();
    const count = current.counted(totals) - current.base;
    const seconds = (now - current.sinceMs) / 1000;
    this.#onProgress({
      phase: current.name,
      unit: current.unit,
      done: Math.max(0, Math.min(1, current.done(count, seconds))),
      seconds,
      count,
      perSecond: ((count - current.shown) / (now - current.shownMs)) * 1000,
      faults: totals.faults + totals.refused,
    });
    current.shown = count;
    current.shownMs = now;
  }
}

function together(parts: readonly HistogramData[] | undefined): Phase['latencyMs'] {
  const whole = new Histogram();
  for (const part of parts ?? []) whole.add(part);
  return whole.latency();
}
