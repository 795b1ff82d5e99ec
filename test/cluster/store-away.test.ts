// Redis does not answer anybody for a while: QoS 1 and 2 wait, everything else goes on, and nobody is taken for dead.

import { ReasonCode } from '@skein/protocol';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { type ClusterNode, startCluster } from '../support/cluster.ts';
import { stopwatch, until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { connectPacket, subscriptionRequest } from '../support/packets.ts';
import { text } from '../support/payload.ts';
import { RedisProcess } from '../support/redis.ts';
import { lasting } from '../support/sessions.ts';

// With everysec a slow disk may keep the last two seconds from the file of a Redis that is killed, acknowledged or not.
const redis = await RedisProcess.start(['--appendfsync', 'always']);
const cluster = await startCluster({ name: 'store-away', redis });
afterEach(() => redis.wake());
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** How long Redis stands still: longer than any deadline, and than the lease of every node. */
const awayMs = 10_000;

/** Answers to what asks the store come within its deadline, 5 s, and a little. */
const refusedMs = 8000;

/** What no node may say of another, or of itself, because of Redis. */
const deaths = ['fenced', 'node_dead', 'node_reaped', 'node_unreachable', 'will_published'];

function deathsTold(): readonly unknown[] {
  return cluster.nodes.flatMap(({ logLines }) => logLines).filter(({ event }) => deaths.includes(event as string));
}

/** Connects on a socket of its own, and waits longer than usual for the CONNACK. */
async function connectionRefused(node: ClusterNode, version: 4 | 5): Promise<number> {
  const client = await node.open({ version });
  client.send(connectPacket({ version }));
  const { reasonCode } = await client.nextOf('connack', refusedMs);
  expect(await client.closed).toBe(true);
  return reasonCode;
}

describe('while Redis stands still', () => {
  it('QoS 1 and 2 wait, QoS 0 and pings go on, CONNECT and SUBSCRIBE are refused, and all lives on', async () => {
    const topic = fresh('news');
    const [here, there] = [cluster.node(0), cluster.node(1)];
    const will = { topic: fresh('will'), payload: 'gone', qos: 1 as const };
    const publishers = { one: await here.connect({ will }), two: await here.connect({ ...lasting, will }) };
    const chatter = await here.connect();
    const volatile = await there.connect();
    const stored = await there.connect(lasting);
    const watcher = await there.connect();
    await watcher.subscribe(will.topic, { qos: 1 });
    for (const subscriber of [volatile, stored]) await subscriber.subscribe(topic, { qos: 2 });
    const asking = await here.connect();
    const nodes = cluster.nodes.map(({ node }) => node);
    await publishers.one.publish({ topic, qos: 1, payload: 'before' });
    for (const subscriber of [volatile, stored])
      expect(text((await subscriber.receiveMessage()).payload)).toBe('before');

    redis.pause();
    const sinceMs = stopwatch();
    const acks = [
      publishers.one.sendPublish({ topic, qos: 1, payload: 'one' }).packetId,
      publishers.two.sendPublish({ topic, qos: 2, payload: 'two' }).packetId,
    ] as const;
    asking.send({
      type: 'subscribe',
      packetId: 1,
      subscriptions: [subscriptionRequest({ topicFilter: topic })],
      properties: undefined,
    });
    const refused = asking.nextOf('suback', refusedMs);
    for (let round = 0; sinceMs() < awayMs; round++) {
      await chatter.publish({ topic, qos: 0, payload: `chat ${round}` });
      for (const subscriber of [volatile, stored]) {
        expect(text((await subscriber.receiveMessage()).payload)).toBe(`chat ${round}`);
      }
      await publishers.one.expectNothing();
      await publishers.two.expectNothing();
      const refusals = await Promise.all([connectionRefused(here, 5), connectionRefused(there, 4)]);
      // In 3.1.1 that is 3, Server unavailable.
      expect(refusals).toEqual([ReasonCode.serverUnavailable, ReasonCode.serverUnavailable]);
    }
    expect((await refused).reasonCodes[0]).toBeGreaterThanOrEqual(0x80);
    for (const node of [here, there]) expect(await node.readiness()).toBe(200);
    redis.wake();

    await publishers.one.nextOf('puback');
    await publishers.two.nextOf('pubrec');
    publishers.two.acknowledge('pubrel', acks[1]);
    await publishers.two.nextOf('pubcomp');
    for (const subscriber of [volatile, stored]) {
      const came = [await subscriber.receiveMessage(), await subscriber.receiveMessage()];
      expect(came.map(({ payload }) => text(payload)).sort()).toEqual(['one', 'two']);
      await subscriber.expectNothing();
    }
    // The leases that stood still were timed only while the store answered: nobody was found dead, nor finds himself so.
    await everybodyIsBack();
    for (const node of cluster.nodes) expect(await node.metric('mqtt_cluster_members')).toBe(3);
    const later = await there.connect();
    await later.subscribe(topic, { qos: 1 });
    await publishers.one.publish({ topic, qos: 1, payload: 'after' });
    expect(text((await later.receiveMessage()).payload)).toBe('after');
    expect(cluster.nodes.map(({ node }) => node)).toEqual(nodes);
    expect(deathsTold()).toEqual([]);
    await watcher.expectNothing();
  }, 60_000);
});

/** Waits until every node has renewed its lease, each as soon as it has a connection again. */
async function everybodyIsBack(): Promise<void> {
  await until('everybody to renew', async () => {
    const up = await Promise.all(cluster.nodes.map((node) => node.metric('mqtt_store_up')));
    return up.every((isUp) => isUp === 1) || undefined;
  });
}

describe('when Redis is killed and started again on what it had written', () => {
  it('nothing that was acknowledged is lost, and no node is taken for dead', async () => {
    await everybodyIsBack();
    const topic = fresh('news');
    const sleeper = await cluster.node(2).connect(lasting);
    await sleeper.subscribe(topic, { qos: 2 });
    await sleeper.disconnect();
    const subscriber = await cluster.node(1).connect(lasting);
    await subscriber.subscribe(topic, { qos: 2 });
    const publisher = await cluster.node(0).connect(lasting);
    const acknowledged: string[] = [];
    let n = 0;
    const publishSome = async (count: number): Promise<void> => {
      for (let left = count; left > 0; left--) {
        const payload = `${n++}`;
        await publisher.publish({ topic, qos: 2, payload });
        acknowledged.push(payload);
      }
    };
    const receiving = receiveAll(subscriber, 150);
    for (let crash = 0; crash < 2; crash++) {
      await publishSome(50);
      const publishing = publishSome(25); // under way when it dies
      await redis.kill();
      await redis.start();
      await publishing;
    }
    expect(acknowledged.length).toBe(150);
    expect(await receiving).toEqual(acknowledged);
    const awake = await cluster.node(0).connect({ ...lasting, clientId: sleeper.clientId });
    expect(awake.connack.sessionPresent).toBe(true);
    expect(await receiveAll(awake, 150)).toEqual(acknowledged);
    for (const client of [subscriber, awake]) await client.expectNothing();
    expect(deathsTold()).toEqual([]);
  }, 90_000);
});

async function receiveAll(subscriber: RawClient, count: number): Promise<readonly string[]> {
  const payloads: string[] = [];
  while (payloads.length < count) payloads.push(text((await subscriber.receiveMessage(10_000)).payload));
  return payloads;
}
