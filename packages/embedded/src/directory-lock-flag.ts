// A flag over a directory: a file that says, as long as the process lives that raised it, that it is there.
//
// Whether that process lives is for the kernel to say, not for the file. So the flag is a socket that listens: whoever
// connects to it gets through if the process lives, also if it was stopped in its tracks, and is refused from the moment
// of its death, however it died. It tells whoever comes who it is.
//
// Where the file system has no sockets, or is not known to be this machine's alone, a file names the process
// (directory-lock-file.ts). That is weaker.
//
// A flag's name is random and never used twice, and a flag is made under another name and then renamed: what was found
// dead once is dead for ever and may be removed by anybody.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, statfs } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, relative } from 'node:path';
import { bearerOf, lookAtFile, raiseFile, removed } from './directory-lock-file.ts';
import { StoreRefused } from './refusal.ts';

/** Who raised a flag. */
export interface FlagBearer {
  readonly pid: number;
  /** The name of its node. */
  readonly node: string;
  /** When, ISO 8601. */
  readonly since: string;
  /** Whether it has the directory; else it is looking whether anybody else has. */
  readonly holds: boolean;
  /** Its machine, where that is not known to be this one. */
  readonly host?: string;
}

/** What became of a flag that was looked at. */
export type FlagSeen =
  | { readonly is: 'dead' }
  /** `bearer` is undefined if it does not say. */
  | { readonly is: 'alive'; readonly bearer: FlagBearer | undefined };

/** A flag that was raised. */
export interface Flag {
  /** The name of its file; flags are put in order by it. */
  readonly name: string;
  /** Whether it is a file that names a process, and no socket. */
  readonly isWeak: boolean;
  /** Says from now on that its bearer has the directory. */
  hold(): Promise<void>;
  lower(): Promise<void>;
}

/** What every name of a flag looks like, and of one that is being made. */
export const flagName: RegExp = /^lock-[0-9a-f]{16}\.(sock|pid)$/;
export const unfinishedName: RegExp = /^lock-[0-9a-f]{16}\.new$/;

/** How long the bearer of a flag may take to say who it is: one that was stopped never does. */
const answerMs = 2000;
/** How often one is asked again that hangs up: it may be about to end, or to lower its flag. */
const looksMax = 5;
const nameBytes = 8;
/** The longest path of a socket on the systems that allow the least. */
const socketPathMax = 103;
/** What the kernel says of a socket whose process is gone, and of one that was removed meanwhile. */
const deadCodes = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK']);
/**
 * File systems that are one machine's alone, by the number that the system gives them. On any other a socket may be
 * another machine's, of which the kernel here knows nothing.
 */
const localFileSystems: Readonly<Record<string, ReadonlySet<number>>> = {
  // ext2 to ext4, XFS, Btrfs, ZFS, tmpfs, overlayfs, F2FS, bcachefs
  linux: new Set([0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x01021994, 0x794c7630, 0xf2f52010, 0xca451a4e]),
  // HFS+, APFS
  darwin: new Set([17, 26]),
};
/** What a file system says that has no sockets. */
const noSockets = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EPROTONOSUPPORT', 'EAFNOSUPPORT']);

/**
 * Raises a flag.
 *
 * @param kind a file is taken all the same where a socket is not enough
 * @throws StoreRefused if the path of the directory is too long for a socket
 */
export async function raiseFlag(directory: string, node: string, kind: 'socket' | 'file' = 'socket'): Promise<Flag> {
  const id = randomBytes(nameBytes).toString('hex');
  const bearer = { pid: process.pid, node, since: new Date().toISOString(), holds: false };
  try {
    const isLocal = isOfOneMachine((await statfs(directory)).type, process.platform);
    if (!isLocal || kind === 'file') return await raiseFile(directory, id, bearer);
    return await raiseSocket(directory, id, bearer);
  } catch (error) {
    if (!noSockets.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return await raiseFile(directory, id, bearer);
  }
}

/** Whether a file system, by its number, is known to be one machine's alone. */
export function isOfOneMachine(fileSystem: number, platform: NodeJS.Platform): boolean {
  return localFileSystems[platform]?.has(fileSystem) === true;
}

/** Looks at somebody's flag. */
export async function lookAtFlag(directory: string, name: string): Promise<FlagSeen> {
  if (name.endsWith('.pid')) return await lookAtFile(join(directory, name));
  for (let looks = 1; looks < looksMax; looks += 1) {
    const seen = await lookAtSocket(directory, name);
    if (seen !== undefined) return seen;
  }
  return { is: 'alive', bearer: undefined };
}

async function raiseSocket(directory: string, id: string, first: FlagBearer): Promise<Flag> {
  let bearer = first;
  const name = `lock-${id}.sock`;
  const server = createServer((socket) => {
    socket.on('error', () => {}); // whoever asked has gone
    socket.end(`${JSON.stringify(bearer)}\n`);
  }).unref();
  const unfinished = `lock-${id}.new`;
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  await onSocketPath(directory, unfinished, (path) => listening(server, path));
  try {
    await rename(join(directory, unfinished), join(directory, name));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name,
    isWeak: false,
    hold: async () => {
      bearer = { ...bearer, holds: true };
    },
    lower: async () => {
      await removed(join(directory, name));
      await close();
    },
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', () => {}); // one that could not be accepted asks again
      resolve();
    });
  });
}

/** @returns undefined if the other side has hung up without a word */
function lookAtSocket(directory: string, name: string): Promise<FlagSeen | undefined> {
  return onSocketPath(directory, name, (path) => {
    return new Promise((resolve) => {
      let said = '';
      const socket = connect({ path });
      const timer = setTimeout(() => settle({ is: 'alive', bearer: undefined }), answerMs);
      const settle = (seen: FlagSeen | undefined): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(seen);
      };
      socket.setEncoding('utf8');
      socket.on('data', (text: string) => {
        said += text;
      });
      socket.on('end', () => settle(said === '' ? undefined : { is: 'alive', bearer: bearerOf(said) }));
      socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
        if (code === 'ECONNRESET' || code === 'EPIPE') settle(undefined);
        else if (deadCodes.has(code)) settle({ is: 'dead' });
        else settle({ is: 'alive', bearer: undefined }); // full of others who ask, or not ours to connect to
      });
    });
  });
}

/**
 * A path to a file of the directory that a socket can have: theirs are short. The kernel knows any directory that is
 * open by a short name.
 */
async function onSocketPath<Result>(
  directory: string,
  name: string,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const short = [join(directory, name), relative('', join(directory, name))].find(
    (path) => Buffer.byteLength(path) <= socketPathMax,
  );
  if (short !== undefined) return await use(short);
  if (process.platform !== 'linux') {
    throw new StoreRefused(
      `${directory}: the path is too long for a socket, by which a data directory is kept for one process; ` +
        `allowed: ${socketPathMax - name.length - 1} bytes, or a path that is short from the working directory`,
    );
  }
  const handle: FileHandle = await open(directory);
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}
