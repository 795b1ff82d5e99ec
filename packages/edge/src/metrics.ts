// Numbers for Prometheus. The hot path counts in plain fields; this page reads them when asked, and names them.
//
// Every label is one of a short closed list, and each of its values is there from the start at 0: a rate needs two
// points, and the first event would be missed otherwise. Never a Client Identifier, a topic, a user or an address.

import { closeReasons, dropReasons, type Gauges, type StoredGauges, willOutcomes } from '@skein/broker';
import { ReasonCode } from '@skein/protocol';
import { Counter, Gauge, Registry } from 'prom-client';
import { addCluster, addStore } from './cluster-metrics.ts';
import { addDisk } from './disk-metrics.ts';
import { edgeStates } from './edge-state.ts';
import type { Add, Looked, Measured, Sample } from './metric.ts';
import { reasonName } from './observe.ts';
import { runtimeMetrics } from './runtime-metrics.ts';
import { packetTypes, type Traffic } from './traffic.ts';

/** Metrics as text, in Prometheus' format. */
export interface Metrics {
  readonly contentType: string;
  read(): Promise<string>;
}

/** How long a scrape waits for the store. */
const storedMs = 1000;

/** A node that does not serve has nothing in hand. */
const nothing: Gauges = {
  connected: 0,
  subscriptions: 0,
  inflight: 0,
  unacknowledged: 0,
  members: 0,
  routes: 0,
  storeUp: false,
};

const protocolVersions = [
  [3, '3.1'],
  [4, '3.1.1'],
  [5, '5'],
] as const;

const connackCodes: readonly ReasonCode[] = [
  ...new Set(Object.values(ReasonCode).filter((code) => code === ReasonCode.success || code >= 0x80)),
];

/** All metrics of a node. */
export function makeMetrics(measured: Measured): Metrics {
  const registry = new Registry();
  const look = (stored: StoredGauges | undefined): Looked => ({
    counters: measured.counters(),
    gauges: measured.gauges() ?? nothing,
    stored,
  });
  let looked: Looked = look(undefined);
  const now = (): Looked => looked;
  const counter: Add = (name, help, labelNames, read) => {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        const samples = read();
        for (const [labels, value] of samples) this.inc(labels, value);
        // Without labels there is a sample from the start, and what is not known is not 0.
        if (samples.length === 0 && labelNames.length === 0) this.remove();
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
        if (samples.length === 0 && labelNames.length === 0) this.remove();
      },
    });
  };
  addNode(measured, gauge);
  addConnections(measured, counter, gauge, now);
  addPackets(measured, counter);
  addMessages(now, counter);
  addHoldings(now, gauge);
  addStore(measured, counter, gauge, now);
  addDisk(measured, counter, gauge);
  addCluster(measured, counter, gauge, now);
  const runtime = runtimeMetrics();
  return {
    contentType: registry.contentType,
    read: async () => {
      looked = look(await inTime(measured.stored(), storedMs));
      return `${await registry.metrics()}\n${await runtime.metrics()}`;
    },
  };
}

/** What a promise brings; undefined if it fails, or brings nothing in time. */
async function inTime<Value>(promise: Promise<Value>, deadlineMs: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, undefined);
  });
  const answer = await Promise.race([promise.catch(() => undefined), late]);
  clearTimeout(timer);
  return answer;
}

function addNode({ version, state }: Measured, gauge: Add): void {
  gauge('mqtt_build_info', 'The version that runs, always 1.', ['version', 'runtime'], () => [
    [{ version, runtime: `node ${process.versions.node}` }, 1],
  ]);
  gauge('mqtt_node_state', '1 for the state the node is in.', ['state'], () =>
    edgeStates.map((name) => [{ state: name }, name === state() ? 1 : 0]),
  );
}

function addConnections({ traffics, connectionsMax }: Measured, counter: Add, gauge: Add, now: () => Looked): void {
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
    [{ reason: 'not_serving' }, sum(traffics, ({ rejectedUnready }) => rejectedUnready)],
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
    [{ scope: 'local' }, now().counters.takeovers],
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

function addMessages(now: () => Looked, counter: Add): void {
  counter('mqtt_publish_received_total', 'PUBLISH packets received.', ['qos'], () =>
    byQos(now().counters.publishReceived),
  );
  counter('mqtt_publish_sent_total', 'PUBLISH packets sent, repeats included.', ['qos'], () =>
    byQos(now().counters.publishSent),
  );
  counter('mqtt_messages_queued_total', 'Messages accepted into the queue of a Session.', [], () => [
    [{}, now().counters.queued],
  ]);
  counter('mqtt_messages_dropped_total', 'Messages that did not reach a matching subscriber.', ['reason'], () =>
    dropReasons.map((reason) => [{ reason }, now().counters.dropped[reason]]),
  );
  counter('mqtt_retained_not_stored_total', 'Retained messages at QoS 0 that could not be stored.', [], () => [
    [{}, now().counters.retainedNotStored],
  ]);
  counter('mqtt_wills_total', 'Will Messages by how they ended.', ['outcome'], () =>
    willOutcomes.map((outcome) => [{ outcome }, now().counters.wills[outcome]]),
  );
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
