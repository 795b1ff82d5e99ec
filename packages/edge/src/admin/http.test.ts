import { Counters, closeReasons, dropReasons, type Gauges, willOutcomes } from '@skein/broker';
import type { EmbeddedGauges } from '@skein/embedded';
import { ReasonCode } from '@skein/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { EdgeState } from '../edge-state.ts';
import { makeMetrics } from '../metrics.ts';
import { packetTypes, Traffic } from '../traffic.ts';
import { type Admin, serveAdmin } from './http.ts';

let admin: Admin | undefined;
afterEach(() => admin?.close());

interface Scene {
  state: EdgeState;
  readonly traffic: Traffic;
  readonly counters: Counters;
  /** Whether the store answers, does not, or never will. */
  storeAnswers: boolean | 'never';
  /** Whether there is a broker. */
  serves: boolean;
  timesFenced: number;
  /** Of its data directory, if it has one. */
  disk: EmbeddedGauges | undefined;
  ask(path: string, init?: RequestInit): Promise<{ status: number; text: string; headers: Headers }>;
  /** A sample of `/metrics`, by its name and labels as they are written. */
  sample(name: string): Promise<number | undefined>;
}

const gauges: Gauges = {
  connected: 3,
  subscriptions: 7,
  inflight: 2,
  unacknowledged: 1,
  members: 3,
  routes: 8,
  storeUp: true,
};

async function open(): Promise<Scene> {
  const scene: Scene = {
    state: 'ready',
    traffic: new Traffic('mqtt://127.0.0.1:1883'),
    counters: new Counters(),
    storeAnswers: true,
    serves: true,
    timesFenced: 0,
    disk: undefined,
    ask: async (path, init) => {
      const answer = await fetch(`${admin?.url}${path}`, init);
      return { status: answer.status, text: await answer.text(), headers: answer.headers };
    },
    sample: async (name) => {
      const { text } = await scene.ask('/metrics');
      const line = text.split('\n').find((each) => each.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length + 1));
    },
  };
  const state = (): EdgeState => scene.state;
  const metrics = makeMetrics({
    version: '1.2.3',
    traffics: [scene.traffic, new Traffic('ws://127.0.0.1:8083/mqtt')],
    counters: () => scene.counters,
    connectionsMax: 1000,
    gauges: () => (scene.serves ? gauges : undefined),
    stored: async () => {
      if (scene.storeAnswers === 'never') return await new Promise(() => {});
      if (!scene.storeAnswers) throw new Error('away');
      return scene.serves ? { sessions: 10, retained: 4 } : undefined;
    },
    store: () => ({ kind: 'redis', durability: 'everysec' }),
    disk: () => scene.disk,
    timesFenced: () => scene.timesFenced,
    peerEvents: () => ({ opened: 2, broken: 1, narrow: 0, refused: 0, malformed: 0 }),
    state,
  });
  admin = await serveAdmin('127.0.0.1', 0, { state, metrics: async () => metrics });
  return scene;
}

