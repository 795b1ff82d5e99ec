// MQTT.js, the Client of most Node and browser programs, in each version and over both transports.

import mqtt, { type IClientOptions, type MqttClient, type Packet } from 'mqtt';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { soonMs, until, within } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** How MQTT.js is told the version. */
const versions = {
  '3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  '3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
  '5.0': { protocolId: 'MQTT', protocolVersion: 5 },
} as const;

const combinations = (['3.1', '3.1.1', '5.0'] as const).flatMap((version) =>
  (['tcp', 'websocket'] as const).map((transport) => ({ version, transport })),
);

/** A message as it arrived. */
interface Arrived {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: Record<string, unknown> | undefined;
}

/** A Client of MQTT.js with a list of what arrived; disposing of it ends it. */
class Foreign {
  readonly client: MqttClient;
  readonly arrived: Arrived[] = [];

  constructor(client: MqttClient) {
    this.client = client;
    // Why a connection failed is seen in what does not happen.
    client.on('error', () => {});
    client.on('message', (topic, payload, packet) => {
      const { qos, retain, properties } = packet;
      this.arrived.push({ topic, payload: payload.toString(), qos, retain, properties: properties as never });
    });
  }

  /** Waits until so many messages have arrived. */
  async arrivals(count: number): Promise<readonly Arrived[]> {
    await until(`${count} messages`, () => (this.arrived.length >= count ? true : undefined));
    return this.arrived;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}

describe.each(combinations)('MQTT.js, MQTT $version over $transport', ({ version, transport }) => {
  async function connect(options: IClientOptions = {}): Promise<Foreign> {
    const url = transport === 'tcp' ? broker.url : broker.webSocketUrl;
    const client = mqtt.connect(url, {
      ...versions[version],
      clientId: fresh('foreign'),
      reconnectPeriod: 0,
      ...options,
    });
    const foreign = new Foreign(client);
    await within(soonMs, 'MQTT.js to connect', new Promise((resolve) => client.once('connect', resolve)));
    return foreign;
  }

  /** Options for a Session that outlives its connection, in every version. */
  const lasting = (clientId: string): IClientOptions => ({
    clientId,
    clean: false,
    ...(version === '5.0' ? { properties: { sessionExpiryInterval: 60 } } : {}),
  });

  it.each([0, 1, 2] as const)('publishes and receives at QoS %i', async (qos) => {
    const topic = fresh('interop');
    await using foreign = await connect();
    expect(await foreign.client.subscribeAsync(topic, { qos })).toMatchObject([{ topic, qos }]);
    await foreign.client.publishAsync(topic, 'hello', { qos });
    expect(await foreign.arrivals(1)).toMatchObject([{ topic, payload: 'hello', qos, retain: false }]);
  });

  it('matches wildcards', async () => {
    const level = fresh('interop');
    await using foreign = await connect();
    await foreign.client.subscribeAsync([`${level}/+/lamp`, `${level}/attic/#`]);
    for (const topic of ['hall/lamp', 'hall/door', 'attic/box/old', 'attic']) {
      await foreign.client.publishAsync(`${level}/${topic}`, topic, { qos: 1 });
    }
    const arrived = await foreign.arrivals(3);
    expect(arrived.map(({ payload }) => payload)).toEqual(['hall/lamp', 'attic/box/old', 'attic']);
  });

  it('finds retained messages, and clears them', async () => {
    const topic = fresh('interop');
    await using publisher = await connect();
    await publisher.client.publishAsync(topic, 'kept', { qos: 1, retain: true });
    await using subscriber = await connect();
    await subscriber.client.subscribeAsync(topic, { qos: 1 });
    expect(await subscriber.arrivals(1)).toMatchObject([{ payload: 'kept', retain: true }]);
    await publisher.client.publishAsync(topic, '', { qos: 1, retain: true });
    await using late = await connect();
    await late.client.subscribeAsync(topic, { qos: 1 });
    await late.client.publishAsync(topic, 'live', { qos: 1 });
    expect(await late.arrivals(1)).toMatchObject([{ payload: 'live', retain: false }]);
  });

  it('leaves a Will when its connection is cut', async () => {
    const topic = fresh('interop');
    await using watcher = await connect();
    await watcher.client.subscribeAsync(topic, { qos: 1 });
    await using mortal = await connect({ will: { topic, payload: Buffer.from('farewell'), qos: 1, retain: false } });
    mortal.client.stream.destroy();
    expect(await watcher.arrivals(1)).toMatchObject([{ payload: 'farewell', qos: 1 }]);
  });

  it('comes back to a Session with what it missed', async () => {
    const topic = fresh('interop');
    const clientId = fresh('foreign');
    const before = await connect(lasting(clientId));
    await before.client.subscribeAsync(topic, { qos: 2 });
    await before.client.endAsync();
    await using publisher = await connect();
    for (const payload of ['1', '2', '3']) await publisher.client.publishAsync(topic, payload, { qos: 2 });
    await using back = await connect(lasting(clientId));
    expect((await back.arrivals(3)).map(({ payload }) => payload)).toEqual(['1', '2', '3']);
  });

  it('unsubscribes', async () => {
    const topic = fresh('interop');
    await using foreign = await connect();
    await foreign.client.subscribeAsync([topic, `${topic}/end`], { qos: 1 });
    await foreign.client.unsubscribeAsync(topic);
    await foreign.client.publishAsync(topic, 'unheard', { qos: 1 });
    await foreign.client.publishAsync(`${topic}/end`, 'heard', { qos: 1 });
    expect((await foreign.arrivals(1)).map(({ payload }) => payload)).toEqual(['heard']);
  });

  it('sends and receives many messages of mixed QoS, each in order and once', async () => {
    const topic = fresh('interop');
    await using foreign = await connect();
    await foreign.client.subscribeAsync(`${topic}/+`, { qos: 2 });
    const publishing: Promise<unknown>[] = [];
    for (let index = 0; index < 300; index += 1) {
      const qos = (index % 3) as 0 | 1 | 2;
      publishing.push(foreign.client.publishAsync(`${topic}/${qos}`, `${index}`, { qos }));
    }
    await Promise.all(publishing);
    const arrived = await foreign.arrivals(300);
    for (const qos of [0, 1, 2]) {
      const own = arrived
        .filter((message) => message.topic === `${topic}/${qos}`)
        .map(({ payload }) => Number(payload));
      expect(own).toEqual(Array.from({ length: 100 }, (_, index) => 3 * index + qos));
    }
  });

  it('loses nothing of QoS 2, and doubles nothing, when its connection is cut again and again', async () => {
    const topic = fresh('interop');
    await using watcher = await connect();
    await watcher.client.subscribeAsync(topic, { qos: 2 });
    await using unlucky = await connect({ ...lasting(fresh('foreign')), reconnectPeriod: 10 });
    const publishing: Promise<unknown>[] = [];
    for (let index = 0; index < 60; index += 1) {
      publishing.push(unlucky.client.publishAsync(topic, `${index}`, { qos: 2 }));
      if (index % 20 === 10) {
        const connected = new Promise((resolve) => unlucky.client.once('connect', resolve));
        unlucky.client.stream.destroy();
        await within(soonMs, 'MQTT.js to reconnect', connected);
      }
    }
    await Promise.all(publishing);
    const arrived = (await watcher.arrivals(60)).map(({ payload }) => Number(payload));
    expect(arrived.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index));
  });

  it('carries large messages', async () => {
    const topic = fresh('interop');
    await using foreign = await connect();
    await foreign.client.subscribeAsync(topic, { qos: 1 });
    const payload = 'x'.repeat(500_000);
    await foreign.client.publishAsync(topic, payload, { qos: 1 });
    expect((await foreign.arrivals(1))[0]?.payload.length).toBe(payload.length);
  });
});

