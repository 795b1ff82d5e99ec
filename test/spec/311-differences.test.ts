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

describe('[3.1.1 MQTT-3.1.3-7] [3.1.1 MQTT-3.1.3-8] a Client without Client Identifier', () => {
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

describe('[3.1.1 MQTT-3.1.3-9] a Client Identifier that the Server rejects', () => {
  it('is answered with return code 0x02, and closed', async () => {
    const client = await broker.attempt({ version: 4, clientId: 'x'.repeat(257) });
    expect(client.bytesReceived).toBe('20020002');
    expect(await client.closed).toBe(true);
  });
});

describe('[3.1.1 MQTT-3.1.4-1] a CONNECT that does not conform', () => {
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
        { topicFilter: '$share/g/a', qos: 1 },
        { topicFilter: `${level}/2`, qos: 2 },
      ],
      { packetId: 0x0a0b },
    );
    expect(client.bytesReceived.endsWith('9007' + '0a0b' + '0080018002')).toBe(true);
  });
});

describe('[3.1.1 §3.3.1.3] RETAIN', () => {
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
    ['PUBREL', '6a 02 0001'],
    ['SUBSCRIBE', framed('8a', `0001 ${hexString('a')} 00`)],
    ['UNSUBSCRIBE', framed('aa', `0001 ${hexString('a')}`)],
  ])('close the Network Connection, without a word: %s', async (_, hex) => {
    const client = await broker.connect({ version: 4 });
    client.sendBytes(hex);
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toBe('20020000');
  });
});
