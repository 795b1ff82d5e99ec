// MQTT 5.0 chapter 3.1.2.11, the properties of CONNECT: what a Client may ask for, and what it gets.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect, expectRefusal } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { hexNumber, hexString, rawConnect } from '../support/hex.ts';
import { connectPacket, subscriptionRequest } from '../support/packets.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[§3.1.2.11] a property with a value that it must not have', () => {
  it.each([
    ['Receive Maximum 0', '21 0000'],
    ['Maximum Packet Size 0', '27 00000000'],
    ['Request Response Information 2', '19 02'],
    ['Request Problem Information 2', '17 02'],
    ['Authentication Data without Authentication Method', `16 ${hexString('data')}`],
  ])('is a Protocol Error: %s', async (_, properties) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties }));
    await expectRefusal(client, ReasonCode.protocolError);
  });

  it.each([
    ['Session Expiry Interval', '11 00000001'],
    ['Receive Maximum', '21 0001'],
    ['Maximum Packet Size', '27 00001000'],
    ['Topic Alias Maximum', '22 0001'],
    ['Request Response Information', '19 00'],
    ['Request Problem Information', '17 01'],
    ['Authentication Method', `15 ${hexString('m')}`],
  ])('is a Protocol Error when it stands twice: %s', async (_, property) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties: property + property }));
    await expectRefusal(client, ReasonCode.protocolError);
  });

  it.each([
    ['Topic Alias, which is for PUBLISH', '23 0001'],
    ['Will Delay Interval, which is for the Will', '18 00000001'],
    ['an identifier that means nothing', '55 00'],
  ])('is malformed where it does not belong: %s', async (_, properties) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });
});

describe('[§3.1.2.11.8] User Properties of a CONNECT', () => {
  it('may repeat a name, and mean nothing to the Server', async () => {
    const userProperties = [
      ['site', 'A'],
      ['site', 'B'],
    ] as const;
    const client = await broker.connect({ properties: { userProperties } });
    await client.expectNothing();
  });
});

describe('[MQTT-3.1.2-24] [MQTT-3.1.2-25] a message larger than the Maximum Packet Size of its receiver', () => {
  it.each([0, 1, 2] as const)('is left out at QoS %i, as if it had been delivered', async (qos) => {
    const topic = fresh('large');
    const small = await broker.connect({ properties: { maximumPacketSize: 100 } });
    await small.subscribe(topic, { qos });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos, payload: 'x'.repeat(101) });
    await publisher.publish({ topic, qos, payload: 'fits' });
    expect(await small.receiveMessage()).toMatchObject({ payload: bytes('fits') });
    await small.expectNothing();
  });

  it('is counted', async () => {
    const topic = fresh('large');
    const before = await broker.metric('mqtt_messages_dropped_total', { reason: 'too_large' });
    const small = await broker.connect({ properties: { maximumPacketSize: 100 } });
    await small.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'x'.repeat(101) });
    await broker.untilMetric('mqtt_messages_dropped_total', { reason: 'too_large' }, before + 1);
  });

  it('is no hindrance to others', async () => {
    const topic = fresh('large');
    const small = await broker.connect({ properties: { maximumPacketSize: 100 } });
    const large = await broker.connect();
    await small.subscribe(topic, { qos: 1 });
    await large.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'x'.repeat(101) });
    expect((await large.receiveMessage()).payload.length).toBe(101);
    await small.expectNothing();
  });

  it('is measured as the whole packet, to the byte', async () => {
    const topic = fresh('exact');
    const overhead = 2 + (2 + topic.length) + 1;
    const client = await broker.connect({ properties: { maximumPacketSize: 100 } });
    await client.subscribe(topic);
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'x'.repeat(100 - overhead + 1) });
    await publisher.publish({ topic, payload: 'y'.repeat(100 - overhead) });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('y'.repeat(100 - overhead)) });
  });

  it('leaves room in flight for the next: Receive Maximum is not used up', async () => {
    const topic = fresh('large');
    const client = await broker.connect({ properties: { maximumPacketSize: 100, receiveMaximum: 1 } });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    for (let count = 0; count < 3; count += 1) await publisher.publish({ topic, qos: 1, payload: 'x'.repeat(101) });
    await publisher.publish({ topic, qos: 1, payload: 'fits' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('fits') });
  });
});

