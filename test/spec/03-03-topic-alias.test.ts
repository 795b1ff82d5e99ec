// MQTT 5.0 chapter 3.3.2.3.4, Topic Aliases where something comes between an alias and its Topic Name.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { bytes, text } from '../support/payload.ts';
import { lasting } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Receives messages as a Client that knows no alias but those it was told on this Network Connection. */
async function receiveByAlias(client: RawClient, count: number): Promise<[topic: string, payload: string][]> {
  const aliases = new Map<number, string>();
  const received: [string, string][] = [];
  for (let index = 0; index < count; index += 1) {
    const { topic, payload, properties } = await client.receiveMessage();
    const alias = properties?.topicAlias;
    if (alias !== undefined && topic !== '') aliases.set(alias, topic);
    received.push([topic || (aliases.get(alias ?? 0) ?? `an alias never set: ${alias}`), text(payload)]);
  }
  return received;
}

describe('[MQTT-3.3.2-11] an alias towards a Client', () => {
  it('is not taken for told by a message that was too large to be sent', async () => {
    const topic = fresh('large');
    const client = await broker.connect({ properties: { topicAliasMaximum: 5, maximumPacketSize: 100 } });
    await client.subscribe(topic);
    for (const payload of ['x'.repeat(200), 'one', 'y'.repeat(200), 'two']) await client.publish({ topic, payload });
    expect(await receiveByAlias(client, 2)).toEqual([
      [topic, 'one'],
      [topic, 'two'],
    ]);
  });

  it.each([0, 1] as const)('does not make a message too large that fits without it, at QoS %i', async (qos) => {
    const topic = fresh('exact');
    const client = await broker.connect({ properties: { topicAliasMaximum: 5, maximumPacketSize: 100 } });
    await client.subscribe(topic, { qos });
    // Fixed Header, Topic Name, Packet Identifier, Property Length
    const overhead = 2 + (2 + topic.length) + (qos > 0 ? 2 : 0) + 1;
    await client.publish({ topic, qos, payload: 'x'.repeat(100 - overhead) });
    await client.publish({ topic, qos, payload: 'short' });
    expect(await receiveByAlias(client, 2)).toEqual([
      [topic, 'x'.repeat(100 - overhead)],
      [topic, 'short'],
    ]);
  });

  it('is told anew to a Session that is resumed, also for what is sent again [MQTT-3.3.2-7]', async () => {
    const topic = fresh('again');
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60, topicAliasMaximum: 5 } } as const;
    const client = await broker.connect(session);
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    for (const payload of ['one', 'two', 'three']) await publisher.publish({ topic, qos: 1, payload });
    for (let count = 0; count < 3; count += 1) await client.nextOf('publish');
    client.drop();
    const back = await broker.connect({ ...session, clientId: client.clientId });
    expect(await receiveByAlias(back, 3)).toEqual([
      [topic, 'one'],
      [topic, 'two'],
      [topic, 'three'],
    ]);
  });

  it('is not used where the Client that comes back takes none [MQTT-3.1.2-27]', async () => {
    const topic = fresh('none');
    const client = await broker.connect({ ...lasting, properties: { ...lasting.properties, topicAliasMaximum: 5 } });
    await client.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    for (const payload of ['one', 'two']) await publisher.publish({ topic, qos: 1, payload });
    for (let count = 0; count < 2; count += 1) await client.nextOf('publish');
    client.drop();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    for (const payload of ['one', 'two']) {
      const message = await back.receiveMessage();
      expect(message).toMatchObject({ topic, payload: bytes(payload) });
      expect(message.properties?.topicAlias).toBeUndefined();
    }
  });

  it('means one topic at a time, when there are more topics than aliases', async () => {
    const topics = Array.from({ length: 8 }, (_, index) => fresh(`topic-${index}`));
    const client = await broker.connect({ properties: { topicAliasMaximum: 3 } });
    await client.subscribe(topics);
    const sent = [...topics, ...topics.toReversed(), ...topics].map((topic) => [topic, topic] as [string, string]);
    for (const [topic, payload] of sent) await client.publish({ topic, payload });
    expect(await receiveByAlias(client, sent.length)).toEqual(sent);
  });

  it('is not passed on from the publisher, who has aliases of its own [§3.3.2.3.4]', async () => {
    const topic = fresh('own');
    const client = await broker.connect();
    await client.subscribe(topic);
    const publisher = await broker.connect();
    await publisher.publish({ topic, payload: 'one', properties: { topicAlias: 7 } });
    await publisher.publish({ topic: '', payload: 'two', properties: { topicAlias: 7 } });
    for (const payload of ['one', 'two']) {
      const message = await client.receiveMessage();
      expect(message).toMatchObject({ topic, payload: bytes(payload) });
      expect(message.properties?.topicAlias).toBeUndefined();
    }
  });
});

describe('[MQTT-3.3.2-12] an alias from a Client', () => {
  it('is set by a PUBLISH that is refused, too', async () => {
    const client = await broker.connect();
    const refused = { type: 'puback', reasonCode: ReasonCode.notAuthorized };
    const properties = { topicAlias: 1 };
    expect(await client.publish({ topic: '$SYS/refused', qos: 1, properties })).toMatchObject(refused);
    expect(await client.publish({ topic: '', qos: 1, properties })).toMatchObject(refused);
  });

  it('stands for the topic of a retained message, and is not retained with it', async () => {
    const topic = fresh('kept');
    const client = await broker.connect();
    await client.publish({ topic, payload: 'set', properties: { topicAlias: 3 } });
    await client.publish({ topic: '', qos: 1, retain: true, payload: 'kept', properties: { topicAlias: 3 } });
    const late = await broker.connect();
    await late.subscribe(topic);
    const message = await late.receiveMessage();
    expect(message).toMatchObject({ topic, payload: bytes('kept'), retain: true });
    expect(message.properties?.topicAlias).toBeUndefined();
  });

  it('can be 1 and the largest that is allowed, in one conversation', async () => {
    const [low, high] = [fresh('low'), fresh('high')];
    const client = await broker.connect();
    await client.subscribe([low, high]);
    const largest = client.connack.properties?.topicAliasMaximum ?? 0;
    await client.publish({ topic: low, payload: 'set', properties: { topicAlias: 1 } });
    await client.publish({ topic: high, payload: 'set', properties: { topicAlias: largest } });
    await client.publish({ topic: '', payload: 'low', properties: { topicAlias: 1 } });
    await client.publish({ topic: '', payload: 'high', properties: { topicAlias: largest } });
    expect(await receiveByAlias(client, 4)).toEqual([
      [low, 'set'],
      [high, 'set'],
      [low, 'low'],
      [high, 'high'],
    ]);
  });

  it('is resolved in a QoS 2 PUBLISH that is sent again, and the message is delivered once', async () => {
    const topic = fresh('twice');
    const client = await broker.connect();
    const watcher = await broker.connect();
    await watcher.subscribe(topic, { qos: 2 });
    await client.publish({ topic, payload: 'set', properties: { topicAlias: 2 } });
    client.sendPublish({ topic: '', qos: 2, packetId: 9, payload: 'two', properties: { topicAlias: 2 } });
    await client.nextOf('pubrec');
    client.sendPublish({ topic: '', qos: 2, packetId: 9, payload: 'two', dup: true, properties: { topicAlias: 2 } });
    await client.nextOf('pubrec');
    client.acknowledge('pubrel', 9);
    await client.nextOf('pubcomp');
    expect(await receiveByAlias(watcher, 2)).toEqual([
      [topic, 'set'],
      [topic, 'two'],
    ]);
    await watcher.expectNothing();
  });
});
