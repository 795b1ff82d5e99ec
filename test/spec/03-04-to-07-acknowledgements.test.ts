// MQTT 5.0 chapters 3.4 to 3.7, PUBACK, PUBREC, PUBREL, PUBCOMP: their Reason Codes, and answers to nothing.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[MQTT-3.4.2-1] the Reason Code of a PUBACK', () => {
  it('is Success when somebody is subscribed', async () => {
    const topic = fresh('code');
    const client = await broker.connect();
    await client.subscribe(topic);
    expect(await client.publish({ topic, qos: 1 })).toMatchObject({ type: 'puback', reasonCode: ReasonCode.success });
  });

  it('is No matching subscribers when nobody is', async () => {
    const client = await broker.connect();
    expect(await client.publish({ topic: fresh('code'), qos: 1 })).toMatchObject({
      type: 'puback',
      reasonCode: ReasonCode.noMatchingSubscribers,
    });
  });

  it('is Success when a Session that is away is subscribed', async () => {
    const topic = fresh('code');
    const away = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const client = await broker.connect();
    expect(await client.publish({ topic, qos: 1 })).toMatchObject({ reasonCode: ReasonCode.success });
  });
});

describe('[MQTT-3.5.2-1] the Reason Code of a PUBREC', () => {
  it.each([
    ['Success when somebody is subscribed', true, ReasonCode.success],
    ['No matching subscribers when nobody is', false, ReasonCode.noMatchingSubscribers],
  ])('is %s', async (_, subscribed, reasonCode) => {
    const topic = fresh('code');
    const client = await broker.connect();
    if (subscribed) await client.subscribe(topic);
    const { packetId } = client.sendPublish({ topic, qos: 2 });
    expect(await client.nextOf('pubrec')).toMatchObject({ packetId, reasonCode });
    client.acknowledge('pubrel', packetId);
    expect(await client.nextOf('pubcomp')).toMatchObject({ packetId, reasonCode: ReasonCode.success });
  });
});

describe.each([4, 3] as const)('[3.1.1 §3.4] acknowledgements at level %i', (version) => {
  it('are a Packet Identifier and nothing else', async () => {
    const client = await broker.connect({ version });
    await client.publish({ topic: fresh('bare'), qos: 1, packetId: 0x0102 });
    await client.publish({ topic: fresh('bare'), qos: 2, packetId: 0x0304 });
    expect(client.bytesReceived.endsWith('40020102' + '50020304' + '70020304')).toBe(true);
  });
});

describe('[§3.4.2.1] an acknowledgement from a Client', () => {
  it.each([
    ['two bytes, Reason Code left out', (id: string) => `40 02 ${id}`],
    ['three bytes, properties left out', (id: string) => `40 03 ${id} 00`],
    ['with a Property Length of zero', (id: string) => `40 04 ${id} 00 00`],
    ['with No matching subscribers', (id: string) => `40 03 ${id} 10`],
    ['with a Reason String', (id: string) => `40 08 ${id} 00 04 1f 0001 61`],
    ['with a User Property', (id: string) => `40 0b ${id} 00 07 26 0001 61 0001 62`],
  ])('may be %s', async (_, puback) => {
    const topic = fresh('forms');
    const client = await broker.connect({ properties: { receiveMaximum: 1 } });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'one' });
    await publisher.publish({ topic, qos: 1, payload: 'two' });
    const { packetId } = await client.nextOf('publish');
    client.sendBytes(puback(packetId.toString(16).padStart(4, '0')));
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('two') });
  });

  it.each([
    ['PUBACK', '40 03 0001 01'],
    ['PUBREC', '50 03 0001 92'],
    ['PUBREL', '62 03 0001 80'],
    ['PUBCOMP', '70 03 0001 10'],
  ])('must have a Reason Code of its kind: %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it.each([
    ['PUBACK', '40 01 00'],
    ['PUBREL', '62 00'],
    ['PUBACK with bytes left over', '40 05 0001 00 00 00'],
  ])('must be whole: %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe.each(versions)('[§4.3] acknowledgements of nothing, at level %i', (version) => {
  it('PUBACK is ignored', async () => {
    const client = await broker.connect({ version });
    client.acknowledge('puback', 4711);
    await client.expectNothing();
  });

  it('PUBCOMP is ignored', async () => {
    const client = await broker.connect({ version });
    client.acknowledge('pubcomp', 4711);
    await client.expectNothing();
  });

  it('PUBREL is answered with PUBCOMP [MQTT-4.3.3-11], which says Packet Identifier not found [MQTT-3.7.2-1]', async () => {
    const client = await broker.connect({ version });
    client.acknowledge('pubrel', 4711);
    expect(await client.next()).toMatchObject({
      type: 'pubcomp',
      packetId: 4711,
      reasonCode: version === 5 ? ReasonCode.packetIdentifierNotFound : ReasonCode.success,
    });
  });

  it('PUBREC is answered with PUBREL, which says Packet Identifier not found [MQTT-3.6.2-1]', async () => {
    const client = await broker.connect({ version });
    client.acknowledge('pubrec', 4711);
    expect(await client.next()).toMatchObject({
      type: 'pubrel',
      packetId: 4711,
      reasonCode: version === 5 ? ReasonCode.packetIdentifierNotFound : ReasonCode.success,
    });
  });

  it('twice for the same message: the second PUBACK is ignored', async () => {
    const topic = fresh('twice');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1 });
    const { packetId } = await client.receiveMessage();
    client.acknowledge('puback', packetId);
    await client.expectNothing();
  });
});

