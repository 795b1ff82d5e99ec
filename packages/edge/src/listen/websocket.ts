// MQTT over WebSocket [§6]: binary messages. What comes may be cut anywhere; what goes is a packet each (packet-cut.ts).
//
// The HTTP server is ours and `ws` speaks the WebSocket protocol from the upgrade on. Whoever comes without an upgrade
// or to another path is told what is spoken here. Compression is off: it costs memory for each connection, and MQTT
// packets are short.

import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { type Address, formatAddress, hostPort } from './address.ts';
import { ListenError } from './listen-error.ts';
import { PacketCut } from './packet-cut.ts';
import { takenBytes } from './shared-read.ts';
import { addressOf, socketOptions } from './tcp.ts';
import type { Listener, Receiver, Reception, Transport } from './transport.ts';

const backlog = 4096;
/** The sub-protocol's name, and the one that clients of MQTT 3.1 used [MQTT-6.0.0-3]. */
const subProtocols = ['mqtt', 'mqttv3.1'] as const;
/** Close codes of RFC 6455 §7.4.1. */
const normalClosure = 1000;
const unsupportedData = 1003;
/** A message may hold the end of one packet and the beginning of others, so it may be longer than the longest packet. */
const messageSlackBytes = 65_536;
/** Fragments of one message: each costs a hundred bytes, however little it carries. */
const maxFragments = 1024;

class WebSocketTransport implements Transport {
  readonly remoteAddress: string;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #cut = new PacketCut();
  /** Undefined once it has been told the end. */
  receiver: Receiver | undefined;
  #closeCode: number = normalClosure;

  constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.remoteAddress = addressOf(socket);
  }

  get pendingBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  get takenBytes(): number {
    return takenBytes(this.#socket);
  }

  write(bytes: Uint8Array, done: () => void): void {
    if (bytes.length === 0) done();
    this.#socket.cork(); // many packets are one write all the same
    for (let at = 0; at < bytes.length; ) {
      const end = at + this.#cut.take(bytes, at);
      const options = { binary: true, compress: false, fin: this.#cut.isComplete };
      this.#webSocket.send(bytes.subarray(at, end), options, end === bytes.length ? done : undefined);
      at = end;
    }
    this.#socket.uncork();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    this.#webSocket.close(this.#closeCode);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  data(message: RawData, isBinary: boolean): void {
    if (!isBinary) {
      // [MQTT-6.0.0-1]
      this.#closeCode = unsupportedData;
      this.receiver?.broken('a WebSocket text frame, where only binary ones may be');
      return;
    }
    // With binaryType 'fragments' it is the list of what arrived, not yet copied together.
    for (const chunk of message as Buffer[]) this.receiver?.data(chunk);
  }

  closed(error: Error | undefined): void {
    const receiver = this.receiver;
    this.receiver = undefined;
    receiver?.closed(error);
  }
}

/** Where a WebSocket's listeners, which all share, find its transport. */
const transportOf = Symbol('transport');
type Carried = WebSocket & { [transportOf]?: WebSocketTransport };

/**
 * Listens for WebSocket connections.
 *
 * @param maximumPacketSize of MQTT, in bytes; it bounds what a WebSocket message may hold
 * @throws ListenError if the address cannot be had
 */
export async function listenWebSocket(
  address: Extract<Address, { carrier: 'websocket' }>,
  maximumPacketSize: number,
  reception: Reception,
): Promise<Listener> {
  const options: ServerOptions & { closeTimeout: number; maxFragments: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxFragments,
    maxPayload: Math.min(maximumPacketSize + messageSlackBytes, 0x7fffffff),
    handleProtocols: (offered) => subProtocols.find((name) => offered.has(name)) ?? false,
    closeTimeout: 3000,
  };
  const webSockets = new WebSocketServer(options);
  const server = createServer({
    ...socketOptions,
    headersTimeout: 5000,
    requestTimeout: 5000,
    keepAliveTimeout: 1000,
    connectionsCheckingInterval: 5000,
  });
  server.on('request', (_request, response) => explain(response, address.path));
  server.on('upgrade', (request, socket, head) => {
    const refusal = refusalOf(request, address.path);
    if (refusal !== undefined) {
      refuse(socket, refusal.status, refusal.why);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => welcome(webSocket, socket as Socket, reception));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ListenError(formatAddress(address), error)));
    server.listen({ host: address.host, port: address.port, backlog }, resolve);
  });
  server.on('error', (error) => reception.failed(error));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const host = typeof bound === 'object' && bound !== null ? bound.address : address.host;
  return {
    url: `ws://${hostPort(host, port)}${address.path}`,
    // Connections that were upgraded stay; those that never were are not wanted any more.
    close: () => {
      server.close();
      server.closeAllConnections();
      return Promise.resolve();
    },
  };
}

function welcome(webSocket: Carried, socket: Socket, reception: Reception): void {
  const transport = new WebSocketTransport(webSocket, socket);
  webSocket.binaryType = 'fragments';
  webSocket.on('error', onError);
  webSocket.on('close', onClose);
  transport.receiver = reception.accept(transport);
  if (transport.receiver === undefined) {
    webSocket.terminate();
    return;
  }
  webSocket[transportOf] = transport;
  webSocket.on('message', onMessage);
}

function onMessage(this: Carried, message: RawData, isBinary: boolean): void {
  this[transportOf]?.data(message, isBinary);
}

/** Bad frames among them; `ws` closes with the code that fits. */
function onError(this: Carried, error: Error): void {
  this[transportOf]?.closed(error);
}

function onClose(this: Carried): void {
  this[transportOf]?.closed(undefined);
}

// What is answered to those who do not speak MQTT over WebSocket --------------------------------------------------------

function refusalOf(request: IncomingMessage, path: string): { status: number; why: string } | undefined {
  const asked = (request.url ?? '').split('?', 1)[0];
  if (asked !== path) return { status: 404, why: `MQTT over WebSocket is spoken at ${path}` };
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (!subProtocols.some((name) => offered.includes(name))) {
    return { status: 400, why: 'the WebSocket sub-protocol has to be mqtt' };
  }
  return undefined;
}

function refuse(socket: Duplex, status: number, why: string): void {
  const body = `${why}\n`;
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function explain(response: ServerResponse, path: string): void {
  response.writeHead(426, {
    Connection: 'Upgrade, close',
    Upgrade: 'websocket',
    'Content-Type': 'text/plain',
  });
  response.end(`This is an MQTT broker: connect by WebSocket at ${path}, with the sub-protocol mqtt\n`);
}
