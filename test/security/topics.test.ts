// S12: topics that are nothing but levels. Whoever matched them by recursion would run out of stack, and whoever looked
// at every way to match them out of time.

import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectRefusal } from '../support/ending.ts';
import { hexProperties, hexString, rawConnect } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const slashes = '/'.repeat(65_535);
const pluses = '+/'.repeat(32_767);

describe('S12: 65,535 slashes', () => {
  it('are no topic that is taken: refused as name, as filter and as Will Topic, and the Client stays', async () => {
    await using broker = await startBroker();
    const client = await broker.connect();
    for (const topicFilter of [slashes, pluses, `${pluses}#`, `${'/'.repeat(65_000)}#`]) {
      expect(await client.subscribe(topicFilter)).toMatchObject({ reasonCodes: [ReasonCode.topicFilterInvalid] });
    }
    expect(await client.publish({ topic: slashes, qos: 1 })).toMatchObject({ reasonCode: ReasonCode.topicNameInvalid });
    await client.expectNothing();
    const hostile = await broker.open();
    const will = hexProperties('') + hexString(slashes) + hexString('');
    hostile.sendBytes(rawConnect({ flags: 0x06, payload: hexString('hostile') + will }));
    await expectRefusal(hostile, ReasonCode.topicNameInvalid);
  });

  it('are matched without recursion, and in time, by a Server that was told to take them', async () => {
    await using broker = await startBroker({ limits: { topicLevelsMax: 65_535, topicBytesMax: 65_535 } });
    const client = await broker.connect();
    const deep = slashes.slice(1);
    const filters = [deep, `${pluses}+`, `${pluses}#`, `${'/'.repeat(65_000)}#`, '#', '/+/#'];
    for (const topicFilter of filters) await client.subscribe(topicFilter, { qos: 1 });
    await client.publish({ topic: deep, qos: 1, payload: 'deep' });
    expect(await client.receiveMessage()).toMatchObject({ topic: deep, payload: bytes('deep') });
    await client.publish({ topic: '/'.repeat(32_767), qos: 1, payload: 'retained', retain: true });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('retained') });
    const late = await broker.connect();
    await late.subscribe(`${pluses}+`, { qos: 1 });
    expect(await late.receiveMessage()).toMatchObject({ payload: bytes('retained'), retain: true });
    for (const topicFilter of filters) await client.unsubscribe(topicFilter);
    await client.expectNothing();
  });
});

describe('S12: every filter of + and one word over nine levels, 512 of them', () => {
  it('is matched once each, and a topic under none of them is found so', async () => {
    await using broker = await startBroker({ limits: { subscriptionsMax: 1000 } });
    const client = await broker.connect();
    const shapes = Array.from({ length: 512 }, (_, i) =>
      Array.from({ length: 9 }, (__, level) => ((i >> level) & 1 ? '+' : 'a')).join('/'),
    );
    for (const [i, topicFilter] of shapes.entries()) {
      await client.subscribe(topicFilter, { qos: 1, subscriptionIdentifier: i + 1 });
    }
    await client.publish({ topic: 'a/a/a/a/a/a/a/a/a', qos: 1 });
    const { properties } = await client.receiveMessage();
    expect(properties?.subscriptionIdentifiers?.toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 512 }, (_, i) => i + 1),
    );
    // Only where every level but one may be anything.
    await client.publish({ topic: 'b/b/b/b/b/b/b/b/a', qos: 1 });
    expect((await client.receiveMessage()).properties?.subscriptionIdentifiers?.toSorted()).toHaveLength(2);
    await client.publish({ topic: 'b/b/b/b/b/b/b/b', qos: 1 });
    await client.expectNothing();
  });
});
