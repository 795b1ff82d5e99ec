// MQTT 3.1.1 where it says something else than 5.0. What is the same in both is tested with 5.0.
//
// The numbers of the statements are those of the older text.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectSilentClose } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexString, rawConnect, withLength } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[3.1.1 MQTT-3.1.2-2] a protocol level that the Server does not support', () => {
  it.each([6, 127, 0x84])('is answered with return code 0x01, and closed: %i', async (protocolLevel) => {
    const client = await broker.open({ version: 4 });
    client.sendBytes(rawConnect({ protocolLevel }));
    expect(await client.closed).toBe(true);
    // As 3.1.1 says it, or as 5.0 does: we cannot know which of them the Client reads.
    expect(client.bytesReceived).toMatch(/^(20020001|20..0084.*)$/);
  });
});

describe('[3.1.1 MQTT-3.1.3-6] [3.1.1 MQTT-3.1.3-7] [3.1.1 MQTT-3.1.3-8] a Client without Client Identifier', () => {
  it('is accepted with Clean Session 1, as a Client of its own', async () => {
    const topic = fresh('nameless');
    const one = await broker.connect({ version: 4, clientId: '' });
    const two = await broker.connect({ version: 4, clientId: '' });
    await one.subscribe(topic);
    await two.publish({ topic, payload: 'hello' });
    expect(await one.receiveMessage()).toMatchObject({ payload: bytes('hello') });
  });

  it('is refused with return code 0x02 with Clean Session 0, and closed', async () => {
    const client = await broker.attempt({ version: 4, clientId: '', cleanStart: false });
    expect(client.bytesReceived).toBe('20020002');
    expect(await client.closed).toBe(true);
  });
});

describe('[3.1.1 MQTT-3.1.3-9] [3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.2.2-5] a Client Identifier that the Server rejects', () => {
  it('is answered with return code 0x02, and closed', async () => {
    const client = await broker.attempt({ version: 4, clientId: 'x'.repeat(257) });
    expect(client.bytesReceived).toBe('20020002');
    expect(await client.closed).toBe(true);
  });
});

describe('[3.1.1 MQTT-3.1.4-1] [3.1.1 MQTT-3.2.2-6] a CONNECT that does not conform', () => {
  it.each([
    ['the reserved flag is set [3.1.1 MQTT-3.1.2-3]', { flags: 0x03 }],
    ['Will QoS without Will Flag [3.1.1 MQTT-3.1.2-13]', { flags: 0x0a }],
    ['Will Retain without Will Flag [3.1.1 MQTT-3.1.2-15]', { flags: 0x22 }],
    [
      'Will QoS 3 [3.1.1 MQTT-3.1.2-14]',
      { flags: 0x1e, payload: `${hexString('c')}${hexString('t')}${hexString('p')}` },
    ],
    ['Password without User Name [3.1.1 MQTT-3.1.2-22]', { flags: 0x42, payload: hexString('c') + hexString('p') }],
    ['a Client Identifier that is not UTF-8 [3.1.1 MQTT-3.1.3-4]', { payload: withLength('ff') }],
    ['no Client Identifier at all [3.1.1 MQTT-3.1.3-3]', { payload: '' }],
    ['a User Name that is missing [3.1.1 MQTT-3.1.2-19]', { flags: 0x82 }],
    ['something left over', { payload: `${hexString('c')}00` }],
  ])('is closed without CONNACK: %s', async (_, fields) => {
    const client = await broker.open({ version: 4 });
    client.sendBytes(rawConnect({ protocolLevel: 4, ...fields }));
    await expectSilentClose(client);
  });
});

describe('[3.1.1 MQTT-3.1.4-2] a second CONNECT with the same Client Identifier', () => {
  it('closes the first Client without a word: a Server of 3.1.1 has no DISCONNECT', async () => {
    const first = await broker.connect({ version: 4 });
    await broker.connect({ version: 4, clientId: first.clientId });
    expect(await first.closed).toBe(true);
    expect(first.bytesReceived).toBe('20020000');
  });
});

describe('[3.1.1 MQTT-3.2.2-1] [3.1.1 MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-3] Session Present', () => {
  it('is 0 after Clean Session 1, and the Session of that Client is no longer there', async () => {
    const first = await broker.connect({ version: 4, cleanStart: false });
    await first.disconnect();
    const clean = await broker.connect({ version: 4, clientId: first.clientId, cleanStart: true });
    expect(clean.bytesReceived).toBe('20020000');
    await clean.disconnect();
    const last = await broker.connect({ version: 4, clientId: first.clientId, cleanStart: false });
    expect(last.bytesReceived).toBe('20020000');
  });

  it('is 1 when the Session is resumed', async () => {
    const first = await broker.connect({ version: 4, cleanStart: false });
    await first.disconnect();
    const back = await broker.connect({ version: 4, clientId: first.clientId, cleanStart: false });
    expect(back.bytesReceived).toBe('20020100');
  });
});

describe('[3.1.1 MQTT-3.1.2-4] Clean Session 0', () => {
  it('keeps the Session: 3.1.1 knows no expiry, and a Client of 5.0 can take it on', async () => {
    const topic = fresh('kept');
    const old = await broker.connect({ version: 4, cleanStart: false });
    await old.subscribe(topic, { qos: 1 });
    await old.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'for you' });
    const young = await broker.connect({ version: 5, clientId: old.clientId, cleanStart: false });
    expect(young.connack.sessionPresent).toBe(true);
    expect(await young.receiveMessage()).toMatchObject({ payload: bytes('for you') });
  });
});

