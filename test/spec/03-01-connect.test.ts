// MQTT 5.0 chapter 3.1, CONNECT: the first packet, its fields, and what makes the Server refuse it.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { stopwatch } from '../support/deadline.ts';
import { expectDisconnect, expectRefusal, expectSilentClose } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexString, rawConnect, withLength } from '../support/hex.ts';
import { connectPacket, subscriptionRequest } from '../support/packets.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[MQTT-3.1.0-1] a first packet that is not CONNECT', () => {
  it.each([
    ['PUBLISH', framed('30', `${hexString('a')}00`)],
    ['SUBSCRIBE', framed('82', `0001 00 ${hexString('a')} 00`)],
    ['PUBACK', '40 02 0001'],
    ['PINGREQ', 'c000'],
    ['DISCONNECT', 'e000'],
    ['AUTH', 'f000'],
    ['a forbidden type', '0000'],
  ])('ends the Network Connection without a word [MQTT-3.14.0-1]: %s', async (_, hex) => {
    const client = await broker.open();
    client.sendBytes(hex);
    await expectSilentClose(client);
  });

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n').toString('hex')],
    ['TLS', '16 0301 0200 01 0001fc 0303'],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n').toString('hex')],
    ['zeroes', '00'.repeat(64)],
    ['ones', 'ff'.repeat(64)],
  ])('ends it for bytes of another protocol too: %s', async (_, hex) => {
    const client = await broker.open();
    client.sendBytes(hex);
    await expectSilentClose(client);
  });

  it('is not even waited for to its end: one wrong byte is enough', async () => {
    const client = await broker.open();
    client.sendBytes('30');
    await expectSilentClose(client);
  });

  it('leaves other Clients alone', async () => {
    const topic = fresh('calm');
    const bystander = await broker.connect();
    await bystander.subscribe(topic);
    const intruder = await broker.open();
    intruder.sendBytes(framed('30', `${hexString(topic)}00 6869`));
    await expectSilentClose(intruder);
    await bystander.expectNothing();
  });
});

describe.each([5, 4, 3] as const)(
  '[MQTT-3.1.0-2] [3.1.1 MQTT-3.1.0-2] [3.1.1 MQTT-4.8.0-1] a second CONNECT, at level %i',
  (version) => {
    it('is a Protocol Error', async () => {
      const clientId = fresh('twice');
      const client = await broker.connect({ version, clientId });
      client.send(connectPacket({ version, clientId }));
      await expectDisconnect(client, ReasonCode.protocolError);
    });
  },
);

describe.concurrent('[§3.1.4] no CONNECT within a reasonable time', () => {
  it('ends the Network Connection', async () => {
    await using impatient = await startBroker({ limits: { connectTimeoutSeconds: 1 } });
    const elapsedMs = stopwatch();
    const silent = await impatient.open();
    expect(await silent.closedWithin(4000)).toBe(true);
    await expectSilentClose(silent);
    expect(elapsedMs()).toBeGreaterThan(950);
  });

  it('counts from the beginning of the Network Connection, not from the last byte', async () => {
    await using impatient = await startBroker({ limits: { connectTimeoutSeconds: 1 } });
    const slow = await impatient.open();
    slow.sendBytes(rawConnect().slice(0, 10));
    await expectSilentClose(slow);
  });
});

describe('[MQTT-3.1.2-1] a protocol name that is not MQTT', () => {
  it.each(['MQTX', 'mqtt', 'HTTP', 'MQIsdp', ''])('is refused, and closed: "%s"', async (protocolName) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ protocolName }));
    expect(await client.closed).toBe(true);
    // A CONNACK 0x84, as 5.0 or as 3.1.1 writes it, is all the Server may say.
    expect(client.bytesReceived).toMatch(/^(|20..0084.*|20020001)$/);
  });
});

describe('[MQTT-3.1.2-2] a protocol level that we do not speak', () => {
  it.each([0, 1, 2, 6, 7, 0x83, 0x84, 0x85, 255])(
    'is answered with Unsupported Protocol Version: %i',
    async (protocolLevel) => {
      const client = await broker.open();
      client.sendBytes(rawConnect({ protocolLevel }));
      expect(await client.closed).toBe(true);
      expect(client.bytesReceived).toMatch(/^(20..0084.*|20020001)$/);
    },
  );
});

