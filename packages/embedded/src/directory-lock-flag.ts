// A flag over a directory: a file that says, as long as the process lives that raised it, that it is there.
//
// Whether that process lives is for the kernel to say, not for the file. So the flag is a socket that listens: whoever
// connects to it gets through if the process lives, also if it was stopped in its tracks, and is refused from the moment
// of its death, however it died. It tells whoever comes who it is.
//
// Where the file system has no sockets, or is several machines', a file names the process, and whether that one lives is
// looked up. That is weaker: another machine has processes of its own, of which nothing can be known from here.
//
// A flag's name is random and never used twice, and a flag is made under another name and then renamed: what was found
// dead once is dead for ever and may be removed by anybody.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileHandle, open, readFile, rename, statfs, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';
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
/** File systems of several machines (NFS, SMB, SMB 2, Ceph), by number: the kernel knows of a socket on its own only. */
const sharedFileSystems = new Set([0x6969, 0xff534d42, 0xfe534d42, 0x00c36400]);
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
    const isShared = sharedFileSystems.has((await statfs(directory)).type);
    if (isShared || kind === 'file') return await raiseFile(directory, id, bearer);
    return await raiseSocket(directory, id, bearer);
  } catch (error) {
    if (!noSockets.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return await raiseFile(directory, id, bearer);
  }
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

/** A file that names a process. */
interface ProcessFile extends FlagBearer {
  readonly host: string;
  readonly boot: string;
  /** When the process started, as its system counts; a later one of the same number has another. */
  readonly started: string;
}

async function raiseFile(directory: string, id: string, bearer: FlagBearer): Promise<Flag> {
  const name = `lock-${id}.pid`;
  const write = async (holds: boolean): Promise<void> => {
    const of: ProcessFile = { ...bearer, holds, host: hostname(), boot: bootId(), started: startOf(process.pid) ?? '' };
    await writeFile(join(directory, `lock-${id}.new`), `${JSON.stringify(of)}\n`, { flush: true });
    await rename(join(directory, `lock-${id}.new`), join(directory, name));
  };
  await write(false);
  return { name, isWeak: true, hold: () => write(true), lower: () => removed(join(directory, name)) };
}

async function lookAtFile(path: string): Promise<FlagSeen> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { is: 'dead' } : { is: 'alive', bearer: undefined };
  }
  const bearer = bearerOf(text) as ProcessFile | undefined;
  // Nothing can be said of a process of another machine, and one that has not been written whole is not ours to judge.
  if (bearer === undefined || bearer.host !== hostname()) return { is: 'alive', bearer };
  const isAlive = bearer.boot === bootId() && startOf(bearer.pid) === bearer.started;
  return isAlive ? { is: 'alive', bearer } : { is: 'dead' };
}

/** Names the time since the machine was started; empty where the system does not tell. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** When a process started; empty if only its being there is known, undefined if there is none. */
function startOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  try {
    // The second field is a name in brackets, in which anything may be.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    return fields[19] ?? '';
  } catch {
    return '';
  }
}

function bearerOf(text: string): FlagBearer | undefined {
  try {
    const said: unknown = JSON.parse(text);
    return typeof said === 'object' && said !== null && 'pid' in said ? (said as FlagBearer) : undefined;
  } catch {
    return undefined;
  }
}

/** Removes a file, if it is there. */
export async function removed(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
