// MQTT 5.0 chapter 3.3.1 to 3.3.2, PUBLISH: its flags, its Topic Name, and what the Server passes on untouched.

import { type ProtocolVersion, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexProperties, hexString } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

const none = (version: ProtocolVersion): string => (version === 5 ? '00' : '');

describe.each(versions)('[MQTT-3.3.1-1] [3.1.1 MQTT-3.3.1-1] the DUP flag, at level %i', (version) => {
  it('is 1 when the Server sends a PUBLISH again', async () => {
    const topic = fresh('again');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1, payload: 'once more' });
    expect(await client.nextOf('publish')).toMatchObject({ dup: false });
    client.drop();
    const back = await broker.connect({ version, ...lasting, clientId: client.clientId });
    expect(await back.receiveMessage()).toMatchObject({ dup: true, payload: bytes('once more') });
  });
});

describe.each([5, 4] as const)('[MQTT-3.3.1-2] [3.1.1 MQTT-3.3.1-2] DUP at QoS 0, at level %i', (version) => {
  it('is refused', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('38', hexString('a') + none(version)));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });
});

describe.each(versions)('[MQTT-3.3.1-3] [3.1.1 MQTT-3.3.1-3] DUP of an incoming PUBLISH, at level %i', (version) => {
  it.each([1, 2] as const)('is not passed on, at QoS %i', async (qos) => {
    const topic = fresh('dup');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos });
    await client.publish({ topic, qos, dup: true, payload: 'said twice' });
    expect(await client.receiveMessage()).toMatchObject({ dup: false, payload: bytes('said twice') });
  });
});

describe.each([5, 4] as const)('[MQTT-3.3.1-4] [3.1.1 MQTT-3.3.1-4] QoS 3, at level %i', (version) => {
  it('is malformed', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('36', `${hexString('a')}0001${none(version)}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe.each([5, 4] as const)(
  '[MQTT-3.3.2-1] [MQTT-4.7.3-1] [3.1.1 MQTT-3.3.2-1] [3.1.1 MQTT-4.7.3-1] the Topic Name, at level %i',
  (version) => {
    it('must be there', async () => {
      const client = await broker.connect({ version });
      client.sendBytes('3000');
      await expectDisconnect(client, ReasonCode.malformedPacket);
    });

    it('must not be longer than its packet', async () => {
      const client = await broker.connect({ version });
      client.sendBytes(framed('30', '0009 6162'));
      await expectDisconnect(client, ReasonCode.malformedPacket);
    });

    it('must not be empty, without a Topic Alias', async () => {
      const client = await broker.connect({ version });
      client.sendBytes(framed('30', `0000${none(version)}`));
      await expectDisconnect(client, ReasonCode.protocolError);
    });
  },
);

describe.each([5, 4, 3] as const)(
  '[MQTT-3.3.2-2] [MQTT-4.7.0-1] [3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1] a Topic Name with a wildcard, at level %i',
  (version) => {
    it.each(['#', '+', 'a/#', 'a/+/b', 'a+', 'a#b'])('is refused: %s', async (topic) => {
      const client = await broker.connect({ version });
      client.sendBytes(framed('30', hexString(topic) + none(version)));
      await expectDisconnect(client, ReasonCode.topicNameInvalid);
    });
  },
);

describe.each(versions)(
  '[MQTT-3.3.2-3] [3.1.1 MQTT-3.3.2-3] the Topic Name in a message to a Client, at level %i',
  (version) => {
    it('is the one it was published to, whatever the Topic Filter', async () => {
      const level = fresh('name');
      const client = await broker.connect({ version });
      await client.subscribe([`${level}/+/x`]);
      const publisher = await broker.connect();
      for (const topic of [`${level}/a/x`, `${level}//x`, `${level}/ü 🌊/x`]) {
        await publisher.publish({ topic });
        expect(await client.receiveMessage()).toMatchObject({ topic });
      }
    });
  },
);

describe.each(versions)('[§3.3.3] the payload, at level %i', (version) => {
  it.each([0, 1, 2] as const)('may be empty, at QoS %i', async (qos) => {
    const topic = fresh('payload');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos });
    await client.publish({ topic, qos });
    expect(await client.receiveMessage()).toMatchObject({ topic, payload: bytes('') });
  });

  it('is any bytes at all, in any number', async () => {
    const topic = fresh('payload');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos: 1 });
    for (const length of [1, 127, 128, 4095, 4096, 65_535, 65_536, 500_000]) {
      const payload = Uint8Array.from({ length }, (_, index) => (index * 31 + length) % 256);
      await client.publish({ topic, qos: 1, payload });
      const message = await client.receiveMessage();
      expect(Buffer.compare(message.payload, payload)).toBe(0);
    }
  });
});

