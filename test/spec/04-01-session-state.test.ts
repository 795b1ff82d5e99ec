// MQTT 5.0 chapters 4.1 and 3.1.2.4: what a Session keeps while its Client is away, and within which limits.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes, text } from '../support/payload.ts';
import { lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(versions)('[§4.1] [3.1.1 MQTT-4.1.0-1] the state of a Session that is away, at level %i', (version) => {
  it('holds its Subscriptions with all their options', async () => {
    const topic = fresh('state');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1, retainAsPublished: true, subscriptionIdentifier: 12 });
    await client.disconnect();
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    await back.publish({ topic, qos: 2, retain: true, payload: 'x' });
    const message = await back.receiveMessage();
    expect(message.qos).toBe(1);
    expect(message.retain).toBe(version === 5);
    if (version === 5) expect(message.properties?.subscriptionIdentifiers).toEqual([12]);
  });

  it('holds QoS 1 and 2 messages that came for it, and gives them at the granted QoS', async () => {
    const level = fresh('state');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribeEach([
      { topicFilter: `${level}/1`, qos: 1 },
      { topicFilter: `${level}/2`, qos: 2 },
    ]);
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic: `${level}/1`, qos: 2, payload: 'a' });
    await publisher.publish({ topic: `${level}/2`, qos: 2, payload: 'b' });
    await publisher.publish({ topic: `${level}/2`, qos: 1, payload: 'c' });
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('a'), qos: 1 });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('b'), qos: 2 });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('c'), qos: 1 });
    await back.expectNothing();
  });

  it('holds no QoS 0 messages', async () => {
    const topic = fresh('state');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 0, payload: 'gone' });
    await publisher.publish({ topic, qos: 1, payload: 'kept' });
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('kept') });
    await back.expectNothing();
  });

  it('holds which QoS 2 messages of the Client were received and not released', async () => {
    const topic = fresh('state');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 2 });
    const client = await broker.connect({ version, ...lasting });
    client.sendPublish({ topic, qos: 2, packetId: 21, payload: 'once' });
    await client.nextOf('pubrec');
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('once') });
    client.drop();

    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    back.sendPublish({ topic, qos: 2, packetId: 21, payload: 'once', dup: true });
    expect(await back.nextOf('pubrec')).toMatchObject({ packetId: 21 });
    back.acknowledge('pubrel', 21);
    expect(await back.nextOf('pubcomp')).toMatchObject({ packetId: 21, reasonCode: ReasonCode.success });
    await watcher.expectNothing();
  });

  it('is still there after it was away several times', async () => {
    const topic = fresh('state');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 1 });
    await client.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'patient' });
    for (let count = 0; count < 3; count += 1) {
      const visit = await broker.connect({ version, clientId: client.clientId, ...lasting });
      expect(await visit.nextOf('publish')).toMatchObject({ payload: bytes('patient') });
      // It goes without acknowledging.
      await visit.disconnect();
    }
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('patient'), dup: true });
    await back.expectNothing();
  });
});

