// What a run is asked for, and what it reports: the two shapes that scripts and `--json` depend on.
//
// Every scenario is a row of phases (connect, then what it is about), and every phase is told in the same words: how
// many things were done, how fast, how long one took, and what one cost the server and us. So a script that compares
// servers reads `report.phases` by name and need not know scenarios.

import type { QoS } from '@skein/protocol';

/** The scenarios there are. */
export const scenarioNames = ['p2p', 'fan-in', 'fan-out', 'shared', 'connect', 'subs', 'retained', 'offline'] as const;

/** One of the scenarios. */
export type ScenarioName = (typeof scenarioNames)[number];

/** What to run. What is left out takes the scenario's own default. */
export interface ScenarioOptions {
  scenario: ScenarioName;
  /** Where the server is: `mqtt://host:port`, several for several nodes; connections take them in turn. */
  urls?: readonly string[] | undefined;
  username?: string | undefined;
  password?: string | undefined;
  /** 4 is MQTT 3.1.1. Default 5. */
  protocolVersion?: 4 | 5 | undefined;
  /** Of the publishes, and of the subscriptions unless they have their own. Default 0; `retained` and `offline`: 1. */
  qos?: QoS | undefined;
  /** Default as `qos`. */
  subscriptionQos?: QoS | undefined;
  /** At least 24: that much it takes to check a delivery. Default 64. */
  payloadBytes?: number | undefined;
  /** p2p: as many pairs. */
  publishers?: number | undefined;
  /** shared: members of the group; offline: stored Sessions; not in p2p, which has one a publisher. */
  subscribers?: number | undefined;
  /** connect: how many connect. */
  clients?: number | undefined;
  /** How many topics each publisher goes round. Default 1; in subs, retained and offline it follows from the rest. */
  topics?: number | undefined;
  /**
   * Messages per second of all publishers together, at fixed times; latency counts from when a message was due, so a
   * late sender hides nothing. In `connect`: connections per second. Left out: as fast as the window allows.
   */
  rate?: number | undefined;
  /** Per publisher, how many messages may be on their way to their subscribers at once. Not with a rate. */
  window?: number | undefined;
  /**
   * Per publisher, how many messages may wait for their acknowledgement; never more than the server takes. Default: the
   * window; where nobody receives yet, and with a rate, 10,000.
   */
  inflight?: number | undefined;
  /** How many connect at once. Default 100. */
  concurrency?: number | undefined;
  /** How long is measured. Default 5. */
  durationSeconds?: number | undefined;
  /** How long it runs before that. Default 1; 0 with a count. */
  warmupSeconds?: number | undefined;
  /** How many messages all publishers send together, in place of a time. */
  count?: number | undefined;
  /** connect: how long the connections then idle. Default 2. */
  holdSeconds?: number | undefined;
  /** subs: how many filters all subscribers have together. Default 100,000. */
  filters?: number | undefined;
  /** subs: how many filters a SUBSCRIBE carries. Default 10. */
  filtersPerPacket?: number | undefined;
  /** retained: how many in all, default 50,000; offline: how many for each Session, default 100. */
  messages?: number | undefined;
  /** Sessions outlive their connections (they are ended when the run is over). Default false; `offline`: true. */
  storedSessions?: boolean | undefined;
  /** Default 60. */
  keepAliveSeconds?: number | undefined;
  /** Leaves stored Sessions and retained messages behind. */
  keep?: boolean | undefined;
  /** Between subscribing and publishing. Default 0.2. */
  settleSeconds?: number | undefined;
  /** How long stragglers are waited for while none arrives. Default 5. */
  drainSeconds?: number | undefined;
  /** How long connecting, subscribing or any other step may take. Default 60. */
  stepSeconds?: number | undefined;
  /** Decides the order of topics, the filters and the payloads' filling. Default: another one each time. */
  seed?: number | undefined;
  /** Threads that send and receive. Default 1: the thread of the caller. */
  workers?: number | undefined;
  /** Process ids of a server on this machine, whose CPU and memory are to be measured. */
  pids?: readonly number[] | undefined;
  /** Their children count too. */
  includeChildren?: boolean | undefined;
}

