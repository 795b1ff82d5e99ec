// MQTT 5.0 chapters 1.5 and 2: strings, numbers, flags, Packet Identifiers and properties on the wire.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect, expectRefusal } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexProperties, hexString, rawConnect, toHex, withLength } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** No properties, where the version has any. */
const none = (version: 3 | 4 | 5): string => (version === 5 ? '00' : '');

const illFormed = [
  ['a continuation byte alone', '61 80 62'],
  ['a slash encoded in two bytes', '61 c0af 62'],
  ['a surrogate, U+D800', '61 eda080 62'],
  ['a code point beyond U+10FFFF', '61 f4908080 62'],
  ['a sequence cut short', '61 e282'],
] as const;

describe.each([5, 4] as const)(
  '[MQTT-1.5.4-1] [3.1.1 MQTT-1.5.3-1] a string that is not UTF-8, at level %i',
  (version) => {
    it.each(illFormed)('in a Topic Name: %s', async (_, hex) => {
      const client = await broker.connect({ version });
      client.sendBytes(framed('30', withLength(hex.replaceAll(' ', '')) + none(version)));
      await expectDisconnect(client, ReasonCode.malformedPacket);
    });

    it.each(illFormed)('in a Topic Filter [MQTT-3.8.3-1] [3.1.1 MQTT-3.8.3-1]: %s', async (_, hex) => {
      const client = await broker.connect({ version });
      client.sendBytes(framed('82', `0001${none(version)}${withLength(hex.replaceAll(' ', ''))}00`));
      await expectDisconnect(client, ReasonCode.malformedPacket);
    });
  },
);

