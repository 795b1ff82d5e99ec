// Numbers for Prometheus. The hot path counts in plain fields; this page reads them when asked, and names them.
//
// Every label is one of a short closed list, and each of its values is there from the start at 0: a rate needs two
// points, and the first event would be missed otherwise. Never a Client Identifier, a topic, a user or an address.

import { type Counters, closeReasons, dropReasons, type Gauges, type StoredGauges, willOutcomes } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type EdgeState, edgeStates } from './edge-state.ts';
import { reasonName } from './observe.ts';
import { packetTypes, type Traffic } from './traffic.ts';

/** Where the numbers are. */
export interface Measured {
  readonly version: string;
  readonly traffics: readonly Traffic[];
  readonly counters: Counters;
  readonly connectionsMax: number;
  readonly gauges: () => Gauges;
  /** Asks the store. */
  readonly stored: () => Promise<StoredGauges>;
  readonly state: () => EdgeState;
}

/** Metrics as text, in Prometheus' format. */
export interface Metrics {
  readonly contentType: string;
  read(): Promise<string>;
}

/** What is looked up once for each scrape, since looking takes time. */
interface Looked {
  readonly gauges: Gauges;
  /** Undefined if the store does not answer; its metrics are then absent, not 0. */
  readonly stored: StoredGauges | undefined;
}

const protocolVersions = [
  [3, '3.1'],
  [4, '3.1.1'],
  [5, '5'],
] as const;

const connackCodes: readonly ReasonCode[] = [
  ...new Set(Object.values(ReasonCode).filter((code) => code === ReasonCode.success || code >= 0x80)),
];

/** One value of a metric: labels, and the number now. */
type Sample = readonly [labels: Record<string, string>, value: number];

/** All metrics of a node. */
export function makeMetrics(measured: Measured): Metrics {
  const registry = new Registry();
  let looked: Looked = { gauges: measured.gauges(), stored: undefined };
  const counter: Add = (name, help, labelNames, read) => {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.inc(labels, value);
      },
    });
  };
  const gauge: Add = (name, help, labelNames, read) => {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        const samples = read();
        for (const [labels, value] of samples) this.set(labels, value);
        // Without labels there is a sample from the start, and what is not known is not 0.
        if (samples.length === 0 && labelNames.length === 0) this.remove();
      },
    });
  };
  addNode(measured, gauge);
  addConnections(measured, counter, gauge);
  addPackets(measured, counter);
  addMessages(measured, counter);
  addHoldings(() => looked, gauge);
  const runtime = runtimeMetrics();
  return {
    contentType: registry.contentType,
    read: async () => {
      const stored = await measured.stored().catch(() => undefined);
      looked = { gauges: measured.gauges(), stored };
      return `${await registry.metrics()}\n${await runtime.metrics()}`;
    },
  };
}

let runtimeRegistry: Registry | undefined;

/** Metrics of the process: memory, CPU, event loop, garbage collection. Measured once, however many nodes it holds. */
function runtimeMetrics(): Registry {
  if (runtimeRegistry !== undefined) return runtimeRegistry;
  runtimeRegistry = new Registry();
  // The event loop's lag is taken by a timer: every 50 ms, since the usual 10 would be most of what an idle node does.
  // So the figures have a floor of 0.05 s.
  collectDefaultMetrics({ register: runtimeRegistry, eventLoopMonitoringPrecision: 50 });
  // These list every socket to count them.
  for (const name of ['active_handles', 'active_requests', 'active_resources']) {
    runtimeRegistry.removeSingleMetric(`nodejs_${name}`);
    runtimeRegistry.removeSingleMetric(`nodejs_${name}_total`);
  }
  return runtimeRegistry;
}

type Add = (name: string, help: string, labelNames: readonly string[], read: () => readonly Sample[]) => void;

function addNode({ version, state }: Measured, gauge: Add): void {
  gauge('mqtt_build_info', 'The version that runs, always 1.', ['version', 'runtime'], () => [
    [{ version, runtime: `node ${process.versions.node}` }, 1],
  ]);
  gauge('mqtt_node_state', '1 for the state the node is in.', ['state'], () =>
    edgeStates.map((name) => [{ state: name }, name === state() ? 1 : 0]),
  );
}