describe('[MQTT-3.1.2-3] the reserved flag of CONNECT', () => {
  it('makes it malformed when it is 1', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags: 0x03 }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });

  it('closes a Client of 3.1.1 without CONNACK [3.1.1 MQTT-3.1.4-1]', async () => {
    const client = await broker.open({ version: 4 });
    client.sendBytes(rawConnect({ protocolLevel: 4, flags: 0x03 }));
    await expectSilentClose(client);
  });
});

describe('[MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] Will flags that contradict each other', () => {
  it.each([
    ['Will QoS 1 without Will Flag', 0x0a],
    ['Will QoS 2 without Will Flag', 0x12],
    ['Will Retain without Will Flag', 0x22],
  ])('are malformed: %s', async (_, flags) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });

  it('are malformed: Will QoS 3', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags: 0x1e, payload: `${hexString('w')}00${hexString('t')}${hexString('p')}` }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] a flag whose field is missing', () => {
  it.each([
    ['Will Flag', 0x06],
    ['User Name Flag', 0x82],
    ['Password Flag', 0x42],
  ])('is malformed: %s', async (_, flags) => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.1.2-16] [MQTT-3.1.2-18] [MQTT-3.1.4-1] a field without its flag', () => {
  it.each([5, 4] as const)('is something left over, and refused, at level %i', async (protocolLevel) => {
    const client = await broker.open({ version: protocolLevel });
    client.sendBytes(rawConnect({ protocolLevel, payload: hexString('c') + hexString('user') }));
    if (protocolLevel === 5) await expectRefusal(client, ReasonCode.malformedPacket);
    else await expectSilentClose(client);
  });
});

describe('[§3.1.2.9] a Password without a User Name', () => {
  it('is allowed in 5.0', async () => {
    const client = await broker.connect({ password: 'secret' });
    await client.expectNothing();
  });

  it('is refused in 3.1.1 [3.1.1 MQTT-3.1.2-22]', async () => {
    const client = await broker.open({ version: 4 });
    client.sendBytes(rawConnect({ protocolLevel: 4, flags: 0x42, payload: hexString('c') + hexString('secret') }));
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).not.toMatch(/^2002..00/);
  });
});

describe('[MQTT-3.1.3-3] [MQTT-3.1.3-4] the Client Identifier', () => {
  it('must be there', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ payload: '' }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });

  it('must be UTF-8', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ payload: withLength('61ff62') }));
    await expectRefusal(client, ReasonCode.malformedPacket, ReasonCode.clientIdentifierNotValid);
  });

  it('must not be cut short', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ payload: '0005 616263' }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });
});

