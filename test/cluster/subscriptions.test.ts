// A Subscription made at one node holds at all of them: from its SUBACK on, with all its options, until its UNSUBACK.

import type { Publish, QoS } from '@skein/protocol';
import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { lasting, sessionKinds } from '../support/sessions.ts';

const cluster = await startCluster({ name: 'subscriptions' });
afterAll(() => cluster[Symbol.asyncDispose]());

/**
 * All messages that come until the one that says `end`, which a publisher sends after those that matter on the way that
 * they take: so that what has not come by then will not come.
 */
async function receiveUntilEnd(subscriber: RawClient): Promise<readonly Publish[]> {
  const messages: Publish[] = [];
  for (;;) {
    const message = await subscriber.receiveMessage();
    if (text(message.payload) === 'end') return messages;
    messages.push(message);
  }
}

describe.each(sessionKinds)('a $kind Session', ({ session }) => {
  it('with overlapping Topic Filters gets one copy from another node, with all identifiers [MQTT-3.3.4-3]', async () => {
    const level = fresh('lap');
    const subscriber = await cluster.node(1).connect(session);
    await subscriber.subscribe(`${level}/#`, { qos: 0, subscriptionIdentifier: 1 });
    await subscriber.subscribe(`${level}/+`, { qos: 2, subscriptionIdentifier: 2 });
    await subscriber.subscribe(`${level}/a`, { qos: 1, subscriptionIdentifier: 3 });
    const publisher = await cluster.node(0).connect();
    await publisher.publish({ topic: `${level}/a`, qos: 2, payload: 'one' });
    const message = await subscriber.receiveMessage();
    expect(message.qos).toBe(2);
    expect([...(message.properties?.subscriptionIdentifiers ?? [])].sort()).toEqual([1, 2, 3]);
    await publisher.publish({ topic: `${level}/b`, qos: 1, payload: 'end' });
    expect(await receiveUntilEnd(subscriber)).toEqual([]);
  });

  it.each([0, 1, 2] as const)('with No Local does not get its own QoS %i messages, wherever it is', async (qos) => {
    const topic = fresh('own');
    const first = await cluster.node(0).connect(session);
    await first.subscribe(topic, { qos: 2, noLocal: true });
    const other = await cluster.node(2).connect();
    await first.publish({ topic, qos, payload: 'own' });
    await other.publish({ topic, qos: 1, payload: 'end' });
    expect(await receiveUntilEnd(first)).toEqual([]);
    if (session !== lasting) return;
    const moved = await cluster.node(1).connect({ ...lasting, clientId: first.clientId });
    await moved.publish({ topic, qos, payload: 'own' });
    await other.publish({ topic, qos: 1, payload: 'end' });
    expect(await receiveUntilEnd(moved)).toEqual([]);
  });

  it('with Retain As Published sees the flag that was set on another node [MQTT-3.3.1-13]', async () => {
    const topic = fresh('flag');
    const keeps = await cluster.node(1).connect(session);
    await keeps.subscribe(topic, { qos: 1, retainAsPublished: true });
    const clears = await cluster.node(1).connect(session);
    await clears.subscribe(topic, { qos: 1 });
    const publisher = await cluster.node(0).connect();
    await publisher.publish({ topic, qos: 1, retain: true });
    expect((await keeps.receiveMessage()).retain).toBe(true);
    expect((await clears.receiveMessage()).retain).toBe(false);
  });

  it.each([1, 2] as const)('has from its SUBACK on every QoS %i message that another node takes', async (qos) => {
    const subscriber = await cluster.node(1).connect(session);
    const publishers = [await cluster.node(0).connect(), await cluster.node(2).connect()];
    for (let round = 0; round < 100; round++) {
      const topic = fresh('now');
      const suback = await subscriber.subscribe(topic, { qos: 2 });
      expect(suback.reasonCodes).toEqual([2]);
      const publisher = publishers[round % 2] as RawClient;
      const last = await publisher.publish({ topic, qos, payload: `${round}` });
      expect(last?.reasonCode).toBe(ReasonCode.success);
      expect(text((await subscriber.receiveMessage()).payload)).toBe(`${round}`);
    }
  });

  it('has after its UNSUBACK no message more, and its neighbours still do', async () => {
    const topic = fresh('leave');
    const end = fresh('end');
    const leaving = await cluster.node(1).connect(session);
    const staying = await cluster.node(1).connect(session);
    const publisher = await cluster.node(0).connect();
    for (let round = 0; round < 30; round++) {
      for (const client of [leaving, staying]) await client.subscribe([topic, end], { qos: 1 });
      await publisher.publish({ topic, qos: 1, payload: 'before' });
      await leaving.unsubscribe(topic);
      await publisher.publish({ topic, qos: 1, payload: 'after' });
      await publisher.publish({ topic: end, qos: 1, payload: 'end' });
      expect((await receiveUntilEnd(leaving)).map(({ payload }) => text(payload))).toEqual(['before']);
      expect((await receiveUntilEnd(staying)).map(({ payload }) => text(payload))).toEqual(['before', 'after']);
    }
  });

  it('loses nothing when it leaves and comes again, over and over, while others publish [rule: Marks]', async () => {
    const topic = fresh('again');
    const subscriber = await cluster.node(1).connect(session);
    const writers = await Promise.all(cluster.nodes.map((node) => node.connect()));
    let isOver = false;
    // They find the Topic Filter there and gone at every moment of it.
    const noise = writers.map(async (writer) => {
      while (!isOver) await writer.publish({ topic, qos: 1, payload: 'noise' });
    });
    const publisher = await cluster.node(0).connect();
    for (let round = 0; round < 60; round++) {
      await subscriber.subscribe(topic, { qos: 1 });
      await publisher.publish({ topic, qos: 1, payload: 'end' });
      await receiveUntilEnd(subscriber);
      await subscriber.unsubscribe(topic);
    }
    isOver = true;
    await Promise.all(noise);
  }, 60_000);
});

