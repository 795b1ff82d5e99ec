// A stored Session goes with its Client from node to node, whatever was half done when the connection broke.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startCluster } from '../support/cluster.ts';
import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const cluster = await startCluster({ name: 'session-moves' });
afterAll(() => cluster[Symbol.asyncDispose]());

const away = 0;
const home = 1;
const elsewhere = 2;

describe.each(versions)('[§4.4] a Session that moves to another node, at level %i', (version) => {
  const stored = { ...lasting, version };

  it('has its messages in order, those under way first and marked as repeated', async () => {
    const topic = fresh('queue');
    const client = await cluster.node(home).connect(stored);
    await client.subscribe(topic, { qos: 2 });
    const publisher = await cluster.node(away).connect();
    await publisher.publish({ topic, qos: 1, payload: 'sent 1' });
    await publisher.publish({ topic, qos: 2, payload: 'sent 2' });
    const sent = [await client.nextOf('publish'), await client.nextOf('publish')];
    client.drop();
    await publisher.publish({ topic, qos: 1, payload: 'queued 1' });
    await publisher.publish({ topic, qos: 2, payload: 'queued 2' });

    const back = await cluster.node(elsewhere).connect({ ...stored, clientId: client.clientId });
    const came = [];
    for (let count = 0; count < 4; count++) came.push(await back.receiveMessage());
    expect(came.map(({ payload }) => text(payload))).toEqual(['sent 1', 'sent 2', 'queued 1', 'queued 2']);
    expect(came.slice(0, 2).map(({ dup }) => dup)).toEqual([true, true]); // [MQTT-3.3.1-1]
    expect(came.slice(0, 2).map(({ packetId }) => packetId)).toEqual(sent.map(({ packetId }) => packetId));
    await back.expectNothing();
  });

  it('is sent the PUBREL that it is owed, before anything new, and not the message again', async () => {
    const topic = fresh('owed');
    const client = await cluster.node(home).connect(stored);
    await client.subscribe(topic, { qos: 2 });
    const publisher = await cluster.node(away).connect();
    await publisher.publish({ topic, qos: 2, payload: 'once' });
    const { packetId } = await client.nextOf('publish');
    client.acknowledge('pubrec', packetId);
    await client.nextOf('pubrel');
    client.drop();
    await publisher.publish({ topic, qos: 2, payload: 'next' });

    const back = await cluster.node(elsewhere).connect({ ...stored, clientId: client.clientId });
    expect(await back.next()).toMatchObject({ type: 'pubrel', packetId });
    back.acknowledge('pubcomp', packetId);
    expect(text((await back.receiveMessage()).payload)).toBe('next');
    await back.expectNothing();

    // And what was completed there is completed everywhere, as soon as that is stored.
    back.drop();
    await until('nothing to be owed any more', async () => {
      const again = await cluster.node(home).connect({ ...stored, clientId: client.clientId });
      again.send({ type: 'pingreq' });
      const packet = await again.next();
      again.drop();
      expect(['pingresp', 'pubrel']).toContain(packet.type);
      return packet.type === 'pingresp' || undefined;
    });
  });

  it('has published a QoS 2 message once, whichever node its repeats reach [MQTT-4.3.3-10]', async () => {
    const topic = fresh('exactly');
    const subscriber = await cluster.node(away).connect({ ...lasting });
    await subscriber.subscribe(topic, { qos: 2 });
    const client = await cluster.node(home).connect(stored);
    const publish = client.sendPublish({ topic, qos: 2, payload: 'once' });
    await client.nextOf('pubrec');
    client.drop();

    const second = await cluster.node(elsewhere).connect({ ...stored, clientId: client.clientId });
    second.send({ ...publish, dup: true });
    expect(await second.next()).toMatchObject({ type: 'pubrec', packetId: publish.packetId });
    second.drop();

    const third = await cluster.node(away).connect({ ...stored, clientId: client.clientId });
    third.send({ ...publish, dup: true });
    await third.nextOf('pubrec');
    third.acknowledge('pubrel', publish.packetId);
    expect(await third.nextOf('pubcomp')).toMatchObject({ packetId: publish.packetId, reasonCode: ReasonCode.success });
    // Its Packet Identifier is free now, on every node: under it comes another message.
    third.drop();
    const fourth = await cluster.node(home).connect({ ...stored, clientId: client.clientId });
    await fourth.publish({ topic, qos: 2, payload: 'another', packetId: publish.packetId });
    expect(text((await subscriber.receiveMessage()).payload)).toBe('once');
    expect(text((await subscriber.receiveMessage()).payload)).toBe('another');
    await subscriber.expectNothing();
  });

  it('has its Subscriptions, and no node keeps any after its end', async () => {
    const topic = fresh('kept');
    const client = await cluster.node(home).connect(stored);
    await client.subscribe(topic, { qos: 1 });
    await client.disconnect();
    const publisher = await cluster.node(away).connect();
    const clean = await cluster.node(elsewhere).connect({ version, clientId: client.clientId, cleanStart: true });
    expect(clean.connack.sessionPresent).toBe(false);
    await publisher.publish({ topic, qos: 1, payload: 'for nobody' });
    await clean.expectNothing();
  });
});

describe('a Session that moves while it is full of messages', () => {
  it('has all of them once, in order, though it leaves in the middle, again and again', async () => {
    const topic = fresh('many');
    const options = { ...lasting, clientId: fresh('mover') };
    const first = await cluster.node(0).connect(options);
    await first.subscribe(topic, { qos: 2 });
    first.drop();
    const publisher = await cluster.node(1).connect();
    const expected = Array.from({ length: 400 }, (_, i) => `${i}`);
    const publishing = (async () => {
      for (const payload of expected) await publisher.publish({ topic, qos: 2, payload });
    })();
    const came: string[] = [];
    for (let at = 0; came.length < expected.length; at++) {
      const client = await cluster
        .node(at % 3)
        .connect({ ...options, properties: { ...lasting.properties, receiveMaximum: 10 } });
      const goal = Math.min(expected.length, came.length + 40);
      while (came.length < goal) came.push(text((await client.receiveMessage()).payload));
      client.drop();
    }
    await publishing;
    expect(came).toEqual(expected);
  }, 30_000);
});