describe.each([5, 4, 3] as const)(
  '[MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-5] a Client Identifier of letters and digits, at level %i',
  (version) => {
    it.each(['a', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ'])(
      'is accepted: %s',
      async (clientId) => {
        const client = await broker.connect({ version, clientId });
        expect(client.connack.reasonCode).toBe(ReasonCode.success);
        await client.disconnect();
      },
    );
  },
);

describe('[MQTT-3.1.3-5] a Client Identifier beyond what the Server must allow', () => {
  it.each(['with blanks and / + # $', 'über-ø-水-🌊', 'x'.repeat(256)])(
    'may be accepted, and is: %s',
    async (clientId) => {
      const client = await broker.connect({ clientId });
      await client.expectNothing();
    },
  );
});

describe('[MQTT-3.1.3-6] [MQTT-3.1.3-7] a Client without Client Identifier', () => {
  it('gets one that nobody else has [MQTT-3.2.2-16]', async () => {
    const first = await broker.connect({ clientId: '' });
    const second = await broker.connect({ clientId: '' });
    const [one, two] = [first, second].map((client) => client.connack.properties?.assignedClientIdentifier);
    expect(one).toMatch(/./);
    expect(two).toMatch(/./);
    expect(one).not.toBe(two);
    await first.expectNothing();
    await second.expectNothing();
  });

  it('comes back to its Session with the one it got', async () => {
    const properties = { sessionExpiryInterval: 60 };
    const client = await broker.connect({ clientId: '', properties });
    const clientId = client.connack.properties?.assignedClientIdentifier ?? '';
    await client.disconnect();
    const again = await broker.connect({ clientId, cleanStart: false, properties });
    expect(again.connack.sessionPresent).toBe(true);
    expect(again.connack.properties?.assignedClientIdentifier).toBeUndefined();
  });

  it('gets one even if it asks to resume', async () => {
    const client = await broker.connect({ clientId: '', cleanStart: false });
    expect(client.connack.sessionPresent).toBe(false);
    expect(client.connack.properties?.assignedClientIdentifier).toMatch(/./);
  });
});

describe('[MQTT-3.1.3-8] a Client Identifier that the Server rejects', () => {
  it('is answered with Client Identifier not valid', async () => {
    const client = await broker.attempt({ clientId: 'x'.repeat(257) });
    expect(client.connack.reasonCode).toBe(ReasonCode.clientIdentifierNotValid);
    expect(await client.closed).toBe(true);
  });
});

describe('[MQTT-3.1.3-12] a User Name', () => {
  it('must be UTF-8', async () => {
    const client = await broker.open();
    client.sendBytes(rawConnect({ flags: 0x82, payload: hexString('c') + withLength('c328') }));
    await expectRefusal(client, ReasonCode.malformedPacket);
  });

  it.each([5, 4, 3] as const)('is accepted with a Password, at level %i', async (version) => {
    const client = await broker.connect({ version, username: 'ada', password: 'lovelace' });
    await client.expectNothing();
  });
});

describe('[MQTT-3.1.4-1] a CONNECT that does not conform', () => {
  it.each([
    ['the first byte has flags', { firstByte: '11' }],
    ['bytes are left over', { payload: `${hexString('c')}00` }],
  ])('is closed: %s', async (_, fields) => {
    const client = await broker.open();
    client.sendBytes(rawConnect(fields));
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toMatch(/^(|20..008[12].*)$/);
  });

  it('is closed: the packet is too short for its own header', async () => {
    const client = await broker.open();
    client.sendBytes('10 00');
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toMatch(/^(|20..008[12].*)$/);
  });
});

describe.each([5, 4, 3] as const)(
  '[MQTT-3.1.4-5] [3.1.1 MQTT-3.1.4-4] packets sent right behind CONNECT, at level %i',
  (version) => {
    it('are handled once it is accepted', async () => {
      const topic = fresh('eager');
      const watcher = await broker.connect();
      await watcher.subscribe(topic);
      const client = await broker.open({ version });
      client.sendTogether([
        connectPacket({ version }),
        {
          type: 'subscribe',
          packetId: 1,
          subscriptions: [subscriptionRequest({ topicFilter: 'a' })],
          properties: undefined,
        },
        client.publishPacket({ topic, payload: 'zero', qos: 0 }),
        client.publishPacket({ topic, payload: 'one', qos: 1, packetId: 2 }),
        { type: 'pingreq' },
      ]);
      expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
      expect(await client.nextOf('suback')).toMatchObject({ packetId: 1 });
      expect(await client.nextOf('puback')).toMatchObject({ packetId: 2 });
      expect(await client.nextOf('pingresp')).toEqual({ type: 'pingresp' });
      for (const payload of ['zero', 'one']) {
        expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes(payload) });
      }
    });
  },
);

describe('[MQTT-3.1.4-6] packets sent right behind a CONNECT that is refused', () => {
  it('are not processed', async () => {
    const topic = fresh('refused');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);

    const client = await broker.open();
    client.sendTogether([
      connectPacket({ clientId: 'x'.repeat(257) }),
      client.publishPacket({ topic, payload: 'must not arrive' }),
    ]);
    await expectRefusal(client, ReasonCode.clientIdentifierNotValid);

    await watcher.expectNothing();
  });
});

describe('[MQTT-3.1.4-2] a Server that does not allow anonymous Clients', () => {
  it.each([5, 4, 3] as const)('refuses them with Not authorized, at level %i', async (version) => {
    await using strict = await startBroker({ allowAnonymous: false });
    const client = await strict.attempt({ version });
    expect(client.connack.reasonCode).toBe(ReasonCode.notAuthorized);
    expect(await client.closed).toBe(true);
  });
});
