// MQTT 5.0 chapter 3.2, CONNACK: what the Server says first, and what it announces.

import { type Connack, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { hexString, rawConnect } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(versions)(
  '[MQTT-3.2.0-1] [3.1.1 MQTT-3.2.0-1] the first packet from the Server, at level %i',
  (version) => {
    it('is CONNACK, even if messages have been waiting', async () => {
      const topic = fresh('waiting');
      const before = await broker.connect({ version, ...lasting });
      await before.subscribe(topic, { qos: 1 });
      await before.disconnect();
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos: 1, payload: 'waiting' });

      const back = await broker.connect({ version, clientId: before.clientId, ...lasting });
      expect(back.bytesReceived).toMatch(/^20/);
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes('waiting') });
    });
  },
);

describe.each(versions)('[MQTT-3.2.0-2] CONNACK, at level %i', (version) => {
  it('is sent once', async () => {
    const client = await broker.connect({ version });
    await client.expectNothing();
  });
});

describe('[MQTT-3.2.2-1] the Connect Acknowledge Flags', () => {
  it.each([
    [5, 0, /^20..0000/],
    [4, 0, /^20020000$/],
    [3, 0, /^20020000$/],
  ] as const)('are zero for a new Session, at level %i', async (version, _, pattern) => {
    const client = await broker.connect({ version });
    expect(client.bytesReceived).toMatch(pattern);
  });

  it.each([
    [5, /^20..0100/],
    [4, /^20020100$/],
    // 3.1 keeps the byte for later use.
    [3, /^20020000$/],
  ] as const)('say that a Session was resumed, at level %i', async (version, pattern) => {
    const before = await broker.connect({ version, ...lasting });
    await before.disconnect();
    const back = await broker.connect({ version, clientId: before.clientId, ...lasting });
    expect(back.bytesReceived).toMatch(pattern);
  });
});

describe.each([5, 4] as const)('[MQTT-3.2.2-2] [MQTT-3.2.2-3] Session Present, at level %i', (version) => {
  it('is 0 for a new Session, 1 for one that is resumed, 0 after Clean Start', async () => {
    const first = await broker.connect({ version, ...lasting });
    expect(first.connack.sessionPresent).toBe(false);
    await first.disconnect();
    const second = await broker.connect({ version, clientId: first.clientId, ...lasting });
    expect(second.connack.sessionPresent).toBe(true);
    await second.disconnect();
    const third = await broker.connect({ version, clientId: first.clientId, cleanStart: true });
    expect(third.connack.sessionPresent).toBe(false);
  });

  it('is 1 when a connected Client is taken over', async () => {
    const first = await broker.connect({ version, ...lasting });
    const second = await broker.connect({ version, clientId: first.clientId, ...lasting });
    expect(second.connack.sessionPresent).toBe(true);
  });
});

describe('[MQTT-3.2.2-6] [MQTT-3.2.2-7] a refusal', () => {
  it('says Session Present 0 though there is a Session, closes, and leaves the Session alone', async () => {
    const topic = fresh('intact');
    const before = await broker.connect(lasting);
    await before.subscribe(topic, { qos: 1 });
    await before.disconnect();

    const refused = await broker.attempt({
      clientId: before.clientId,
      cleanStart: false,
      properties: { authenticationMethod: 'none that we know' },
    });
    expect(refused.connack).toMatchObject({ sessionPresent: false, reasonCode: ReasonCode.badAuthenticationMethod });
    expect(await refused.closed).toBe(true);

    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'still queued' });
    const back = await broker.connect({ clientId: before.clientId, ...lasting });
    expect(back.connack.sessionPresent).toBe(true);
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('still queued') });
  });

  it('does not end the Network Connection of a Client that is connected under the same name', async () => {
    const client = await broker.connect(lasting);
    const refused = await broker.attempt({
      clientId: client.clientId,
      properties: { authenticationMethod: 'none that we know' },
    });
    expect(await refused.closed).toBe(true);
    await client.expectNothing();
  });
});

describe('[§3.2.2.3] what the Server announces', () => {
  it('Receive Maximum, Maximum Packet Size and Topic Alias Maximum, as they are configured', async () => {
    await using small = await startBroker({
      limits: { receiveMaximum: 7, maximumPacketSize: 4096, topicAliasMaximum: 3 },
    });
    const client = await small.connect();
    expect(client.connack.properties).toMatchObject({
      receiveMaximum: 7,
      maximumPacketSize: 4096,
      topicAliasMaximum: 3,
    });
  });

  it('Topic Alias Maximum 32 by default', async () => {
    const client = await broker.connect();
    expect(client.connack.properties?.topicAliasMaximum).toBe(32);
  });

  it('everything else that 5.0 offers', async () => {
    const { connack } = await broker.connect();
    expect(connack.properties?.sharedSubscriptionAvailable ?? 1).toBe(1);
    expect(connack.properties?.maximumQos).toBeUndefined();
    expect(connack.properties?.retainAvailable ?? 1).toBe(1);
    expect(connack.properties?.wildcardSubscriptionAvailable ?? 1).toBe(1);
    expect(connack.properties?.subscriptionIdentifiersAvailable ?? 1).toBe(1);
  });

  it('no Assigned Client Identifier to a Client that has one', async () => {
    const { connack } = await broker.connect();
    expect(connack.properties?.assignedClientIdentifier).toBeUndefined();
  });

  it('no Authentication Method to a Client that named none [MQTT-4.12.0-6]', async () => {
    const { connack } = await broker.connect();
    expect(connack.properties?.authenticationMethod).toBeUndefined();
  });
});