describe('[3.1.1 MQTT-3.9.3-2] the return codes of a SUBACK', () => {
  it('are 0x00, 0x01, 0x02 and 0x80, and no others', async () => {
    const level = fresh('codes');
    const client = await broker.connect({ version: 4 });
    await client.subscribeEach(
      [
        { topicFilter: `${level}/0`, qos: 0 },
        { topicFilter: 'a/#/b', qos: 1 },
        { topicFilter: `${level}/1`, qos: 1 },
        { topicFilter: 'a+', qos: 1 },
        { topicFilter: `${level}/2`, qos: 2 },
      ],
      { packetId: 0x0a0b },
    );
    expect(client.bytesReceived.endsWith('9007' + '0a0b' + '0080018002')).toBe(true);
  });
});

describe('[3.1.1 MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-9] RETAIN', () => {
  it('is 1 for a message that a new Subscription brings, 0 for one that comes later', async () => {
    const topic = fresh('retain');
    const client = await broker.connect({ version: 4 });
    await client.publish({ topic, qos: 1, payload: 'old', retain: true });
    await client.subscribe(topic);
    // [3.1.1 MQTT-3.3.1-8]
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('old'), retain: true });
    await client.publish({ topic, qos: 1, payload: 'new', retain: true });
    // [3.1.1 MQTT-3.3.1-9]
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('new'), retain: false });
  });
});

describe('[3.1.1 MQTT-2.2.2-2] reserved flags', () => {
  it.each([
    ['PUBACK', '42 02 0001'],
    ['PUBREL [3.1.1 MQTT-3.6.1-1]', '6a 02 0001'],
    ['SUBSCRIBE [3.1.1 MQTT-3.8.1-1]', framed('8a', `0001 ${hexString('a')} 00`)],
    ['UNSUBSCRIBE [3.1.1 MQTT-3.10.1-1]', framed('aa', `0001 ${hexString('a')}`)],
  ])('close the Network Connection, without a word: %s', async (_, hex) => {
    const client = await broker.connect({ version: 4 });
    client.sendBytes(hex);
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toBe('20020000');
  });
});

describe('[3.1.1 MQTT-3.1.2-1] a protocol name that is not MQTT, at level 4', () => {
  it.each(['MQTX', 'mqtt', 'MQIsdp', ''])('is not taken for 3.1.1: "%s"', async (protocolName) => {
    const client = await broker.open({ version: 4 });
    client.sendBytes(rawConnect({ protocolName, protocolLevel: 4 }));
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toMatch(/^(|20020001|20..0084.*)$/);
  });
});

describe('[3.1.1 MQTT-3.1.2-12] a Client without Will', () => {
  it('leaves none, though the Client before it under the same name had one', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect({ version: 4 });
    await watcher.subscribe(topic, { qos: 1 });
    const first = await broker.connect({ version: 4, cleanStart: false, will: { topic, payload: 'first' } });
    await first.disconnect();
    const second = await broker.connect({ version: 4, cleanStart: false, clientId: first.clientId });
    second.hangUp();
    await second.closed;
    // The end of a third, which has a Will, is told after the end of the second would have been.
    const third = await broker.connect({ version: 4, will: { topic, payload: 'third' } });
    third.hangUp();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('third') });
    await watcher.expectNothing();
  });
});

describe('[3.1.1 MQTT-3.1.4-5] packets sent right behind a CONNECT that is refused', () => {
  it('are not processed', async () => {
    const topic = fresh('refused');
    const watcher = await broker.connect({ version: 4 });
    await watcher.subscribe(topic);
    const client = await broker.open({ version: 4 });
    const connect = rawConnect({ protocolLevel: 4, flags: 0x00, payload: hexString('') });
    client.sendBytes(`${connect}${framed('30', `${hexString(topic)}6869`)}c000`);
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toBe('20020002');
    await watcher.expectNothing();
  });
});

describe.concurrent('[3.1.1 MQTT-4.1.0-2] a Session', () => {
  it('lasts as long as its Network Connection, though Sessions that are away end sooner', async () => {
    await using brief = await startBroker({ limits: { sessionExpiryMaxSeconds: 1 } });
    const topic = fresh('lasting');
    const client = await brief.connect({ version: 4, cleanStart: false });
    await client.subscribe(topic, { qos: 1 });
    // A Keep Alive of 1 s runs out after 1.5 s: that is our clock.
    expect(await (await brief.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.publish({ topic, qos: 1, payload: 'still here' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('still here') });
  });
});

describe('[3.1.1 MQTT-6.0.0-2] packets of 3.1.1 and WebSocket frames', () => {
  it('need not begin together', async () => {
    const client = await broker.open({ version: 4, over: 'websocket' });
    const connect = rawConnect({ protocolLevel: 4, payload: hexString(fresh('frames')) });
    for (let at = 0; at < connect.length; at += 2) client.sendBytes(connect.slice(at, at + 2));
    expect(await client.next()).toMatchObject({ type: 'connack' });
    client.sendBytes(`c000${framed('82', `0001 ${hexString('a')} 00`)}c000`);
    expect(await client.next()).toEqual({ type: 'pingresp' });
    expect(await client.next()).toMatchObject({ type: 'suback', packetId: 1 });
    expect(await client.next()).toEqual({ type: 'pingresp' });
  });
});
