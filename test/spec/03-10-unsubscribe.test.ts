// MQTT 5.0 chapters 3.10 and 3.11, UNSUBSCRIBE and UNSUBACK.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, withLength } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each([5, 4] as const)('[MQTT-3.10.3-2] an UNSUBSCRIBE without Topic Filters, at level %i', (version) => {
  it('is a Protocol Error', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('a2', version === 5 ? '0001 00' : '0001'));
    await expectDisconnect(client, ReasonCode.protocolError, ReasonCode.malformedPacket);
  });
});

describe.each(versions)('[MQTT-3.10.4-1] [3.1.1 MQTT-3.10.4-1] an UNSUBSCRIBE, at level %i', (version) => {
  it('ends the Subscription whose Topic Filter is the same, character by character', async () => {
    const level = fresh('exact');
    const client = await broker.connect({ version });
    await client.subscribe([`${level}/+`, `${level}/#`], { qos: 1 });
    await client.unsubscribe([`${level}/x`, `${level}/+/`, `${level}/+`]);
    await client.publish({ topic: `${level}/x`, qos: 1, payload: 'by the other' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('by the other') });
    await client.unsubscribe(`${level}/#`);
    await client.publish({ topic: `${level}/x`, qos: 1 });
    await client.expectNothing();
  });

  it('is no matter of others', async () => {
    const topic = fresh('others');
    const [one, two] = [await broker.connect({ version }), await broker.connect({ version })];
    await one.subscribe(topic, { qos: 1 });
    await two.subscribe(topic, { qos: 1 });
    await one.unsubscribe(topic);
    await one.publish({ topic, qos: 1 });
    expect(await two.receiveMessage()).toMatchObject({ topic });
    await one.expectNothing();
  });
});

describe.each(versions)('[MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-2] after UNSUBSCRIBE, at level %i', (version) => {
  it.each([0, 1, 2] as const)('no message is added for the Client, at QoS %i', async (qos) => {
    const topic = fresh('stop');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos });
    await client.unsubscribe(topic);
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos });
    publisher.send({ type: 'pingreq' });
    await publisher.nextOf('pingresp');
    await client.expectNothing();
  });

  it('none is added to its Session while it is away, either', async () => {
    const topic = fresh('stop');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.unsubscribe(topic);
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1 });
    const back = await broker.connect({ version, ...lasting, clientId: client.clientId });
    await back.expectNothing();
  });
});

describe.each(versions)(
  '[MQTT-3.10.4-3] [3.1.1 MQTT-3.10.4-3] a message that was begun before UNSUBSCRIBE, at level %i',
  (version) => {
    it('is completed: QoS 2', async () => {
      const topic = fresh('begun');
      const client = await broker.connect({ version });
      await client.subscribe(topic, { qos: 2 });
      await client.publish({ topic, qos: 2 });
      const { packetId } = await client.nextOf('publish');
      await client.unsubscribe(topic);
      client.acknowledge('pubrec', packetId);
      expect(await client.next()).toMatchObject({ type: 'pubrel', packetId });
      client.acknowledge('pubcomp', packetId);
      await client.expectNothing();
    });

    it('is sent again when the Session is resumed: QoS 1', async () => {
      const topic = fresh('begun');
      const client = await broker.connect({ version, ...lasting });
      await client.subscribe(topic, { qos: 1 });
      await client.publish({ topic, qos: 1, payload: 'begun' });
      await client.nextOf('publish');
      await client.unsubscribe(topic);
      client.drop();
      const back = await broker.connect({ version, ...lasting, clientId: client.clientId });
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes('begun'), dup: true });
    });
  },
);

describe.each(versions)(
  '[MQTT-3.10.4-4] [MQTT-3.10.4-5] [3.1.1 MQTT-3.10.4-4] [3.1.1 MQTT-3.10.4-5] the UNSUBACK, at level %i',
  (version) => {
    it('has the Packet Identifier of the UNSUBSCRIBE, also where nothing was subscribed', async () => {
      const client = await broker.connect({ version });
      client.send({ type: 'unsubscribe', packetId: 4242, topicFilters: ['never/subscribed'], properties: undefined });
      expect(await client.next()).toMatchObject({ type: 'unsuback', packetId: 4242 });
    });

    it('is one for many Topic Filters [MQTT-3.10.4-6] [3.1.1 MQTT-3.10.4-6]', async () => {
      const level = fresh('many');
      const client = await broker.connect({ version });
      await client.subscribe([`${level}/a`, `${level}/b`], { qos: 1 });
      await client.unsubscribe([`${level}/a`, `${level}/b`]);
      await client.publish({ topic: `${level}/a`, qos: 1 });
      await client.publish({ topic: `${level}/b`, qos: 1 });
      await client.expectNothing();
    });
  },
);

describe('[MQTT-3.11.3-1] [MQTT-3.11.3-2] the Reason Codes of an UNSUBACK', () => {
  it('say for each Topic Filter, in order, whether there was a Subscription', async () => {
    const level = fresh('codes');
    const client = await broker.connect();
    await client.subscribe([`${level}/a`, `${level}/c`]);
    const { reasonCodes } = await client.unsubscribe([`${level}/a`, `${level}/b`, `${level}/c`, `${level}/a`]);
    expect(reasonCodes).toEqual([
      ReasonCode.success,
      ReasonCode.noSubscriptionExisted,
      ReasonCode.success,
      ReasonCode.noSubscriptionExisted,
    ]);
  });

  it.each([4, 3] as const)('do not exist at level %i', async (version) => {
    const client = await broker.connect({ version });
    client.send({ type: 'unsubscribe', packetId: 0x0a0b, topicFilters: ['a'], properties: undefined });
    await client.nextOf('unsuback');
    expect(client.bytesReceived.endsWith('b0020a0b')).toBe(true);
  });
});

describe('[§3.10.4] messages that wait for room in flight', () => {
  it('may still be delivered after UNSUBSCRIBE, but nothing after them', async () => {
    const topic = fresh('waiting');
    const client = await broker.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'in flight' });
    await publisher.publish({ topic, qos: 1, payload: 'buffered' });
    const first = await client.nextOf('publish');
    await client.unsubscribe(topic);
    await publisher.publish({ topic, qos: 1, payload: 'too late' });
    const last = fresh('last');
    await client.subscribe(last, { qos: 1 });
    await publisher.publish({ topic: last, qos: 1 });
    client.acknowledge('puback', first.packetId);
    let message = await client.receiveMessage();
    if (message.topic === topic) {
      expect(message).toMatchObject({ payload: bytes('buffered') });
      message = await client.receiveMessage();
    }
    expect(message).toMatchObject({ topic: last });
  });
});

describe.each([5, 4] as const)('[MQTT-3.10.3-1] [3.1.1 MQTT-3.10.3-1] the Topic Filters, at level %i', (version) => {
  it.each([
    ['a byte that begins nothing', '61ff'],
    ['a surrogate', 'eda080'],
    ['the null character', '6100'],
  ])('must be UTF-8: %s', async (_, hex) => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('a2', `0001${version === 5 ? '00' : ''}${withLength(hex)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});
