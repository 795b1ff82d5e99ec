// Reading every socket into one and the same 64 KiB of memory, and what else is not in the runtime's documentation.
//
// A socket that reads on its own takes 64 KiB for every read and hands a piece of it through a stream. Node lets a
// socket that it makes itself read into given memory instead (`onread`), which is a quarter cheaper, but a server makes
// its sockets without. So an accepted socket is opened up: its handle goes into a socket of our making. The handle is
// an underscore property, and that the callback finds its socket in `this` is not written anywhere; both have held
// since Node 12. They are used in this file alone, tried once at start, and if they ever fail, sockets are read
// the documented way.

import { connect, createServer, Socket } from 'node:net';

/** What a connection does with bytes; called with memory that the next read overwrites. */
export type TakeBytes = (socket: Socket, bytes: Uint8Array) => void;

/** A socket from inside, as far as it is used here. */
interface OpenedUp {
  _handle: { /** Bytes that the kernel has not taken yet. */ readonly writeQueueSize?: number } | null;
  /** Bytes handed to the handle so far. */
  readonly _bytesDispatched?: number;
}

/** One chunk for all sockets: it is worked off before the next read begins. */
const chunk = Buffer.allocUnsafeSlow(65_536);

/** How accepted sockets are read. */
export interface Reading {
  /** Whether the server has to accept sockets paused, so that nothing is read before {@link Reading.begin}. */
  readonly pauseOnConnect: boolean;
  /** Takes an accepted socket over: the result is to be used in its place, and begins to read when resumed. */
  takeOver(accepted: Socket): Socket;
}

/** The documented way: each read in memory of its own. */
export function plainReading(take: TakeBytes): Reading {
  function onData(this: Socket, bytes: Buffer): void {
    take(this, bytes);
  }
  return { pauseOnConnect: true, takeOver: (accepted) => accepted.on('data', onData).pause() };
}

/** The quick way: all reads in one memory. Use {@link chooseReading} to learn whether it works here. */
export function sharedReading(take: TakeBytes): Reading {
  function onRead(this: Socket, byteCount: number, memory: Uint8Array): boolean {
    take(this, memory.subarray(0, byteCount));
    return true;
  }
  const onread = { buffer: chunk, callback: onRead as (byteCount: number, memory: Uint8Array) => boolean };
  return {
    pauseOnConnect: true,
    takeOver: (accepted) => {
      const opened = accepted as unknown as OpenedUp;
      const handle = opened._handle;
      if (handle === null) return accepted;
      opened._handle = null;
      return new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0]);
    },
  };
}

/** Bytes that the kernel has taken from a socket so far; a number that stands still if the runtime does not tell. */
export function takenBytes(socket: Socket): number {
  const opened = socket as unknown as OpenedUp;
  return (opened._bytesDispatched ?? 0) - (opened._handle?.writeQueueSize ?? 0);
}

let tried: Promise<boolean> | undefined;

/** Whether sockets can be read into shared memory here: tried once, over a loopback connection, for two seconds at most. */
export function sharedReadingWorks(): Promise<boolean> {
  tried ??= tryOut(sharedReading);
  return tried;
}

/** Tries a way of reading: bytes both ways, and the end. */
export function tryOut(reading: (take: TakeBytes) => Reading): Promise<boolean> {
  return new Promise((resolve) => {
    const sockets: Socket[] = [];
    const timer = setTimeout(() => finish(false), 2000);
    const finish = (works: boolean): void => {
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
      resolve(works);
    };
    let owner: Socket | undefined;
    const way = reading((socket, bytes) => {
      const isEcho = socket === owner && Buffer.from(bytes).toString('latin1') === 'to and';
      if (isEcho) socket.end(' fro');
      else finish(false);
    });
    const server = createServer({ pauseOnConnect: way.pauseOnConnect, noDelay: true }, (accepted) => {
      try {
        owner = way.takeOver(accepted);
        sockets.push(owner);
        owner.on('error', () => finish(false));
        owner.resume();
      } catch {
        finish(false);
      }
    });
    server.on('error', () => finish(false));
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const bound = server.address();
      const caller = connect({ host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 });
      sockets.push(caller);
      let heard = '';
      caller.on('error', () => finish(false));
      caller.on('data', (bytes) => {
        heard += bytes.toString('latin1');
      });
      caller.on('end', () => finish(heard === ' fro'));
      caller.write('to and');
    });
  });
}
