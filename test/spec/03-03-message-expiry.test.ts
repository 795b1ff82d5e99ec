// MQTT 5.0 chapter 3.3.2.3.3, the Message Expiry Interval: counted down wherever a message waits.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { lasting, sessionKinds } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

const expiring = { messageExpiryInterval: 100 } as const;

/** More than a second: a Keep Alive of 1 s runs out after 1.5 s. */
async function aSecondLater(): Promise<void> {
  expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
}

/** Expects a message whose interval is less by a second at least, and not by much more. */
async function expectCountedDown(client: RawClient, payload: string): Promise<void> {
  const message = await client.receiveMessage();
  expect(message).toMatchObject({ payload: bytes(payload) });
  expect(message.properties?.messageExpiryInterval).toBeLessThan(100);
  expect(message.properties?.messageExpiryInterval).toBeGreaterThanOrEqual(90);
}

describe.concurrent('[MQTT-3.3.2-6] the Message Expiry Interval is less by the time a message waited', () => {
  it.each(sessionKinds)('for room in flight, $kind Session', async ({ session }) => {
    const topic = fresh('flight');
    const client = await broker.connect({ ...session, properties: { ...session.properties, receiveMaximum: 1 } });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'first' });
    await publisher.publish({ topic, qos: 1, payload: 'second', properties: expiring });
    const { packetId } = await client.nextOf('publish');
    await aSecondLater();
    client.acknowledge('puback', packetId);
    await expectCountedDown(client, 'second');
  });

  it.each([1, 2] as const)('for a Client that is away, at QoS %i', async (qos) => {
    const topic = fresh('away');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos, payload: 'waited', properties: expiring });
    await aSecondLater();
    await expectCountedDown(await broker.connect({ ...lasting, clientId: away.clientId }), 'waited');
  });

  it('for its acknowledgement, when it is sent again', async () => {
    const topic = fresh('again');
    const client = await broker.connect(lasting);
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'again', properties: expiring });
    expect(await client.nextOf('publish')).toMatchObject({ properties: expiring });
    client.drop();
    await aSecondLater();
    await expectCountedDown(await broker.connect({ ...lasting, clientId: client.clientId }), 'again');
  });

  it.each(sessionKinds)('as a retained message, $kind Session', async ({ session }) => {
    const topic = fresh('retained');
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, retain: true, payload: 'kept', properties: expiring });
    await aSecondLater();
    const client = await broker.connect(session);
    await client.subscribe(topic, { qos: 1 });
    await expectCountedDown(client, 'kept');
  });

  it('as a Will Message, for a Client that is away', async () => {
    const topic = fresh('will');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const client = await broker.connect({ will: { topic, payload: 'gone', qos: 1, properties: expiring } });
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('gone'), properties: expiring });
    await aSecondLater();
    await expectCountedDown(await broker.connect({ ...lasting, clientId: away.clientId }), 'gone');
  });

  it('as a Will Message that is retained', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const will = { topic, payload: 'gone', qos: 1, retain: true, properties: expiring } as const;
    const client = await broker.connect({ will });
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('gone') });
    await aSecondLater();
    const late = await broker.connect();
    await late.subscribe(topic, { qos: 1 });
    await expectCountedDown(late, 'gone');
  });

  it('but not by the Will Delay Interval, before the Will was published [§3.1.3.2.4]', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 1 });
    const client = await broker.connect({
      properties: { sessionExpiryInterval: 60 },
      will: { topic, payload: 'late', qos: 1, properties: { ...expiring, willDelayInterval: 1 } },
    });
    client.drop();
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('late'), properties: expiring });
  });
});

describe('[§3.3.2.3.3] a Message Expiry Interval of 0xFFFFFFFF', () => {
  it('is passed on, to a Client that was away as well', async () => {
    const topic = fresh('long');
    const properties = { messageExpiryInterval: 0xffff_ffff };
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, retain: true, payload: 'long', properties });
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    const late = await broker.connect();
    await late.subscribe(topic);
    for (const client of [back, late]) {
      const message = await client.receiveMessage();
      expect(message.properties?.messageExpiryInterval).toBeGreaterThan(0xffff_ffff - 10);
    }
  });
});

describe.concurrent('[§3.3.2.3.3] a Message Expiry Interval of 0', () => {
  it('ends a message that has to wait, and is never anything but 0', async () => {
    const topic = fresh('none');
    const properties = { messageExpiryInterval: 0 };
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const present = await broker.connect();
    await present.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, retain: true, payload: 'brief', properties });
    await publisher.publish({ topic, qos: 1, payload: 'next' });
    // Whether one who is there still gets it is the Server's affair.
    const first = await present.receiveMessage();
    if (first.properties?.messageExpiryInterval !== undefined) expect(first).toMatchObject({ properties });
    await aSecondLater();
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('next') });
    await back.expectNothing();
    const late = await broker.connect();
    await late.subscribe(topic);
    await late.expectNothing();
  });
});
