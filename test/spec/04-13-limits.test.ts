// MQTT 5.0 chapter 4.13.2, errors that the sender cannot foresee: limits that are the Server's own.

import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { until } from '../support/deadline.ts';
import { expectSilentClose } from '../support/ending.ts';
import { bytes } from '../support/payload.ts';

describe('[§4.13.2] more User Properties than the Server passes on', () => {
  it.each([
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const)('are answered Quota exceeded, at QoS %i, and go nowhere', async (qos, type) => {
    await using broker = await startBroker({ limits: { userPropertiesMax: 2 } });
    const client = await broker.connect();
    await client.subscribe('a', { qos: 2 });
    const userProperties = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ] as const;
    expect(await client.publish({ topic: 'a', qos, properties: { userProperties } })).toMatchObject({
      type,
      reasonCode: ReasonCode.quotaExceeded,
    });
    await client.publish({
      topic: 'a',
      qos,
      payload: 'fewer',
      properties: { userProperties: userProperties.slice(1) },
    });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('fewer') });
  });
});

describe('[§3.3.1.3] more retained messages than the Server keeps', () => {
  it('are delivered and not kept; those kept can be replaced, and removing one makes room', async () => {
    await using broker = await startBroker({ limits: { retainedMaxMessages: 2 } });
    const client = await broker.connect();
    await client.subscribe('+', { qos: 1 });
    for (const topic of ['a', 'b', 'c']) {
      await client.publish({ topic, qos: 1, payload: topic, retain: true });
      expect(await client.receiveMessage()).toMatchObject({ topic });
    }
    await client.publish({ topic: 'a', qos: 1, payload: 'new', retain: true });
    await client.receiveMessage();
    const late = await broker.connect();
    await late.subscribe('+', { qos: 1 });
    const kept = [await late.receiveMessage(), await late.receiveMessage()];
    expect(kept.map(({ topic }) => topic).toSorted()).toEqual(['a', 'b']);
    expect(kept.find(({ topic }) => topic === 'a')).toMatchObject({ payload: bytes('new') });

    await client.publish({ topic: 'b', qos: 1, retain: true });
    await client.publish({ topic: 'c', qos: 1, payload: 'now', retain: true });
    const later = await broker.connect();
    await later.subscribe('c', { qos: 1 });
    expect(await later.receiveMessage()).toMatchObject({ payload: bytes('now'), retain: true });
  });
});

describe('[§3.1.3] a Will Message that the Server does not take', () => {
  it('because it is too large', async () => {
    await using broker = await startBroker({ limits: { willMaxBytes: 10 } });
    const refused = await broker.attempt({ will: { topic: 'w', payload: 'x'.repeat(11) } });
    expect([ReasonCode.quotaExceeded, ReasonCode.packetTooLarge]).toContain(refused.connack.reasonCode);
    expect(await refused.closed).toBe(true);
    await broker.connect({ will: { topic: 'w', payload: 'x'.repeat(10) } });
  });

  it('because its topic is the Server’s own', async () => {
    await using broker = await startBroker();
    const refused = await broker.attempt({ will: { topic: '$SYS/fake' } });
    expect(refused.connack.reasonCode).toBe(ReasonCode.notAuthorized);
    expect(await refused.closed).toBe(true);
  });
});

describe('[§4.13.2] more Network Connections than the Server has room for', () => {
  it('are closed at once; when one goes there is room again', async () => {
    await using broker = await startBroker({ limits: { connectionsMax: 2 } });
    const one = await broker.connect();
    const two = await broker.connect();
    await expectSilentClose(await broker.open());
    await one.disconnect();
    const next = await until('room for another', () => broker.connect().catch(() => undefined));
    await next.expectNothing();
    await two.expectNothing();
  });
});

describe('[§4.1] Sessions and their owners', () => {
  it('a Client Identifier of 5.0 and 3.1.1 is one Session, and a refusal by either does not touch it', async () => {
    await using broker = await startBroker({ limits: { clientIdBytesMax: 23 } });
    const name = 'exactly-twenty-three-by';
    const young = await broker.connect({ clientId: name, properties: { sessionExpiryInterval: 60 } });
    await young.subscribe('a', { qos: 1 });
    const refused = await broker.attempt({ version: 4, clientId: `${name}x` });
    expect(refused.bytesReceived).toBe('20020002');
    await young.expectNothing();
    const old = await broker.connect({ version: 4, clientId: name, cleanStart: false });
    expect(await young.closed).toBe(true);
    await old.publish({ topic: 'a', qos: 1 });
    expect(await old.receiveMessage()).toMatchObject({ topic: 'a' });
  });
});