describe.each([5, 4] as const)('[MQTT-1.5.4-2] [3.1.1 MQTT-1.5.3-2] the null character, at level %i', (version) => {
  it('is refused in a Topic Name [3.1.1 MQTT-4.7.3-2]', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('30', hexString('a\u0000b') + none(version)));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('is refused in a Topic Filter [3.1.1 MQTT-4.7.3-2]', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('82', `0001${none(version)}${hexString('a\u0000')}00`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('is refused in a Client Identifier', async () => {
    const client = await broker.open({ version });
    client.sendBytes(rawConnect({ protocolLevel: version, payload: hexString('a\u0000b') }));
    if (version === 5) await expectRefusal(client, ReasonCode.malformedPacket, ReasonCode.clientIdentifierNotValid);
    else expect(await client.closed).toBe(true);
  });
});

describe.each([5, 4, 3] as const)(
  '[MQTT-1.5.4-3] [3.1.1 MQTT-1.5.3-3] EF BB BF in a string, at level %i',
  (version) => {
    it('is a character like any other: never stripped, and part of what is matched', async () => {
      const plain = fresh('mark');
      const marked = `\uFEFF${plain}`;
      const client = await broker.connect({ version });
      await client.subscribe(marked);
      await client.publish({ topic: plain, payload: 'without' });
      await client.publish({ topic: marked, payload: 'with' });
      expect(await client.next()).toMatchObject({ type: 'publish', topic: marked, payload: bytes('with') });
    });
  },
);

describe.each([5, 4] as const)('[MQTT-1.5.5-1] a Remaining Length, at level %i', (version) => {
  it('in more bytes than it needs is malformed', async () => {
    const client = await broker.connect({ version });
    client.sendBytes('c0 8000');
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('of five bytes is malformed', async () => {
    const client = await broker.connect({ version });
    client.sendBytes('30 ffffffff7f');
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-1.5.7-1] a User Property', () => {
  it.each([
    ['name', '0001 80', '0001 62'],
    ['value', '0001 61', '0001 80'],
  ])('whose %s is not UTF-8 is malformed', async (_, name, value) => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties(`26 ${name} ${value}`)));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe.each([5, 4] as const)(
  '[MQTT-2.1.3-1] [3.1.1 MQTT-2.2.2-1] reserved flags that are not as they must be, at level %i',
  (version) => {
    it.each([
      ['PUBACK', '41', '0001'],
      ['PUBREC', '51', '0001'],
      ['PUBREL [MQTT-3.6.1-1]', '60', '0001'],
      ['PUBCOMP', '71', '0001'],
      ['SUBSCRIBE [MQTT-3.8.1-1]', '80', `0001${none(version)}${hexString('a')}00`],
      ['UNSUBSCRIBE [MQTT-3.10.1-1]', 'a0', `0001${none(version)}${hexString('a')}`],
      ['PINGREQ', 'c1', ''],
      ['DISCONNECT [3.1.1 MQTT-3.14.1-1]', 'e1', ''],
    ])('make a %s malformed', async (_, firstByte, rest) => {
      const client = await broker.connect({ version });
      client.sendBytes(framed(firstByte, rest));
      await expectDisconnect(client, ReasonCode.malformedPacket);
    });
  },
);

describe('[§2.1.2] packet types', () => {
  it.each([5, 4] as const)('0 is forbidden, at level %i', async (version) => {
    const client = await broker.connect({ version });
    client.sendBytes('0000');
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('15 does not exist before 5.0', async () => {
    const client = await broker.connect({ version: 4 });
    client.sendBytes('f000');
    await expectDisconnect(client);
  });

  it.each([
    ['CONNACK', '20 03 000000'],
    ['SUBACK', '90 04 0001 00 00'],
    ['UNSUBACK', 'b0 04 0001 00 00'],
    ['PINGRESP', 'd000'],
  ])('%s goes from Server to Client only', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.protocolError);
  });
});

describe('[MQTT-2.2.1-2] [3.1.1 MQTT-2.3.1-5] a PUBLISH at QoS 0', () => {
  it.each([
    [5, '00'],
    [4, ''],
    [3, ''],
  ] as const)('carries no Packet Identifier to a Client of level %i', async (version, properties) => {
    const topic = fresh('light');
    const client = await broker.connect({ version });
    await client.subscribe(topic);
    await client.publish({ topic, payload: 'on' });
    await client.next();
    const expected = framed('30', hexString(topic) + properties + toHex(bytes('on')));
    expect(client.bytesReceived.endsWith(expected)).toBe(true);
  });
});

describe.each([5, 4] as const)('[MQTT-2.2.1-3] [3.1.1 MQTT-2.3.1-1] Packet Identifier 0, at level %i', (version) => {
  it.each([
    ['PUBLISH', '32', `${hexString('a')}0000${none(version)}`],
    ['SUBSCRIBE', '82', `0000${none(version)}${hexString('a')}00`],
    ['UNSUBSCRIBE', 'a2', `0000${none(version)}${hexString('a')}`],
    ['PUBACK', '40', '0000'],
    ['PUBREL', '62', '0000'],
  ])('is refused in a %s', async (_, firstByte, rest) => {
    const client = await broker.connect({ version });
    client.sendBytes(framed(firstByte, rest));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });
});

describe.each([5, 4, 3] as const)(
  '[MQTT-2.2.1-4] [3.1.1 MQTT-2.3.1-4] Packet Identifiers of the Server, at level %i',
  (version) => {
    it('are not zero, and not in use by another message', async () => {
      const topic = fresh('many');
      const client = await broker.connect({ version });
      await client.subscribe(topic, { qos: 2 });
      const publisher = await broker.connect();
      for (const qos of [1, 2, 1, 2, 1, 2, 1, 2, 1, 2] as const) await publisher.publish({ topic, qos });

      const packetIds = new Set<number>();
      for (let count = 0; count < 10; count += 1) packetIds.add((await client.nextOf('publish')).packetId);
      expect(packetIds.size).toBe(10);
      expect(packetIds).not.toContain(0);
    });
  },
);

describe.each([5, 4, 3] as const)(
  '[MQTT-2.2.1-5] [MQTT-2.2.1-6] [3.1.1 MQTT-2.3.1-6] [3.1.1 MQTT-2.3.1-7] acknowledgements, at level %i',
  (version) => {
    it('carry the Packet Identifier of what they acknowledge', async () => {
      const topic = fresh('ack');
      const client = await broker.connect({ version });
      expect(await client.subscribe(topic, { packetId: 700 })).toMatchObject({ packetId: 700 });
      expect(await client.publish({ topic, qos: 1, packetId: 65_535 })).toMatchObject({
        type: 'puback',
        packetId: 65_535,
      });
      expect(await client.publish({ topic, qos: 2, packetId: 256 })).toMatchObject({ type: 'pubcomp', packetId: 256 });
      client.send({ type: 'unsubscribe', packetId: 9, topicFilters: [topic], properties: undefined });
      expect(await client.nextOf('unsuback')).toMatchObject({ packetId: 9 });
    });

    it('may be outstanding for a SUBSCRIBE and a PUBLISH with different Packet Identifiers at once', async () => {
      const topic = fresh('ack');
      const client = await broker.connect({ version });
      client.sendPublish({ topic, qos: 2, packetId: 1 });
      expect(await client.nextOf('pubrec')).toMatchObject({ packetId: 1 });
      expect(await client.subscribe(topic, { packetId: 2 })).toMatchObject({ packetId: 2 });
    });
  },
);

describe('[MQTT-2.2.2-1] no properties', () => {
  it('are said with a Property Length of zero', async () => {
    const client = await broker.connect();
    await client.subscribe(fresh('none'), { packetId: 0x1234 });
    expect(client.bytesReceived.endsWith(framed('90', '1234 00 00'))).toBe(true);
  });
});

describe('[§2.2.2.2] properties', () => {
  it('with an unknown identifier are malformed', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties('7f 00')));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('that do not belong to the packet are malformed', async () => {
    const client = await broker.connect();
    // Server Keep Alive, which only a CONNACK has
    client.sendBytes(framed('30', hexString('a') + hexProperties('13 0001')));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('that reach beyond their packet are malformed', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('30', `${hexString('a')}7f 01 00`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it('that end in the middle of a value are malformed', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties('02 0000')));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });

  it.each([
    ['Payload Format Indicator', '01 00'],
    ['Message Expiry Interval', '02 00000001'],
    ['Content Type', `03 ${hexString('a')}`],
    ['Response Topic', `08 ${hexString('a')}`],
    ['Correlation Data', `09 ${hexString('a')}`],
    ['Topic Alias', '23 0001'],
  ])('that may stand once are a Protocol Error when they stand twice: %s', async (_, property) => {
    const client = await broker.connect();
    client.sendBytes(framed('30', hexString('a') + hexProperties(property + property)));
    await expectDisconnect(client, ReasonCode.protocolError);
  });
});

describe.each([5, 4, 3] as const)('[§2] packets and the chunks they come in, at level %i', (version) => {
  it('byte by byte, they are the same packets', async () => {
    const topic = fresh('slow');
    const client = await broker.connect({ version });
    await client.subscribe(topic);
    const packet = framed('30', hexString(topic) + none(version) + toHex(bytes('drop by drop')));
    for (const byte of packet.match(/../g) ?? []) client.sendBytes(byte);
    expect(await client.next()).toMatchObject({ type: 'publish', topic, payload: bytes('drop by drop') });
  });

  it('all at once, they are handled in order', async () => {
    const topic = fresh('burst');
    const client = await broker.connect({ version });
    await client.subscribe(topic);
    client.sendTogether([
      client.publishPacket({ topic, payload: 'one' }),
      client.publishPacket({ topic, payload: 'two' }),
      { type: 'pingreq' },
    ]);
    expect(await client.nextOf('publish')).toMatchObject({ payload: bytes('one') });
    expect(await client.nextOf('publish')).toMatchObject({ payload: bytes('two') });
    expect(await client.next()).toEqual({ type: 'pingresp' });
  });
});

describe('[MQTT-1.5.5-1] a Variable Byte Integer among properties', () => {
  it.each([
    ['Property Length', framed('30', `${hexString('a')} 8000`)],
    ['Property Length of SUBSCRIBE', framed('82', `0001 8000 ${hexString('a')} 00`)],
    ['Subscription Identifier', framed('82', `0001 03 0b 8100 ${hexString('a')} 00`)],
    ['property identifier', framed('30', `${hexString('a')} 03 8100 01`)],
  ])('in more bytes than it needs is malformed: %s', async (_, hex) => {
    const client = await broker.connect();
    client.sendBytes(hex);
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});
