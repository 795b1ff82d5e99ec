// A run, settled to the last number: the options with their defaults, and who publishes and subscribes what.
//
// A plan is plain data, so that every thread can have it. Its lines (a topic of a publisher) are numbered through; each
// publisher has a stretch of them, and so has each subscriber: its own one, or all where everybody gets everything.

import { randomInt } from 'node:crypto';
import type { QoS } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { payloadBytesMin } from './payload.ts';
import { type ScenarioName, type ScenarioOptions, scenarioNames } from './scenario.ts';

/** {@link ScenarioOptions} with nothing left out. */
export interface Plan {
  scenario: ScenarioName;
  urls: readonly string[];
  username: string | undefined;
  password: string | undefined;
  protocolVersion: 4 | 5;
  qos: QoS;
  subscriptionQos: QoS;
  payloadBytes: number;
  publishers: number;
  subscribers: number;
  /** connect: who does nothing else. */
  clients: number;
  topics: number;
  /** 0: as fast as the window allows. */
  rate: number;
  window: number;
  inflight: number;
  concurrency: number;
  durationSeconds: number;
  warmupSeconds: number;
  /** 0: for a time. */
  count: number;
  holdSeconds: number;
  filters: number;
  filtersPerPacket: number;
  messages: number;
  storedSessions: boolean;
  keepAliveSeconds: number;
  keep: boolean;
  settleSeconds: number;
  drainSeconds: number;
  stepSeconds: number;
  seed: number;
  workers: number;
  pids: readonly number[];
  includeChildren: boolean;
  /** Tells this run from others: in every topic and payload. */
  run: number;
}

/** Some of the lines, one after the other. */
export interface Lines {
  readonly from: number;
  readonly count: number;
}

/** @throws BenchError if an option makes no sense, naming it */
export function settle(options: ScenarioOptions): Plan {
  const { scenario } = options;
  if (!scenarioNames.includes(scenario)) {
    throw new BenchError('options', `scenario: there is no '${scenario}'; allowed: ${scenarioNames.join(', ')}`);
  }
  const queued = scenario === 'retained' || scenario === 'offline';
  const qos = options.qos ?? (queued ? 1 : 0);
  if (scenario === 'offline' && qos === 0) {
    throw new BenchError('options', 'qos: 0 is not kept for a Session that is away; allowed in offline: 1, 2');
  }
  const rate = number(options, 'rate', 0, { min: 0.001, whole: false });
  const window = number(options, 'window', scenario === 'fan-out' ? 32 : qos === 0 ? 256 : 64);
  const count = number(options, 'count', 0);
  const [publishers, subscribers] = cast(options);
  const plan: Plan = {
    scenario,
    urls: (options.urls ?? ['mqtt://127.0.0.1:1883']).map(checkedUrl),
    username: options.username,
    password: options.password,
    protocolVersion: options.protocolVersion ?? 5,
    qos,
    subscriptionQos: options.subscriptionQos ?? qos,
    payloadBytes: number(options, 'payloadBytes', 64, { min: payloadBytesMin, max: 200_000_000 }),
    publishers,
    subscribers,
    clients: scenario === 'connect' ? number(options, 'clients', 1000) : 0,
    topics: scenario === 'connect' || scenario === 'subs' || queued ? 1 : number(options, 'topics', 1),
    rate,
    window,
    inflight: number(options, 'inflight', rate > 0 || queued ? 10_000 : window, { max: 65_535 }),
    concurrency: number(options, 'concurrency', 100),
    durationSeconds: number(options, 'durationSeconds', 5, { min: 0.01, whole: false }),
    warmupSeconds: count > 0 ? 0 : number(options, 'warmupSeconds', 1, { min: 0, whole: false }),
    count,
    holdSeconds: number(options, 'holdSeconds', 2, { min: 0, whole: false }),
    filters: scenario === 'subs' ? number(options, 'filters', 100_000) : 0,
    filtersPerPacket: number(options, 'filtersPerPacket', 10, { max: 1000 }),
    messages: number(options, 'messages', scenario === 'retained' ? 50_000 : 100),
    storedSessions: scenario === 'offline' || (options.storedSessions ?? false),
    keepAliveSeconds: number(options, 'keepAliveSeconds', 60, { min: 0, max: 65_535 }),
    keep: options.keep ?? false,
    settleSeconds: number(options, 'settleSeconds', 0.2, { min: 0, whole: false }),
    drainSeconds: number(options, 'drainSeconds', 5, { min: 0, whole: false }),
    stepSeconds: number(options, 'stepSeconds', 60, { min: 0.1, whole: false }),
    seed: number(options, 'seed', randomInt(2 ** 31), { min: 0, max: 2 ** 32 - 1 }),
    workers: number(options, 'workers', 1, { max: 128 }),
    pids: options.pids ?? [],
    includeChildren: options.includeChildren ?? false,
    run: randomInt(2 ** 31),
  };
  if (scenario === 'subs' && plan.filters < Math.max(plan.publishers, plan.subscribers)) {
    throw new BenchError('options', `filters: ${plan.filters} are too few for so many publishers and subscribers`);
  }
  return plan;
}

