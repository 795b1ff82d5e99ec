// The adapter of mosquitto_sub and mosquitto_pub, the Clients that everybody tries first.
//
// mosquitto_sub connects and subscribes in one go and can be told nothing after that: subscribing to more, or less, ends
// it and starts another one under the same Client Identifier, as its user does. Coming back to a Session means saying
// again what it subscribes to, so that is remembered here. Each publish is a mosquitto_pub of its own.

import { until } from '../support/deadline.ts';
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
import { findProgram, Program } from './program.ts';

const [pub, sub] = [findProgram('mosquitto_pub'), findProgram('mosquitto_sub')];

/** It prints its log to a pipe in lumps; this has it print line by line. */
const stdbuf = findProgram('stdbuf');

const versionFlags = { '3.1': 'mqttv31', '3.1.1': 'mqttv311', '5.0': 'mqttv5' } as const;

/** Between the fields of a message, and in front of them: none of the texts here has it. */
const separator = '\x1f';
const messageFormat = ['', '%t', '%q', '%r', '%x', '%P', '%C', '%R', '%D', '%E', '%S', '%F'].join(separator);

/** What a Client Identifier has subscribed to. */
const remembered = new Map<string, ReadonlyMap<string, Subscribing>>();

/** mosquitto_sub and mosquitto_pub. */
export const mosquitto: Kind = {
  name: 'mosquitto_pub and mosquitto_sub',
  missing:
    pub === undefined || sub === undefined || stdbuf === undefined
      ? 'mosquitto_pub, mosquitto_sub or stdbuf are not installed (Debian: mosquitto-clients, coreutils)'
      : undefined,
  lacks: { websocket: 'those of 2.0 have no option for it, nor has their library' },
  tellsReasonCode: true,
  cannot: (story, version) => {
    if (story.startsWith('takeover') && version !== '5.0') {
      return 'mosquitto_sub does not say that it was closed, and takes the Session back a second later';
    }
    if (story.startsWith('no Will') && version === '5.0')
      return 'it disconnects with 0x04, Disconnect with Will Message';
    if (story.startsWith('Topic Alias of the Server')) return 'mosquitto_sub does not resolve a Topic Alias';
    return undefined;
  },
  connect: (options) => MosquittoClient.connect(options),
  [Symbol.asyncDispose]: async () => {},
};

class MosquittoClient implements ForeignClient {
  readonly sessionPresent = undefined;
  readonly arrived: Arrived[] = [];
  ended: Ended | undefined;
  pings = 0;
  readonly #options: Connecting;
  readonly #subscriptions: Map<string, Subscribing>;
  #program: Program | undefined;
  #granted: readonly number[] | undefined;
  #isUnsubscribed = false;

  private constructor(options: Connecting) {
    this.#options = options;
    this.#subscriptions = new Map(options.clean === false ? remembered.get(options.clientId) : []);
  }