describe('properties that the Server passes on unaltered', () => {
  const properties = {
    payloadFormatIndicator: 1,
    contentType: 'application/json; über',
    responseTopic: 'answers/for/you',
    correlationData: Uint8Array.from([0, 255, 1, 254]),
    userProperties: [
      ['z', 'first'],
      ['a', 'second'],
      ['z', 'first'],
      ['', ''],
    ],
  } as const;

  it.each([
    ['[MQTT-3.3.2-4] Payload Format Indicator', 'payloadFormatIndicator'],
    ['[MQTT-3.3.2-15] Response Topic', 'responseTopic'],
    ['[MQTT-3.3.2-16] Correlation Data', 'correlationData'],
    ['[MQTT-3.3.2-17] [MQTT-3.3.2-18] User Properties, in order', 'userProperties'],
    ['[MQTT-3.3.2-20] Content Type', 'contentType'],
  ] as const)('%s', async (_, name) => {
    const topic = fresh('properties');
    const client = await broker.connect();
    await client.subscribe(topic, { qos: 2 });
    for (const qos of [0, 1, 2] as const) {
      await client.publish({ topic, qos, properties: { [name]: properties[name] } });
      expect((await client.receiveMessage()).properties).toEqual({ [name]: properties[name] });
    }
  });

  it('all of them, to every subscriber, at every QoS', async () => {
    const topic = fresh('properties');
    const clients = await Promise.all([0, 1, 2].map(() => broker.connect()));
    for (const [index, client] of clients.entries()) await client.subscribe(topic, { qos: index as 0 | 1 | 2 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 2, properties });
    for (const client of clients) expect((await client.receiveMessage()).properties).toEqual(properties);
  });

  it('all of them, to a Session that was away', async () => {
    const topic = fresh('properties');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, properties });
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    expect((await back.receiveMessage()).properties).toEqual(properties);
  });

  it('all of them, with a retained message', async () => {
    const topic = fresh('properties');
    const client = await broker.connect();
    await client.publish({ topic, qos: 1, payload: 'kept', retain: true, properties });
    await client.subscribe(topic);
    expect((await client.receiveMessage()).properties).toEqual(properties);
  });

  it('none of them to a Client of 3.1.1, who gets the message all the same', async () => {
    const topic = fresh('properties');
    const old = await broker.connect({ version: 4 });
    await old.subscribe(topic);
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'plain', properties });
    expect(await old.receiveMessage()).toMatchObject({ payload: bytes('plain'), properties: undefined });
  });
});

describe('[§3.3.2.3] properties with values that they must not have', () => {
  it.each([
    ['Payload Format Indicator 2', '01 02', ReasonCode.protocolError],
    ['Topic Alias 0 [MQTT-3.3.2-8]', '23 0000', ReasonCode.topicAliasInvalid],
    ['Subscription Identifier, which only the Server may send [MQTT-3.3.4-6]', '0b 01', ReasonCode.protocolError],
    ['Response Topic that is not UTF-8 [MQTT-3.3.2-13]', '08 0001 ff', ReasonCode.malformedPacket],
    ['Content Type that is not UTF-8 [MQTT-3.3.2-19]', '03 0001 ff', ReasonCode.malformedPacket],
  ])('are refused: %s', async (_, properties, reasonCode) => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties(properties)));
    await expectDisconnect(client, reasonCode);
  });

  it.each(['a/+', '#', 'a/#'])('are refused: Response Topic with wildcards [MQTT-3.3.2-14], %s', async (topic) => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties(`08 ${hexString(topic)}`)));
    await expectDisconnect(client, ReasonCode.protocolError, ReasonCode.topicNameInvalid, ReasonCode.malformedPacket);
  });
});

describe('[§3.3.2.3.2] Payload Format Indicator 1 with a payload that is not UTF-8', () => {
  it('may be passed on: the Server is free not to look', async () => {
    const topic = fresh('format');
    const client = await broker.connect();
    await client.subscribe(topic);
    const payload = Uint8Array.from([0xff, 0xfe]);
    await client.publish({ topic, payload, properties: { payloadFormatIndicator: 1 } });
    expect(await client.receiveMessage()).toMatchObject({ payload, properties: { payloadFormatIndicator: 1 } });
  });
});