describe.each(['tcp', 'websocket'] as const)('MQTT.js, what only MQTT 5.0 has, over %s', (transport) => {
  async function connect(options: IClientOptions = {}): Promise<Foreign> {
    const url = transport === 'tcp' ? broker.url : broker.webSocketUrl;
    const client = mqtt.connect(url, {
      protocolVersion: 5,
      clientId: fresh('foreign'),
      reconnectPeriod: 0,
      ...options,
    });
    const foreign = new Foreign(client);
    await within(soonMs, 'MQTT.js to connect', new Promise((resolve) => client.once('connect', resolve)));
    return foreign;
  }

  it('request and response, with User Properties and Correlation Data', async () => {
    const [questions, answers] = [fresh('questions'), fresh('answers')];
    await using server = await connect();
    await server.client.subscribeAsync(questions, { qos: 1 });
    server.client.on('message', (_, payload, { properties }) => {
      const { responseTopic = '', correlationData } = properties ?? {};
      const answer = { properties: correlationData === undefined ? {} : { correlationData } };
      server.client.publish(responseTopic, `re: ${payload}`, { qos: 1, ...answer });
    });
    await using asker = await connect();
    await asker.client.subscribeAsync(answers, { qos: 1 });
    await asker.client.publishAsync(questions, 'why?', {
      qos: 1,
      properties: { responseTopic: answers, correlationData: Buffer.from('7'), userProperties: { lang: ['en', 'de'] } },
    });
    const [answer] = await asker.arrivals(1);
    expect(answer?.payload).toBe('re: why?');
    expect(String(answer?.properties?.correlationData)).toBe('7');
    expect({ ...(server.arrived[0]?.properties?.userProperties as object) }).toEqual({ lang: ['en', 'de'] });
  });

  it('Topic Aliases, assigned by MQTT.js, in both directions', async () => {
    const topic = fresh('alias');
    await using foreign = await connect({ properties: { topicAliasMaximum: 5 }, autoAssignTopicAlias: true });
    await foreign.client.subscribeAsync(topic, { qos: 1 });
    for (const payload of ['1', '2', '3']) await foreign.client.publishAsync(topic, payload, { qos: 1 });
    expect((await foreign.arrivals(3)).map((each) => each.topic)).toEqual([topic, topic, topic]);
  });

  it('Subscription Identifiers, No Local and Retain Handling', async () => {
    const topic = fresh('options');
    await using foreign = await connect();
    await using other = await connect();
    await foreign.client.publishAsync(topic, 'kept', { qos: 1, retain: true });
    await foreign.client.subscribeAsync(topic, { qos: 1, nl: true, rh: 2, properties: { subscriptionIdentifier: 42 } });
    await foreign.client.publishAsync(topic, 'mine', { qos: 1 });
    await other.client.publishAsync(topic, 'theirs', { qos: 1 });
    expect(await foreign.arrivals(1)).toMatchObject([
      { payload: 'theirs', properties: { subscriptionIdentifier: 42 } },
    ]);
  });

  it('a Server that stops: MQTT.js hears Server shutting down', async () => {
    await using stopping = await startBroker();
    const url = transport === 'tcp' ? stopping.url : stopping.webSocketUrl;
    const client = mqtt.connect(url, { protocolVersion: 5, reconnectPeriod: 0 });
    await using foreign = new Foreign(client);
    await within(soonMs, 'MQTT.js to connect', new Promise((resolve) => client.once('connect', resolve)));
    const disconnect = new Promise<Packet>((resolve) => foreign.client.once('disconnect', resolve));
    await stopping.stop();
    expect(await within(soonMs, 'DISCONNECT', disconnect)).toMatchObject({ reasonCode: 0x8b });
  });
});