  static async connect(options: Connecting): Promise<MosquittoClient> {
    const client = new MosquittoClient(options);
    if (client.#subscriptions.size > 0) await client.#start();
    return client;
  }

  async subscribe(topicFilter: string, options: Subscribing): Promise<number> {
    this.#subscriptions.set(topicFilter, options);
    return (await this.#start()).at(-1) ?? 0x80;
  }

  async unsubscribe(topicFilter: string): Promise<void> {
    this.#subscriptions.delete(topicFilter);
    await this.#start(['-U', topicFilter]);
    await until('UNSUBACK', () => this.#isUnsubscribed || undefined, processMs);
  }

  async publish(...messages: readonly Message[]): Promise<void> {
    const [first] = messages;
    if (first === undefined) return;
    const { topic, payload, qos, retain } = first;
    const args = ['-t', topic, '-q', `${qos}`, ...(retain === true ? ['-r'] : []), ...publishArgs(first)];
    const lines = messages.map((message) => `${message.payload}\n`).join('');
    const [flag, input] =
      messages.length > 1 ? ['-l', Buffer.from(lines)] : payload.length === 0 ? ['-n'] : ['-s', Buffer.from(payload)];
    await using program = new Program(pub ?? '', [...this.#server, ...args, flag as string], {
      ...(input !== undefined && { input: input as Buffer }),
    });
    await program.lines();
  }

  async disconnect(): Promise<void> {
    await this.#program?.interrupt();
    this.#program = undefined;
  }

  kill(): void {
    this.#program?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
  }

  get #server(): readonly string[] {
    const { hostname, port } = new URL(this.#options.url);
    return ['-h', hostname, '-p', port, '-V', versionFlags[this.#options.version]];
  }

  /** Starts mosquitto_sub anew, and waits until it has subscribed. @returns what was granted */
  async #start(more: readonly string[] = []): Promise<readonly number[]> {
    await this.disconnect();
    const { clientId, clean = true, keepAliveSeconds = 30, will } = this.#options;
    if (!clean || this.#options.sessionExpirySeconds) remembered.set(clientId, new Map(this.#subscriptions));
    const [one] = this.#subscriptions.values();
    const args = [
      ...[...this.#server, '-d', '-i', clientId, '-k', `${keepAliveSeconds}`, '-F', messageFormat],
      ...(clean ? [] : ['-c']),
      ...(will ? ['--will-topic', will.topic, '--will-payload', will.payload, '--will-qos', `${will.qos}`] : []),
      ...[...this.#subscriptions.keys()].flatMap((topicFilter) => ['-t', topicFilter]),
      ...['-q', `${one?.qos ?? 0}`, ...this.#connectArgs(one), ...more],
    ];
    this.#granted = undefined;
    this.#isUnsubscribed = false;
    let connects = 0;
    const program = new Program(stdbuf ?? '', ['-oL', sub ?? '', ...args], {
      onLine: (line) => {
        if (line.startsWith(separator)) this.arrived.push(parse(line));
        else if (line.includes(' received PINGRESP')) this.pings += 1;
        else if (line.includes(' received UNSUBACK')) this.#isUnsubscribed = true;
        else if (line.startsWith('Subscribed')) this.#granted = line.split(': ').at(-1)?.split(', ').map(Number);
        else if (/received DISCONNECT/i.test(line)) this.#end(program, Number(/\((\d+)\)/.exec(line)?.[1]));
        else if (line.includes(' sending CONNECT') && ++connects > 1) this.#end(program);
      },
    });
    this.#program = program;
    try {
      return await until('mosquitto_sub to subscribe', () => this.#granted, processMs);
    } catch (error) {
      throw new Error(`mosquitto_sub said:\n${program.output}`, { cause: error });
    }
  }

  #connectArgs(subscribing: Subscribing | undefined): readonly string[] {
    const { version, sessionExpirySeconds, receiveMaximum, topicAliasMaximum } = this.#options;
    if (version !== '5.0') return [];
    return [
      ...(sessionExpirySeconds === undefined ? [] : ['-x', `${sessionExpirySeconds}`]),
      ...property('connect', 'receive-maximum', receiveMaximum),
      ...property('connect', 'topic-alias-maximum', topicAliasMaximum),
      ...property('subscribe', 'subscription-identifier', subscribing?.subscriptionIdentifier),
    ];
  }

  /** The Server ended the Network Connection. It would connect again by itself, for ever. */
  #end(program: Program, reasonCode?: number): void {
    this.ended ??= { reasonCode };
    program.kill();
  }
}

function property(packet: string, name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : ['-D', packet, name, `${value}`];
}

function publishArgs(properties: MessageProperties): readonly string[] {
  return [
    ...(properties.userProperties ?? []).flatMap((pair) => ['-D', 'publish', 'user-property', ...pair]),
    ...property('publish', 'content-type', properties.contentType),
    ...property('publish', 'response-topic', properties.responseTopic),
    ...property('publish', 'correlation-data', properties.correlationData),
    ...property('publish', 'message-expiry-interval', properties.messageExpirySeconds),
    ...property('publish', 'payload-format-indicator', properties.payloadFormat),
    ...property('publish', 'topic-alias', properties.topicAlias),
  ];
}

function parse(line: string): Arrived {
  const [
    ,
    topic = '',
    qos,
    retain,
    hex = '',
    user,
    contentType,
    responseTopic,
    correlationData,
    expiry,
    identifier,
    format,
  ] = line.split(separator);
  const pairs = user
    ?.split(' ')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split(':') as [string, string]);
  return {
    ...{ topic, payload: Buffer.from(hex, 'hex'), qos: Number(qos), retain: retain === '1' },
    properties: {
      ...(pairs?.length && { userProperties: pairs }),
      ...(contentType && { contentType }),
      ...(responseTopic && { responseTopic }),
      ...(correlationData && { correlationData }),
      ...(expiry && { messageExpirySeconds: Number(expiry) }),
      ...(format && { payloadFormat: Number(format) }),
      ...(identifier && { subscriptionIdentifiers: [Number(identifier)] }),
    },
  };
}
