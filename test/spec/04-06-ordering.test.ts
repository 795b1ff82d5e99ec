// MQTT 5.0 chapter 4.6, order: of messages per topic and QoS, and of acknowledgements.

import type { QoS } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { text } from '../support/payload.ts';
import { allSessions, lasting, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** The payloads of the next messages. */
async function payloads(client: RawClient, count: number): Promise<string[]> {
  const seen: string[] = [];
  for (let index = 0; index < count; index += 1) seen.push(text((await client.receiveMessage()).payload));
  return seen;
}

describe.each(allSessions)(
  '[MQTT-4.6.0-5] [MQTT-4.6.0-6] [3.1.1 MQTT-4.6.0-5] [3.1.1 MQTT-4.6.0-6] messages of one Client to one topic, $kind Session at level $version',
  ({ version, session }) => {
    it.each([0, 1, 2] as const)('arrive in the order they were sent, at QoS %i', async (qos) => {
      const topic = fresh('order');
      const subscriber = await broker.connect(session);
      await subscriber.subscribe(topic, { qos });
      const publisher = await broker.connect(session);
      const sent = Array.from({ length: 200 }, (_, index) => `${index}`);
      // Several at once, as far as 3.x may have in flight.
      for (let start = 0; start < sent.length; start += 20) {
        const batch = sent.slice(start, start + 20);
        publisher.sendTogether(batch.map((payload) => publisher.publishPacket({ topic, qos, payload })));
        for (const _ of qos === 2 ? batch : []) {
          publisher.acknowledge('pubrel', (await publisher.nextOf('pubrec')).packetId);
        }
      }
      expect(await payloads(subscriber, 200)).toEqual(sent);
    });

    it('arrive in order also when the Client acknowledges late and out of order', async () => {
      const topic = fresh('order');
      const subscriber = await broker.connect(session);
      await subscriber.subscribe(topic, { qos: 1 });
      const publisher = await broker.connect();
      const sent = Array.from({ length: 60 }, (_, index) => `${index}`);
      for (const payload of sent) await publisher.publish({ topic, qos: 1, payload });
      const seen: string[] = [];
      while (seen.length < sent.length) {
        const batch: number[] = [];
        do {
          const message = await subscriber.nextOf('publish');
          seen.push(text(message.payload));
          batch.push(message.packetId);
        } while (batch.length < 10);
        for (const packetId of batch.reverse()) subscriber.acknowledge('puback', packetId);
      }
      expect(seen).toEqual(sent);
    });

    it('arrive in order across the moment when the Session comes back', async () => {
      const topic = fresh('order');
      const away = await broker.connect({ version, ...lasting });
      await away.subscribe(topic, { qos: 1 });
      await away.disconnect();
      const publisher = await broker.connect();
      const sent = Array.from({ length: 300 }, (_, index) => `${index}`);
      const publishing = (async () => {
        for (const payload of sent) await publisher.publish({ topic, qos: 1, payload });
      })();
      const back = await broker.connect({ version, ...lasting, clientId: away.clientId });
      const seen = await payloads(back, 300);
      await publishing;
      expect(seen).toEqual(sent);
    });
  },
);

describe.each(versions)(
  '[MQTT-4.6.0-2] [MQTT-4.6.0-3] [3.1.1 MQTT-4.6.0-2] [3.1.1 MQTT-4.6.0-3] acknowledgements from the Server, at level %i',
  (version) => {
    it('come in the order of the PUBLISHes, QoS 1 and 2 and whoever is subscribed', async () => {
      const busy = fresh('busy');
      const subscribers = [await broker.connect(lasting), await broker.connect(lasting), await broker.connect()];
      for (const subscriber of subscribers) await subscriber.subscribe(busy, { qos: 2 });
      await subscribers[0]?.disconnect();

      const client = await broker.connect({ version });
      const packets = Array.from({ length: 24 }, (_, index) =>
        client.publishPacket({
          topic: index % 3 === 0 ? busy : fresh('quiet'),
          qos: (1 + (index % 2)) as QoS,
          packetId: 500 + index,
        }),
      );
      client.sendTogether(packets);
      for (const { packetId, qos } of packets) {
        expect(await client.next()).toMatchObject({ type: qos === 1 ? 'puback' : 'pubrec', packetId });
      }
    });

    it('PUBCOMPs come in the order of the PUBRELs', async () => {
      const client = await broker.connect({ version });
      const packetIds = [11, 12, 13, 14];
      for (const packetId of packetIds) client.sendPublish({ topic: fresh('released'), qos: 2, packetId });
      for (const _ of packetIds) await client.nextOf('pubrec');
      client.sendTogether(
        packetIds.map((packetId) => ({ type: 'pubrel', packetId, reasonCode: 0, properties: undefined }) as const),
      );
      for (const packetId of packetIds) expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId });
    });
  },
);

describe.each(versions)('[MQTT-4.6.0-4] [3.1.1 MQTT-4.6.0-4] PUBRELs from the Server, at level %i', (version) => {
  it('come in the order of the PUBRECs', async () => {
    const topic = fresh('pubrel');
    const client = await broker.connect({ version });
    await client.subscribe(topic, { qos: 2 });
    const publisher = await broker.connect();
    for (let count = 0; count < 4; count += 1) await publisher.publish({ topic, qos: 2 });
    const packetIds: number[] = [];
    for (let count = 0; count < 4; count += 1) packetIds.push((await client.nextOf('publish')).packetId);
    const order = [packetIds[2], packetIds[0], packetIds[3], packetIds[1]] as number[];
    for (const packetId of order) client.acknowledge('pubrec', packetId);
    for (const packetId of order) expect(await client.nextOf('pubrel')).toMatchObject({ packetId });
  });
});

describe('[§4.6] publishers on their own', () => {
  it('each keep their order, whatever happens between them', async () => {
    const topic = fresh('order');
    const subscriber = await broker.connect();
    await subscriber.subscribe(topic, { qos: 1 });
    const publishers = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => ({ name, client: await broker.connect() })),
    );
    const publishing = publishers.map(async ({ name, client }) => {
      for (let index = 0; index < 50; index += 1) await client.publish({ topic, qos: 1, payload: `${name}${index}` });
    });
    const seen = await payloads(subscriber, 150);
    await Promise.all(publishing);
    for (const { name } of publishers) {
      const own = seen.filter((payload) => payload.startsWith(name));
      expect(own).toEqual(Array.from({ length: 50 }, (_, index) => `${name}${index}`));
    }
  });
});
