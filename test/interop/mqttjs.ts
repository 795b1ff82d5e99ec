// The adapter of MQTT.js, which lives in this process.

import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { within } from '../support/deadline.ts';
import { processMs } from '../support/process.ts';
import type {
  Arrived,
  Connecting,
  Ended,
  ForeignClient,
  Kind,
  Message,
  MessageProperties,
  Subscribing,
} from './foreign.ts';

/** How MQTT.js is told the version. */
export const protocols = {
  '3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  '3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
  '5.0': { protocolId: 'MQTT', protocolVersion: 5 },
} as const;

/** MQTT.js. */
export const mqttjs: Kind = {
  name: 'MQTT.js',
  missing: undefined,
  lacks: {},
  tellsReasonCode: true,
  cannot: () => undefined,
  connect: (options) => MqttJsClient.connect(options),
  [Symbol.asyncDispose]: async () => {},
};

class MqttJsClient implements ForeignClient {
  readonly arrived: Arrived[] = [];
  sessionPresent: boolean | undefined;
  ended: Ended | undefined;
  pings = 0;
  readonly #client: MqttClient;
  readonly #isV5: boolean;
  /** Whether it was we who ended the Network Connection. */
  #isOver = false;

  private constructor(client: MqttClient, isV5: boolean) {
    this.#client = client;
    this.#isV5 = isV5;
    let reasonCode: number | undefined;
    // Why a connection failed is seen in what does not happen.
    client.on('error', () => {});
    client.on('message', (topic, payload, packet) => {
      const { qos, retain } = packet;
      this.arrived.push({ topic, payload, qos, retain, properties: propertiesOf(packet) });
    });
    client.on('disconnect', (packet) => {
      reasonCode = packet.reasonCode;
    });
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'pingresp') this.pings += 1;
    });
    client.on('close', () => {
      if (!this.#isOver) this.ended = { reasonCode };
    });
  }

  static async connect(options: Connecting): Promise<MqttJsClient> {
    const isV5 = options.version === '5.0';
    const client = mqtt.connect(options.url, {
      ...protocols[options.version],
      clientId: options.clientId,
      clean: options.clean ?? true,
      keepalive: options.keepAliveSeconds ?? 30,
      reconnectPeriod: 0,
      ...(options.will && { will: { ...options.will, payload: Buffer.from(options.will.payload), retain: false } }),
      ...(isV5 && { properties: connectProperties(options) }),
    });
    const foreign = new MqttJsClient(client, isV5);
    const connack = new Promise<boolean>((resolve, reject) => {
      client.once('connect', ({ sessionPresent }) => resolve(sessionPresent)).once('error', reject);
    });
    foreign.sessionPresent = await within(processMs, 'MQTT.js to connect', connack);
    return foreign;
  }

  async subscribe(topicFilter: string, { qos, subscriptionIdentifier }: Subscribing): Promise<number> {
    const properties = subscriptionIdentifier === undefined ? {} : { properties: { subscriptionIdentifier } };
    const [grant] = await this.#client.subscribeAsync(topicFilter, { qos, ...properties });
    return grant?.qos ?? 0x80;
  }

  async unsubscribe(topicFilter: string): Promise<void> {
    await this.#client.unsubscribeAsync(topicFilter);
  }

  async publish(...messages: readonly Message[]): Promise<void> {
    await Promise.all(
      messages.map(({ topic, payload, qos, retain = false, ...properties }) =>
        this.#client.publishAsync(topic, Buffer.from(payload), {
          ...{ qos, retain },
          ...(this.#isV5 && { properties: publishProperties(properties) }),
        }),
      ),
    );
  }

  async disconnect(): Promise<void> {
    this.#isOver = true;
    await this.#client.endAsync();
  }

  kill(): void {
    this.#isOver = true;
    this.#client.stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#client.endAsync(true);
  }
}

function connectProperties(options: Connecting): NonNullable<IClientOptions['properties']> {
  const { sessionExpirySeconds, receiveMaximum, topicAliasMaximum } = options;
  return {
    ...(sessionExpirySeconds !== undefined && { sessionExpiryInterval: sessionExpirySeconds }),
    ...(receiveMaximum !== undefined && { receiveMaximum }),
    ...(topicAliasMaximum !== undefined && { topicAliasMaximum }),
  };
}

type Properties = NonNullable<IPublishPacket['properties']>;

function publishProperties(properties: MessageProperties): Properties {
  const { userProperties, contentType, responseTopic, correlationData, topicAlias } = properties;
  const { messageExpirySeconds, payloadFormat } = properties;
  return {
    ...(userProperties && { userProperties: grouped(userProperties) }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData) }),
    ...(topicAlias !== undefined && { topicAlias }),
    ...(messageExpirySeconds !== undefined && { messageExpiryInterval: messageExpirySeconds }),
    ...(payloadFormat !== undefined && { payloadFormatIndicator: payloadFormat === 1 }),
  };
}

/** MQTT.js keeps User Properties by name: values of one name stay in order, names come in the order of their first. */
function grouped(pairs: readonly (readonly [string, string])[]): Record<string, string[]> {
  const byName: Record<string, string[]> = {};
  for (const [name, value] of pairs) byName[name] = [...(byName[name] ?? []), value];
  return byName;
}

function propertiesOf({ properties = {} }: IPublishPacket): MessageProperties {
  const { userProperties, contentType, responseTopic, correlationData, subscriptionIdentifier } = properties;
  const pairs = Object.entries(userProperties ?? {}).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, each]),
  );
  return {
    ...(pairs.length > 0 && { userProperties: pairs }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData: correlationData.toString() }),
    ...(properties.messageExpiryInterval !== undefined && { messageExpirySeconds: properties.messageExpiryInterval }),
    ...(properties.payloadFormatIndicator !== undefined && {
      payloadFormat: Number(properties.payloadFormatIndicator),
    }),
    ...(subscriptionIdentifier !== undefined && { subscriptionIdentifiers: [subscriptionIdentifier].flat() }),
  };
}
