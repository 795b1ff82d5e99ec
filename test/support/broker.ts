// A real broker in this process, on ports of its own, and the Clients that talk to it.
//
// The only file that knows how a broker is started; tests say what they need of its configuration and nothing else.

import { type Edge, type EdgeParts, type Settings, startEdge } from '@skein/edge';
import { RawClient } from './client.ts';
import { until } from './deadline.ts';
import { type Labels, metricValue } from './metrics.ts';
import type { ConnectOptions } from './packets.ts';
import { readPage } from './page.ts';

/** What a test may want different from a broker with default settings. */
export type BrokerOptions = EdgeParts &
  Pick<Settings, 'limits' | 'allowAnonymous' | 'sharedStrategy' | 'responseInformation' | 'serverReference'>;

/** How a Client reaches the broker. */
export interface Transport {
  /** Default `tcp`. */
  over?: 'tcp' | 'websocket';
}

/** Starts a broker on the memory store, with TCP, WebSocket and admin on free ports of the loopback address. */
export async function startBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const { authenticationMethods = [], ...settings } = options;
  const listen = ['mqtt://127.0.0.1:0', 'ws://127.0.0.1:0/mqtt'];
  const places = { listen, admin: '127.0.0.1:0', store: 'memory:' };
  const edge = await startEdge({ ...places, ...settings }, undefined, { authenticationMethods });
  return new TestBroker(edge);
}

/** A running broker. Disposing of it cuts all its Clients and stops it. */
export class TestBroker {
  readonly #edge: Edge;
  readonly #clients = new Set<RawClient>();

  constructor(edge: Edge) {
    this.#edge = edge;
  }

  /** Where MQTT over TCP is spoken: `mqtt://127.0.0.1:port`. */
  get url(): string {
    return this.#urlOf('mqtt:');
  }

  /** Where MQTT over WebSocket is spoken: `ws://127.0.0.1:port/mqtt`. */
  get webSocketUrl(): string {
    return this.#urlOf('ws:');
  }

  /** `http://127.0.0.1:port`, for health and metrics. */
  get adminUrl(): string {
    return this.#edge.adminUrl;
  }

  /** Opens a Network Connection that says nothing yet. */
  async open(options: Pick<ConnectOptions, 'version' | 'clientId'> & Transport = {}): Promise<RawClient> {
    return this.#keep(await RawClient.open(this.#urlFor(options), options));
  }

  /**
   * Connects a Client.
   *
   * @throws Error if it is refused: then use {@link TestBroker.attempt}
   */
  async connect(options: ConnectOptions & Transport = {}): Promise<RawClient> {
    const client = await this.attempt(options);
    const { reasonCode } = client.connack;
    if (reasonCode !== 0) throw new Error(`${client.clientId} was refused with 0x${reasonCode.toString(16)}`);
    return client;
  }

  /** Sends CONNECT and waits for the CONNACK, whatever it says: see {@link RawClient.connack}. */
  async attempt(options: ConnectOptions & Transport = {}): Promise<RawClient> {
    return this.#keep(await RawClient.connect(this.#urlFor(options), options));
  }

  /** Reads one number from /metrics; a sample that is not there is 0. */
  async metric(name: string, labels: Labels = {}): Promise<number> {
    return metricValue((await readPage(`${this.adminUrl}/metrics`)).text, name, labels);
  }

  /** Waits until a number in /metrics is what it should be. */
  async untilMetric(name: string, labels: Labels, value: number): Promise<void> {
    await until(`${name} to be ${value}`, async () => ((await this.metric(name, labels)) === value ? true : undefined));
  }

  /** Stops as SIGTERM does; Clients stay open on their side. */
  stop(): Promise<void> {
    return this.#edge.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.drop();
    await this.stop();
  }

  #keep(client: RawClient): RawClient {
    this.#clients.add(client);
    return client;
  }

  #urlFor({ over = 'tcp' }: Transport): string {
    return over === 'tcp' ? this.url : this.webSocketUrl;
  }

  #urlOf(protocol: 'mqtt:' | 'ws:'): string {
    const url = this.#edge.urls.find((each) => each.startsWith(protocol));
    if (url === undefined) throw new Error(`the broker does not listen on ${protocol}`);
    return url;
  }
}
