// MQTT over TCP and over Unix sockets [§4.2].

import { lstat, unlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { type Address, formatAddress, hostPort } from './address.ts';
import { ListenError } from './listen-error.ts';
import { plainReading, sharedReading, sharedReadingWorks, takenBytes } from './shared-read.ts';
import type { Listener, Receiver, Reception, Transport } from './transport.ts';

/** A device that lost its power says nothing, and may have no Keep Alive: the kernel asks after it. */
export const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;

/** Connections that the kernel keeps for us until we accept them; it may cut this (net.core.somaxconn). */
const backlog = 4096;

const noBytes = new Uint8Array(0);

/** Where a socket's listeners, which all sockets share, find its transport. */
const transportOf = Symbol('transport');
type Carried = Socket & { [transportOf]?: TcpTransport };

class TcpTransport implements Transport {
  #remoteAddress: string | undefined = undefined;
  readonly #socket: Socket;
  /** Undefined once it has been told the end. */
  receiver: Receiver | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get remoteAddress(): string {
    this.#remoteAddress ??= addressOf(this.#socket);
    return this.#remoteAddress;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  get takenBytes(): number {
    return takenBytes(this.#socket);
  }

  /** Mostly the kernel takes all of it at once. A callback would then cost a tick, and an object that says so. */
  write(bytes: Uint8Array, done: () => void): void {
    const socket = this.#socket;
    socket.write(bytes);
    if (socket.writableLength === 0) done();
    else socket.write(noBytes, done); // which comes after what waits
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  closed(error: Error | undefined): void {
    const receiver = this.receiver;
    this.receiver = undefined;
    receiver?.closed(error);
  }
}

/**
 * Listens at a TCP address or a Unix socket.
 *
 * @throws ListenError if the address cannot be had
 */
export async function listenTcp(
  address: Extract<Address, { carrier: 'tcp' | 'unix' }>,
  reception: Reception,
): Promise<Listener> {
  const reading = ((await sharedReadingWorks()) ? sharedReading : plainReading)(take);
  if (address.carrier === 'unix') await removeStale(address.path);
  const place = address.carrier === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
  const server = await reading
    .listen({ ...place, backlog }, (socket) => welcome(socket, reception))
    .catch((error: NodeJS.ErrnoException) => {
      throw new ListenError(formatAddress(address), error);
    });
  server.on('error', (error) => reception.failed(error));
  const bound = server.address();
  const url =
    typeof bound === 'object' && bound !== null
      ? `mqtt://${hostPort(bound.address, bound.port)}`
      : formatAddress(address);
  return {
    url,
    // Its callback would wait for the connections, and they stay.
    close: () => {
      server.close();
      return Promise.resolve();
    },
  };
}

function welcome(socket: Carried, reception: Reception): void {
  const { noDelay, keepAlive, keepAliveInitialDelay } = socketOptions;
  socket.setNoDelay(noDelay).setKeepAlive(keepAlive, keepAliveInitialDelay);
  socket.on('error', onError);
  socket.on('end', onEnd);
  socket.on('close', onClose);
  const transport = new TcpTransport(socket);
  transport.receiver = reception.accept(transport);
  if (transport.receiver === undefined) {
    socket.destroy();
    return;
  }
  socket[transportOf] = transport;
}

function take(socket: Carried, bytes: Uint8Array): void {
  socket[transportOf]?.receiver?.data(bytes);
}

function onError(this: Carried, error: Error): void {
  this[transportOf]?.closed(error);
}

/** MQTT has no half-open connections: who ends the one direction is gone. */
function onEnd(this: Carried): void {
  this[transportOf]?.closed(undefined);
  this.destroy();
}

function onClose(this: Carried): void {
  this[transportOf]?.closed(undefined);
}

/** The other end of a socket, as `address:port`; `unix` where it has no address, or has lost it. */
export function addressOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remotePort === undefined ? 'unix' : hostPort(remoteAddress, remotePort);
}

/** Removes a Unix socket that a dead process has left; one that answers stays, and listening there will fail. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() !== true) return;
  const isDead = await new Promise<boolean>((resolve) => {
    const caller = connect({ path });
    caller.once('connect', () => {
      caller.destroy();
      resolve(false);
    });
    caller.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) await unlink(path).catch(() => undefined);
}
