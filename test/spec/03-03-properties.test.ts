// MQTT 5.0 chapter 3.3.2.3, properties on their way through: whatever they are, and whichever way the message goes.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { lasting } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** All that may be passed on, with values that a careless Server takes for nothing. */
const nearlyNothing = {
  payloadFormatIndicator: 0,
  contentType: '',
  correlationData: new Uint8Array(0),
  responseTopic: '/',
  userProperties: [
    ['', ''],
    ['b', ''],
    ['', 'a'],
    ['b', ''],
  ],
} as const;

/** All of them, with values that stand out. */
const plenty = {
  payloadFormatIndicator: 1,
  contentType: 'text/plain; charset=utf-8',
  correlationData: Uint8Array.of(0, 255, 0, 1),
  responseTopic: 'answers/here/über',
  userProperties: [
    ['z', '1'],
    ['a', '水🌊'],
    ['z', '0'],
  ],
} as const;

/** Who is to see a message: present, away, and to come. */
async function three(topic: string): Promise<[RawClient, () => Promise<RawClient>, () => Promise<RawClient>]> {
  const present = await broker.connect();
  await present.subscribe(topic, { qos: 2 });
  const away = await broker.connect(lasting);
  await away.subscribe(topic, { qos: 2 });
  await away.disconnect();
  const late = async (): Promise<RawClient> => {
    const client = await broker.connect();
    await client.subscribe(topic, { qos: 2 });
    return client;
  };
  return [present, () => broker.connect({ ...lasting, clientId: away.clientId }), late];
}

describe.each([
  ['as good as empty', nearlyNothing],
  ['full', plenty],
])(
  '[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20] properties, %s',
  (_, properties) => {
    it.each([0, 1, 2] as const)('reach who is there, who was away, and who comes later, from QoS %i', async (qos) => {
      const topic = fresh('properties');
      const [present, back, late] = await three(topic);
      const publisher = await broker.connect();
      await publisher.publish({ topic, qos, retain: true, payload: 'x', properties });
      expect((await present.receiveMessage()).properties).toEqual(properties);
      if (qos > 0) expect((await (await back()).receiveMessage()).properties).toEqual(properties);
      expect((await (await late()).receiveMessage()).properties).toEqual(properties);
    });

    it('of a Will reach them all as well [MQTT-3.1.3-10]', async () => {
      const topic = fresh('will');
      const [present, back, late] = await three(topic);
      const client = await broker.connect({ will: { topic, payload: 'gone', qos: 1, retain: true, properties } });
      client.drop();
      expect((await present.receiveMessage()).properties).toEqual(properties);
      expect((await (await back()).receiveMessage()).properties).toEqual(properties);
      expect((await (await late()).receiveMessage()).properties).toEqual(properties);
    });
  },
);

describe('[MQTT-3.3.1-7] a Will with RETAIN 1 and an empty payload', () => {
  it('removes the retained message, and is not stored in its place', async () => {
    const topic = fresh('will');
    const watcher = await broker.connect();
    await watcher.publish({ topic, qos: 1, retain: true, payload: 'online' });
    await watcher.subscribe(topic);
    expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('online') });
    const client = await broker.connect({ will: { topic, payload: '', retain: true } });
    client.drop();
    expect((await watcher.receiveMessage()).payload).toHaveLength(0);
    const late = await broker.connect();
    await late.subscribe(topic);
    await late.expectNothing();
  });
});

describe('[MQTT-3.1.2-25] a retained message larger than the Maximum Packet Size of a new subscriber', () => {
  it.each([0, 1, 2] as const)('is left out at QoS %i, and those after it come', async (qos) => {
    const level = fresh('mixed');
    const publisher = await broker.connect();
    const sizes = [300, 10, 300, 300, 11, 12];
    for (const [index, size] of sizes.entries()) {
      await publisher.publish({ topic: `${level}/${index}`, qos: 1, retain: true, payload: 'x'.repeat(size) });
    }
    const client = await broker.connect({ properties: { maximumPacketSize: 100, receiveMaximum: 1 } });
    await client.subscribe(`${level}/+`, { qos });
    const lengths = [];
    for (let count = 0; count < 3; count += 1) lengths.push((await client.receiveMessage()).payload.length);
    expect(lengths.toSorted()).toEqual([10, 11, 12]);
    await client.expectNothing();
  });
});

describe('[MQTT-3.1.2-25] a message in the queue larger than what the Client takes when it comes back', () => {
  it('is left out, and those after it come', async () => {
    const topic = fresh('shrunk');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    // One that was begun while there was room for it, one that was not.
    await publisher.publish({ topic, qos: 1, payload: 'b'.repeat(300) });
    await away.nextOf('publish');
    away.drop();
    await publisher.publish({ topic, qos: 1, payload: 'x'.repeat(300) });
    await publisher.publish({ topic, qos: 1, payload: 'fits' });
    const back = await broker.connect({
      cleanStart: false,
      clientId: away.clientId,
      properties: { sessionExpiryInterval: 60, maximumPacketSize: 100, receiveMaximum: 1 },
    });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('fits') });
    await back.expectNothing();
  });
});
