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

describe('[3.1 §2.1] the DUP flag of a PUBLISH at QoS 0', () => {
  it('means nothing, or ends the Network Connection; it is never passed on', async () => {
    const topic = fresh('dup');
    const watcher = await broker.connect({ version: 3 });
    await watcher.subscribe(topic);
    const client = await broker.connect({ version: 3 });
    client.sendBytes(framed('38', hexString(topic)));
    client.hangUp();
    await client.closed;
    await watcher.publish({ topic, payload: 'next' });
    const first = await watcher.receiveMessage();
    const last = first.payload.length === 0 ? await watcher.receiveMessage() : first;
    expect(first.dup).toBe(false);
    expect(last).toMatchObject({ payload: bytes('next') });
  });
});

describe('[3.1 §3.1] a Client Identifier longer than 23 characters', () => {
  it('is accepted, since many Clients of 3.1 have one', async () => {
    const client = await broker.connect({ version: 3, clientId: fresh('a-name-of-more-than-23-characters') });
    expect(client.bytesReceived).toBe('20020000');
    await client.expectNothing();
  });
});

describe('[3.1 §3.1] the Connect Flags', () => {
  it('have a reserved bit that is not looked at', async () => {
    const client = await broker.open({ version: 3 });
    const payload = hexString(fresh('reserved'));
    client.sendBytes(rawConnect({ protocolName: 'MQIsdp', protocolLevel: 3, flags: 0x03, payload }));
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
  });

  it('may announce a User Name that does not come', async () => {
    const client = await broker.open({ version: 3 });
    const payload = hexString(fresh('nameless'));
    client.sendBytes(rawConnect({ protocolName: 'MQIsdp', protocolLevel: 3, flags: 0xc2, payload }));
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
  });
});

describe('[3.1 §3.3] a PUBLISH that is not allowed', () => {
  it.each([
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const)('is acknowledged all the same, at QoS %i: 3.1 has no word for it', async (qos, type) => {
    const client = await broker.connect({ version: 3 });
    const { packetId } = client.sendPublish({ topic: '$SYS/forged', qos });
    expect(await client.next()).toMatchObject({ type, packetId });
  });
});

describe('[3.1 §3.3] one message for Clients of all versions', () => {
  it('is the same to each, in its own form', async () => {
    const topic = fresh('all');
    const clients = await Promise.all(([3, 4, 5] as const).map((version) => broker.connect({ version })));
    for (const client of clients) await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    const properties = { contentType: 'text/plain' };
    await publisher.publish({ topic, qos: 1, payload: 'to all', properties });
    for (const client of clients) {
      const message = await client.receiveMessage();
      expect(message).toMatchObject({ topic, qos: 1, payload: bytes('to all') });
      expect(message.properties?.contentType).toBe(client.version === 5 ? 'text/plain' : undefined);
    }
  });
});
