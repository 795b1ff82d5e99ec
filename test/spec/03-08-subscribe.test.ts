// MQTT 5.0 chapters 3.8 and 3.9, SUBSCRIBE and SUBACK.

import { type ProtocolVersion, ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexProperties, hexString } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';
import { allSessions, lasting, sessionKinds, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

const none = (version: ProtocolVersion): string => (version === 5 ? '00' : '');

describe.each([5, 4] as const)('[MQTT-3.8.3-2] a SUBSCRIBE without Topic Filters, at level %i', (version) => {
  it('is a Protocol Error', async () => {
    const client = await broker.connect({ version });
    client.sendBytes(framed('82', `0001${none(version)}`));
    await expectDisconnect(client, ReasonCode.protocolError, ReasonCode.malformedPacket);
  });
});

describe('[MQTT-3.8.3-5] Subscription Options', () => {
  it.each([
    ['reserved bit 6', '40'],
    ['reserved bit 7', '80'],
    ['QoS 3', '03'],
    ['Retain Handling 3', '30'],
  ])('must not have %s', async (_, options) => {
    const client = await broker.connect();
    client.sendBytes(framed('82', `0001 00 ${hexString('a')} ${options}`));
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it.each(['03', '04', '80', 'ff'])(
    'before 5.0 are a QoS of two bits: %s is refused [3.1.1 MQTT-3-8.3-4]',
    async (options) => {
      const client = await broker.connect({ version: 4 });
      client.sendBytes(framed('82', `0001 ${hexString('a')} ${options}`));
      await expectDisconnect(client);
    },
  );

  it('must not be missing', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('82', `0001 00 ${hexString('a')}`));
    await expectDisconnect(client, ReasonCode.malformedPacket);
  });
});

describe('[§3.8.2.1.2] a Subscription Identifier', () => {
  it.each([
    ['0', '0b 00', ReasonCode.protocolError],
    ['twice', '0b 01 0b 02', ReasonCode.protocolError],
    ['more than 268,435,455', '0b ffffffff7f', ReasonCode.malformedPacket],
  ])('must not be %s', async (_, properties, reasonCode) => {
    const client = await broker.connect();
    client.sendBytes(framed('82', `0001 ${hexProperties(properties)} ${hexString('a')} 00`));
    await expectDisconnect(client, reasonCode);
  });
});

describe.each(versions)(
  '[MQTT-3.8.4-1] [MQTT-3.8.4-2] [3.1.1 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2] a SUBSCRIBE, at level %i',
  (version) => {
    it.each([1, 255, 256, 65_535])('is answered by a SUBACK with its Packet Identifier %i', async (packetId) => {
      const client = await broker.connect({ version });
      expect(await client.subscribe(fresh('id'), { packetId })).toMatchObject({ packetId });
    });

    it.each([0, 1, 2] as const)('is granted the QoS it asks for: %i [MQTT-3.8.4-7]', async (qos) => {
      const client = await broker.connect({ version });
      expect(await client.subscribe(fresh('granted'), { qos })).toMatchObject({ reasonCodes: [qos] });
    });

    it('takes effect before it is acknowledged', async () => {
      const topic = fresh('effect');
      const publisher = await broker.connect();
      const client = await broker.connect({ version });
      for (let round = 0; round < 20; round += 1) {
        await client.subscribe(`${topic}/${round}`, { qos: 1 });
        await publisher.publish({ topic: `${topic}/${round}`, qos: 1, payload: `${round}` });
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes(`${round}`) });
      }
    });
  },
);

describe.each(allSessions)(
  '[MQTT-3.8.4-3] [3.1.1 MQTT-3.8.4-3] a SUBSCRIBE to the same Topic Filter, $kind Session at level $version',
  ({ session }) => {
    it('replaces the Subscription: one message, at the new QoS', async () => {
      const topic = fresh('replaced');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 2 });
      await client.subscribe(topic, { qos: 0 });
      await client.publish({ topic, qos: 2, payload: 'x' });
      expect(await client.receiveMessage()).toMatchObject({ qos: 0 });
      await client.expectNothing();
      await client.subscribe(topic, { qos: 1 });
      await client.publish({ topic, qos: 2, payload: 'y' });
      expect(await client.receiveMessage()).toMatchObject({ qos: 1 });
      await client.expectNothing();
    });

    it('loses nothing meanwhile [MQTT-3.8.4-4]', async () => {
      const topic = fresh('replaced');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      const publishing = (async () => {
        for (let count = 0; count < 50; count += 1) await publisher.publish({ topic, qos: 1, payload: `${count}` });
      })();
      for (let count = 0; count < 20; count += 1) await client.subscribe(topic, { qos: count % 2 === 0 ? 2 : 1 });
      await publishing;
      for (let count = 0; count < 50; count += 1) {
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes(`${count}`) });
      }
    });

    it('sends retained messages again [MQTT-3.8.4-4]', async () => {
      const topic = fresh('replaced');
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 1, retain: true, payload: 'kept' });
      for (let count = 0; count < 2; count += 1) {
        await client.subscribe(topic, { qos: 1 });
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes('kept'), retain: true });
      }
    });

    it('in one and the same packet: the last one counts [MQTT-3.8.4-5] [3.1.1 MQTT-3.8.4-4]', async () => {
      const topic = fresh('replaced');
      const client = await broker.connect(session);
      const suback = await client.subscribeEach([
        { topicFilter: topic, qos: 2 },
        { topicFilter: topic, qos: 1 },
      ]);
      expect(suback.reasonCodes).toEqual([2, 1]);
      await client.publish({ topic, qos: 2 });
      expect(await client.receiveMessage()).toMatchObject({ qos: 1 });
      await client.expectNothing();
    });
  },
);

