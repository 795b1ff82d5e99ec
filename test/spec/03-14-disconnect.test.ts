// MQTT 5.0 chapter 3.14, DISCONNECT, from either side.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { stopwatch } from '../support/deadline.ts';
import { expectDisconnect, expectSilentClose } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexProperties, hexString } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[MQTT-3.14.0-1] before CONNACK', () => {
  it('the Server sends no DISCONNECT', async () => {
    const client = await broker.open();
    client.sendBytes('e000');
    await expectSilentClose(client);
  });
});

describe.each(versions)('[MQTT-3.14.4-1] a Client’s DISCONNECT, at level %i', (version) => {
  it('ends the Network Connection; the Server says nothing more', async () => {
    const client = await broker.connect({ version });
    await client.disconnect();
    expect(client.waiting).toEqual([]);
  });

  it('is the last packet: what follows it is not processed', async () => {
    const topic = fresh('after');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await broker.connect({ version });
    client.sendTogether([
      { type: 'disconnect', reasonCode: ReasonCode.normalDisconnection, properties: undefined },
      client.publishPacket({ topic, payload: 'from beyond' }),
    ]);
    expect(await client.closed).toBe(true);
    await watcher.expectNothing();
  });

  it('does not overtake what came before it', async () => {
    const topic = fresh('before');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const client = await broker.connect({ version });
    client.sendTogether([
      client.publishPacket({ topic, payload: 'zero', qos: 0 }),
      client.publishPacket({ topic, payload: 'one', qos: 1 }),
      { type: 'disconnect', reasonCode: ReasonCode.normalDisconnection, properties: undefined },
    ]);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('zero') });
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('one') });
  });
});

describe('[MQTT-3.14.1-1] the reserved flags', () => {
  it('make it malformed when they are not zero', async () => {
    const client = await broker.connect();
    client.sendBytes('e1 00');
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.14.2-1] the Reason Code of a Client’s DISCONNECT', () => {
  it.each([
    ['left out', 'e0 00'],
    ['0x00 alone', 'e0 01 00'],
    ['0x00 with no properties', 'e0 02 00 00'],
    ['0x04', 'e0 01 04'],
    ['0x80 with a Reason String', framed('e0', `80 ${hexProperties(`1f ${hexString('tired')}`)}`)],
    ['0x98', 'e0 01 98'],
  ])('may be %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    expect(await client.closed).toBe(true);
    expect(client.waiting).toEqual([]);
  });

  it.each([
    ['not a Reason Code at all', 'e0 01 05'],
    ['one for the Server only: Server shutting down', 'e0 01 8b'],
    ['one for the Server only: Session taken over', 'e0 01 8e'],
  ])('must not be %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('has no place before 5.0', async () => {
    const client = await broker.connect({ version: 4 });
    client.sendBytes('e0 01 00');
    await expectDisconnect(client);
  });
});

describe('[§3.14.2.2.2] the Session Expiry Interval of a DISCONNECT', () => {
  it('of 0 ends the Session at once', async () => {
    const client = await broker.connect(lasting);
    await client.disconnect(ReasonCode.normalDisconnection, { sessionExpiryInterval: 0 });
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('replaces the one of CONNECT, if that was not 0', async () => {
    const topic = fresh('replaced');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await broker.connect({
      properties: { sessionExpiryInterval: 3600 },
      will: { topic, properties: { willDelayInterval: 3600 } },
    });
    // The Session ends after one second now, and its end makes the Will due.
    await client.disconnect(ReasonCode.disconnectWithWillMessage, { sessionExpiryInterval: 1 });
    expect(await watcher.receiveMessage()).toMatchObject({ topic });
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('must be absent or 0 if that was 0', async () => {
    const client = await broker.connect();
    client.send({
      type: 'disconnect',
      reasonCode: ReasonCode.normalDisconnection,
      properties: { sessionExpiryInterval: 60 },
    });
    await expectDisconnect(client, ReasonCode.protocolError);
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(false);
  });

  it('must not stand twice', async () => {
    const client = await broker.connect(lasting);
    client.sendBytes(framed('e0', `00 ${hexProperties('11 00000001 11 00000001')}`));
    await expectDisconnect(client, ReasonCode.protocolError);
  });
});

describe.each(versions)('[§4.13] a Server that stops, with Clients at level %i', (version) => {
  it('says Server shutting down, closes, and keeps its promise to acknowledge', async () => {
    const stopping = await startBroker();
    const client = await stopping.connect({ version });
    await client.publish({ topic: 'last', qos: 1 });
    const stopped = stopping.stop();
    await expectDisconnect(client, ReasonCode.serverShuttingDown);
    await stopped;
    await stopping[Symbol.asyncDispose]();
    await expect(stopping.open()).rejects.toThrow();
  });
});

describe('[MQTT-3.14.2-2] a DISCONNECT from the Server', () => {
  const session = { cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;

  it('has no Session Expiry Interval when the Client broke the protocol', async () => {
    const client = await broker.connect(session);
    client.sendBytes('0000');
    // expectDisconnect looks at the property, wherever it is used.
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('has none when the Session was taken over', async () => {
    const client = await broker.connect(session);
    await broker.connect({ ...session, clientId: client.clientId });
    await expectDisconnect(client, ReasonCode.sessionTakenOver);
  });

  it('has none when the Server stops', async () => {
    await using brief = await startBroker();
    const client = await brief.connect(session);
    await brief.stop();
    await expectDisconnect(client, ReasonCode.serverShuttingDown);
  });
});

describe.concurrent('[§3.14.2.1] DISCONNECT with Will Message (0x04) and a Will Delay Interval', () => {
  it('publishes the Will when the delay has passed, and not before', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await broker.connect({
      properties: { sessionExpiryInterval: 60 },
      will: { topic, payload: 'after all', properties: { willDelayInterval: 1 } },
    });
    const elapsedMs = stopwatch();
    await client.disconnect(ReasonCode.disconnectWithWillMessage);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('after all') });
    expect(elapsedMs()).toBeGreaterThan(950);
    await watcher.expectNothing();
  });
});
