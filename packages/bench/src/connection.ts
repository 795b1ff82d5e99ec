// One Network Connection of ours: what is read is taken apart where it lies, what is sent leaves in one write a turn.
//
// All connections of a thread read into the same memory. Before it there is room for the beginning of a packet that
// the chunk before left over, so that a packet cut in two lies in one piece again without a copy of the rest. The
// packets that come by the hundred thousand (PUBLISH and its four acknowledgements) never become objects; for the others
// there is the codec.

import { connect, type Socket } from 'node:net';
import { type Connack, type Connect, Decoder, encode, type Packet, type ProtocolVersion, Slab } from '@skein/protocol';
import { BenchError } from './bench-error.ts';
import { reasonName } from './reason-name.ts';
import type { Pending, Turn } from './turn.ts';

const headroomBytes = 65_536;
const memory = Buffer.allocUnsafeSlow(headroomBytes + 262_144);
const memoryView = new DataView(memory.buffer);
const readInto = memory.subarray(headroomBytes);
/** So much goes out in one write at most. */
const writeBytes = 60_000;
const packetSizeMax = 268_435_460;
/** How long the other side may be silent when we end the connection. */
const endMs = 2000;

/** The types of packets that acknowledge a PUBLISH [§2.1.2]. */
export const ackType = { puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7 } as const;

/** Who wants to know what a connection brings. */
export interface Listener {
  /** A PUBLISH; its Variable Header begins at `at`. */
  published(bytes: Buffer, view: DataView, firstByte: number, at: number, end: number): void;
  /** One of the four acknowledgements, as in {@link ackType}. */
  acknowledged(type: number, packetId: number, reasonCode: number): void;
  /** Any other packet but CONNACK, PINGRESP and DISCONNECT. */
  answered(packet: Packet): void;
  /** The socket takes more again. */
  drained(): void;
  /** The connection has ended, and not because we ended it. */
  gone(why: string): void;
}

/** Where and as what to connect. */
export interface ConnectionOptions {
  url: string;
  host: string;
  port: number;
  localAddress: string | undefined;
  connect: Connect;
  listener: Listener;
  turn: Turn;
}

/** A Network Connection. */
export class Connection implements Pending {
  pending = false;
  /** More than the kernel takes has been written; a publisher waits. */
  congested = false;
  /** After so long without a word of ours a PINGREQ is due; 0 for never. Milliseconds. */
  keepAliveMs = 0;
  #sentAtMs: number;
  /** Connections made together do not ping together. */
  readonly #patience: number = 0.5 + Math.random() / 4;
  readonly url: string;
  readonly #version: ProtocolVersion;
  readonly #listener: Listener;
  readonly #turn: Turn;
  readonly #socket: Socket;
  #out: Slab | undefined = undefined;
  /** The beginning of a packet, shorter than the headroom. */
  #held: Buffer | undefined = undefined;
  /** A packet longer than the headroom, of which #largeAt bytes are there. */
  #large: Buffer | undefined = undefined;
  #largeAt = 0;
  #connacked: ((outcome: Connack | BenchError) => void) | undefined = undefined;
  #failure = '';
  #ending = false;
  #ended: (() => void) | undefined = undefined;

  private constructor(options: ConnectionOptions) {
    const { host, port, localAddress, turn } = options;
    this.url = options.url;
    this.#version = options.connect.protocolVersion;
    this.#listener = options.listener;
    this.#turn = turn;
    this.#sentAtMs = turn.nowMs;
    const socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      onread: { buffer: readInto, callback: (count) => this.#read(count) },
    });
    this.#socket = socket;
    socket.once('connect', () => this.send(options.connect));
    socket.on('drain', () => {
      this.congested = false;
      this.#listener.drained();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      this.#failure ||= explained(error);
    });
    socket.once('close', () => this.#closed());
  }