describe.each(versions)(
  '[MQTT-3.8.4-6] [MQTT-3.9.3-1] [3.1.1 MQTT-3.8.4-5] [3.1.1 MQTT-3.9.3-1] a SUBACK, at level %i',
  (version) => {
    it('has a code for each Topic Filter, in order', async () => {
      const level = fresh('codes');
      const client = await broker.connect({ version });
      const suback = await client.subscribeEach([
        { topicFilter: `${level}/a`, qos: 2 },
        { topicFilter: `${level}/b`, qos: 0 },
        { topicFilter: `${level}/c`, qos: 1 },
        { topicFilter: `${level}/d`, qos: 0 },
      ]);
      expect(suback.reasonCodes).toEqual([2, 0, 1, 0]);
    });

    it('refuses some and grants others', async () => {
      const topic = fresh('codes');
      const client = await broker.connect({ version });
      const suback = await client.subscribe(['a/#/b', topic], { qos: 1 });
      const refused = version === 5 ? ReasonCode.topicFilterInvalid : ReasonCode.unspecifiedError;
      expect(suback.reasonCodes).toEqual([refused, 1]);
      await client.publish({ topic, qos: 1 });
      expect(await client.receiveMessage()).toMatchObject({ topic });
    });

    it('answers many Topic Filters at once [3.1.1 MQTT-3.8.4-4]', async () => {
      const level = fresh('codes');
      const client = await broker.connect({ version });
      const topicFilters = Array.from({ length: 500 }, (_, index) => `${level}/${index}`);
      expect((await client.subscribe(topicFilters)).reasonCodes).toHaveLength(500);
      await client.publish({ topic: `${level}/499` });
      expect(await client.receiveMessage()).toMatchObject({ topic: `${level}/499` });
    });
  },
);

describe.each(allSessions)(
  '[MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-6] the QoS of a message, $kind Session at level $version',
  ({ session }) => {
    it.each([
      [0, 0, 0],
      [0, 1, 0],
      [0, 2, 0],
      [1, 0, 0],
      [1, 1, 1],
      [1, 2, 1],
      [2, 0, 0],
      [2, 1, 1],
      [2, 2, 2],
    ] as const)('published at %i, granted %i: %i', async (published, granted, expected) => {
      const topic = fresh('minimum');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: granted });
      await client.publish({ topic, qos: published, payload: 'x' });
      expect(await client.receiveMessage()).toMatchObject({ qos: expected, payload: bytes('x') });
      await client.expectNothing();
    });
  },
);

describe.each(sessionKinds)('[MQTT-3.8.3-3] No Local, $kind Session', ({ session }) => {
  it('keeps a Client’s own messages from it, and from nobody else', async () => {
    const topic = fresh('local');
    const client = await broker.connect(session);
    await client.subscribe(topic, { qos: 1, noLocal: true });
    const other = await broker.connect(session);
    await other.subscribe(topic, { qos: 1, noLocal: true });
    await client.publish({ topic, qos: 1, payload: 'mine' });
    await other.publish({ topic, qos: 1, payload: 'theirs' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('theirs') });
    expect(await other.receiveMessage()).toMatchObject({ payload: bytes('mine') });
    await client.expectNothing();
    await other.expectNothing();
  });

  it('concerns its own Subscription only: another that matches still delivers', async () => {
    const level = fresh('local');
    const client = await broker.connect(session);
    await client.subscribe(`${level}/x`, { qos: 2, noLocal: true, subscriptionIdentifier: 1 });
    await client.subscribe(`${level}/+`, { qos: 1, subscriptionIdentifier: 2 });
    await client.publish({ topic: `${level}/x`, qos: 2 });
    expect(await client.receiveMessage()).toMatchObject({ qos: 1, properties: { subscriptionIdentifiers: [2] } });
    await client.expectNothing();
  });

  it('goes when the Subscription is replaced without it', async () => {
    const topic = fresh('local');
    const client = await broker.connect(session);
    await client.subscribe(topic, { noLocal: true });
    await client.subscribe(topic, { noLocal: false });
    await client.publish({ topic });
    expect(await client.receiveMessage()).toMatchObject({ topic });
  });

  it('still holds after the Session was resumed', async () => {
    const topic = fresh('local');
    const client = await broker.connect(lasting);
    await client.subscribe(topic, { qos: 1, noLocal: true });
    await client.disconnect();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    await back.publish({ topic, qos: 1 });
    await back.expectNothing();
  });
});

describe('[MQTT-3.8.3-4] No Local on a Shared Subscription', () => {
  it('is a Protocol Error', async () => {
    const client = await broker.connect();
    client.sendBytes(framed('82', `0001 00 ${hexString('$share/group/a')} 04`));
    await expectDisconnect(client, ReasonCode.protocolError);
  });
});

describe('[§3.8.3] more Subscriptions than a Client may have', () => {
  it('are refused with Quota exceeded; those it has stay', async () => {
    await using small = await startBroker({ limits: { subscriptionsMax: 3 } });
    const client = await small.connect();
    expect((await client.subscribe(['a', 'b', 'c', 'd'])).reasonCodes).toEqual([0, 0, 0, ReasonCode.quotaExceeded]);
    // Replacing one is no more than before.
    expect((await client.subscribe('a', { qos: 1 })).reasonCodes).toEqual([1]);
    await client.unsubscribe('b');
    expect((await client.subscribe('d')).reasonCodes).toEqual([0]);
    await client.publish({ topic: 'c' });
    expect(await client.receiveMessage()).toMatchObject({ topic: 'c' });
  });
});
