// [§4.8.2] A shared group is one in the whole cluster; what a node that dies held of it goes to the members that live.

import type { Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { type Cluster, type ClusterNode, reapMs, startCluster } from '../support/cluster.ts';
import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { lasting, sessionKinds } from '../support/sessions.ts';

/** A member of a group that acknowledges what it gets, and keeps its Session state from one connection to the next. */
class Member {
  readonly got: string[] = [];
  readonly clientId = fresh('member');
  readonly #session: typeof lasting | object;
  /** QoS 2 messages received and not released, by Packet Identifier [MQTT-4.3.3-10]. */
  readonly #received = new Set<number>();
  #client: RawClient | undefined;

  constructor(session: typeof lasting | object) {
    this.#session = session;
  }

  async connect(node: ClusterNode): Promise<RawClient> {
    const client = await node.connect({ ...this.#session, clientId: this.clientId });
    this.#client = client;
    this.#serve(client).catch(() => {}); // it is closed: somebody wanted it so
    return client;
  }

  leave(): void {
    this.#client?.drop();
  }

  async #serve(client: RawClient): Promise<void> {
    for (;;) this.#hear(client, await client.nextOf('publish', 600_000));
  }

  #hear(client: RawClient, { qos, packetId, payload }: Extract<Packet, { type: 'publish' }>): void {
    if (qos < 2 || !this.#received.has(packetId)) this.got.push(text(payload));
    if (qos === 1) client.acknowledge('puback', packetId);
    if (qos < 2) return;
    this.#received.add(packetId);
    client.acknowledge('pubrec', packetId);
    this.#release(client, packetId).catch(() => {});
  }

  async #release(client: RawClient, packetId: number): Promise<void> {
    await client.nextOf('pubrel', 600_000);
    this.#received.delete(packetId);
    client.acknowledge('pubcomp', packetId);
  }
}

async function membersAt(nodes: readonly ClusterNode[], filter: string, session: object): Promise<Member[]> {
  const members: Member[] = [];
  for (const node of nodes) {
    const member = new Member(session);
    const { reasonCodes } = await (await member.connect(node)).subscribe(filter, { qos: 2 });
    expect(reasonCodes).toEqual([2]);
    members.push(member);
  }
  return members;
}

function all(members: readonly Member[]): string[] {
  return members.flatMap(({ got }) => got);
}

/** As long as it may take to find that a node is dead. */
const answerMs = reapMs + 20_000;

/** Publishes QoS 1 and 2 messages in turn until it is told to stop. @returns those that were acknowledged */
async function publishUntil(publisher: RawClient, topic: string, enough: () => boolean): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let i = 0; !enough(); i++) {
    const qos = i % 2 === 0 ? 1 : 2;
    const payload = `q${qos}-${i}`;
    const { packetId } = publisher.sendPublish({ topic, qos, payload });
    const answer = await publisher.nextOf(qos === 1 ? 'puback' : 'pubrec', answerMs);
    if (answer.reasonCode < 0x80) acknowledged.push(payload);
    if (qos === 1) continue;
    publisher.acknowledge('pubrel', packetId);
    await publisher.nextOf('pubcomp', answerMs);
  }
  return acknowledged;
}

function repeated(texts: readonly string[]): string[] {
  return texts.filter((each, i) => each.startsWith('q2') && texts.indexOf(each) !== i);
}