function addConnections({ traffics, connectionsMax, counters }: Measured, counter: Add, gauge: Add): void {
  gauge('mqtt_connections', 'Clients connected.', ['listener', 'protocol'], () =>
    traffics.flatMap(({ listener, connected }) =>
      protocolVersions.map(([version, protocol]): Sample => [{ listener, protocol }, connected[version]]),
    ),
  );
  gauge('mqtt_connections_limit', 'The most Network Connections allowed.', [], () => [[{}, connectionsMax]]);
  counter('mqtt_connections_opened_total', 'Network Connections accepted.', ['listener'], () =>
    traffics.map(({ listener, opened }) => [{ listener }, opened]),
  );
  counter('mqtt_connections_closed_total', 'Network Connections ended.', ['reason'], () =>
    closeReasons.map((reason) => [{ reason }, sum(traffics, ({ closed }) => closed[reason])]),
  );
  counter('mqtt_connections_rejected_total', 'Network Connections closed before a byte was read.', ['reason'], () => [
    [{ reason: 'connections_max' }, sum(traffics, ({ rejected }) => rejected)],
    [{ reason: 'accept_failed' }, sum(traffics, ({ failed }) => failed)],
  ]);
  counter('mqtt_connack_sent_total', 'CONNACK packets sent, by Reason Code.', ['code'], () =>
    connackCodes.map((code) => [
      { code: reasonName(code) },
      sum(traffics, ({ connackSent }) => connackSent.get(code) ?? 0),
    ]),
  );
  gauge('mqtt_slow_consumers', 'Clients with more bytes waiting than they should be given.', [], () => [
    [{}, sum(traffics, ({ congested }) => congested)],
  ]);
  counter('mqtt_session_takeovers_total', 'Clients that took a Session over from a connected one.', ['scope'], () => [
    [{ scope: 'local' }, counters.takeovers],
  ]);
}

function addPackets({ traffics }: Measured, counter: Add): void {
  counter('mqtt_packets_received_total', 'Control Packets received.', ['type'], () =>
    packetTypes.map((type) => [
      { type },
      sum(traffics, (each) => (type === 'publish' ? each.publishReceived : each.received[type])),
    ]),
  );
  counter('mqtt_packets_sent_total', 'Control Packets sent.', ['type'], () =>
    packetTypes.map((type) => [
      { type },
      sum(traffics, (each) => (type === 'publish' ? each.publishSent : each.sent[type])),
    ]),
  );
  counter('mqtt_received_bytes_total', 'Bytes received from Clients.', ['listener'], () =>
    traffics.map(({ listener, bytesReceived }) => [{ listener }, bytesReceived]),
  );
  counter('mqtt_sent_bytes_total', 'Bytes sent to Clients.', ['listener'], () =>
    traffics.map(({ listener, bytesSent }) => [{ listener }, bytesSent]),
  );
}

function addMessages({ counters }: Measured, counter: Add): void {
  counter('mqtt_publish_received_total', 'PUBLISH packets received.', ['qos'], () => byQos(counters.publishReceived));
  counter('mqtt_publish_sent_total', 'PUBLISH packets sent, repeats included.', ['qos'], () =>
    byQos(counters.publishSent),
  );
  counter('mqtt_messages_queued_total', 'Messages accepted into the queue of a Session.', [], () => [
    [{}, counters.queued],
  ]);
  counter('mqtt_messages_dropped_total', 'Messages that did not reach a matching subscriber.', ['reason'], () =>
    dropReasons.map((reason) => [{ reason }, counters.dropped[reason]]),
  );
  counter('mqtt_retained_not_stored_total', 'Retained messages at QoS 0 that could not be stored.', [], () => [
    [{}, counters.retainedNotStored],
  ]);
  counter('mqtt_wills_total', 'Will Messages by how they ended.', ['outcome'], () =>
    willOutcomes.map((outcome) => [{ outcome }, counters.wills[outcome]]),
  );
  counter('mqtt_store_failures_total', 'Calls to the store that failed or were not answered in time.', [], () => [
    [{}, counters.storeFailures],
  ]);
}

function addHoldings(looked: () => Looked, gauge: Add): void {
  gauge('mqtt_sessions', 'Sessions by whether their Client is connected.', ['state'], () => {
    const { gauges, stored } = looked();
    const connected: Sample = [{ state: 'connected' }, gauges.connected];
    if (stored === undefined) return [connected];
    return [connected, [{ state: 'offline' }, Math.max(0, stored.sessions - gauges.connected)]];
  });
  gauge('mqtt_retained_messages', 'Retained messages.', [], () => {
    const { stored } = looked();
    return stored === undefined ? [] : [[{}, stored.retained]];
  });
  gauge('mqtt_subscriptions', "Subscriptions of this node's connected Clients.", ['kind'], () => [
    [{ kind: 'plain' }, looked().gauges.subscriptions],
  ]);
  gauge('mqtt_inflight_messages', 'QoS 1 and 2 messages sent and not yet acknowledged.', [], () => [
    [{}, looked().gauges.inflight],
  ]);
  gauge('mqtt_unacknowledged_publishes', 'QoS 1 and 2 messages received whose answer waits for the store.', [], () => [
    [{}, looked().gauges.unacknowledged],
  ]);
}

function byQos(counts: readonly [number, number, number]): readonly Sample[] {
  return counts.map((count, qos) => [{ qos: String(qos) }, count]);
}

function sum(traffics: readonly Traffic[], read: (traffic: Traffic) => number): number {
  return traffics.reduce((total, traffic) => total + read(traffic), 0);
}
