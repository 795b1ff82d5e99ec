// MQTT.js, the Client of most Node and browser programs: all stories, and some that only a Client in this process tells.

import mqtt, { type IClientOptions, type MqttClient, type Packet } from 'mqtt';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { soonMs, until, within } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { tellStories } from './matrix.ts';
import { mqttjs, protocols } from './mqttjs.ts';
import { numbers } from './stage.ts';

tellStories([mqttjs]);

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** A Client of MQTT.js with a list of what arrived; disposing of it ends it. */
class Bare {
  readonly client: MqttClient;
  readonly payloads: string[] = [];

  constructor(url: string, options: IClientOptions) {
    this.client = mqtt.connect(url, { clientId: fresh('bare'), reconnectPeriod: 0, ...options });
    // Why a connection failed is seen in what does not happen.
    this.client.on('error', () => {});
    this.client.on('message', (_topic, payload) => this.payloads.push(payload.toString()));
  }

  async connected(): Promise<this> {
    await within(soonMs, 'MQTT.js to connect', new Promise((resolve) => this.client.once('connect', resolve)));
    return this;
  }

  /** Waits until so many messages have arrived. */
  async arrivals(count: number): Promise<readonly string[]> {
    await until(`${count} messages`, () => this.payloads.length >= count || undefined);
    return this.payloads;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}

const cells = (['3.1', '3.1.1', '5.0'] as const).flatMap((version) =>
  (['tcp', 'websocket'] as const).map((transport) => ({ version, transport })),
);

describe.each(cells)('MQTT.js, MQTT $version over $transport, by itself', ({ version, transport }) => {
  const url = transport === 'tcp' ? broker.url : broker.webSocketUrl;
  const connect = (options: IClientOptions = {}): Promise<Bare> =>
    new Bare(url, { ...protocols[version], ...options }).connected();

  it('loses nothing of QoS 2, and doubles nothing, when its connection is cut again and again', async () => {
    const topic = fresh('interop');
    await using watcher = await connect();
    await watcher.client.subscribeAsync(topic, { qos: 2 });
    const lasting = { clean: false, ...(version === '5.0' && { properties: { sessionExpiryInterval: 60 } }) };
    await using unlucky = await connect({ ...lasting, reconnectPeriod: 10 });
    const publishing: Promise<unknown>[] = [];
    for (const [index, payload] of numbers(60).entries()) {
      publishing.push(unlucky.client.publishAsync(topic, payload, { qos: 2 }));
      if (index % 20 !== 10) continue;
      const connected = unlucky.connected();
      unlucky.client.stream.destroy();
      await connected;
    }
    await Promise.all(publishing);
    const arrived = (await watcher.arrivals(60)).map(Number);
    expect(arrived.toSorted((a, b) => a - b)).toEqual(numbers(60).map(Number));
  });

  it('sends and receives many messages of mixed QoS together, those of each QoS in order and once', async () => {
    const topic = fresh('interop');
    await using bare = await connect();
    await bare.client.subscribeAsync(topic, { qos: 2 });
    const sent = numbers(300);
    await Promise.all(
      sent.map((payload) => bare.client.publishAsync(topic, payload, { qos: (Number(payload) % 3) as 0 | 1 | 2 })),
    );
    const arrived = await bare.arrivals(300);
    for (const qos of [0, 1, 2]) {
      const isOf = (payload: string): boolean => Number(payload) % 3 === qos;
      expect(arrived.filter(isOf)).toEqual(sent.filter(isOf));
    }
  });

  it('carries large messages', async () => {
    const topic = fresh('interop');
    await using bare = await connect();
    await bare.client.subscribeAsync(topic, { qos: 1 });
    const payload = 'x'.repeat(500_000);
    await bare.client.publishAsync(topic, payload, { qos: 1 });
    expect((await bare.arrivals(1))[0] === payload).toBe(true);
  });
});

describe.each(['tcp', 'websocket'] as const)('MQTT.js, MQTT 5.0 over %s, by itself', (transport) => {
  const url = transport === 'tcp' ? broker.url : broker.webSocketUrl;
  const connect = (options: IClientOptions = {}): Promise<Bare> =>
    new Bare(url, { ...protocols['5.0'], ...options }).connected();

  it('assigns Topic Aliases by itself, and resolves those of the Server', async () => {
    const topic = fresh('alias');
    await using bare = await connect({ properties: { topicAliasMaximum: 5 }, autoAssignTopicAlias: true });
    await bare.client.subscribeAsync(topic, { qos: 1 });
    const topics: string[] = [];
    bare.client.on('message', (each) => topics.push(each));
    for (const payload of numbers(3)) await bare.client.publishAsync(topic, payload, { qos: 1 });
    expect(await bare.arrivals(3)).toEqual(numbers(3));
    expect(topics).toEqual([topic, topic, topic]);
  });

  it('No Local and Retain Handling', async () => {
    const topic = fresh('options');
    await using bare = await connect();
    await using other = await connect();
    await bare.client.publishAsync(topic, 'kept', { qos: 1, retain: true });
    await bare.client.subscribeAsync(topic, { qos: 1, nl: true, rh: 2 });
    await bare.client.publishAsync(topic, 'mine', { qos: 1 });
    await other.client.publishAsync(topic, 'theirs', { qos: 1 });
    expect(await bare.arrivals(1)).toEqual(['theirs']);
  });

  it('a Server that stops: MQTT.js hears Server shutting down', async () => {
    await using stopping = await startBroker();
    const there = transport === 'tcp' ? stopping.url : stopping.webSocketUrl;
    await using bare = await new Bare(there, protocols['5.0']).connected();
    const disconnect = new Promise<Packet>((resolve) => bare.client.once('disconnect', resolve));
    await stopping.stop();
    expect(await within(soonMs, 'DISCONNECT', disconnect)).toMatchObject({ reasonCode: 0x8b });
  });
});