describe('[§3.2.2.3.2] the Session Expiry Interval that the Server uses', () => {
  it('is told when it is not the one asked for, and is the one that holds', async () => {
    await using strict = await startBroker({ limits: { sessionExpiryMaxSeconds: 100 } });
    const asked = await strict.connect({ properties: { sessionExpiryInterval: 0xffffffff } });
    expect(asked.connack.properties?.sessionExpiryInterval).toBe(100);
  });

  it('is not told, or told unchanged, when it is', async () => {
    const client = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    expect(client.connack.properties?.sessionExpiryInterval ?? 60).toBe(60);
    await client.disconnect(ReasonCode.normalDisconnection, { sessionExpiryInterval: 0 });
  });
});

describe('[MQTT-3.2.2-21] [MQTT-3.2.2-22] Server Keep Alive', () => {
  it('is absent unless configured', async () => {
    const { connack } = await broker.connect({ keepAliveSeconds: 600 });
    expect(connack.properties?.serverKeepAlive).toBeUndefined();
  });

  it.each([
    ['longer than it', 600],
    ['absent', 0],
  ])('replaces a Keep Alive that is %s', async (_, keepAliveSeconds) => {
    await using strict = await startBroker({ limits: { keepAliveMaxSeconds: 30 } });
    const { connack } = await strict.connect({ keepAliveSeconds });
    expect(connack.properties?.serverKeepAlive).toBe(30);
  });

  it('leaves a shorter one alone', async () => {
    await using strict = await startBroker({ limits: { keepAliveMaxSeconds: 30 } });
    const { connack } = await strict.connect({ keepAliveSeconds: 10 });
    expect(connack.properties?.serverKeepAlive ?? 10).toBe(10);
  });

  it('is what the Server enforces', async () => {
    await using strict = await startBroker({ limits: { keepAliveMaxSeconds: 1 } });
    const client = await strict.connect({ keepAliveSeconds: 600 });
    expect(client.connack.properties?.serverKeepAlive).toBe(1);
    await expectDisconnect(client, ReasonCode.keepAliveTimeout);
  });
});

describe('[MQTT-3.2.2-15] a packet larger than the Maximum Packet Size of the Server', () => {
  it.each([5, 4, 3] as const)('is refused with Packet too large, at level %i', async (version) => {
    await using small = await startBroker({ limits: { maximumPacketSize: 4096 } });
    const client = await small.connect({ version });
    client.sendPublish({ topic: 'large', payload: 'x'.repeat(5000) });
    await expectDisconnect(client, ReasonCode.packetTooLarge);
  });

  it('is refused as soon as its length is known', async () => {
    const client = await broker.connect();
    // 268,435,455 bytes are announced; one comes.
    client.sendBytes('30 ffffff7f 00');
    await expectDisconnect(client, ReasonCode.packetTooLarge);
  });

  it('is accepted when it is exactly as large', async () => {
    await using small = await startBroker({ limits: { maximumPacketSize: 4096 } });
    const client = await small.connect();
    await client.subscribe('exact');
    // 1 + 2 bytes of Fixed Header, 2 + 5 of Topic Name, 1 of Property Length
    const payload = new Uint8Array(4096 - 11);
    await client.publish({ topic: 'exact', payload });
    expect((await client.receiveMessage()).payload.length).toBe(payload.length);
  });
});

/** [§3.2.2.2] */
const connectReasonCodes: readonly number[] = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
];

describe('[MQTT-3.2.2-8] the Reason Code of CONNACK', () => {
  it.each([
    ['the reserved flag', { flags: 0x03 }],
    ['Will QoS 3', { flags: 0x1e, payload: `${hexString('c')}00${hexString('t')}${hexString('p')}` }],
    ['a Will Topic with a wildcard', { flags: 0x06, payload: `${hexString('c')}00${hexString('#')}${hexString('p')}` }],
    ['a Will on $SYS', { flags: 0x06, payload: `${hexString('c')}00${hexString('$SYS/x')}${hexString('p')}` }],
    ['Receive Maximum 0', { properties: '21 0000' }],
    ['a property twice', { properties: '11 00000001 11 00000001' }],
    ['Authentication Data without a method', { properties: '16 0001 61' }],
    ['a method that nobody knows', { properties: `15 ${hexString('unknown')}` }],
    ['a Client Identifier too long', { payload: hexString('x'.repeat(257)) }],
  ])('is one of its list: %s', async (_, fields) => {
    const client = await broker.open();
    client.sendBytes(rawConnect(fields));
    const connack = await client.next();
    expect(connack).toMatchObject({ type: 'connack', sessionPresent: false });
    expect(connectReasonCodes).toContain((connack as Connack).reasonCode);
    expect((connack as Connack).reasonCode).toBeGreaterThanOrEqual(0x80);
    expect(await client.closed).toBe(true);
  });
});
