// MQTT 5.0 chapter 4.13, errors: whoever breaks the protocol is told why and closed, and nobody else feels it.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexString, rawConnect, toHex } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { dice, seed } from '../support/seed.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[MQTT-4.13.1-1] a Malformed Packet', () => {
  it('closes its own Network Connection, and no other', async () => {
    const topic = fresh('steady');
    const bystander = await broker.connect();
    await bystander.subscribe(topic, { qos: 1 });
    const culprit = await broker.connect();
    culprit.sendBytes('f3 ff ff ff ff ff');
    await expectDisconnect(culprit, ReasonCode.malformedPacket, ReasonCode.protocolError);
    await bystander.publish({ topic, qos: 1, payload: 'as ever' });
    expect(await bystander.receiveMessage()).toMatchObject({ payload: bytes('as ever') });
  });

  it('has no effect: what is wrong at its end is not done at its beginning', async () => {
    const topic = fresh('half');
    const client = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    // The second Topic Filter is cut short.
    client.sendBytes(framed('82', `0001 00 ${hexString(topic)} 00 0009 61`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    await back.publish({ topic, qos: 1 });
    await back.expectNothing();
  });

  it('does not undo what came before it in the same chunk', async () => {
    const topic = fresh('before');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await broker.connect();
    client.sendBytes(`${framed('30', `${hexString(topic)} 00 ${toHex(bytes('good'))}`)} 0000`);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('good') });
    expect(await client.closed).toBe(true);
  });

  it('leaves a Session that lasts as it was', async () => {
    const topic = fresh('lasting');
    const client = await broker.connect({ properties: { sessionExpiryInterval: 60 } });
    await client.subscribe(topic, { qos: 1 });
    client.sendBytes('0000');
    expect(await client.closed).toBe(true);
    const back = await broker.connect({ clientId: client.clientId, cleanStart: false });
    expect(back.connack.sessionPresent).toBe(true);
    await back.publish({ topic, qos: 1 });
    expect(await back.receiveMessage()).toMatchObject({ topic });
  });

  it('is counted, as a connection that was closed for a protocol error', async () => {
    const before = await broker.metric('mqtt_connections_closed_total', { reason: 'protocol_error' });
    const client = await broker.connect();
    client.sendBytes('0000');
    expect(await client.closed).toBe(true);
    await broker.untilMetric('mqtt_connections_closed_total', { reason: 'protocol_error' }, before + 1);
  });
});

describe('[MQTT-4.13.2-1] [MQTT-3.14.4-2] a Client that does not close', () => {
  it('is closed by the Server all the same, and what it still sends is not processed', async () => {
    const topic = fresh('deaf');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const client = await broker.connect();
    client.sendBytes(`0000${framed('30', `${hexString(topic)}00`)}`);
    expect(await client.closed).toBe(true);
    await watcher.expectNothing();
  });
});

describe('[§4.13] bytes of all kinds', () => {
  it(`end in a closed connection or go unnoticed, and the Server serves on; seed ${seed}`, async () => {
    const random = dice();
    const byte = (): string =>
      Math.floor(random() * 256)
        .toString(16)
        .padStart(2, '0');
    const some = (length: number): string => Array.from({ length }, byte).join('');
    const topic = fresh('rock');
    const rock = await broker.connect();
    await rock.subscribe(topic, { qos: 2 });

    for (let round = 0; round < 60; round += 1) {
      const client = await broker.open();
      // Two of three rounds get past CONNECT, the third begins with noise.
      if (round % 3 > 0) client.sendBytes(rawConnect({ payload: hexString(`noise-${round}`) }));
      client.sendBytes(
        round % 3 === 1 ? some(1 + Math.floor(random() * 200)) : framed(byte(), some(Math.floor(random() * 40))),
      );
      client.hangUp();
      expect(await client.closed).toBe(true);
    }

    await rock.publish({ topic, qos: 2, payload: 'unmoved' });
    expect(await rock.receiveMessage()).toMatchObject({ payload: bytes('unmoved') });
  });

  it('cut short at every length, a good conversation ends in silence or in its end', async () => {
    const whole =
      rawConnect({ payload: hexString('cut') }) +
      framed('82', `0001 00 ${hexString('cut/#')} 02`) +
      framed('34', `${hexString('cut/here')} 0007 00 ${toHex(bytes('payload'))}`) +
      '62020007' +
      'e000';
    for (let length = 2; length < whole.length; length += 2) {
      const client = await broker.open();
      client.sendBytes(whole.slice(0, length));
      client.hangUp();
      expect(await client.closed).toBe(true);
    }
    const survivor = await broker.connect({ clientId: 'cut' });
    await survivor.expectNothing();
  });
});

describe('[§4.13] many Clients that break the protocol at once', () => {
  it('are all closed, and the connection count returns to what it was', async () => {
    await using own = await startBroker();
    const clients = await Promise.all(Array.from({ length: 100 }, () => own.connect()));
    expect(await own.metric('mqtt_connections')).toBe(100);
    for (const client of clients) client.sendBytes('0000');
    for (const client of clients) await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
    await own.untilMetric('mqtt_connections', {}, 0);
  });
});
