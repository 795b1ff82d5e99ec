// A server that does what MQTT asks of it, but for the fault that a test plants: the checker's negative control.
//
// It keeps no Sessions and acknowledges at once. What it writes is cut into pieces that follow no packet's border.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  type Connack,
  type Connect,
  Decoder,
  encode,
  type Packet,
  type ProtocolVersion,
  type Publish,
  Slab,
} from '@skein/protocol';

/** What goes wrong. What is left out goes right. */
export interface Fault {
  /** What is sent in place of a delivery, if anything; `number` counts the deliveries from 0. */
  deliver?: (publish: Publish, number: number, subscriber: number) => readonly Publish[];
  /** Who else gets a delivery, by the order of their CONNECTs. */
  receivers?: (publish: Publish, matching: readonly number[], all: readonly number[]) => readonly number[];
  /** What is sent in place of a CONNACK; undefined closes. */
  connack?: (connect: Connect, connack: Connack) => Connack | undefined;
  /** What is sent in place of any other answer; `number` counts them from 0. */
  answer?: (packet: Packet, number: number) => Packet | undefined;
  /** After so many PUBLISHes everybody is cut off. */
  diesAfter?: number;
}

interface Client {
  readonly socket: Socket;
  readonly version: ProtocolVersion;
  readonly filters: { topicFilter: string; qos: 0 | 1 | 2 }[];
  packetId: number;
}

/** Starts the server. */
export async function startFaultyServer(fault: Fault = {}): Promise<FaultyServer> {
  const server = new FaultyServer(fault);
  await server.listening;
  return server;
}

/** The server. */
export class FaultyServer implements AsyncDisposable {
  readonly listening: Promise<void>;
  readonly #server: Server;
  readonly #fault: Fault;
  readonly #clients: Client[] = [];
  #deliveries = 0;
  #answers = 0;
  #publishes = 0;

  constructor(fault: Fault) {
    this.#fault = fault;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.listening = new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `mqtt://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const decoder = new Decoder({ from: 'client', maximumPacketSize: 268_435_460 });
    let client: Client | undefined;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      decoder.feed(chunk);
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        if (packet.type === 'connect') client = this.#welcome(socket, packet);
        else if (client !== undefined) this.#receive(client, packet);
      }
      decoder.settle();
    });
  }

  #welcome(socket: Socket, connect: Connect): Client | undefined {
    const right: Connack = {
      type: 'connack',
      sessionPresent: !connect.cleanStart,
      reasonCode: 0,
      properties: connect.protocolVersion === 5 ? { receiveMaximum: 20 } : undefined,
    };
    const connack = this.#fault.connack === undefined ? right : this.#fault.connack(connect, right);
    const client = { socket, version: connect.protocolVersion, filters: [], packetId: 0 };
    if (connack === undefined) {
      socket.destroy();
      return undefined;
    }
    this.#send(client, connack);
    if (connack.reasonCode !== 0) return undefined;
    this.#clients.push(client);
    return client;
  }

  #receive(client: Client, packet: Packet): void {
    const properties = undefined;
    switch (packet.type) {
      case 'publish': {
        if (++this.#publishes === this.#fault.diesAfter) {
          for (const { socket } of this.#clients) socket.destroy();
          return;
        }
        const { packetId, qos } = packet;
        if (qos > 0)
          this.#answer(client, { type: qos === 1 ? 'puback' : 'pubrec', packetId, reasonCode: 0, properties });
        return this.#route(packet);
      }
      case 'pubrel':
        return this.#answer(client, { type: 'pubcomp', packetId: packet.packetId, reasonCode: 0, properties });
      case 'pubrec':
        return this.#answer(client, { type: 'pubrel', packetId: packet.packetId, reasonCode: 0, properties });
      case 'subscribe': {
        client.filters.push(...packet.subscriptions);
        const reasonCodes = packet.subscriptions.map(({ qos }) => qos);
        return this.#answer(client, { type: 'suback', packetId: packet.packetId, reasonCodes, properties });
      }
      case 'pingreq':
        return this.#answer(client, { type: 'pingresp' });
      case 'disconnect':
        client.socket.end();
        return;
      default:
        return;
    }
  }

  #answer(client: Client, right: Packet): void {
    const said = this.#fault.answer === undefined ? right : this.#fault.answer(right, this.#answers++);
    if (said !== undefined) this.#send(client, said);
  }

  #route(publish: Publish): void {
    const all = this.#clients.flatMap(({ filters }, index) => (filters.length > 0 ? [index] : []));
    const matching = all.filter((index) =>
      this.#clients[index]?.filters.some((each) => isMatch(each.topicFilter, publish.topic)),
    );
    for (const index of this.#fault.receivers?.(publish, matching, all) ?? matching) {
      const client = this.#clients[index] as Client;
      const qos = Math.min(publish.qos, client.filters[0]?.qos ?? 0) as 0 | 1 | 2;
      const right: Publish = { ...publish, payload: Buffer.from(publish.payload), qos, properties: undefined };
      const sent = this.#fault.deliver?.(right, this.#deliveries++, index) ?? [right];
      for (const each of sent) {
        client.packetId = (client.packetId % 65_535) + 1;
        this.#send(client, { ...each, packetId: each.qos > 0 ? client.packetId : 0 });
      }
    }
  }

  #send({ socket, version }: Client, packet: Packet): void {
    const slab = Slab.take();
    encode(packet, version, slab);
    const bytes = Buffer.from(slab.view());
    Slab.give(slab);
    const cut = bytes.length >> 1;
    socket.write(bytes.subarray(0, cut));
    socket.write(bytes.subarray(cut));
  }
}

/** Enough for the filters that are subscribed here [§4.7.1]. */
function isMatch(filter: string, topic: string): boolean {
  return filter.endsWith('#') ? topic.startsWith(filter.slice(0, -1)) : filter === topic;
}
