// MQTT 5.0 chapter 3.3.1.3, RETAIN: the last message of a topic, for those who come later.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import type { RawClient } from '../support/client.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { allSessions, lasting, sessionKinds } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** Retains messages at QoS 1, so that they are stored when this returns. */
async function retain(client: RawClient, messages: Readonly<Record<string, string>>): Promise<void> {
  for (const [topic, payload] of Object.entries(messages)) {
    await client.publish({ topic, payload, qos: 1, retain: true });
  }
}

/** The payloads of the next messages, in any order. */
async function payloads(client: RawClient, count: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    seen.add(Buffer.from((await client.receiveMessage()).payload).toString());
  }
  return seen;
}

/**
 * Proves that no retained message is on its way: those of a later Subscription come next.
 */
async function expectNoneRetained(client: RawClient): Promise<void> {
  const topic = fresh('sentinel');
  await retain(client, { [topic]: 'sentinel' });
  await client.subscribe(topic);
  expect(await client.receiveMessage()).toMatchObject({ topic });
}

describe.each(allSessions)(
  '[MQTT-3.3.1-5] [3.1.1 MQTT-3.3.1-5] a PUBLISH with RETAIN 1, $kind Session at level $version',
  ({ session }) => {
    it.each([0, 1, 2] as const)('is stored with its QoS %i, for subscribers to come', async (qos) => {
      const topic = fresh('retained');
      const client = await broker.connect(session);
      const witness = await broker.connect();
      await witness.subscribe(topic);
      await client.publish({ topic, qos, payload: 'kept', retain: true });
      // Whoever is there has it after it was stored: at QoS 0 nothing else tells.
      await witness.receiveMessage();
      const late = await broker.connect(session);
      await late.subscribe(topic, { qos: 2 });
      expect(await late.receiveMessage()).toMatchObject({
        topic,
        payload: bytes('kept'),
        qos,
        retain: true,
        dup: false,
      });
    });

    it('replaces the one before, and the QoS with it [3.1.1 MQTT-3.3.1-7]', async () => {
      const topic = fresh('retained');
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 2, payload: 'old', retain: true });
      await client.publish({ topic, qos: 1, payload: 'new', retain: true });
      await client.subscribe(topic, { qos: 2 });
      expect(await client.receiveMessage()).toMatchObject({ payload: bytes('new'), qos: 1 });
      await expectNoneRetained(client);
    });

    it('is given at no more than the granted QoS', async () => {
      const topic = fresh('retained');
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 2, payload: 'kept', retain: true });
      await client.subscribe(topic, { qos: 1 });
      expect(await client.receiveMessage()).toMatchObject({ qos: 1 });
    });

    it('outlives its publisher', async () => {
      const topic = fresh('retained');
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 1, payload: 'legacy', retain: true });
      await client.disconnect();
      const late = await broker.connect();
      await late.subscribe(topic);
      expect(await late.receiveMessage()).toMatchObject({ payload: bytes('legacy') });
    });

    it('goes to those who are subscribed already as any message', async () => {
      const topic = fresh('retained');
      const subscriber = await broker.connect(session);
      await subscriber.subscribe(topic);
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 1, payload: 'now', retain: true });
      // [MQTT-3.3.1-12], [3.1.1 MQTT-3.3.1-9]
      expect(await subscriber.receiveMessage()).toMatchObject({ payload: bytes('now'), retain: false });
    });
  },
);

describe.each(allSessions)(
  '[MQTT-3.3.1-6] [MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-10] RETAIN 1 with an empty payload, $kind Session at level $version',
  ({ session }) => {
    it('removes the retained message, and is not stored in its place [3.1.1 MQTT-3.3.1-11]', async () => {
      const topic = fresh('removed');
      const client = await broker.connect(session);
      await retain(client, { [topic]: 'there' });
      await client.publish({ topic, qos: 1, retain: true });
      await client.subscribe(topic);
      await expectNoneRetained(client);
    });

    it('is delivered to those who are subscribed', async () => {
      const topic = fresh('removed');
      const client = await broker.connect(session);
      await client.subscribe(topic);
      await client.publish({ topic, qos: 1, retain: true });
      expect(await client.receiveMessage()).toMatchObject({ topic, payload: bytes(''), retain: false });
    });

    it('does nothing where nothing was retained', async () => {
      const topic = fresh('removed');
      const client = await broker.connect(session);
      await client.publish({ topic, qos: 2, retain: true });
      await client.subscribe(topic);
      await expectNoneRetained(client);
    });
  },
);