  /**
   * Connects, and waits for the CONNACK.
   *
   * @throws BenchError if there is none, or it refuses
   */
  static async open(options: ConnectionOptions): Promise<{ connection: Connection; connack: Connack }> {
    const connection = new Connection(options);
    const connack = await new Promise<Connack | BenchError>((resolve) => {
      connection.#connacked = resolve;
    });
    if (connack instanceof BenchError) throw connack;
    if (connack.reasonCode === 0) return { connection, connack };
    connection.drop();
    const said = connack.properties?.reasonString;
    throw new BenchError(
      'server',
      `${options.url}: the server refused the connection: ${reasonName(connack.reasonCode)}` +
        `${said === undefined ? '' : ` (${said})`}${hint(connack.reasonCode)}`,
    );
  }

  /** Memory to write a packet to; it leaves at the end of the turn. */
  out(): Slab {
    this.#turn.soon(this);
    this.#out ??= Slab.take();
    return this.#out;
  }

  /** As {@link Connection.out}, if there is enough in it already what is there leaves first. */
  roomyOut(): Slab {
    if (this.#out !== undefined && this.#out.length >= writeBytes) this.flush();
    return this.out();
  }

  send(packet: Packet): void {
    encode(packet, this.#version, this.out());
  }

  /** Appends one of the four acknowledgements, success. */
  acknowledge(type: number, packetId: number): void {
    const out = this.out();
    out.reserve(4);
    const { buffer, length } = out;
    buffer[length] = (type << 4) | (type === ackType.pubrel ? 2 : 0);
    buffer[length + 1] = 2;
    buffer[length + 2] = packetId >>> 8;
    buffer[length + 3] = packetId;
    out.length = length + 4;
  }

  endTurn(): void {
    this.flush();
  }

  /** Sends what was written, now. */
  flush(): void {
    const out = this.#out;
    if (out === undefined) return;
    this.#out = undefined;
    if (this.#socket.destroyed || out.length === 0) return Slab.give(out);
    this.#sentAtMs = this.#turn.nowMs;
    if (!this.#socket.write(out.view())) this.congested = true;
    // Memory that the kernel has not taken yet stays with the socket.
    if (this.#socket.writableLength === 0) Slab.give(out);
  }

  /** Sends PINGREQ if it is time [MQTT-3.1.2-20]. */
  keepAlive(nowMs: number): void {
    if (this.keepAliveMs === 0 || nowMs - this.#sentAtMs < this.keepAliveMs * this.#patience) return;
    if (this.#out === undefined) this.send({ type: 'pingreq' });
  }

  /** Says DISCONNECT, and waits until the connection has ended, but not for long. */
  async end(): Promise<void> {
    this.#ending = true;
    if (this.#socket.destroyed) return;
    this.send({ type: 'disconnect', reasonCode: 0, properties: undefined });
    this.flush();
    await new Promise<void>((resolve) => {
      this.#ended = resolve;
      this.#socket.end();
      this.#socket.setTimeout(endMs, () => this.#socket.destroy());
    });
  }

  /** Ends it without a word. */
  drop(): void {
    this.#ending = true;
    this.#socket.destroy();
  }

  #read(count: number): boolean {
    this.#turn.begin();
    try {
      this.#receive(count);
    } catch (error) {
      // The server broke the protocol, which ends the connection as a broken wire does.
      this.#socket.destroy(error as Error);
    }
    return true;
  }

  #receive(count: number): void {
    let from = headroomBytes;
    const end = headroomBytes + count;
    if (this.#large !== undefined) {
      from = this.#readLarge(this.#large, from, end);
    } else if (this.#held !== undefined) {
      from -= this.#held.length;
      this.#held.copy(memory, from);
      this.#held = undefined;
    }
    const at = this.#takeApart(memory, memoryView, from, end);
    if (at < end) this.#keep(at, end);
  }

  /** Adds to a large packet; returns where what follows it begins. */
  #readLarge(large: Buffer, from: number, end: number): number {
    const next = Math.min(end, from + large.length - this.#largeAt);
    memory.copy(large, this.#largeAt, from, next);
    this.#largeAt += next - from;
    if (this.#largeAt === large.length) {
      this.#large = undefined;
      this.#takeApart(large, new DataView(large.buffer, large.byteOffset, large.length), 0, large.length);
    }
    return next;
  }

  /** Keeps the beginning of a packet until the rest of it comes. */
  #keep(at: number, end: number): void {
    const size = packetSize(memory, at, end);
    if (size <= headroomBytes) {
      this.#held = Buffer.allocUnsafe(end - at);
      memory.copy(this.#held, 0, at, end);
    } else {
      this.#large = Buffer.allocUnsafeSlow(size);
      this.#largeAt = memory.copy(this.#large, 0, at, end);
    }
  }

  /** Hands on all whole packets; returns where the first one begins that is not whole. */
  #takeApart(bytes: Buffer, view: DataView, from: number, end: number): number {
    let at = from;
    while (at < end) {
      const size = packetSize(bytes, at, end);
      if (size === 0 || at + size > end) return at;
      const first = bytes[at] as number;
      let body = at + 2;
      while ((bytes[body - 1] as number) >= 0x80) body++;
      const next = at + size;
      const type = first >>> 4;
      if (type === 3) {
        this.#listener.published(bytes, view, first, body, next);
      } else if (type >= 4 && type <= 7) {
        this.#listener.acknowledged(type, view.getUint16(body), next - body > 2 ? (bytes[body + 2] as number) : 0);
      } else {
        this.#control(bytes.subarray(at, next));
      }
      at = next;
    }
    return at;
  }

  #control(frame: Buffer): void {
    const decoder = new Decoder({ from: 'server', maximumPacketSize: packetSizeMax, protocolVersion: this.#version });
    decoder.feed(Buffer.from(frame));
    const packet = decoder.next() as Packet;
    switch (packet.type) {
      case 'connack':
        this.#connacked?.(packet);
        this.#connacked = undefined;
        return;
      case 'pingresp':
        return;
      case 'disconnect': {
        const said = packet.properties?.reasonString;
        this.#failure = `DISCONNECT, ${reasonName(packet.reasonCode)}${said === undefined ? '' : ` (${said})`}`;
        return;
      }
      default:
        return this.#listener.answered(packet);
    }
  }

  #closed(): void {
    this.#ended?.();
    const why = this.#failure || 'the connection was closed';
    if (this.#connacked !== undefined) {
      const blames = /descriptors|local addresses/.test(why) ? 'machine' : 'server';
      this.#connacked(
        new BenchError(blames, `${this.url}: ${this.#failure || 'the connection was closed before CONNACK'}`),
      );
      this.#connacked = undefined;
    } else if (!this.#ending) {
      this.#listener.gone(why);
    }
  }
}

/** The size of the packet at `at` with its Fixed Header; 0 if that is not there yet. */
function packetSize(bytes: Buffer, at: number, end: number): number {
  let size = 0;
  let shift = 0;
  for (let position = at + 1; position < end; position++) {
    const byte = bytes[position] as number;
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return position + 1 - at + size;
    shift += 7;
    if (shift > 21 + 7) throw new BenchError('server', 'the server sent a packet whose Remaining Length is malformed');
  }
  return 0;
}

function explained(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused: no server listens there';
    case 'EMFILE':
    case 'ENFILE':
      return 'no more file descriptors: raise the limit with `ulimit -n`';
    case 'EADDRNOTAVAIL':
      return 'no more local addresses: some 28,000 connections from one address to one port are the most';
    case 'ETIMEDOUT':
      return 'no answer (timed out)';
    default:
      return error.message;
  }
}

function hint(reasonCode: number): string {
  return reasonCode === 0x86 || reasonCode === 0x87 ? '; see --username and --password' : '';
}
