// A flag that is a file, which names the process that raised it, where a socket cannot be one.
//
// Whether that process lives is looked up. Of one of another machine, of another start of this one, or in another
// container nothing can be looked up here, so whoever has such a file touches it every second. One that bears the name of
// this machine and is not touched for three is dead: else a machine that was switched off could not begin again. One
// that bears another name is never judged: its machine may only be cut off for a while.

import { readFileSync } from 'node:fs';
import { type FileHandle, open, readFile, readlink, rename, unlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Flag, FlagBearer, FlagSeen } from './directory-lock-flag.ts';

/** How often a file is touched that names a process. */
const beatMs = 1000;
/** How long one that is in doubt is looked at, and how often. */
const beatsWatchedMs = 3000;
const beatLookMs = 200;

/** A file that names a process. */
interface ProcessFile extends FlagBearer {
  readonly host: string;
  readonly boot: string;
  /** What its number counts in: a container has numbers of its own. Empty where the system does not tell. */
  readonly pids: string;
  /** When the process started, as its system counts; a later one of the same number has another. */
  readonly started: string;
}

/** Raises a flag that is a file. */
export async function raiseFile(directory: string, id: string, bearer: FlagBearer): Promise<Flag> {
  const name = `lock-${id}.pid`;
  const write = async (holds: boolean): Promise<void> => {
    const started = startOf(process.pid) ?? '';
    const of: ProcessFile = { ...bearer, holds, host: hostname(), boot: bootId(), pids: await pidNamespace(), started };
    await writeFile(join(directory, `lock-${id}.new`), `${JSON.stringify(of)}\n`, { flush: true });
    await rename(join(directory, `lock-${id}.new`), join(directory, name));
  };
  await write(false);
  const touch = (): void => {
    const now = new Date();
    // Nobody can be told, and one that is missed is made up for by the next.
    utimes(join(directory, name), now, now).catch(() => {});
  };
  const beat = setInterval(touch, beatMs).unref();
  return {
    name,
    isWeak: true,
    hold: () => write(true),
    lower: () => {
      clearInterval(beat);
      return removed(join(directory, name));
    },
  };
}

/** Looks at somebody's file. */
export async function lookAtFile(path: string): Promise<FlagSeen> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { is: 'dead' } : { is: 'alive', bearer: undefined };
  }
  const bearer = bearerOf(text) as ProcessFile | undefined;
  // Nothing can be said of a process of another machine, and one that has not been written whole is not ours to judge.
  if (bearer === undefined || bearer.host !== hostname()) return { is: 'alive', bearer };
  const isOfHere = bearer.boot !== '' && bearer.boot === bootId() && bearer.pids === (await pidNamespace());
  // Two machines may bear one name, as two lives of one machine do.
  const isAlive = isOfHere ? startOf(bearer.pid) === bearer.started : await isTouched(path);
  return isAlive ? { is: 'alive', bearer } : { is: 'dead' };
}

/** Whether somebody touches a file while it is looked at. */
async function isTouched(path: string): Promise<boolean> {
  const first = await touchedMs(path);
  for (const endsMs = performance.now() + beatsWatchedMs; performance.now() < endsMs; ) {
    await new Promise((resolve) => setTimeout(resolve, beatLookMs));
    if ((await touchedMs(path)) !== first) return true;
  }
  return false;
}

/** When a file was touched last; undefined if it is gone. By opening it, since network file systems look again only then. */
async function touchedMs(path: string): Promise<number | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
  }
}

async function pidNamespace(): Promise<string> {
  try {
    return await readlink('/proc/self/ns/pid');
  } catch {
    return '';
  }
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

/** What a bearer says of itself; undefined if it makes no sense. */
export function bearerOf(text: string): FlagBearer | undefined {
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
