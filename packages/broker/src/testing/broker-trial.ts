// A whole broker without sockets, on a store whose way is as long as the test wants.

import { type Connect, type ConnectProperties, type Packet, ReasonCode, type Will } from '@skein/protocol';
import { Broker } from '../broker.ts';
import type { Client } from '../client.ts';
import { ManualClock, SeededRandom } from '../contract/index.ts';
import { bytesOf, thisNode } from '../contract/samples.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { memoryStore } from '../memory/store.ts';
import { defaultPolicy, type Policy } from '../policy.ts';
import type { AuthenticationMethod, Authenticator, Authorizer, Store } from '../ports.ts';
import { RecordingOutlet } from './recording-outlet.ts';
import { RecordingObserver } from './surroundings.ts';
import { type PendingCall, UnreliableStore } from './unreliable-store.ts';

/** What a CONNECT of a test may say; the rest is MQTT 5.0 with a Session that stays for an hour. */
export interface ConnectOptions {
  readonly protocolVersion?: 3 | 4 | 5;
  readonly cleanStart?: boolean;
  readonly sessionExpirySeconds?: number;
  readonly receiveMaximum?: number;
  readonly will?: Will | undefined;
  readonly username?: string;
}

/** A CONNECT packet. */
export function connectPacket(clientId: string, options: ConnectOptions = {}): Connect {
  const { protocolVersion = 5, cleanStart = false, sessionExpirySeconds = 3600, receiveMaximum, will } = options;
  const properties: ConnectProperties = { sessionExpiryInterval: sessionExpirySeconds };
  if (receiveMaximum !== undefined) properties.receiveMaximum = receiveMaximum;
  return {
    type: 'connect',
    protocolVersion,
    clientId,
    cleanStart,
    keepAliveSeconds: 0,
    will,
    username: options.username,
    password: undefined,
    properties: protocolVersion === 5 ? properties : undefined,
  };
}

/** Where a connection leads, and the time there. */
export interface TestNode {
  readonly broker: Broker;
  readonly clock: ManualClock;
}

/** A connected Client. @throws Error if the broker refuses it */
export async function connectTo(
  node: TestNode,
  clientId: string,
  options: ConnectOptions = {},
): Promise<TestConnection> {
  const connection = new TestConnection(node);
  const [answer] = await connection.send(connectPacket(clientId, options));
  if (answer !== 'connack' && answer !== 'connack present') throw new Error(`${clientId} was told ${answer}`);
  return connection;
}

/** One Network Connection of a test. */
export class TestConnection {
  readonly outlet: RecordingOutlet = new RecordingOutlet();
  readonly client: Client;
  readonly #trial: TestNode;

  constructor(trial: TestNode) {
    this.#trial = trial;
    this.client = trial.broker.open(this.outlet, { listener: 'test', remoteAddress: '' });
  }

  /** Sends packets, and lets what follows happen. @returns what came back, in short */
  async send(...packets: Packet[]): Promise<string[]> {
    for (const packet of packets) this.client.receive(packet);
    await this.#trial.clock.settle();
    return this.outlet.said();
  }

  subscribe(topicFilter: string, qos: 0 | 1 | 2 = 2, packetId = 1): Promise<string[]> {
    const request = { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    return this.send({ type: 'subscribe', packetId, subscriptions: [request], properties: undefined });
  }

  publish(topic: string, text: string, qos: 0 | 1 | 2 = 1, packetId: number = qos === 0 ? 0 : 1): Promise<string[]> {
    return this.send(publishPacket(topic, text, qos, packetId));
  }

  /** The socket is gone. */
  async lose(): Promise<void> {
    this.client.lost('connection_lost');
    await this.#trial.clock.settle();
  }

  disconnect(reasonCode: ReasonCode = ReasonCode.normalDisconnection): Promise<string[]> {
    return this.send({ type: 'disconnect', reasonCode, properties: undefined });
  }
}

/** A PUBLISH packet that bears its text as payload. */
export function publishPacket(
  topic: string,
  text: string,
  qos: 0 | 1 | 2,
  packetId: number,
  dup = false,
  retain = false,
): Packet {
  return { type: 'publish', topic, payload: bytesOf(text), qos, retain, dup, packetId, properties: undefined };
}

/** A broker, and all that is around it. */
export class BrokerTrial {
  readonly clock: ManualClock = new ManualClock();
  readonly observer: RecordingObserver = new RecordingObserver();
  /** The store itself, past its unreliable way. */
  readonly behind: Store;
  readonly store: UnreliableStore;
  readonly broker: Broker;
  /** What happens to a call of the store; at first it is answered. */
  meet: (call: PendingCall) => unknown = (call) => call.answer();
  authenticate: Authenticator['authenticate'] = async () => ({ accepted: true });
  mayPublish: Authorizer['mayPublish'] = () => true;

  private constructor(limits: Limits, policy: Policy, authenticationMethods: readonly AuthenticationMethod[]) {
    this.behind = memoryStore(this.clock, new SeededRandom(1), limits);
    this.store = new UnreliableStore(this.behind, (call) => this.meet(call));
    this.broker = new Broker(
      {
        ...this.store,
        authenticator: { authenticate: (credentials) => this.authenticate(credentials) },
        authenticationMethods,
        authorizer: { mayPublish: (...asked) => this.mayPublish(...asked), maySubscribe: () => true },
        clock: this.clock,
        random: new SeededRandom(2),
        observer: this.observer,
        nodeId: thisNode,
        cluster: undefined,
      },
      limits,
      policy,
    );
  }

  static async start(
    limits: Partial<Limits> = {},
    policy: Partial<Policy> = {},
    authenticationMethods: readonly AuthenticationMethod[] = [],
  ): Promise<BrokerTrial> {
    const trial = new BrokerTrial(
      { ...defaultLimits, ...limits },
      { ...defaultPolicy, ...policy },
      authenticationMethods,
    );
    await trial.broker.start();
    return trial;
  }

  /** A Network Connection that has not said anything. */
  open(): TestConnection {
    return new TestConnection(this);
  }

  /** A connected Client. @throws Error if the broker refuses it */
  connect(clientId: string, options: ConnectOptions = {}): Promise<TestConnection> {
    return connectTo(this, clientId, options);
  }

  /** Stops the broker, where nothing has to be waited for. */
  async stop(deadlineMs: number): Promise<void> {
    const stopped = this.broker.stop(deadlineMs);
    await this.clock.settle();
    await stopped;
  }

  /** Lets calls of one name wait, and answers all others. @returns those that wait */
  holdCalls(name: string): PendingCall[] {
    const held: PendingCall[] = [];
    this.meet = (call) => (call.name === name ? held.push(call) : call.answer());
    return held;
  }
}