describe('[§4.1] the queue of a Session that is away', () => {
  it('takes as many messages as it may, drops the newest beyond, and counts them', async () => {
    await using small = await startBroker({ limits: { queueMaxMessages: 3 } });
    const away = await small.connect(lasting);
    await away.subscribe('queue', { qos: 1 });
    await away.disconnect();
    const publisher = await small.connect();
    for (const payload of ['1', '2', '3', '4', '5']) {
      await publisher.publish({ topic: 'queue', qos: 1, payload });
    }
    await small.untilMetric('mqtt_messages_dropped_total', { reason: 'queue_full' }, 2);
    const back = await small.connect({ ...lasting, clientId: away.clientId });
    for (const payload of ['1', '2', '3']) {
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes(payload) });
    }
    await back.expectNothing();
    // There is room again.
    await publisher.publish({ topic: 'queue', qos: 1, payload: '6' });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('6') });
  });

  it('can make room by dropping the oldest', async () => {
    await using small = await startBroker({ limits: { queueMaxMessages: 3, queueFull: 'drop-old' } });
    const away = await small.connect(lasting);
    await away.subscribe('queue', { qos: 1 });
    await away.disconnect();
    const publisher = await small.connect();
    for (const payload of ['1', '2', '3', '4', '5']) {
      await publisher.publish({ topic: 'queue', qos: 1, payload });
    }
    await small.untilMetric('mqtt_messages_dropped_total', { reason: 'queue_full' }, 2);
    const back = await small.connect({ ...lasting, clientId: away.clientId });
    for (const payload of ['3', '4', '5']) {
      expect(await back.receiveMessage()).toMatchObject({ payload: bytes(payload) });
    }
    await back.expectNothing();
  });

  it('can refuse the publisher, who is told Quota exceeded', async () => {
    await using small = await startBroker({ limits: { queueMaxMessages: 1, queueFull: 'refuse' } });
    const away = await small.connect(lasting);
    await away.subscribe('queue', { qos: 2 });
    await away.disconnect();
    const publisher = await small.connect();
    expect(await publisher.publish({ topic: 'queue', qos: 1, payload: '1' })).toMatchObject({ reasonCode: 0 });
    expect(await publisher.publish({ topic: 'queue', qos: 1, payload: '2' })).toMatchObject({
      type: 'puback',
      reasonCode: ReasonCode.quotaExceeded,
    });
    expect(await publisher.publish({ topic: 'queue', qos: 2, payload: '3' })).toMatchObject({
      type: 'pubrec',
      reasonCode: ReasonCode.quotaExceeded,
    });
    const back = await small.connect({ ...lasting, clientId: away.clientId });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('1') });
    await back.expectNothing();
  });

  it('takes as many bytes as it may', async () => {
    await using small = await startBroker({ limits: { queueMaxBytes: 10_000 } });
    const away = await small.connect(lasting);
    await away.subscribe('queue', { qos: 1 });
    await away.disconnect();
    const publisher = await small.connect();
    for (let count = 0; count < 5; count += 1) {
      await publisher.publish({ topic: 'queue', qos: 1, payload: 'x'.repeat(4000) });
    }
    const dropped = await small.metric('mqtt_messages_dropped_total', { reason: 'queue_full' });
    expect(dropped).toBeGreaterThanOrEqual(2);
    expect(dropped).toBeLessThanOrEqual(4);
    const back = await small.connect({ ...lasting, clientId: away.clientId });
    for (let count = 0; count < 5 - dropped; count += 1) await back.receiveMessage();
    await back.expectNothing();
  });

  it.each([
    ['ends with its Network Connection', 0],
    ['lasts', 60],
  ])('is as limited while the Client is there and does not acknowledge, for a Session that %s', async (_, expiry) => {
    await using small = await startBroker({ limits: { queueMaxMessages: 3 } });
    const slow = await small.connect({ properties: { receiveMaximum: 1, sessionExpiryInterval: expiry } });
    await slow.subscribe('queue', { qos: 1 });
    const publisher = await small.connect();
    for (const payload of ['1', '2', '3', '4', '5', '6']) {
      await publisher.publish({ topic: 'queue', qos: 1, payload });
    }
    // Whether the one in flight counts is the Server's affair; that every message has a fate is ours.
    const dropped = await small.metric('mqtt_messages_dropped_total', { reason: 'queue_full' });
    expect([2, 3]).toContain(dropped);
    for (const payload of ['1', '2', '3', '4'].slice(0, 6 - dropped)) {
      expect(await slow.receiveMessage()).toMatchObject({ payload: bytes(payload) });
    }
    await slow.expectNothing();
  });

  it('is no matter of other subscribers: they get everything', async () => {
    await using small = await startBroker({ limits: { queueMaxMessages: 1 } });
    const away = await small.connect(lasting);
    await away.subscribe('queue', { qos: 1 });
    await away.disconnect();
    const present = await small.connect();
    await present.subscribe('queue', { qos: 1 });
    for (const payload of ['1', '2', '3']) {
      expect(await present.publish({ topic: 'queue', qos: 1, payload })).toMatchObject({ reasonCode: 0 });
      expect(await present.receiveMessage()).toMatchObject({ payload: bytes(payload) });
    }
  });
});

describe.each(versions)('[§4.1] a long absence, at level %i', (version) => {
  it('ends with everything that came meanwhile, in order and once', async () => {
    const topic = fresh('absence');
    const client = await broker.connect({ version, ...lasting });
    await client.subscribe(topic, { qos: 2 });
    await client.disconnect();
    const publisher = await broker.connect();
    for (let index = 0; index < 200; index += 1) {
      await publisher.publish({ topic, qos: index % 2 === 0 ? 1 : 2, payload: `${index}` });
    }
    const back = await broker.connect({ version, clientId: client.clientId, ...lasting });
    for (let index = 0; index < 200; index += 1) {
      expect(text((await back.receiveMessage()).payload)).toBe(`${index}`);
    }
    await back.expectNothing();
  });
});