describe.each(allSessions)(
  '[MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-12] RETAIN 0, $kind Session at level $version',
  ({ session }) => {
    it('neither stores nor removes nor replaces', async () => {
      const topic = fresh('untouched');
      const client = await broker.connect(session);
      await retain(client, { [topic]: 'kept' });
      await client.publish({ topic, qos: 1, payload: 'passing' });
      await client.publish({ topic, qos: 1 });
      await client.subscribe(topic);
      expect(await client.receiveMessage()).toMatchObject({ payload: bytes('kept') });
      await expectNoneRetained(client);
    });
  },
);

describe.each(allSessions)(
  '[§3.3.1.3] [3.1.1 MQTT-3.3.1-6] a new Subscription with wildcards, $kind Session at level $version',
  ({ session }) => {
    it('brings every retained message that matches', async () => {
      const house = fresh('house');
      const client = await broker.connect(session);
      await retain(client, { [`${house}/hall/lamp`]: 'a', [`${house}/attic/lamp`]: 'b', [`${house}/hall/door`]: 'c' });

      await client.subscribe(`${house}/+/lamp`, { qos: 1 });
      expect(await payloads(client, 2)).toEqual(new Set(['a', 'b']));
      await expectNoneRetained(client);

      const other = await broker.connect(session);
      await other.subscribe(`${house}/#`, { qos: 1 });
      expect(await payloads(other, 3)).toEqual(new Set(['a', 'b', 'c']));
      await expectNoneRetained(other);
    });

    it('brings them once for each Topic Filter of the SUBSCRIBE [MQTT-3.8.4-5]', async () => {
      const house = fresh('house');
      const client = await broker.connect(session);
      await retain(client, { [`${house}/lamp`]: 'lit' });
      await client.subscribe([`${house}/lamp`, `${house}/+`], { qos: 1 });
      for (let count = 0; count < 2; count += 1) {
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes('lit'), retain: true });
      }
      await expectNoneRetained(client);
    });

    it('brings many, as fast as the Client acknowledges', async () => {
      const house = fresh('house');
      const client = await broker.connect(session);
      const messages = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`${house}/${index}`, `${index}`]));
      await retain(client, messages);
      await client.subscribe(`${house}/#`, { qos: 1 });
      expect(await payloads(client, 200)).toEqual(new Set(Object.values(messages)));
      await expectNoneRetained(client);
    });

    it('brings more than the queue of a Session may hold', async () => {
      await using small = await startBroker({ limits: { queueMaxMessages: 10 } });
      const client = await small.connect(session);
      const messages = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`house/${index}`, `${index}`]));
      await retain(client, messages);
      await client.subscribe('house/#', { qos: 1 });
      expect(await payloads(client, 100)).toEqual(new Set(Object.values(messages)));
      expect(await small.metric('mqtt_messages_dropped_total', { reason: 'queue_full' })).toBe(0);
    });

    it('at the first level brings none that begin with $ [MQTT-4.7.2-1]', async () => {
      await using quiet = await startBroker();
      const client = await quiet.connect(session);
      await client.publish({ topic: 'plain', payload: 'plain', qos: 1, retain: true });
      await client.publish({ topic: '$hidden', payload: 'hidden', qos: 1, retain: true });
      await client.subscribe('#', { qos: 1 });
      expect(await client.receiveMessage()).toMatchObject({ topic: 'plain' });
      await client.expectNothing();
      await client.subscribe('+', { qos: 1 });
      expect(await client.receiveMessage()).toMatchObject({ topic: 'plain' });
      await client.expectNothing();
    });
  },
);

describe.each(sessionKinds)('[MQTT-3.3.1-9] Retain Handling 0, $kind Session', ({ session }) => {
  it('brings retained messages with every SUBSCRIBE', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'again' });
    for (let count = 0; count < 2; count += 1) {
      await client.subscribe(topic, { qos: 1, retainHandling: 0 });
      expect(await client.receiveMessage()).toMatchObject({ payload: bytes('again'), retain: true });
    }
    await expectNoneRetained(client);
  });
});

describe('[MQTT-3.3.1-9] retained messages for a Session that lasts', () => {
  it('go on coming when it is resumed, if its Network Connection was lost in the middle', async () => {
    const house = fresh('house');
    const client = await broker.connect({ ...lasting, properties: { ...lasting.properties, receiveMaximum: 1 } });
    const messages = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${house}/${index}`, `${index}`]));
    await retain(client, messages);
    await client.subscribe(`${house}/#`, { qos: 1 });
    await client.nextOf('publish');
    client.drop();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    // It has no reason to subscribe again: its Session is present.
    expect(back.connack.sessionPresent).toBe(true);
    expect(await payloads(back, 20)).toEqual(new Set(Object.values(messages)));
  });
});

