// MQTT 5.0 chapters 3.3.2.3 and 3.3.4: Message Expiry, Topic Aliases from a Client, Subscription Identifiers, overlaps.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { allSessions, lasting, sessionKinds, versions } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** More than a second later: a Keep Alive of 1 s runs out after 1.5 s. */
async function oneSecondLater(): Promise<void> {
  const clock = await broker.connect({ keepAliveSeconds: 1 });
  await clock.closed;
}

describe.concurrent('[MQTT-3.3.2-5] a message that expires in the queue of a Session', () => {
  it.each([1, 2] as const)('is deleted there, at QoS %i', async (qos) => {
    const topic = fresh('expiry');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos, payload: 'too late', properties: { messageExpiryInterval: 1 } });
    await publisher.publish({ topic, qos, payload: 'in time', properties: { messageExpiryInterval: 100 } });
    await oneSecondLater();
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('in time') });
    await back.expectNothing();
  });

  it('is not delivered to a Client of 3.1.1 either', async () => {
    const topic = fresh('expiry');
    const away = await broker.connect({ version: 4, cleanStart: false });
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'late', properties: { messageExpiryInterval: 1 } });
    await oneSecondLater();
    const back = await broker.connect({ version: 4, cleanStart: false, clientId: away.clientId });
    await back.expectNothing();
  });

  it('is deleted when it waits for room in flight, too', async () => {
    const topic = fresh('expiry');
    const slow = await broker.connect({ properties: { receiveMaximum: 1 } });
    await slow.subscribe(topic, { qos: 1 });
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, payload: 'first' });
    await publisher.publish({ topic, qos: 1, payload: 'late', properties: { messageExpiryInterval: 1 } });
    await publisher.publish({ topic, qos: 1, payload: 'last' });
    const { packetId } = await slow.nextOf('publish');
    await oneSecondLater();
    slow.acknowledge('puback', packetId);
    expect(await slow.receiveMessage()).toMatchObject({ payload: bytes('last') });
  });

  it('is sent again if it was begun: expiry stops at the first send [MQTT-4.3.3-7]', async () => {
    const topic = fresh('expiry');
    const client = await broker.connect(lasting);
    await client.subscribe(topic, { qos: 2 });
    await client.publish({ topic, qos: 2, payload: 'begun', properties: { messageExpiryInterval: 1 } });
    await client.nextOf('publish');
    client.drop();
    await oneSecondLater();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    expect(await back.receiveMessage()).toMatchObject({ payload: bytes('begun'), dup: true });
  });

  it('is counted', async () => {
    await using counting = await startBroker();
    const away = await counting.connect(lasting);
    await away.subscribe('counted', { qos: 1 });
    await away.disconnect();
    const publisher = await counting.connect();
    await publisher.publish({ topic: 'counted', qos: 1, properties: { messageExpiryInterval: 1 } });
    await oneSecondLater();
    await counting.connect({ ...lasting, clientId: away.clientId });
    await counting.untilMetric('mqtt_messages_dropped_total', { reason: 'expired' }, 1);
  });
});

describe.concurrent('[MQTT-4.3.3-13] a QoS 2 message that expires between PUBREC and PUBREL', () => {
  it('is completed all the same', async () => {
    const client = await broker.connect();
    const properties = { messageExpiryInterval: 1 };
    const { packetId } = client.sendPublish({ topic: fresh('expiry'), qos: 2, properties });
    await client.nextOf('pubrec');
    await oneSecondLater();
    client.acknowledge('pubrel', packetId);
    expect(await client.next()).toMatchObject({ type: 'pubcomp', packetId, reasonCode: ReasonCode.success });
  });
});

describe.concurrent('[MQTT-3.3.2-6] the Message Expiry Interval that a Client receives', () => {
  it('is what was published, when nothing was waited for', async () => {
    const topic = fresh('interval');
    const client = await broker.connect();
    await client.subscribe(topic);
    await client.publish({ topic, properties: { messageExpiryInterval: 100 } });
    expect(await client.receiveMessage()).toMatchObject({ properties: { messageExpiryInterval: 100 } });
  });

  it('is less by the time it waited', async () => {
    const topic = fresh('interval');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1 });
    await away.disconnect();
    const publisher = await broker.connect();
    await publisher.publish({ topic, qos: 1, properties: { messageExpiryInterval: 100 } });
    await oneSecondLater();
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    const { properties } = await back.receiveMessage();
    expect(properties?.messageExpiryInterval).toBeGreaterThanOrEqual(90);
    expect(properties?.messageExpiryInterval).toBeLessThan(100);
  });

  it('is absent if it was not published', async () => {
    const topic = fresh('interval');
    const client = await broker.connect();
    await client.subscribe(topic);
    await client.publish({ topic });
    expect((await client.receiveMessage()).properties?.messageExpiryInterval).toBeUndefined();
  });
});

