// A whole broker and the connections of its edge in one process, without sockets: bytes in, bytes out, in virtual time.
//
// The Connection is the product's own, on a transport that is played and a broker on the memory store. Only two things
// are real: the end of a turn and the next one, and those are waited for until nothing moves any more.

import { type MqttError, type Packet, ReasonCode, TopicTable } from '@skein/protocol';
import type { AuthenticationMethod } from '../../packages/broker/src/auth-ports.ts';
import { ManualClock, SeededRandom } from '../../packages/broker/src/contract/index.ts';
import {
  Broker,
  type Client,
  defaultLimits,
  type Fact,
  type Limits,
  memoryStore,
} from '../../packages/broker/src/index.ts';
import { Connection, type Surroundings } from '../../packages/edge/src/connection.ts';
import { Wheel } from '../../packages/edge/src/keep-alive.ts';
import type { Receiver, Transport } from '../../packages/edge/src/listen/transport.ts';
import { Traffic } from '../../packages/edge/src/traffic.ts';
import { Turn } from '../../packages/edge/src/turn.ts';
import { joined } from './structure.ts';

/** Small, so that a short conversation comes to every limit. */
const limits: Limits = {
  ...defaultLimits,
  maximumPacketSize: 100_000,
  receiveMaximum: 5,
  inboundInflightMax3: 5,
  topicAliasMaximum: 3,
  queueMaxMessages: 8,
  subscriptionsMax: 6,
  topicLevelsMax: 8,
  topicBytesMax: 100,
  clientIdBytesMax: 60,
  userPropertiesMax: 3,
  willMaxBytes: 200,
  retainedMaxMessages: 5,
};

const topics = new TopicTable({ slots: 64, seed: 1 });

/**
 * A way to authenticate that the Client steers by what it says: `c` is asked on, `r` is refused, all else is let in;
 * and hears what it said.
 */
const echo: AuthenticationMethod = {
  name: 'echo',
  begin: () => ({
    next: async (data) => {
      if (data?.[0] === 0x63) return { is: 'continue', data };
      if (data?.[0] !== 0x72) return { is: 'done', answer: { accepted: true }, data };
      return { is: 'done', answer: { accepted: false, reasonCode: ReasonCode.notAuthorized, why: 'it said r' }, data };
    },
    abandon: () => {},
  }),
};

/** A defect put between the network and the connection, for the fuzzer to find. */
export type Spoil = (connection: Connection, transport: PlayedTransport, stage: PlayedBroker) => Receiver;

/** The network under one connection: takes everything at once and remembers it. */
export class PlayedTransport implements Transport {
  readonly remoteAddress = '127.0.0.1:1';
  readonly pendingBytes = 0;
  takenBytes = 0;
  isEnded = false;
  isDestroyed = false;
  /** Bytes written after the end. */
  lateBytes = 0;
  readonly #sent: Uint8Array[] = [];

  /** All that was written. */
  get sent(): Uint8Array {
    return joined(this.#sent);
  }

  write(bytes: Uint8Array, done: () => void): void {
    if (this.isEnded || this.isDestroyed) this.lateBytes += bytes.length;
    this.#sent.push(Uint8Array.from(bytes));
    this.takenBytes += bytes.length;
    done();
  }

  pause(): void {}
  resume(): void {}
  end(): void {
    this.isEnded = true;
  }
  destroy(): void {
    this.isDestroyed = true;
  }
}

/** One connection, and what its broker was told of it. */
export class PlayedConnection {
  readonly transport: PlayedTransport = new PlayedTransport();
  readonly received: Packet[] = [];
  /** What the Client did wrong. */
  readonly failures: MqttError[] = [];
  /** What nobody caught. */
  readonly thrown: unknown[] = [];
  readonly #receiver: Receiver;
  #isClosed = false;

  constructor(stage: PlayedBroker, spoil: Spoil) {
    const connection = new Connection(this.transport, stage.around, (outlet) =>
      this.#watched(stage.broker.open(outlet, { listener: 'mqtt://test', remoteAddress: '' })),
    );
    this.#receiver = spoil(connection, this.transport, stage);
  }

  /** Bytes arrive; their memory is used for others at once. */
  data(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    const chunk = Buffer.from(bytes);
    try {
      this.#receiver.data(chunk);
    } catch (error) {
      this.thrown.push(error);
    }
    chunk.fill(0xee);
  }

  /** The network is lost. */
  lose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#receiver.closed(undefined);
  }

  #watched(client: Client): Pick<Client, 'receive' | 'fail' | 'lost' | 'drained'> {
    return {
      receive: (packet) => {
        this.received.push(packet);
        client.receive(packet);
      },
      fail: (error) => {
        this.failures.push(error);
        client.fail(error);
      },
      lost: (reason) => client.lost(reason),
      drained: () => client.drained(),
    };
  }
}

/** A broker and everything around it. */
export class PlayedBroker {
  readonly broker: Broker;
  readonly around: Surroundings;
  readonly facts: Fact[] = [];
  readonly #clock = new ManualClock();
  readonly #spoil: Spoil;
  readonly #connections: PlayedConnection[] = [];

  private constructor(spoil: Spoil) {
    this.#spoil = spoil;
    this.broker = new Broker(
      {
        ...memoryStore(this.#clock, new SeededRandom(1), limits),
        authenticator: { authenticate: async () => ({ accepted: true }) },
        authenticationMethods: [echo],
        authorizer: { mayPublish: (_, __, topic) => topic !== 'forbidden', maySubscribe: () => true },
        clock: this.#clock,
        random: new SeededRandom(2),
        observer: { observe: (fact) => this.facts.push(fact) },
        nodeId: 'node-a',
        cluster: undefined,
      },
      limits,
    );
    this.around = {
      turn: new Turn(),
      wheel: new Wheel(
        () => this.#clock.monotonicMs(),
        () => () => {},
      ),
      traffic: new Traffic('mqtt://test'),
      topics,
      limits: {
        maximumPacketSize: limits.maximumPacketSize,
        topicAliasMaximum: limits.topicAliasMaximum,
        connectTimeoutSeconds: 5,
        outboundBufferBytes: 100_000,
        slowConsumerSeconds: 30,
      },
      nowMs: () => this.#clock.nowMs(),
      gone: () => {},
    };
  }

  static async start(spoil: Spoil = (connection) => connection): Promise<PlayedBroker> {
    const stage = new PlayedBroker(spoil);
    await stage.broker.start();
    return stage;
  }

  /** A new Network Connection. */
  open(): PlayedConnection {
    const connection = new PlayedConnection(this, this.#spoil);
    this.#connections.push(connection);
    return connection;
  }

  /** Lets happen what follows, to the end. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#movement(); ) {
      before = this.#movement();
      await this.#clock.settle();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets time pass, and happen what is due. */
  async pass(ms: number): Promise<void> {
    await this.#clock.advance(ms);
    await this.settle();
  }

  /** A number that changes whenever something happens. */
  #movement(): number {
    let movement = this.facts.length;
    for (const { received, transport, failures } of this.#connections) {
      movement += received.length + transport.takenBytes + failures.length;
    }
    return movement;
  }
}