describe('a group with members on three nodes', () => {
  it('gets each message once, whoever publishes it where, and all members have their share', async () => {
    await using cluster = await startCluster({ name: 'shared' });
    for (const { session } of sessionKinds) {
      for (const qos of [0, 1, 2] as const) {
        const topic = fresh('jobs');
        const members = await membersAt(cluster.nodes, `$share/workers/${topic}`, session);
        const plain = await cluster.node(0).connect();
        await plain.subscribe(topic, { qos: 0 });
        // QoS 0 may miss what was subscribed to a moment ago.
        await until('all nodes to know all members', async () => ((await routesKnown(cluster)) ? true : undefined));
        for (const node of cluster.nodes) {
          const publisher = await node.connect();
          for (let i = 0; i < 30; i++) await publisher.publish({ topic, qos, payload: `${node.nodeId} ${i}` });
        }
        await until(`90 messages at QoS ${qos}`, () => (all(members).length >= 90 ? true : undefined));
        expect(new Set(all(members)).size).toBe(90);
        expect(all(members)).toHaveLength(90);
        for (const { got } of members) expect(got).toHaveLength(30);
        for (const member of members) member.leave();
        plain.drop();
      }
    }
  }, 120_000);

  it('loses nothing when a member with its node is killed: of stored members all that was acknowledged, QoS 2 once', async () => {
    await using cluster = await startCluster({ name: 'shared-kill' });
    const topic = fresh('jobs');
    const filter = `$share/workers/${topic}`;
    const nodes = [cluster.node(1), cluster.node(1), cluster.node(2), cluster.node(0)];
    const members = await membersAt(nodes, filter, lasting);
    const publisher = await cluster.node(0).connect(lasting);
    let isDone = false;
    const publishing = publishUntil(publisher, topic, () => isDone);
    for (const kill of [1, 2]) {
      await until('messages to flow', () => (all(members).length > kill * 100 ? true : undefined), 60_000);
      const dead = cluster.node(1).node;
      await cluster.node(1).kill();
      const before = all(members).length;
      await until('messages to flow without it', () => (all(members).length > before + 50 ? true : undefined), 60_000);
      // One comes back elsewhere at once, the other one stays away until its node has been reaped, and is back too.
      await members[0]?.connect(cluster.node(2));
      await cluster.untilReaped(dead);
      await cluster.node(1).start();
      await cluster.untilAllMeet();
      await members[0]?.connect(cluster.node(1));
      if (kill === 1) await members[1]?.connect(cluster.node(1));
    }
    isDone = true;
    const acknowledged = await publishing;
    expect(acknowledged.length).toBeGreaterThan(300);
    // The second one is away since the second kill: what it had not begun others have after a while, the rest it completes.
    await members[1]?.connect(cluster.node(0));
    const missing = (): string[] => {
      const got = new Set(all(members));
      return acknowledged.filter((each) => !got.has(each));
    };
    await until('all that was acknowledged', () => (missing().length === 0 ? true : undefined), answerMs).catch(
      () => {},
    );
    expect(missing()).toEqual([]);
    expect(repeated(all(members))).toEqual([]);
  }, 180_000);

  it('goes on with the members that live when one whose Session was volatile dies with its node', async () => {
    await using cluster = await startCluster({ name: 'shared-volatile' });
    const topic = fresh('jobs');
    const members = await membersAt(cluster.nodes, `$share/workers/${topic}`, {});
    const publisher = await cluster.node(0).connect();
    let isDone = false;
    const publishing = publishUntil(publisher, topic, () => isDone);
    await until('messages to flow', () => (all(members).length > 100 ? true : undefined), 60_000);
    const dead = cluster.node(1).node;
    await cluster.node(1).kill();
    await cluster.untilReaped(dead);
    const before = all(members).length;
    await until('messages to flow without it', () => (all(members).length > before + 100 ? true : undefined), 60_000);
    isDone = true;
    const acknowledged = await publishing;
    const missing = (): string[] => {
      const got = new Set(all(members));
      return acknowledged.filter((each) => !got.has(each));
    };
    // What was with that member died with it: at most what may be in flight to it, and never a message of another one.
    await until('the rest to arrive', () => (missing().length <= 1 ? true : undefined)).catch(() => {});
    expect(missing().length).toBeLessThanOrEqual(1);
    expect(repeated(all(members))).toEqual([]);
  }, 120_000);
});

/** Whether all nodes have as many routes as each other. */
async function routesKnown(cluster: Cluster): Promise<boolean> {
  const counts = await Promise.all(cluster.nodes.map((node) => node.metric('mqtt_routes')));
  return new Set(counts).size === 1;
}