describe('[MQTT-4.4.0-2] an acknowledgement of 0x80 or greater from a Client', () => {
  it.each([
    ['puback', 1],
    ['pubrec', 2],
  ] as const)('ends the message: %s, QoS %i', async (type, qos) => {
    const topic = fresh('refused');
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } } as const;
    const client = await broker.connect(session);
    await client.subscribe(topic, { qos });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos, payload: 'unwanted' });
    await publisher.publish({ topic, qos, payload: 'welcome' });
    const { packetId } = await client.nextOf('publish');
    client.acknowledge(type, packetId, ReasonCode.quotaExceeded);
    // It made room in flight, asks for no PUBREL, and is not sent again.
    expect(await client.next()).toMatchObject({ type: 'publish', payload: bytes('welcome') });
    client.drop();
    const back = await broker.connect({ ...session, clientId: client.clientId });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('welcome'), dup: true });
    await back.expectNothing();
  });
});

describe('[§4.8] a PUBLISH that the Server does not accept', () => {
  it.each([
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const)('to $SYS is answered Not authorized, at QoS %i', async (qos, type) => {
    const client = await broker.connect();
    expect(await client.publish({ topic: '$SYS/broker/clients', qos })).toMatchObject({
      type,
      reasonCode: ReasonCode.notAuthorized,
    });
    await client.expectNothing();
  });

  it('makes its Packet Identifier free again after PUBREC 0x80 or greater [MQTT-4.3.3-9]', async () => {
    const topic = fresh('free');
    const client = await broker.connect();
    await client.subscribe(topic, { qos: 2 });
    await client.publish({ topic: '$SYS/refused', qos: 2, packetId: 8 });
    await client.publish({ topic, qos: 2, packetId: 8, payload: 'new' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('new') });
  });

  it('reaches nobody', async () => {
    const watcher = await broker.connect();
    await watcher.subscribe('$SYS/#');
    const client = await broker.connect();
    await client.publish({ topic: '$SYS/forged', qos: 0, payload: 'forged' });
    await client.publish({ topic: '$SYS/forged', qos: 1, payload: 'forged' });
    client.send({ type: 'pingreq' });
    await client.nextOf('pingresp');
    expect(watcher.waiting).toEqual([]);
    await watcher.expectNothing();
  });

  it('is acknowledged like any other in 3.1.1, which has no word for it [3.1.1 MQTT-3.3.5-2]', async () => {
    const client = await broker.connect({ version: 4 });
    expect(await client.publish({ topic: '$SYS/forged', qos: 1 })).toMatchObject({ type: 'puback' });
    await client.expectNothing();
  });
});

describe.each(versions)('[MQTT-3.3.4-1] the answer to a PUBLISH, at level %i', (version) => {
  it.each([
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const)('is the one of its QoS: %i', async (qos, type) => {
    const client = await broker.connect({ version });
    const { packetId } = client.sendPublish({ topic: fresh('answered'), qos });
    expect(await client.next()).toMatchObject({ type, packetId });
    await client.expectNothing();
  });

  it('is none at QoS 0', async () => {
    const client = await broker.connect({ version });
    client.sendPublish({ topic: fresh('answered') });
    await client.expectNothing();
  });
});
