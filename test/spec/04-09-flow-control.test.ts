// MQTT 5.0 chapter 4.9, flow control: Receive Maximum, in both directions.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { until } from '../support/deadline.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { bytes, text } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each([
  ['volatile', 0],
  ['stored', 60],
])(
  '[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] the Receive Maximum of a Client, %s Session',
  (_, sessionExpiryInterval) => {
    it.each([1, 2, 10])('of %i is the most QoS 1 messages it has to acknowledge', async (receiveMaximum) => {
      const topic = fresh('quota');
      const client = await broker.connect({ properties: { sessionExpiryInterval, receiveMaximum } });
      await client.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      for (let index = 0; index < receiveMaximum + 2; index += 1) {
        await publisher.publish({ topic, qos: 1, payload: `${index}` });
      }
      const packetIds: number[] = [];
      for (let index = 0; index < receiveMaximum; index += 1) packetIds.push((await client.nextOf('publish')).packetId);
      await client.expectNothing();

      // One is acknowledged, one more comes.
      client.acknowledge('puback', packetIds[0] as number);
      expect(await client.next()).toMatchObject({ type: 'publish', payload: bytes(`${receiveMaximum}`) });
      await client.expectNothing();
    });

    it('counts a QoS 2 message until PUBCOMP', async () => {
      const topic = fresh('quota');
      const client = await broker.connect({ properties: { sessionExpiryInterval, receiveMaximum: 1 } });
      await client.subscribe(topic, { qos: 2 });
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 2, payload: 'one' });
      await publisher.publish({ topic, qos: 2, payload: 'two' });
      const { packetId } = await client.nextOf('publish');
      client.acknowledge('pubrec', packetId);
      expect(await client.next()).toMatchObject({ type: 'pubrel' });
      await client.expectNothing();
      client.acknowledge('pubcomp', packetId);
      expect(await client.next()).toMatchObject({ type: 'publish', payload: bytes('two') });
    });

    it('counts QoS 1 and 2 together, and no QoS 0', async () => {
      const topic = fresh('quota');
      const client = await broker.connect({ properties: { sessionExpiryInterval, receiveMaximum: 2 } });
      await client.subscribe(topic, { qos: 2 });
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 1, payload: '1' });
      await publisher.publish({ topic, qos: 2, payload: '2' });
      await publisher.publish({ topic, qos: 1, payload: 'must wait' });
      await publisher.publish({ topic, qos: 0, payload: 'passes' });
      const first = await client.nextOf('publish');
      await client.nextOf('publish');
      expect(await client.nextOf('publish')).toMatchObject({ qos: 0, payload: bytes('passes') });
      await client.expectNothing();
      client.acknowledge('puback', first.packetId);
      expect(await client.nextOf('publish')).toMatchObject({ payload: bytes('must wait') });
    });

    it('holds back no other packets [MQTT-3.3.4-10] [MQTT-4.9.0-3]', async () => {
      const topic = fresh('quota');
      const client = await broker.connect({ properties: { sessionExpiryInterval, receiveMaximum: 1 } });
      await client.subscribe(topic, { qos: 1 });
      await client.publish({ topic, qos: 1 });
      await client.nextOf('publish');
      // The quota is zero now.
      expect(await client.subscribe(fresh('other'), { qos: 2 })).toMatchObject({ reasonCodes: [2] });
      expect(await client.publish({ topic: fresh('other'), qos: 2 })).toMatchObject({ type: 'pubcomp' });
      expect(await client.unsubscribe(topic)).toMatchObject({ type: 'unsuback' });
      await client.expectNothing();
    });

    it('starts anew with every Network Connection', async () => {
      const topic = fresh('quota');
      const session = { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 3 } } as const;
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      for (let index = 0; index < 5; index += 1) await publisher.publish({ topic, qos: 1, payload: `${index}` });
      for (let index = 0; index < 3; index += 1) await client.nextOf('publish');
      client.drop();
      const back = await broker.connect({
        clientId: client.clientId,
        cleanStart: false,
        properties: { sessionExpiryInterval: 60, receiveMaximum: 1 },
      });
      for (let index = 0; index < 5; index += 1) {
        const message = await back.nextOf('publish');
        expect(message.payload).toEqual(bytes(`${index}`));
        await back.expectNothing();
        back.acknowledge('puback', message.packetId);
      }
    });

    it('is not exceeded however fast messages come', async () => {
      const topic = fresh('quota');
      const receiveMaximum = 5;
      const client = await broker.connect({ properties: { sessionExpiryInterval, receiveMaximum } });
      await client.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      const packets = Array.from({ length: 100 }, (_, index) =>
        publisher.publishPacket({ topic, qos: 1, payload: `${index}` }),
      );
      publisher.sendTogether(packets);
      for (const _ of packets) await publisher.nextOf('puback');
      for (let index = 0; index < 100; index += 1) {
        // Those that came and were not acknowledged yet
        expect(client.waiting.filter(({ type }) => type === 'publish').length).toBeLessThanOrEqual(receiveMaximum);
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes(`${index}`) });
      }
    });
  },
);

