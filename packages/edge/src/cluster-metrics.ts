// Numbers of what a node shares with others: the store, and the other nodes.

import { peerEvents } from './meeting.ts';
import type { Add, Looked, Measured } from './metric.ts';

/** Of the store. */
export function addStore({ store }: Measured, counter: Add, gauge: Add, now: () => Looked): void {
  gauge('mqtt_store_up', 'Whether the store answers this node: 1 or 0.', [], () => {
    const { gauges, stored } = now();
    return [[{}, gauges.storeUp && stored !== undefined ? 1 : 0]];
  });
  gauge(
    'mqtt_store_info',
    'The store, and what an acknowledged message survives; always 1.',
    ['kind', 'durability'],
    () => [[store(), 1]],
  );
  counter('mqtt_store_failures_total', 'Calls to the store that failed or were not answered in time.', [], () => [
    [{}, now().counters.storeFailures],
  ]);
}

/** Of the cluster; for a node that is alone they are there as well, and stand still. */
export function addCluster(measured: Measured, counter: Add, gauge: Add, now: () => Looked): void {
  gauge(
    'mqtt_cluster_members',
    'Nodes that this one knows to be alive, itself included; 0 while it does not serve.',
    [],
    () => [[{}, now().gauges.members]],
  );
  gauge('mqtt_routes', "Routes in this node's copy of the table.", [], () => [[{}, now().gauges.routes]]);
  counter(
    'mqtt_node_fenced_total',
    'Times that this node let all Clients go since it may have been taken for dead.',
    [],
    () => [[{}, measured.timesFenced()]],
  );
  counter('mqtt_cluster_nodes_reaped_total', 'Dead nodes whose Sessions this node has let go.', [], () => [
    [{}, now().counters.nodesReaped],
  ]);
  counter('mqtt_cluster_sessions_reaped_total', 'Sessions of dead nodes that this node has let go.', [], () => [
    [{}, now().counters.sessionsReaped],
  ]);
  counter('mqtt_cluster_messages_sent_total', 'Messages handed to other nodes.', ['kind'], () => {
    const { peerPublished, peerDelivered, peerPushed } = now().counters;
    return [
      [{ kind: 'publish' }, peerPublished],
      [{ kind: 'deliver' }, peerDelivered],
      [{ kind: 'push' }, peerPushed],
    ];
  });
  counter('mqtt_cluster_peer_events_total', 'What happened to the ways between this node and others.', ['event'], () =>
    peerEvents.map((event) => [{ event }, measured.peerEvents()?.[event] ?? 0]),
  );
}
