// A proxy between Clients and the broker that does one thing wrong: whoever judges the load must notice.
//
// It reads packets on both sides and passes them on, each in its turn. A fault looks at every packet on its way and says
// whether it took care of it; if not, the packet is passed on as it was.

import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';
import { Decoder, encode, type Packet, type ProtocolVersion, Slab } from '@skein/protocol';

/** One Client's connection through the proxy. */
export interface Line {
  readonly clientId: string;
  toClient(packet: Packet): void;
  toServer(packet: Packet): void;
}

/** What goes wrong. Each method returns whether it took care of the packet; else the packet is passed on. */
export interface Fault {
  toClient?(packet: Packet, line: Line, lines: Iterable<Line>): boolean;
  toServer?(packet: Packet, line: Line): boolean;
}

/** A listening proxy. */
export class FaultyProxy {
  readonly #server: Server;
  readonly #lines = new Set<ProxyLine>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port. @param target the broker, `mqtt://host:port` */
  static async start(target: string, fault: Fault): Promise<FaultyProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer({ noDelay: true });
    const proxy = new FaultyProxy(server);
    server.on('connection', (client) => {
      const broker = tcpConnect({ host: hostname, port: Number(port), noDelay: true });
      const line = new ProxyLine(client, broker, fault, proxy.#lines);
      proxy.#lines.add(line);
      client.once('close', () => proxy.#lines.delete(line));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `mqtt://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines) line.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

class ProxyLine implements Line {
  clientId = '';
  #version: ProtocolVersion = 5;
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #fromClient: Decoder = new Decoder({ from: 'client', maximumPacketSize: 268_435_460 });
  #fromServer: Decoder | undefined;

  constructor(client: Socket, broker: Socket, fault: Fault, lines: Iterable<Line>) {
    this.#client = client;
    this.#broker = broker;
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      socket.on('error', () => {}); // 'close' follows
      socket.once('close', () => other.destroy());
    }
    client.on('data', (chunk) => {
      for (const packet of packetsOf(this.#fromClient, chunk)) {
        if (packet.type === 'connect') this.#begin(packet.clientId, packet.protocolVersion);
        if (fault.toServer?.(packet, this) !== true) this.toServer(packet);
      }
    });
    broker.on('data', (chunk) => {
      if (this.#fromServer === undefined) throw new Error('the server speaks first');
      for (const packet of packetsOf(this.#fromServer, chunk)) {
        if (fault.toClient?.(packet, this, lines) !== true) this.toClient(packet);
      }
    });
  }

  toClient(packet: Packet): void {
    this.#write(this.#client, packet);
  }

  toServer(packet: Packet): void {
    this.#write(this.#broker, packet);
  }

  cut(): void {
    this.#client.destroy();
    this.#broker.destroy();
  }

  #begin(clientId: string, version: ProtocolVersion): void {
    this.clientId = clientId;
    this.#version = version;
    this.#fromServer = new Decoder({ from: 'server', maximumPacketSize: 268_435_460, protocolVersion: version });
  }

  #write(socket: Socket, packet: Packet): void {
    const slab = Slab.take();
    encode(packet, this.#version, slab);
    socket.write(Buffer.from(slab.view()));
    Slab.give(slab);
  }
}

function* packetsOf(decoder: Decoder, chunk: Uint8Array): Generator<Packet> {
  decoder.feed(chunk);
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) yield packet;
  decoder.settle();
}