describe.each([4, 3] as const)('[§4.9] a Client of level %i, which cannot name a Receive Maximum', (version) => {
  it('has at most 32 messages in flight', async () => {
    const topic = fresh('cap');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    for (let index = 0; index < 40; index += 1) await publisher.publish({ topic, qos: 1, payload: `${index}` });
    const first = await client.nextOf('publish');
    for (let index = 1; index < 32; index += 1) await client.nextOf('publish');
    await client.expectNothing();
    client.acknowledge('puback', first.packetId);
    expect(await client.next()).toMatchObject({ type: 'publish', payload: bytes('32') });
    await client.expectNothing();
  });
});

describe('[MQTT-3.3.4-7] a Client that exceeds the Receive Maximum of the Server', () => {
  it('is told so, and closed', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 2 } });
    const client = await small.connect();
    expect(client.connack.properties?.receiveMaximum).toBe(2);
    for (const packetId of [1, 2]) {
      client.sendPublish({ topic: 'a', qos: 2, packetId });
      await client.nextOf('pubrec');
    }
    // Neither is completed: PUBREC alone frees nothing.
    client.sendPublish({ topic: 'a', qos: 2, packetId: 3 });
    await expectDisconnect(client, ReasonCode.receiveMaximumExceeded);
  });

  it('may go on after PUBCOMP', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 2 } });
    const client = await small.connect();
    client.sendPublish({ topic: 'a', qos: 2, packetId: 1 });
    await client.nextOf('pubrec');
    for (let count = 0; count < 5; count += 1) {
      expect(await client.publish({ topic: 'a', qos: 2, packetId: 2 })).toMatchObject({ type: 'pubcomp' });
      expect(await client.publish({ topic: 'a', qos: 1, packetId: 3 })).toMatchObject({ type: 'puback' });
    }
  });

  it('is not told so for sending the same message again', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 1 } });
    const client = await small.connect();
    for (const dup of [false, true, true]) {
      client.sendPublish({ topic: 'a', qos: 2, packetId: 1, dup });
      expect(await client.next()).toMatchObject({ type: 'pubrec', packetId: 1 });
    }
  });

  it('is not told so for QoS 0', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 1 } });
    const client = await small.connect();
    client.sendPublish({ topic: 'a', qos: 2, packetId: 1 });
    await client.nextOf('pubrec');
    for (let count = 0; count < 10; count += 1) await client.publish({ topic: 'a' });
    await client.expectNothing();
  });

  it('may use it again for what was refused, at QoS 1 and 2 [MQTT-4.3.3-9]', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 1 } });
    const client = await small.connect();
    for (const qos of [2, 1, 2, 1] as const) {
      expect(await client.publish({ topic: '$SYS/refused', qos })).toMatchObject({
        reasonCode: ReasonCode.notAuthorized,
      });
    }
    expect(await client.publish({ topic: fresh('accepted'), qos: 2 })).toMatchObject({ type: 'pubcomp' });
    await client.expectNothing();
  });

  it('may use all of it again after it came back with nothing under way', async () => {
    await using small = await startBroker({ limits: { receiveMaximum: 2 } });
    const client = await small.connect({ properties: { sessionExpiryInterval: 60 } });
    for (const packetId of [1, 2]) {
      client.sendPublish({ topic: 'a', qos: 2, packetId });
      await client.nextOf('pubrec');
    }
    client.drop();
    const back = await small.connect({ clientId: client.clientId, cleanStart: false });
    for (const packetId of [1, 2]) {
      back.acknowledge('pubrel', packetId);
      await back.nextOf('pubcomp');
    }
    back.sendTogether([3, 4].map((packetId) => back.publishPacket({ topic: 'a', qos: 1, packetId })));
    for (const packetId of [3, 4]) expect(await back.next()).toMatchObject({ type: 'puback', packetId });
  });
});

