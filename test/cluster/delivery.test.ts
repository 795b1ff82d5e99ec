// A message reaches its subscribers wherever they are: on the publisher's node or another one, connected or not yet.

import type { QoS } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { type ClusterNode, startCluster } from '../support/cluster.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { lasting, sessionKinds } from '../support/sessions.ts';

const cluster = await startCluster({ name: 'delivery' });
afterAll(() => cluster[Symbol.asyncDispose]());

const allQos = [0, 1, 2] as const;

/** Every pair of nodes, a node with itself included. */
const pairs = [0, 1, 2].flatMap((from) => [0, 1, 2].map((to) => ({ from, to })));

/**
 * A Client that publishes, at a node which knows by now of all that was subscribed to before: QoS 1 and 2 need no such
 * care, QoS 0 waits for nobody.
 */
async function publisherAt(node: ClusterNode): Promise<RawClient> {
  const publisher = await node.connect();
  await publisher.publish({ topic: fresh('nobody'), qos: 1 });
  return publisher;
}

describe.each(pairs)('from node $from to node $to', ({ from, to }) => {
  describe.each(sessionKinds)('to a $kind Session that is connected', ({ session }) => {
    it.each(allQos)('comes a message at QoS %i, once', async (qos) => {
      const topic = fresh('news');
      const subscriber = await cluster.node(to).connect(session);
      await subscriber.subscribe(topic, { qos: 2 });
      const publisher = await publisherAt(cluster.node(from));
      await publisher.publish({ topic, qos, payload: 'one', properties: { contentType: 'text' } });
      await publisher.publish({ topic, qos, payload: 'two' });
      const first = await subscriber.receiveMessage();
      expect(first).toMatchObject({ topic, qos, retain: false, dup: false, properties: { contentType: 'text' } });
      expect(text(first.payload)).toBe('one');
      expect(text((await subscriber.receiveMessage()).payload)).toBe('two');
      await subscriber.expectNothing();
    });

    it.each(allQos)('comes at the lower QoS: granted %i', async (granted) => {
      const topic = fresh('news');
      const subscriber = await cluster.node(to).connect(session);
      await subscriber.subscribe(topic, { qos: granted });
      const publisher = await publisherAt(cluster.node(from));
      await publisher.publish({ topic, qos: 2 });
      expect((await subscriber.receiveMessage()).qos).toBe(granted);
      await subscriber.expectNothing();
    });
  });

  it.each([1, 2] as const)(
    'a message at QoS %i waits for a Session that is away, until it is back elsewhere',
    async (qos) => {
      const topic = fresh('news');
      const subscriber = await cluster.node(to).connect(lasting);
      await subscriber.subscribe(topic, { qos: 2 });
      await subscriber.disconnect();
      const publisher = await publisherAt(cluster.node(from));
      await publisher.publish({ topic, qos: 0, payload: 'not kept' });
      await publisher.publish({ topic, qos, payload: 'kept' });
      const back = await cluster.node((to + 1) % 3).connect({ ...lasting, clientId: subscriber.clientId });
      expect(back.connack.sessionPresent).toBe(true);
      const message = await back.receiveMessage();
      expect(message).toMatchObject({ topic, qos, dup: false });
      expect(text(message.payload)).toBe('kept');
      await back.expectNothing();
      // And from there on it is served there.
      await publisher.publish({ topic, qos, payload: 'live' });
      expect(text((await back.receiveMessage()).payload)).toBe('live');
    },
  );
});

describe.each(sessionKinds)(
  '[MQTT-4.6.0-6] messages of one publisher to a $kind Session on another node',
  ({ session }) => {
    it.each(allQos)('come in order at QoS %i', async (qos) => {
      const topic = fresh('order');
      const subscriber = await cluster.node(1).connect(session);
      await subscriber.subscribe(topic, { qos: 2 });
      const publisher = await publisherAt(cluster.node(0));
      const expected = Array.from({ length: 300 }, (_, i) => `${i}`);
      const receiving = receiveAll(subscriber, expected.length);
      // In pieces, since a publisher may have no more than the server's Receive Maximum on its way.
      for (let at = 0; at < expected.length; at += 20) {
        const piece = expected.slice(at, at + 20);
        if (qos === 2) await Promise.all(piece.map((payload) => publisher.publish({ topic, qos, payload })));
        else {
          publisher.sendTogether(piece.map((payload) => publisher.publishPacket({ topic, qos, payload })));
          for (let left = qos === 1 ? piece.length : 0; left > 0; left--) await publisher.nextOf('puback');
        }
      }
      expect(await receiving).toEqual(expected);
    });
  },
);

async function receiveAll(subscriber: RawClient, count: number): Promise<readonly string[]> {
  const payloads: string[] = [];
  while (payloads.length < count) payloads.push(text((await subscriber.receiveMessage()).payload));
  return payloads;
}

describe('many subscribers on all nodes', () => {
  it('get one copy each of a message at each QoS, whichever way it takes to them', async () => {
    const topic = fresh('many');
    const subscribers: { client: RawClient; granted: QoS }[] = [];
    for (const node of cluster.nodes) {
      for (const { session } of sessionKinds) {
        for (const granted of allQos) {
          const client = await node.connect(session);
          await client.subscribe(topic, { qos: granted });
          subscribers.push({ client, granted });
        }
      }
    }
    const publisher = await publisherAt(cluster.node(2));
    for (const qos of allQos) {
      await publisher.publish({ topic, qos, payload: `at ${qos}` });
      for (const { client, granted } of subscribers) {
        const message = await client.receiveMessage();
        expect(message.qos).toBe(Math.min(qos, granted));
        expect(text(message.payload)).toBe(`at ${qos}`);
      }
    }
    for (const { client } of subscribers) await client.expectNothing();
  });
});