describe('[MQTT-3.1.2-24] packets other than PUBLISH', () => {
  it('leave their Reason String out rather than be too large: DISCONNECT [MQTT-3.14.2-3]', async () => {
    const client = await broker.connect({ properties: { maximumPacketSize: 24 } });
    const before = client.bytesReceived.length;
    client.sendBytes('0000');
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
    expect((client.bytesReceived.length - before) / 2).toBeLessThanOrEqual(24);
  });

  it('leave their Reason String out rather than be too large: CONNACK [MQTT-3.2.2-19]', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties: `27 00000008 15 ${hexString('unknown')}` }));
    await expectRefusal(client, ReasonCode.badAuthenticationMethod);
    expect(client.bytesReceived.length / 2).toBeLessThanOrEqual(8);
  });

  it('are not sent at all if they are too large even so', async () => {
    const client = await broker.connect({ properties: { maximumPacketSize: 24 } });
    const before = client.bytesReceived.length;
    const subscriptions = Array.from({ length: 40 }, () => subscriptionRequest({ topicFilter: fresh('filter') }));
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: undefined });
    client.send({ type: 'pingreq' });
    // The Server may go on without, or close: but no packet of 40 codes may come.
    const packet = await client.next();
    expect(['pingresp', 'disconnect']).toContain(packet.type);
    expect((client.bytesReceived.length - before) / 2).toBeLessThanOrEqual(24);
  });

  it.each([2, 5, 12])('CONNACK itself: a Client that takes %i bytes is given no more', async (maximumPacketSize) => {
    const client = await broker.open();
    client.send(connectPacket({ properties: { maximumPacketSize } }));
    client.send({ type: 'pingreq' });
    await client.next().catch(() => undefined);
    const [, length = ''] = /^20(..)/.exec(client.bytesReceived) ?? [];
    expect(length === '' ? 0 : 2 + Number.parseInt(length, 16)).toBeLessThanOrEqual(maximumPacketSize);
    // Nor is there a DISCONNECT where there was no CONNACK [MQTT-3.14.0-1].
    if (length === '') expect(client.bytesReceived).toBe('');
  });
});

describe('[MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] Topic Aliases towards a Client', () => {
  it.each([
    ['absent', undefined],
    ['zero', 0],
  ])('are not used when its Topic Alias Maximum is %s', async (_, topicAliasMaximum) => {
    const topic = fresh('alias');
    const client = await broker.connect({ properties: topicAliasMaximum === undefined ? {} : { topicAliasMaximum } });
    await client.subscribe(topic);
    for (const payload of ['one', 'two', 'three']) await client.publish({ topic, payload });
    for (const payload of ['one', 'two', 'three']) {
      const message = await client.receiveMessage();
      expect(message).toMatchObject({ topic, payload: bytes(payload) });
      expect(message.properties?.topicAlias).toBeUndefined();
    }
  });

  it('stay within its Topic Alias Maximum, and mean what they were set to', async () => {
    const topics = ['a', 'b', 'c', 'd'].map(fresh);
    const client = await broker.connect({ properties: { topicAliasMaximum: 2 } });
    await client.subscribe(topics);
    const aliases = new Map<number, string>();
    for (const topic of [...topics, ...topics]) {
      await client.publish({ topic, payload: topic });
      const message = await client.receiveMessage();
      const alias = message.properties?.topicAlias;
      if (alias !== undefined) {
        expect(alias).toBeGreaterThan(0);
        expect(alias).toBeLessThanOrEqual(2);
        if (message.topic !== '') aliases.set(alias, message.topic);
      }
      expect(message.topic || aliases.get(alias ?? 0)).toBe(topic);
    }
  });
});

describe('[MQTT-3.1.2-28] Response Information', () => {
  it.each([0, undefined] as const)('is not returned when it was not requested: %s', async (requested) => {
    const client = await broker.connect({
      properties: requested === undefined ? {} : { requestResponseInformation: requested },
    });
    expect(client.connack.properties?.responseInformation).toBeUndefined();
  });
});

describe('[MQTT-3.1.2-29] a Client that requests no problem information', () => {
  it('gets no Reason String and no User Properties but in PUBLISH, CONNACK and DISCONNECT', async () => {
    const client = await broker.connect({ properties: { requestProblemInformation: 0 } });
    const suback = await client.subscribe('$share/group/refused');
    expect(suback.properties).toBeUndefined();
    const puback = await client.publish({ topic: '$SYS/refused', qos: 1 });
    expect(puback?.properties).toBeUndefined();
    client.acknowledge('pubrel', 999);
    expect((await client.nextOf('pubcomp')).properties).toBeUndefined();
    expect((await client.unsubscribe('never/subscribed')).properties).toBeUndefined();
  });

  it('still gets the User Properties of messages', async () => {
    const topic = fresh('quiet');
    const client = await broker.connect({ properties: { requestProblemInformation: 0 } });
    await client.subscribe(topic);
    await client.publish({ topic, properties: { userProperties: [['k', 'v']] } });
    expect(await client.receiveMessage()).toMatchObject({ properties: { userProperties: [['k', 'v']] } });
  });
});

describe('[§3.1.2.11.3] Receive Maximum 65535 and Session Expiry Interval 0xFFFFFFFF', () => {
  it('are values like any other', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ properties: `21 ${hexNumber(65_535, 2)} 11 ffffffff` }));
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: ReasonCode.success });
    // The Session ends with this, not with the test that made it.
    client.send({ type: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    expect(await client.closed).toBe(true);
  });
});