describe('[§3.3.2.3.4] a Topic Alias from a Client', () => {
  it('stands for the Topic Name it was sent with', async () => {
    const topic = fresh('alias');
    const client = await broker.connect();
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1, payload: 'set', properties: { topicAlias: 1 } });
    await client.publish({ topic: '', qos: 1, payload: 'used', properties: { topicAlias: 1 } });
    for (const payload of ['set', 'used']) {
      const message = await client.receiveMessage();
      expect(message).toMatchObject({ topic, payload: bytes(payload) });
      // The alias is between this Client and the Server: it is not passed on.
      expect(message.properties?.topicAlias).toBeUndefined();
    }
  });

  it('can be given to another Topic Name', async () => {
    const [one, two] = [fresh('alias'), fresh('alias')];
    const client = await broker.connect();
    await client.subscribe([one, two]);
    await client.publish({ topic: one, properties: { topicAlias: 1 } });
    await client.publish({ topic: two, properties: { topicAlias: 1 } });
    await client.publish({ topic: '', properties: { topicAlias: 1 } });
    for (const topic of [one, two, two]) expect(await client.receiveMessage()).toMatchObject({ topic });
  });

  it('may have any value up to the Topic Alias Maximum of the Server [MQTT-3.3.2-12]', async () => {
    const topic = fresh('alias');
    const client = await broker.connect();
    await client.subscribe(`${topic}/+`);
    const maximum = client.connack.properties?.topicAliasMaximum ?? 0;
    for (const topicAlias of [1, 2, maximum]) {
      await client.publish({ topic: `${topic}/${topicAlias}`, properties: { topicAlias } });
      await client.publish({ topic: '', properties: { topicAlias } });
      for (let count = 0; count < 2; count += 1) {
        expect(await client.receiveMessage()).toMatchObject({ topic: `${topic}/${topicAlias}` });
      }
    }
  });

  it('must not be larger than that [MQTT-3.3.2-9] [MQTT-3.2.2-17]', async () => {
    const client = await broker.connect();
    const topicAlias = (client.connack.properties?.topicAliasMaximum ?? 0) + 1;
    client.sendPublish({ topic: 'a', properties: { topicAlias } });
    await expectDisconnect(client, ReasonCode.topicAliasInvalid);
  });

  it('must have been set before it is used', async () => {
    const client = await broker.connect();
    client.sendPublish({ topic: '', properties: { topicAlias: 1 } });
    await expectDisconnect(client, ReasonCode.protocolError, ReasonCode.topicAliasInvalid);
  });

  it('means nothing on the next Network Connection [MQTT-3.3.2-7]', async () => {
    const client = await broker.connect(lasting);
    await client.publish({ topic: fresh('alias'), qos: 1, properties: { topicAlias: 1 } });
    await client.disconnect();
    const back = await broker.connect({ ...lasting, clientId: client.clientId });
    back.sendPublish({ topic: '', properties: { topicAlias: 1 } });
    await expectDisconnect(back, ReasonCode.protocolError, ReasonCode.topicAliasInvalid);
  });

  it('means nothing to another Client', async () => {
    const one = await broker.connect();
    await one.publish({ topic: fresh('alias'), qos: 1, properties: { topicAlias: 1 } });
    const other = await broker.connect();
    other.sendPublish({ topic: '', properties: { topicAlias: 1 } });
    await expectDisconnect(other, ReasonCode.protocolError, ReasonCode.topicAliasInvalid);
  });
});

describe.each(allSessions)(
  '[MQTT-3.3.4-2] [3.1.1 MQTT-3.3.5-1] overlapping Subscriptions, $kind Session at level $version',
  ({ session }) => {
    it.each([
      [0, 0, 2, 0],
      [1, 0, 1, 1],
      [2, 1, 2, 2],
      [2, 1, 0, 1],
      [1, 2, 2, 1],
    ] as const)(
      'published at QoS %i, subscribed at %i and %i: one message at QoS %i',
      async (qos, one, two, expected) => {
        const level = fresh('overlap');
        const client = await broker.connect(session);
        await client.subscribe(`${level}/+`, { qos: one });
        await client.subscribe(`${level}/#`, { qos: two });
        await client.publish({ topic: `${level}/x`, qos, payload: 'once' });
        expect(await client.receiveMessage()).toMatchObject({ payload: bytes('once'), qos: expected });
        await client.expectNothing();
      },
    );
  },
);

