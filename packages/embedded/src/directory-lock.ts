// One process has a data directory, and a second one is told so.
//
// Everybody raises a flag first (directory-lock-flag.ts) and looks then whether another is up. Flags stay up while they
// are looked for, so of two who raise theirs at the same time, the one who looks later sees the other, and often both do:
// nobody has the directory who has not seen, after raising its own, that no other process lives. Where several are
// looking, the flag of the least name stays and the others are lowered for a moment.
//
// No step of this takes a dead process's place: what it left is only removed, by whoever comes by. So two that find the
// same dead flag do not meet over it.

import { createHash } from 'node:crypto';
import { readdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { removed } from './directory-lock-file.ts';
import { type Flag, type FlagBearer, flagName, lookAtFlag, raiseFlag, unfinishedName } from './directory-lock-flag.ts';
import { StoreRefused } from './refusal.ts';

/** The directory is another process's; the message names it if it can. */
export class DirectoryTaken extends StoreRefused {
  override readonly name = 'DirectoryTaken';
}

/** A directory that is this process's. */
export interface DirectoryLock {
  /**
   * Whether a file that names this process has to do, since the file system has no sockets, or may be several machines':
   * then another machine may have to be told by hand that this process is gone, and one of the same name, which sees only
   * that the file is touched every second, takes this process for dead if it stands still for some seconds.
   */
  readonly isWeak: boolean;
  /** Lets go of it. */
  release(): Promise<void>;
}

/** How long processes that look at each other may take to come to an end. */
const settleMs = 5000;
/** How long one waits for another, at first; it grows. */
const firstPauseMs = 5;
const lastPauseMs = 250;

/**
 * Takes a directory for this process. The kernel frees it when the process ends, however it ends.
 *
 * @param node what this process is called, for whoever comes second
 * @throws DirectoryTaken if another process has it
 * @throws StoreRefused if it cannot be known
 */
export async function lockDirectory(directory: string, node: string = ''): Promise<DirectoryLock> {
  if (process.platform === 'win32') return await lockByPipe(directory);
  try {
    return await lockByFlag(directory, node);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof StoreRefused || code === undefined) throw error;
    throw new StoreRefused(`${directory}: it cannot be locked for this process: ${message}`, { cause: error });
  }
}

async function lockByFlag(directory: string, node: string): Promise<DirectoryLock> {
  const endsMs = performance.now() + settleMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, lastPauseMs)) {
    // Whoever is there already is found without raising anything.
    let others = await look(directory);
    if (others.length === 0) {
      const flag = await raise(directory, node);
      if (flag !== undefined) {
        others = await lookUntilFirst(directory, flag, endsMs);
        if (others.length === 0) return await hold(directory, flag);
        await flag.lower();
      }
    }
    if (performance.now() > endsMs) throw taken(directory, others);
    await pause(pauseMs * (0.5 + Math.random()));
  }
}

/** Raises a flag; undefined if somebody tidied it away while it was being made. */
async function raise(directory: string, node: string): Promise<Flag | undefined> {
  try {
    return await raiseFlag(directory, node);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await readdir(directory); // which says so if it is the directory that is not there
    return undefined;
  }
}

/** Looks until nobody else is there, or somebody who goes first. */
async function lookUntilFirst(directory: string, flag: Flag, endsMs: number): Promise<readonly Other[]> {
  for (;;) {
    let others: readonly Other[];
    try {
      others = await look(directory, flag.name);
    } catch (error) {
      await flag.lower();
      throw error;
    }
    if (others.every(({ name }) => name > flag.name) && others.length > 0 && performance.now() < endsMs) {
      await pause(firstPauseMs);
    } else {
      return others;
    }
  }
}

/** Another process that lives. */
interface Other {
  readonly name: string;
  readonly bearer: FlagBearer;
}

/**
 * All other flags of processes that live; what dead ones left is removed.
 *
 * @throws DirectoryTaken if one of them has the directory, or does not say what it does
 */
async function look(directory: string, ownName?: string): Promise<readonly Other[]> {
  const names = (await readdir(directory)).filter((name) => flagName.test(name) && name !== ownName);
  const others: Other[] = [];
  await Promise.all(
    names.map(async (name) => {
      const seen = await lookAtFlag(directory, name);
      if (seen.is === 'dead') await removed(join(directory, name));
      else if (seen.bearer === undefined || seen.bearer.holds) throw taken(directory, [{ name, bearer: seen.bearer }]);
      else others.push({ name, bearer: seen.bearer });
    }),
  );
  return others;
}

async function hold(directory: string, flag: Flag): Promise<DirectoryLock> {
  await flag.hold();
  // Whoever is making one now makes another, and finds this one.
  const unfinished = (await readdir(directory)).filter((name) => unfinishedName.test(name));
  await Promise.all(unfinished.map((name) => removed(join(directory, name))));
  return { isWeak: flag.isWeak, release: () => flag.lower() };
}

function taken(directory: string, others: readonly { name: string; bearer: FlagBearer | undefined }[]): DirectoryTaken {
  const [other] = others;
  const remedy = 'a data directory is for one process: end that one, or give this one a directory of its own';
  if (other?.bearer === undefined) {
    const file = other === undefined ? 'lock-*' : other.name;
    return new DirectoryTaken(
      `${directory} is in use by another process, which does not answer (it may be stopped, or another user's); ` +
        `${remedy}. Its lock is ${join(directory, file)}`,
    );
  }
  const { pid, node, since, host } = other.bearer;
  const who = `process ${pid}${node === '' ? '' : ` (node ${node})`}${host === undefined ? '' : ` of ${host}`}`;
  const stale = host === undefined ? '' : `. If that one is gone, remove ${join(directory, other.name)}`;
  return new DirectoryTaken(`${directory} is in use by ${who} since ${since}; ${remedy}${stale}`);
}

/** Windows has no file that listens; a pipe of a name that is made of the directory's is one process's at a time. */
async function lockByPipe(directory: string): Promise<DirectoryLock> {
  const id = createHash('sha256')
    .update((await realpath(directory)).toLowerCase())
    .digest('hex');
  const server = createServer((socket) => socket.destroy()).unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', () => reject(taken(directory, [])));
    server.listen(`\\\\.\\pipe\\skein-${id}`, resolve);
  });
  return { isWeak: false, release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