/** Milliseconds. */
export interface Latency {
  count: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

/** What the server's processes took meanwhile. Only with `pids`. */
export interface ServerCost {
  cpuSeconds: number;
  /** Of CPU, of all threads, for one of what the phase counts; null if it counted none. */
  cpuMicrosecondsEach: number | null;
  /** How many cores were busy with it. */
  cores: number;
  rssBeforeKiB: number;
  rssAfterKiB: number;
  /** By how much its memory grew for one of what the phase counts; null if it counted none. */
  rssBytesEach: number | null;
}

/** What this program took meanwhile. */
export interface OwnCost {
  cpuSeconds: number;
  cpuMicrosecondsEach: number | null;
  /** The part of the time, from 0 to 1, for which the busiest of its threads was not waiting. */
  busiestLoop: number;
}

/** What is done in a phase. */
export type PhaseName = 'connect' | 'idle' | 'load' | 'subscribe' | 'store' | 'receive' | 'enqueue' | 'deliver';

/** One phase of a run. */
export interface Phase {
  name: PhaseName;
  /** What is counted: in load, receive and deliver messages delivered; in store and enqueue messages acknowledged. */
  unit: 'connection' | 'filter' | 'message';
  seconds: number;
  count: number;
  perSecond: number;
  /** Publishes; only where something is published. */
  sent?: number;
  sentPerSecond?: number;
  /** connect: TCP and CONNACK; load: from a PUBLISH (with a rate: from when it was due) to its delivery. */
  latencyMs?: Latency;
  /** From a PUBLISH to its PUBACK or PUBCOMP, from a SUBSCRIBE to its SUBACK. */
  acknowledgementMs?: Latency;
  /** With a rate: by how much the sender was late, at the worst. */
  sentLateMsMax?: number;
  server?: ServerCost;
  own: OwnCost;
}

/** What the checker found of the whole run, warm-up included. */
export interface Checked {
  /** Messages published, and not refused. */
  published: number;
  /** PUBACK or PUBCOMP, success. */
  acknowledged: number;
  /** Published, still not acknowledged when waiting for it ended. */
  unacknowledged: number;
  /** PUBACK or PUBREC with a failure, by the name of its Reason Code. */
  refused: Record<string, number>;
  /** Deliveries that there should have been. */
  expected: number;
  /** Deliveries that were right and new. */
  delivered: number;
  lost: number;
  /** Delivered again without DUP, or by another member of a shared group, or at QoS 0 or 2. */
  duplicates: number;
  /** Delivered again at QoS 1 with DUP, as it may be. */
  redelivered: number;
  /** Behind a later message of the same publisher and topic. */
  outOfOrder: number;
  /** On another topic than it was published on, or to a subscriber that had not asked for it. */
  misrouted: number;
  /** Wrong length or content. */
  corrupt: number;
  /** At another QoS than publisher and subscription agree on. */
  wrongQos: number;
  /** Not of this run. */
  foreign: number;
  /** Stored Sessions that were not there any more (Session Present 0). */
  sessionsGone: number;
  /** SUBSCRIBEs refused, by the name of the Reason Code. */
  subscriptionsRefused: Record<string, number>;
  /** Messages that stopped the window and were given up, so that the others could go on. */
  writtenOff: number;
}

/** What a server said of itself in CONNACK. */
export interface ServerFacts {
  url: string;
  receiveMaximum: number | null;
  maximumQos: number | null;
  maximumPacketSize: number | null;
  topicAliasMaximum: number | null;
  serverKeepAlive: number | null;
  sessionExpiryInterval: number | null;
  sharedSubscriptionAvailable: boolean | null;
  retainAvailable: boolean | null;
}

/** Where it ran. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryMiB: number;
  system: string;
  node: string;
}

/** What a run reports; also the JSON of `skein bench --json`. Keys are added, never renamed. */
export interface Report {
  format: 1;
  scenario: ScenarioName;
  /** Nothing that was promised is missing: no problems. */
  ok: boolean;
  /** One sentence each. */
  problems: string[];
  /** What makes the figures doubtful or is worth knowing; one sentence each. */
  warnings: string[];
  startedAt: string;
  /** As they were in force, without password. */
  options: Record<string, unknown>;
  machine: Machine;
  /** The words of the command line; empty if it was called by a program. */
  command: string[];
  servers: ServerFacts[];
  phases: Phase[];
  checked: Checked;
}

/** How far a run is. */
export interface Progress {
  phase: PhaseName;
  /** From 0 to 1. */
  done: number;
  /** Since the phase began. */
  seconds: number;
  count: number;
  /** Just now. */
  perSecond: number;
  unit: Phase['unit'];
  /** Duplicates, disorder, wrong content or topic, refusals, so far; what is lost is known at the end. */
  faults: number;
}
