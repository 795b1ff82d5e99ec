// MQTT 3.1 (MQIsdp) where it says something else than 3.1.1. What is the same in all versions is tested with 5.0.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { framed, hexNumber, hexString, rawConnect } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe('[3.1 §3.1] the protocol name', () => {
  it('is MQIsdp, at level 3', async () => {
    const client = await broker.open({ version: 3 });
    client.sendBytes(rawConnect({ protocolName: 'MQIsdp', protocolLevel: 3, payload: hexString(fresh('old')) }));
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
    expect(client.bytesReceived).toBe('20020000');
    await client.expectNothing();
  });

  it.each([
    ['MQTT', 3],
    ['MQIsdp', 4],
    ['MQIsdp', 5],
  ])('and its level belong together: %s at level %i is refused', async (protocolName, protocolLevel) => {
    const client = await broker.open({ version: 3 });
    client.sendBytes(rawConnect({ protocolName, protocolLevel }));
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toMatch(/^(|20020001|20..0084.*)$/);
  });
});

describe('[3.1 §3.1] the Client Identifier', () => {
  it.each([true, false])('must not be empty, with Clean Session %s', async (cleanStart) => {
    const client = await broker.attempt({ version: 3, clientId: '', cleanStart });
    expect(client.bytesReceived).toBe('20020002');
    expect(await client.closed).toBe(true);
  });
});

describe('[3.1 §3.2] CONNACK', () => {
  it('does not know Session Present, though the Session is resumed', async () => {
    const topic = fresh('resumed');
    const client = await broker.connect({ version: 3, cleanStart: false });
    await client.subscribe(topic, { qos: 1 });
    await client.disconnect();
    const back = await broker.connect({ version: 3, clientId: client.clientId, cleanStart: false });
    expect(back.bytesReceived).toBe('20020000');
    await back.publish({ topic, qos: 1, payload: 'still subscribed' });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('still subscribed') });
  });
});

describe('[3.1 §2.1] the DUP flag of PUBREL, SUBSCRIBE and UNSUBSCRIBE', () => {
  it('may be 1: in 3.1 those are sent again, too', async () => {
    const topic = fresh('dup');
    const client = await broker.connect({ version: 3 });
    client.sendBytes(framed('8a', `0001 ${hexString(topic)} 01`));
    expect(await client.next()).toMatchObject({ type: 'suback', packetId: 1, reasonCodes: [1] });
    client.sendPublish({ topic: fresh('other'), qos: 2, packetId: 2 });
    expect(await client.next()).toMatchObject({ type: 'pubrec', packetId: 2 });
    client.sendBytes('6a 02 0002');
    expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId: 2 });
    client.sendBytes(framed('aa', `0003 ${hexString(topic)}`));
    expect(await client.next()).toMatchObject({ type: 'unsuback', packetId: 3 });
  });
});

describe('[3.1 §3.8] SUBACK', () => {
  it('grants the QoS asked for', async () => {
    const client = await broker.connect({ version: 3 });
    await client.subscribeEach(
      [0, 1, 2].map((qos) => ({ topicFilter: fresh('granted'), qos: qos as 0 | 1 | 2 })),
      { packetId: 0x0102 },
    );
    expect(client.bytesReceived.endsWith(framed('90', `${hexNumber(0x0102, 2)} 00 01 02`))).toBe(true);
  });
});

describe('[3.1 §3.14] a Server of 3.1', () => {
  it('says nothing when it closes', async () => {
    const client = await broker.connect({ version: 3 });
    client.sendBytes('0000');
    expect(await client.closed).toBe(true);
    expect(client.bytesReceived).toBe('20020000');
  });
});
