// Reading every socket into one and the same 64 KiB of memory, and what else is not in the runtime's documentation.
//
// A socket that reads on its own takes 64 KiB for every read and hands a piece of it through a stream. Node lets a
// socket that it makes itself read into given memory instead (`onread`), which is a quarter cheaper, but a server makes
// its sockets without. So the handles that a server accepts are taken before it makes sockets of them, and go into
// sockets of our making. The server's handle is an underscore property; that it calls `onconnection`, and that the read
// callback finds its socket in `this`, is written nowhere. All of it has held since Node 12. It is used in this file
// alone, tried once at start, and if it ever fails, sockets are read the documented way.

import { connect, createServer, type ListenOptions, type Server, Socket } from 'node:net';

/** What a connection does with bytes; called with memory that the next read overwrites. */
export type TakeBytes = (socket: Socket, bytes: Uint8Array) => void;

/** A socket from inside, as far as it is used here. */
interface OpenedUp {
  _handle: { /** Bytes that the kernel has not taken yet. */ readonly writeQueueSize?: number } | null;
  /** Bytes handed to the handle so far. */
  readonly _bytesDispatched?: number;
}

/** What a server listens with. */
interface ListeningHandle {
  /** Called for each connection. @param error 0, or a negative error number, and then there is no handle */
  onconnection: (this: ListeningHandle, error: number, accepted: object | undefined) => void;
}

/** One chunk for all sockets: it is worked off before the next read begins. */
const chunk = Buffer.allocUnsafeSlow(65_536);

/** Takes a new socket, of which nothing has been read yet; it is read from the next turn on. */
export type Welcome = (socket: Socket) => void;

/** How a server's sockets are read. */
export interface Reading {
  /**
   * Makes a server listen.
   *
   * @param options as `Server.listen` takes them
   * @throws Error if the address cannot be had, or the runtime is not as this way of reading needs it
   */
  listen(options: ListenOptions, welcome: Welcome): Promise<Server>;
}

/** The documented way: each read in memory of its own. */
export function plainReading(take: TakeBytes): Reading {
  function onData(this: Socket, bytes: Buffer): void {
    take(this, bytes);
  }
  return {
    listen: (options, welcome) => {
      const accept = (accepted: Socket): void => {
        welcome(accepted.on('data', onData));
        accepted.resume();
      };
      return listening(createServer({ pauseOnConnect: true }, accept), options);
    },
  };
}

/** The quick way: all reads in one memory. Use {@link sharedReadingWorks} to learn whether it works here. */
export function sharedReading(take: TakeBytes): Reading {
  function onRead(this: Socket, byteCount: number, memory: Uint8Array): boolean {
    take(this, memory.subarray(0, byteCount));
    return true;
  }
  const onread = { buffer: chunk, callback: onRead as (byteCount: number, memory: Uint8Array) => boolean };
  const open = (handle: object): Socket => new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0]);
  return {
    listen: async (options, welcome) => {
      const server = await listening(createServer(), options);
      const handle = (server as unknown as { _handle: ListeningHandle })._handle;
      const before = handle.onconnection;
      if (typeof before !== 'function') {
        server.close();
        throw new Error('the runtime accepts connections in another way');
      }
      handle.onconnection = function (error, accepted) {
        if (error !== 0 || accepted === undefined) {
          before.call(this, error, accepted); // it knows what to make of an error
          return;
        }
        let socket: Socket;
        try {
          socket = open(accepted);
        } catch (cause) {
          server.emit('error', cause);
          return;
        }
        // It reads from the start, and hands what comes to nobody but its callback: there is nothing to resume.
        welcome(socket);
      };
      return server;
    },
  };
}

async function listening(server: Server, options: ListenOptions): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
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
    let server: Server | undefined;
    let isOver = false;
    const finish = (works: boolean): void => {
      isOver = true;
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      server?.close();
      resolve(works);
    };
    const timer = setTimeout(() => finish(false), 2000);
    let owner: Socket | undefined;
    const way = reading((socket, bytes) => {
      const isEcho = socket === owner && Buffer.from(bytes).toString('latin1') === 'to and';
      if (isEcho) socket.end(' fro');
      else finish(false);
    });
    const welcome = (socket: Socket): void => {
      owner = socket;
      sockets.push(owner);
      owner.on('error', () => finish(false));
    };
    way.listen({ host: '127.0.0.1', port: 0 }, welcome).then(
      (listening) => {
        server = listening;
        server.on('error', () => finish(false));
        if (isOver) server.close();
        const bound = server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
        const caller = connect({ host: '127.0.0.1', port });
        sockets.push(caller);
        let heard = '';
        caller.on('error', () => finish(false));
        caller.on('data', (bytes) => {
          heard += bytes.toString('latin1');
        });
        caller.on('end', () => finish(heard === ' fro'));
        caller.write('to and');
      },
      () => finish(false),
    );
  });
}