describe.each(sessionKinds)('[MQTT-3.3.4-3] [MQTT-3.3.4-4] Subscription Identifiers, $kind Session', ({ session }) => {
  it('of all matching Subscriptions are sent with the message', async () => {
    const level = fresh('identifiers');
    const client = await broker.connect(session);
    await client.subscribe(`${level}/+`, { subscriptionIdentifier: 1 });
    await client.subscribe(`${level}/#`, { subscriptionIdentifier: 268_435_455 });
    await client.subscribe(`${level}/x`, { subscriptionIdentifier: 128 });
    await client.subscribe('+/x');
    await client.publish({ topic: `${level}/x` });
    const { properties } = await client.receiveMessage();
    expect(new Set(properties?.subscriptionIdentifiers)).toEqual(new Set([1, 128, 268_435_455]));
    expect(properties?.subscriptionIdentifiers).toHaveLength(3);
    await client.expectNothing();
  });

  it('are absent where the matching Subscriptions have none', async () => {
    const topic = fresh('identifiers');
    const client = await broker.connect(session);
    await client.subscribe(topic);
    await client.subscribe(fresh('other'), { subscriptionIdentifier: 5 });
    await client.publish({ topic });
    expect((await client.receiveMessage()).properties?.subscriptionIdentifiers).toBeUndefined();
  });

  it('belong to all Topic Filters of their SUBSCRIBE', async () => {
    const [one, two] = [fresh('identifiers'), fresh('identifiers')];
    const client = await broker.connect(session);
    await client.subscribe([one, two], { subscriptionIdentifier: 9 });
    for (const topic of [one, two]) {
      await client.publish({ topic });
      expect(await client.receiveMessage()).toMatchObject({ topic, properties: { subscriptionIdentifiers: [9] } });
    }
  });

  it('change, or go, with the Subscription that is replaced', async () => {
    const topic = fresh('identifiers');
    const client = await broker.connect(session);
    await client.subscribe(topic, { subscriptionIdentifier: 1 });
    await client.subscribe(topic, { subscriptionIdentifier: 2 });
    await client.publish({ topic });
    expect(await client.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [2] } });
    await client.subscribe(topic);
    await client.publish({ topic });
    expect((await client.receiveMessage()).properties?.subscriptionIdentifiers).toBeUndefined();
  });

  it('are each Client’s own', async () => {
    const topic = fresh('identifiers');
    const [one, two] = [await broker.connect(session), await broker.connect(session)];
    await one.subscribe(topic, { subscriptionIdentifier: 1 });
    await two.subscribe(topic, { subscriptionIdentifier: 2 });
    await one.publish({ topic });
    expect(await one.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [1] } });
    expect(await two.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [2] } });
  });

  it('come with retained messages', async () => {
    const topic = fresh('identifiers');
    const client = await broker.connect(session);
    await client.publish({ topic, qos: 1, retain: true, payload: 'x' });
    await client.subscribe(topic, { subscriptionIdentifier: 3 });
    expect(await client.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [3] } });
  });

  it('come with messages that waited for the Session, and after it was resumed', async () => {
    const topic = fresh('identifiers');
    const away = await broker.connect(lasting);
    await away.subscribe(topic, { qos: 1, subscriptionIdentifier: 77 });
    await away.disconnect();
    const publisher = await broker.connect(session);
    await publisher.publish({ topic, qos: 1 });
    const back = await broker.connect({ ...lasting, clientId: away.clientId });
    expect(await back.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [77] } });
    await publisher.publish({ topic, qos: 1 });
    expect(await back.receiveMessage()).toMatchObject({ properties: { subscriptionIdentifiers: [77] } });
  });
});

describe.each(versions)('[MQTT-4.5.0-1] [3.1.1 MQTT-4.5.0-1] a message, at level %i', (version) => {
  it('reaches every Client with a matching Subscription, and nobody else', async () => {
    const topic = fresh('everybody');
    const subscribers = await Promise.all([0, 1, 2, 3].map(() => broker.connect({ version })));
    for (const [index, client] of subscribers.entries())
      await client.subscribe(topic, { qos: (index % 3) as 0 | 1 | 2 });
    const stranger = await broker.connect({ version });
    await stranger.subscribe(`${topic}/not`);
    const publisher = await broker.connect({ version });
    await publisher.publish({ topic, qos: 2, payload: 'all' });
    for (const client of subscribers) expect(await client.receiveMessage()).toMatchObject({ payload: bytes('all') });
    await stranger.expectNothing();
    await publisher.expectNothing();
  });

  it.each([
    [0, 5],
    [0, 4],
    [1, 5],
    [1, 4],
    [2, 3],
  ] as const)('crosses versions, at QoS %i to level %i', async (qos, other) => {
    const topic = fresh('crossing');
    const subscriber = await broker.connect({ version: other });
    await subscriber.subscribe(topic, { qos });
    const publisher = await broker.connect({ version });
    await publisher.publish({ topic, qos, payload: 'hello' });
    expect(await subscriber.receiveMessage()).toMatchObject({ topic, qos, payload: bytes('hello') });
  });
});
