// The door that peers come in by: a socket that is bound before there is a node to come to.
//
// The address has to be known first, for it stands in the register; and a node that was taken for dead starts anew
// behind the same door. So the door outlives the Peers that it leads to, and is shut while there are none.
//
// We listen ourselves and hand the connections to gRPC: so an address that is taken is a plain error of the system, and
// the number of connections is bounded. Nobody's message is read before he has been let in.

import { once } from 'node:events';
import type { Http2Server } from 'node:http2';
import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from 'node:net';
import {
  type ConnectionInjector,
  logVerbosity,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  ServerListenerBuilder,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import type { Peers } from '@skein/broker';
import { callerOf, judge, type Refusal } from './credentials.ts';
import type { PeersEvent } from './event.ts';
import { type PeerServer, PeerService } from './generated/peer.ts';
import { messageMaxBytes, pings } from './limits.ts';
import { PeersListenError } from './listen-error.ts';
import { GrpcPeers, type PeersOptions } from './peers.ts';

/** Connections at most: a cluster has far fewer nodes. */
const connectionsMax = 1024;
/** Calls of one connection: its Link, an older one that ends, and questions. */
const streamsMax = 16;
/** A connection without a call is closed, after this many milliseconds. */
const idleMs = 5000;
/** One on which nobody has been let in is cut by then. */
const strangerMs = 5000;
/** What a peer may have under way to us, in bytes: a few batches. */
export const windowBytes: number = 1_048_576;
/** Whoever is refused is told of at most this often, in milliseconds. */
const refusedEveryMs = 1000;

const shut: Refusal = { code: status.UNAVAILABLE, details: 'the node is not there yet, or no more' };

export interface BindOptions {
  /** A name or an address: `127.0.0.1`, `::1`, `localhost`. */
  readonly host: string;
  /** 0 is any. */
  readonly port: number;
  readonly onEvent: (event: PeersEvent) => void;
}

/**
 * Listens for peers.
 *
 * @throws PeersListenError if that cannot be
 */
export async function bindPeers(options: BindOptions): Promise<BoundPeers> {
  const { host, port } = options;
  // What matters is told by events; gRPC would write to stderr in words of its own.
  setLogVerbosity(logVerbosity.NONE);
  const listener = createServer({ noDelay: true });
  try {
    listener.listen(port, host);
    await once(listener, 'listening');
  } catch (cause) {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    throw new PeersListenError(address, cause as NodeJS.ErrnoException);
  }
  return new BoundPeers(options, listener);
}

/**
 * Lets a peer send a batch and the next one without waiting for us to say that there is room: with the 64 KiB that
 * HTTP/2 begins with, each batch takes several round trips of two busy event loops. The library has an option for this
 * on a client, and none on a server.
 */
function widen(server: Server): void {
  const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('session', (session) => {
      session.setLocalWindowSize(windowBytes);
      session.settings({ initialWindowSize: windowBytes });
    });
  }
}

/** A door that peers come in by. */
export class BoundPeers implements AsyncDisposable {
  /** As given. */
  readonly host: string;
  /** The one that is really bound. */
  readonly port: number;
  readonly #onEvent: (event: PeersEvent) => void;
  readonly #listener: TcpServer;
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  /** By the peer's address and port, as gRPC calls it. */
  readonly #sockets = new Map<string, Socket>();
  /** Cuts connections on which nobody is let in. */
  readonly #strangers = new Map<Socket, NodeJS.Timeout>();
  #peers: GrpcPeers | undefined = undefined;
  #refusedMs = Number.NEGATIVE_INFINITY;

  /** @internal */
  constructor({ host, onEvent }: BindOptions, listener: TcpServer) {
    this.host = host;
    this.port = (listener.address() as AddressInfo).port;
    this.#onEvent = onEvent;
    this.#listener = listener;
    this.#server = new Server({
      ...pings,
      'grpc.max_receive_message_length': messageMaxBytes,
      'grpc.max_concurrent_streams': streamsMax,
      'grpc.max_connection_idle_ms': idleMs,
      'grpc.enable_channelz': 0,
      interceptors: [(_method, call) => this.#admit(call)],
    });
    this.#server.addService(PeerService, this.#service());
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    widen(this.#server);
    listener.maxConnections = connectionsMax;
    listener.on('connection', (socket) => this.#connected(socket));
    // An error to accept one connection (no descriptors left) is not the next one's.
    listener.on('error', () => undefined);
  }

  /**
   * The Peers of one start of a node: from now on they are who comes in by this door.
   *
   * @throws Error if those before them have not been closed
   */
  peers(options: PeersOptions): Peers {
    if (this.#peers !== undefined) throw new Error('the Peers before these have not been closed');
    const peers = new GrpcPeers(options, this.#onEvent, () => {
      if (this.#peers === peers) this.#peers = undefined;
    });
    this.#peers = peers;
    return peers;
  }

  /** Closes the Peers that are there, and the door. */
  async close(): Promise<void> {
    const closed = this.#listener.listening ? once(this.#listener, 'close') : undefined;
    this.#listener.close();
    await this.#peers?.close();
    this.#server.forceShutdown();
    for (const socket of this.#sockets.values()) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whoever does not say soon that he may come in is cut off, whatever he does meanwhile. */
  #connected(socket: Socket): void {
    const name = nameOf(`${socket.remoteAddress}:${socket.remotePort}`);
    this.#sockets.set(name, socket);
    this.#strangers.set(
      socket,
      setTimeout(() => socket.destroy(), strangerMs),
    );
    socket.on('close', () => {
      if (this.#sockets.get(name) === socket) this.#sockets.delete(name);
      this.#known(socket);
    });
    this.#injector.injectConnection(socket);
  }

  #known(socket: Socket | undefined): void {
    if (socket === undefined) return;
    clearTimeout(this.#strangers.get(socket));
    this.#strangers.delete(socket);
  }

  #service(): PeerServer {
    return {
      link: (stream) => {
        if (!this.#peers?.receive(callerOf(stream.metadata), stream)) stream.emit('error', shut);
      },
      ask: (_call, answer) => {
        const storeAnswers = this.#peers?.storeAnswers();
        if (storeAnswers === undefined) answer(shut);
        else answer(null, { storeAnswers });
      },
    };
  }

  /** Judges a call by its metadata, before anything else of it is read. */
  #admit(call: ServerInterceptingCallInterface): ServerInterceptingCall {
    return new ServerInterceptingCall(call, {
      start: (next) => {
        const listener = new ServerListenerBuilder().withOnReceiveMetadata((metadata, pass) => {
          const refusal = this.#peers === undefined ? shut : judge(metadata, this.#peers.self);
          if (refusal === undefined) {
            this.#known(this.#sockets.get(nameOf(call.getPeer())));
            pass(metadata);
            return;
          }
          if (refusal !== shut) this.#tellRefused(callerOf(metadata) || call.getPeer(), refusal.details);
          call.sendStatus(refusal);
        });
        next(listener.build());
      },
    });
  }

  #tellRefused(from: string, why: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#refusedMs < refusedEveryMs) return;
    this.#refusedMs = nowMs;
    this.#onEvent({ is: 'refused', from, why });
  }
}

/** An address and a port as one text, whether or not IPv6 addresses stand in brackets. */
function nameOf(peer: string): string {
  return peer.replaceAll(/[[\]]/g, '');
}