describe.each([4, 3] as const)('[§4.9] a Client of level %i that publishes faster than it is answered', (version) => {
  it('is read as far as it may go, and then as it is answered: nothing is lost', async () => {
    await using small = await startBroker({ limits: { inboundInflightMax3: 4 } });
    const watcher = await small.connect();
    await watcher.subscribe('burst', { qos: 1 });
    const client = await small.connect({ version });
    const packets = Array.from({ length: 50 }, (_, index) =>
      client.publishPacket({ topic: 'burst', qos: 1, payload: `${index}` }),
    );
    client.sendTogether(packets);
    for (const { packetId } of packets) expect(await client.next()).toMatchObject({ type: 'puback', packetId });
    for (let index = 0; index < 50; index += 1) {
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes(`${index}`) });
    }
  });
});

describe.concurrent.each(versions)('[§4.9] a subscriber at QoS 1 that does not read, at level %i', (version) => {
  it('finds everything, once and in order, when it reads again', async () => {
    await using small = await startBroker({ limits: { outboundBufferBytes: 65_536 } });
    const slow = await small.connect({ version });
    await slow.subscribe('flood', { qos: 1 });
    slow.stopReading();
    const publisher = await small.connect();
    for (let index = 0; index < 100; index += 1) {
      await publisher.publish({ topic: 'flood', qos: 1, payload: `${index} `.padEnd(50_000, '.') });
    }
    slow.readAgain();
    for (let index = 0; index < 100; index += 1) {
      const { payload, dup } = await slow.receiveMessage();
      expect(Number.parseInt(text(payload.subarray(0, 4)), 10)).toBe(index);
      expect(dup).toBe(false);
    }
    await slow.expectNothing();
  });
});

describe.concurrent.each(versions)('[§4.9] a subscriber that does not read, at level %i', (version) => {
  it('costs others nothing: its QoS 0 messages are dropped and counted, theirs arrive', async () => {
    await using small = await startBroker({ limits: { outboundBufferBytes: 65_536 } });
    const topic = 'flood';
    const slow = await small.connect({ version });
    await slow.subscribe(topic);
    slow.stopReading();
    const quick = await small.connect({ version });
    await quick.subscribe(topic);
    const publisher = await small.connect();
    const payload = new Uint8Array(100_000);
    await until('a drop', async () => {
      for (let count = 0; count < 10; count += 1) {
        await publisher.publish({ topic, payload });
        await quick.receiveMessage();
      }
      const dropped = await small.metric('mqtt_messages_dropped_total', { reason: 'slow_consumer' });
      return dropped > 0 ? true : undefined;
    });
    await quick.expectNothing();

    // It reads again, and is served again.
    slow.readAgain();
    await until('the slow Client to have caught up', async () => {
      await publisher.publish({ topic, payload: 'now' });
      return slow.waiting.some((packet) => packet.type === 'publish' && packet.payload.length === 3) || undefined;
    });
  });
});