describe('the probes', () => {
  it('tell a node that starts, serves, begins anew and drains apart', async () => {
    const scene = await open();
    const answers: Record<string, (string | number)[]> = {};
    for (const state of ['starting', 'ready', 'fenced', 'draining'] as const) {
      scene.state = state;
      answers[state] = [];
      for (const path of ['/livez', '/startupz', '/readyz']) {
        const { status, text } = await scene.ask(path);
        answers[state].push(status, text);
      }
    }
    expect(answers).toEqual({
      starting: [200, 'ok\n', 503, 'not ok\n', 503, 'not ok\n'],
      ready: [200, 'ok\n', 200, 'ok\n', 200, 'ok\n'],
      fenced: [200, 'ok\n', 200, 'ok\n', 503, 'not ok\n'],
      draining: [200, 'ok\n', 200, 'ok\n', 503, 'not ok\n'],
    });
  });

  it('say why when asked', async () => {
    const scene = await open();
    scene.state = 'draining';
    expect(await scene.ask('/readyz?verbose')).toMatchObject({
      status: 503,
      text: 'takes new clients: not ok\nstate: draining\n',
    });
  });

  it('answer HEAD as they answer GET, without a body', async () => {
    const scene = await open();
    expect(await scene.ask('/livez', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });
});

describe('the admin port', () => {
  it('names its paths to whoever asks for another', async () => {
    const scene = await open();
    const { status, text } = await scene.ask('/');
    expect(status).toBe(404);
    expect(text).toBe('There is /livez, /readyz, /startupz, /metrics.\n');
    expect((await scene.ask('/LIVEZ')).status).toBe(404);
  });

  it('is only for reading', async () => {
    const scene = await open();
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const { status, headers } = await scene.ask('/metrics', { method });
      expect(status).toBe(405);
      expect(headers.get('allow')).toBe('GET, HEAD');
    }
  });

  it('says that its port is in use', async () => {
    await open();
    const port = Number(new URL(admin?.url ?? '').port);
    const told = { state: () => 'ready' as const, metrics: async () => ({ contentType: '', read: async () => '' }) };
    await expect(serveAdmin('127.0.0.1', port, told)).rejects.toThrow(`http://127.0.0.1:${port}: the port is in use`);
  });
});

describe('/metrics', () => {
  it('counts what has passed', async () => {
    const { traffic, counters, sample } = await open();
    traffic.opened = 5;
    traffic.connected[4] = 2;
    traffic.closed.keep_alive_timeout = 3;
    traffic.publishReceived = 100;
    traffic.received.pingreq = 9;
    traffic.bytesSent = 12_345;
    traffic.countConnack(ReasonCode.notAuthorized);
    counters.publishSent[1] = 44;
    counters.dropped.queue_full = 6;
    const listener = 'listener="mqtt://127.0.0.1:1883"';
    expect(await sample(`mqtt_connections_opened_total{${listener}}`)).toBe(5);
    expect(await sample(`mqtt_connections{${listener},protocol="3.1.1"}`)).toBe(2);
    expect(await sample('mqtt_connections_closed_total{reason="keep_alive_timeout"}')).toBe(3);
    expect(await sample('mqtt_packets_received_total{type="publish"}')).toBe(100);
    expect(await sample('mqtt_packets_received_total{type="pingreq"}')).toBe(9);
    expect(await sample(`mqtt_sent_bytes_total{${listener}}`)).toBe(12_345);
    expect(await sample('mqtt_connack_sent_total{code="notAuthorized"}')).toBe(1);
    expect(await sample('mqtt_publish_sent_total{qos="1"}')).toBe(44);
    expect(await sample('mqtt_messages_dropped_total{reason="queue_full"}')).toBe(6);
    expect(await sample('mqtt_sessions{state="offline"}')).toBe(7);
    expect(await sample('mqtt_subscriptions{kind="plain"}')).toBe(7);
    expect(await sample('mqtt_retained_messages')).toBe(4);
    expect(await sample('mqtt_node_state{state="ready"}')).toBe(1);
    expect(await sample('mqtt_node_state{state="draining"}')).toBe(0);
    // Read twice, counted once.
    traffic.opened += 1;
    expect(await sample(`mqtt_connections_opened_total{${listener}}`)).toBe(6);
  });

  it('has every label value from the start, at 0, so that a rate sees the first event', async () => {
    const { ask } = await open();
    const { text } = await ask('/metrics');
    for (const reason of closeReasons) expect(text).toContain(`mqtt_connections_closed_total{reason="${reason}"} 0`);
    for (const reason of dropReasons) expect(text).toContain(`mqtt_messages_dropped_total{reason="${reason}"} 0`);
    for (const outcome of willOutcomes) expect(text).toContain(`mqtt_wills_total{outcome="${outcome}"} 0`);
    for (const type of packetTypes) expect(text).toContain(`mqtt_packets_sent_total{type="${type}"} 0`);
    for (const qos of [0, 1, 2]) expect(text).toContain(`mqtt_publish_received_total{qos="${qos}"} 0`);
  });

  it('knows no label but those of short lists', async () => {
    const { ask } = await open();
    const { text } = await ask('/metrics');
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label));
    const known =
      'version runtime state listener protocol reason code scope type qos outcome kind durability event'.split(' ');
    const ofRuntime = ['space', 'le', 'major', 'minor', 'patch'];
    for (const label of labels) expect([...known, ...ofRuntime]).toContain(label);
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length).toBeLessThan(500);
  });

  it('leaves out what the store would have to tell, and nothing else, when the store is away', async () => {
    const scene = await open();
    scene.storeAnswers = false;
    expect(await scene.sample('mqtt_retained_messages')).toBeUndefined();
    expect(await scene.sample('mqtt_sessions{state="offline"}')).toBeUndefined();
    expect(await scene.sample('mqtt_sessions{state="connected"}')).toBe(3);
    expect(await scene.sample('mqtt_store_up')).toBe(0);
    expect(await scene.sample('mqtt_cluster_members')).toBe(3);
  });

  it('does not wait long for a store that hangs', async () => {
    const scene = await open();
    scene.storeAnswers = 'never';
    const began = performance.now();
    expect(await scene.sample('mqtt_store_up')).toBe(0);
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('tells how the node and its cluster are', async () => {
    const scene = await open();
    Object.assign(scene.counters, {
      nodesReaped: 1,
      sessionsReaped: 20,
      peerPublished: 3,
      peerDelivered: 4,
      peerPushed: 5,
    });
    scene.timesFenced = 2;
    for (const [name, value] of [
      ['mqtt_store_up', 1],
      ['mqtt_store_info{kind="redis",durability="everysec"}', 1],
      ['mqtt_cluster_members', 3],
      ['mqtt_routes', 8],
      ['mqtt_node_fenced_total', 2],
      ['mqtt_cluster_nodes_reaped_total', 1],
      ['mqtt_cluster_sessions_reaped_total', 20],
      ['mqtt_cluster_messages_sent_total{kind="publish"}', 3],
      ['mqtt_cluster_messages_sent_total{kind="deliver"}', 4],
      ['mqtt_cluster_messages_sent_total{kind="push"}', 5],
      ['mqtt_cluster_peer_events_total{event="opened"}', 2],
      ['mqtt_cluster_peer_events_total{event="broken"}', 1],
      ['mqtt_cluster_peer_events_total{event="narrow"}', 0],
    ] as const) {
      expect([name, await scene.sample(name)]).toEqual([name, value]);
    }
  });

  it('is there while a node that was fenced begins anew: nobody is connected, nothing is known of the store', async () => {
    const scene = await open();
    scene.state = 'fenced';
    scene.serves = false;
    scene.counters.dropped.queue_full = 6;
    expect(await scene.sample('mqtt_node_state{state="fenced"}')).toBe(1);
    expect(await scene.sample('mqtt_cluster_members')).toBe(0);
    expect(await scene.sample('mqtt_store_up')).toBe(0);
    expect(await scene.sample('mqtt_sessions{state="connected"}')).toBe(0);
    expect(await scene.sample('mqtt_messages_dropped_total{reason="queue_full"}')).toBe(6);
  });

  it('tells of a data directory where there is one', async () => {
    const scene = await open();
    expect(await scene.sample('mqtt_store_journal_bytes')).toBeUndefined();
    expect(await scene.sample('mqtt_store_snapshots_total')).toBeUndefined();
    scene.disk = {
      journalBytes: 100,
      snapshotBytes: 2000,
      snapshots: 0,
      snapshotSeconds: 0,
      freeBytes: undefined,
      isShort: false,
      isStuck: true,
      syncs: 3,
      syncSeconds: 0.25,
    };
    for (const [name, value] of [
      ['mqtt_store_journal_bytes', 100],
      ['mqtt_store_snapshots_total', 0],
      ['mqtt_store_snapshot_bytes', 2000],
      ['mqtt_store_snapshot_seconds', undefined],
      ['mqtt_store_free_bytes', undefined],
      ['mqtt_store_short', 0],
      ['mqtt_store_stuck', 1],
      ['mqtt_store_sync_seconds_sum', 0.25],
      ['mqtt_store_sync_seconds_count', 3],
    ] as const) {
      expect([name, await scene.sample(name)]).toEqual([name, value]);
    }
    scene.disk = { ...scene.disk, snapshots: 1, snapshotSeconds: 0.5, freeBytes: 7 };
    expect(await scene.sample('mqtt_store_snapshot_seconds')).toBe(0.5);
    expect(await scene.sample('mqtt_store_free_bytes')).toBe(7);
  });
});