describe('[§3.3.1.3] a retained message', () => {
  it.each([0, 1, 2] as const)('published at QoS %i on one node is there for who subscribes on another', async (qos) => {
    const topic = fresh('kept');
    const publisher = await cluster.node(0).connect();
    await publisher.publish({ topic, qos, retain: true, payload: 'old' });
    await publisher.publish({ topic, qos, retain: true, payload: 'new' });
    await publisher.publish({ topic: fresh('nobody'), qos: 1 }); // and so QoS 0 has been read
    for (const node of cluster.nodes) {
      for (const { session } of sessionKinds) {
        const subscriber = await node.connect(session);
        await subscriber.subscribe(`${topic}/#`, { qos: 2 });
        const message = await subscriber.receiveMessage();
        expect(message).toMatchObject({ topic, qos, retain: true });
        expect(text(message.payload)).toBe('new');
        await subscriber.expectNothing();
      }
    }
  });

  it('that is removed on one node is gone on all [MQTT-3.3.1-6]', async () => {
    const topic = fresh('gone');
    await (await cluster.node(0).connect()).publish({ topic, qos: 1, retain: true, payload: 'kept' });
    await (await cluster.node(1).connect()).publish({ topic, qos: 1, retain: true, payload: '' });
    const subscriber = await cluster.node(2).connect();
    await subscriber.subscribe(topic, { qos: 1 });
    await subscriber.expectNothing();
  });

  it('comes live or retained to who subscribes on another node meanwhile, never not at all', async () => {
    const subscriber = await cluster.node(1).connect();
    const publisher = await cluster.node(0).connect();
    for (let round = 0; round < 100; round++) {
      const topic = fresh('race');
      const qos = (round % 3) as QoS;
      const publishing = publisher.publish({ topic, qos, retain: true, payload: `${round}` });
      await Promise.all([publishing, subscriber.subscribe(topic, { qos: 2 })]);
      // Twice is allowed: a retained copy and a live one are two deliveries.
      for (;;) if (text((await subscriber.receiveMessage()).payload) === `${round}`) break;
    }
  });
});
