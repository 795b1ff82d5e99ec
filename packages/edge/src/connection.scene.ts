// A connection between a network and a broker that are played: the scene of its tests.

import type { Accepted, CloseReason, Delivery, Message } from '@skein/broker';
import { Decoder, encode, type MqttError, type Packet, Slab, TopicTable } from '@skein/protocol';
import { type BrokerSide, Connection, type ConnectionLimits, type Surroundings } from './connection.ts';
import { tickMs, Wheel } from './keep-alive.ts';
import type { Transport } from './listen/transport.ts';
import { Traffic } from './traffic.ts';
import { Turn } from './turn.ts';

const limits: ConnectionLimits = {
  maximumPacketSize: 1024 * 1024,
  topicAliasMaximum: 8,
  connectTimeoutSeconds: 5,
  outboundBufferBytes: 100_000,
  slowConsumerSeconds: 30,
};

/** A network that takes bytes when it is told to, and remembers what it was told. */
class FakeTransport implements Transport {
  readonly remoteAddress = '127.0.0.1:1';
  readonly writes: Buffer[] = [];
  /** Whether the kernel takes what is written at once. */
  takes = true;
  readonly #waiting: { length: number; done: () => void }[] = [];
  takenBytes = 0;
  isPaused = false;
  ended = 0;
  destroyed = 0;

  get pendingBytes(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.writes.push(Buffer.from(bytes));
    if (this.takes && this.#waiting.length === 0) {
      this.takenBytes += bytes.length;
      process.nextTick(done);
    } else {
      this.#waiting.push({ length: bytes.length, done });
    }
  }

  /** The kernel takes the oldest writes. */
  take(count = Number.POSITIVE_INFINITY): void {
    for (const { length, done } of this.#waiting.splice(0, count)) {
      this.takenBytes += length;
      done();
    }
  }

  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  end(): void {
    this.ended += 1;
  }
  destroy(): void {
    this.destroyed += 1;
  }
}

/** A broker's side that records what it is told, and may answer. */
class FakeClient implements BrokerSide {
  readonly story: (Packet['type'] | string)[] = [];
  readonly packets: Packet[] = [];
  onPacket: (packet: Packet) => void = () => {};
  onLost: (reason: CloseReason) => void = () => {};

  receive(packet: Packet): void {
    this.story.push(packet.type);
    this.packets.push(packet);
    this.onPacket(packet);
  }
  fail(error: MqttError): void {
    this.story.push(`fail 0x${error.reasonCode.toString(16)}`);
  }
  lost(reason: CloseReason): void {
    this.story.push(`lost ${reason}`);
    this.onLost(reason);
  }
  drained(): void {
    this.story.push('drained');
  }
}

export interface Scene {
  readonly connection: Connection;
  readonly transport: FakeTransport;
  readonly client: FakeClient;
  readonly traffic: Traffic;
  /** Lets time pass on the wheel. */
  pass(seconds: number): void;
  /** Packets written so far, as the Client decodes them. */
  sent(): Packet[];
}

export function scene(overrides: Partial<ConnectionLimits> = {}): Scene {
  let ms = 0;
  const wheel = new Wheel(
    () => ms,
    () => () => {},
  );
  const traffic = new Traffic('mqtt://test');
  const around: Surroundings = {
    turn: new Turn(),
    wheel,
    traffic,
    topics: new TopicTable({ slots: 16 }),
    limits: { ...limits, ...overrides },
    nowMs: () => ms,
    gone: () => {
      client.story.push('gone');
    },
  };
  const transport = new FakeTransport();
  const client = new FakeClient();
  const connection = new Connection(transport, around, () => client);
  return {
    connection,
    transport,
    client,
    traffic,
    pass: (seconds) => {
      for (const endMs = ms + seconds * 1000; ms < endMs; ) {
        ms += tickMs;
        wheel.turn();
      }
    },
    sent: () => {
      const decoder = new Decoder({ from: 'server', maximumPacketSize: 1e8, protocolVersion: 5 });
      decoder.feed(Buffer.concat(transport.writes));
      const packets: Packet[] = [];
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(packet);
      return packets;
    },
  };
}

export function bytes(...packets: Packet[]): Buffer {
  const slab = Slab.take();
  for (const packet of packets) encode(packet, 5, slab);
  return Buffer.from(slab.view());
}

export const connect: Packet = {
  type: 'connect',
  protocolVersion: 5,
  clientId: 'lamp',
  cleanStart: true,
  keepAliveSeconds: 10,
  will: undefined,
  username: undefined,
  password: undefined,
  properties: undefined,
};
export const terms: Accepted = {
  clientId: 'lamp',
  protocolVersion: 5,
  keepAliveSeconds: 10,
  maximumPacketSize: 0xffffffff,
  topicAliasMaximum: 0,
};
export const pingreq: Packet = { type: 'pingreq' };
export const pingresp: Packet = { type: 'pingresp' };

export function message(topic: string, payloadBytes: number, overrides: Partial<Message> = {}): Message {
  return {
    topic,
    payload: new Uint8Array(payloadBytes),
    qos: 0,
    retain: false,
    properties: undefined,
    publisherId: 'other',
    expiresAtMs: 0,
    frames: undefined,
    ...overrides,
  };
}

export const qos0: Delivery = { qos: 0, retain: false, dup: false, packetId: 0, subscriptionIdentifiers: undefined };

/** A scene in which CONNECT was accepted. */
export function connected(overrides: Partial<ConnectionLimits> = {}, agreed: Partial<Accepted> = {}): Scene {
  const made = scene(overrides);
  made.connection.data(bytes(connect));
  made.connection.accepted({ ...terms, ...agreed });
  return made;
}

/** The end of this turn, and the beginning of the next. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