describe.each(sessionKinds)('[MQTT-3.3.1-10] Retain Handling 1, $kind Session', ({ session }) => {
  it('brings them only if the Subscription did not exist', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'first time' });
    await client.subscribe(topic, { qos: 1, retainHandling: 1 });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('first time'), retain: true });
    await client.subscribe(topic, { qos: 1, retainHandling: 1 });
    await expectNoneRetained(client);
  });

  it('brings them again after UNSUBSCRIBE', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'anew' });
    await client.subscribe(topic, { qos: 1, retainHandling: 1 });
    await client.receiveMessage();
    await client.unsubscribe(topic);
    await client.subscribe(topic, { qos: 1, retainHandling: 1 });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('anew') });
  });

  it('brings them once when one SUBSCRIBE names the Topic Filter twice [MQTT-3.8.4-5]', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'once' });
    const request = { topicFilter: topic, qos: 1, retainHandling: 1 } as const;
    await client.subscribeEach([request, request]);
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('once') });
    await expectNoneRetained(client);
  });

  it('brings none to a Session that comes back and subscribes again', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(lasting);
    await retain(client, { [topic]: 'known' });
    await client.subscribe(topic, { qos: 1, retainHandling: 1 });
    await client.receiveMessage();
    await client.disconnect();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    await back.subscribe(topic, { qos: 1, retainHandling: 1 });
    await expectNoneRetained(back);
  });
});

describe.each(sessionKinds)('[MQTT-3.3.1-11] Retain Handling 2, $kind Session', ({ session }) => {
  it('brings none', async () => {
    const topic = fresh('handling');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'never' });
    await client.subscribe(topic, { qos: 1, retainHandling: 2 });
    await expectNoneRetained(client);
  });
});

describe.each(sessionKinds)('[MQTT-3.3.1-12] [MQTT-3.3.1-13] Retain As Published, $kind Session', ({ session }) => {
  it.each([
    [false, false, false],
    [false, true, false],
    [true, false, false],
    [true, true, true],
  ])('%s, published with RETAIN %s: arrives with RETAIN %s', async (retainAsPublished, retain, expected) => {
    const topic = fresh('rap');
    const client = await broker.connect(session);
    await client.subscribe(topic, { qos: 1, retainAsPublished });
    await client.publish({ topic, qos: 1, payload: 'x', retain });
    expect(await client.receiveMessage()).toMatchObject({ retain: expected });
  });

  it('has no say in what a new Subscription brings: RETAIN is 1 [§3.8.3.1]', async () => {
    const topic = fresh('rap');
    const client = await broker.connect(session);
    await retain(client, { [topic]: 'kept' });
    for (const retainAsPublished of [false, true]) {
      await client.subscribe(topic, { qos: 1, retainAsPublished });
      expect(await client.receiveMessage()).toMatchObject({ retain: true });
    }
  });

  it('is kept for a message that waits in the queue of a Session', async () => {
    const topic = fresh('rap');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1, retainAsPublished: true });
    await away.disconnect();
    const publisher = await broker.connect(lasting);
    await retain(publisher, { [topic]: 'kept' });
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    expect(await back.receiveMessage()).toMatchObject({ retain: true, payload: bytes('kept') });
  });
});

describe('[§3.3.2.3.3] a retained message that expires', () => {
  it.concurrent('is given to nobody once it has', async () => {
    const topic = fresh('expiring');
    const client = await broker.connect();
    await client.publish({ topic, qos: 1, payload: 'x', retain: true, properties: { messageExpiryInterval: 1 } });
    // A Keep Alive of 1 s runs out after 1.5 s.
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.subscribe(topic);
    await expectNoneRetained(client);
  });

  it.concurrent('is given with the seconds that are left [MQTT-3.3.2-6]', async () => {
    const topic = fresh('expiring');
    const client = await broker.connect();
    await client.publish({ topic, qos: 1, payload: 'x', retain: true, properties: { messageExpiryInterval: 100 } });
    expect(await (await broker.connect({ keepAliveSeconds: 1 })).closed).toBe(true);
    await client.subscribe(topic);
    const { properties } = await client.receiveMessage();
    expect(properties?.messageExpiryInterval).toBeGreaterThanOrEqual(90);
    expect(properties?.messageExpiryInterval).toBeLessThan(100);
  });
});