/** How many publish, how many subscribe. */
function cast(options: ScenarioOptions): [publishers: number, subscribers: number] {
  const of = (publishers: number, subscribers: number): [number, number] => [
    number(options, 'publishers', publishers),
    number(options, 'subscribers', subscribers),
  ];
  switch (options.scenario) {
    case 'p2p': {
      const pairs = number(options, 'publishers', 1);
      if (options.subscribers !== undefined && options.subscribers !== pairs) {
        throw new BenchError('options', `subscribers: p2p has one for each publisher, ${pairs}`);
      }
      return [pairs, pairs];
    }
    case 'fan-in':
      return of(50, 1);
    case 'fan-out':
      return of(1, 50);
    case 'shared':
      return of(10, 10);
    case 'connect':
      return [0, 0];
    case 'subs':
      return of(4, 100);
    case 'retained':
      return of(Math.min(10, options.messages ?? 10), 1);
    case 'offline':
      return of(Math.min(4, options.subscribers ?? 4), 200);
  }
}

/** An option's number, or its default. */
function number(
  options: ScenarioOptions,
  name: keyof ScenarioOptions,
  preset: number,
  { min = 1, max = 100_000_000, whole = true }: { min?: number; max?: number; whole?: boolean } = {},
): number {
  const value = options[name];
  if (value === undefined) return preset;
  if (typeof value !== 'number' || !(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    const what = whole ? 'a whole number' : 'a number';
    throw new BenchError('options', `${name}: ${String(value)} is not allowed; allowed: ${what} from ${min} to ${max}`);
  }
  return value;
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'mqtt:' || url.hostname === '') {
    throw new BenchError('options', `url: ${withoutPassword(text)} is not allowed; allowed: mqtt://host:port`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new BenchError('options', 'url: user name and password have options of their own');
  }
  return `mqtt://${url.hostname}:${url.port === '' ? 1883 : url.port}`;
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^@/]*@/, '//…@');
}

/** How many lines there are. */
export function lineCount(plan: Plan): number {
  switch (plan.scenario) {
    case 'subs':
      return plan.filters;
    case 'retained':
      return plan.messages;
    case 'offline':
      return plan.subscribers;
    default:
      return plan.publishers * plan.topics;
  }
}

/** What a publisher publishes on. */
export function linesOfPublisher(plan: Plan, publisher: number): Lines {
  return stretch(lineCount(plan), plan.publishers, publisher);
}

/** What a subscriber is to receive. */
export function linesOfSubscriber(plan: Plan, subscriber: number): Lines {
  const all = lineCount(plan);
  if (receivesAll(plan)) return { from: 0, count: all };
  return stretch(all, plan.subscribers, subscriber);
}

/** How many subscribers a message goes to, in the end. */
export function fanOut(plan: Plan): number {
  return receivesAll(plan) && plan.scenario !== 'shared' ? plan.subscribers : 1;
}

function receivesAll({ scenario }: Plan): boolean {
  return scenario === 'fan-in' || scenario === 'fan-out' || scenario === 'shared' || scenario === 'retained';
}

function stretch(all: number, parts: number, part: number): Lines {
  const from = Math.floor((part * all) / parts);
  return { from, count: Math.floor(((part + 1) * all) / parts) - from };
}

/** What every topic of a run begins with. */
export function topicPrefix({ run }: Plan): string {
  return `bench/${run.toString(16)}`;
}

/** The Topic Name of a line. */
export function topicOf(plan: Plan, line: number): string {
  return `${topicPrefix(plan)}/${Math.floor(line / plan.topics)}/${line % plan.topics}/value`;
}

/** The Topic Filters of a subscriber. */
export function filtersOf(plan: Plan, subscriber: number): string[] {
  const lines = linesOfSubscriber(plan, subscriber);
  const all = lines.count === 1 ? topicOf(plan, lines.from) : `${topicPrefix(plan)}/#`;
  switch (plan.scenario) {
    case 'p2p':
      return [plan.topics === 1 ? all : `${topicPrefix(plan)}/${subscriber}/+/value`];
    case 'shared':
      return [`$share/bench/${all}`];
    case 'subs':
      return Array.from({ length: lines.count }, (_, index) => mixedFilter(plan, lines.from + index));
    default:
      return [all];
  }
}

/** A filter that matches one line and no other: of twenty, fourteen are plain, the others have a wildcard somewhere. */
function mixedFilter(plan: Plan, line: number): string {
  const prefix = topicPrefix(plan);
  switch ((line + plan.seed) % 20) {
    case 0:
    case 1:
      return `${prefix}/${line}/0/+`;
    case 2:
    case 3:
      return `${prefix}/${line}/0/#`;
    case 4:
      return `${prefix}/${line}/+/value`;
    case 5:
      return `+/${prefix.slice('bench/'.length)}/${line}/0/value`;
    default:
      return topicOf(plan, line);
  }
}
