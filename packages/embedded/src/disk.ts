// What the journal asks of a file system, and nothing more, so that a test can let each of it fail.
//
// Nothing here stops the event loop: every call goes to a thread of the runtime. Writes and reads name their place in
// the file, so that one that was cut short or failed can be repeated as it was. Files and directories are for this user
// alone: they hold messages and names of Clients.

import {
  close as closeFile,
  fdatasync,
  fstat,
  type NoParamCallback,
  open as openFile,
  read as readFile,
  write as writeFile,
} from 'node:fs';
import * as files from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { lockDirectory } from './directory-lock.ts';
import { isOfOneMachine } from './directory-lock-flag.ts';

/** Which file it is where that cannot be told. */
export const someFile: string = 'some file';

/** An open file. */
export interface DiskFile {
  /** Reads at a place of the file. @returns how many bytes; 0 at the end */
  read(into: Buffer, position: number): Promise<number>;
  /** Writes at a place of the file. @returns how many bytes of them it took */
  write(bytes: Buffer, position: number): Promise<number>;
  /** Resolves when all that was written is on the disk, and will be there when the power has failed. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** An open directory. */
export interface DiskDirectory {
  /** Resolves when the names of its files are on the disk as they are. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A file system. */
export interface Disk {
  /** Makes a directory, and those that it lies in, unless it is there. */
  makeDirectory(path: string): Promise<void>;
  /** The names of the files in a directory. @throws with code ENOENT if there is none */
  list(directory: string): Promise<readonly string[]>;
  /** Opens a file to be read, or synced. */
  open(path: string): Promise<DiskFile>;
  /** Makes an empty file, in the place of one that may be there. */
  create(path: string): Promise<DiskFile>;
  /** Gives a file another name, in the place of a file that may have it. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /**
   * Says which file a path leads to; undefined if it leads to none. Two files that are there at the same time are told
   * from each other, unless the file system is one that may name the same file anew: then all are the same.
   */
  fileAt(path: string): Promise<string | undefined>;
  /** Opens a directory, to be synced: apart from the sync, so that it can be had before something is done that needs it. */
  openDirectory(path: string): Promise<DiskDirectory>;
  /** How many bytes this process may still write to the file system that a directory is on. */
  freeBytes(directory: string): Promise<number>;
  /** Says which start of the machine this is; undefined where there is no telling. */
  bootId(): Promise<string | undefined>;
  /**
   * Takes a directory for this process.
   *
   * @param nodeId what this process is called, for whoever comes second
   * @throws DirectoryTaken if another one has it
   */
  lock(directory: string, nodeId: string): Promise<{ readonly isWeak?: boolean; release(): Promise<void> }>;
}

const directoryMode = 0o700;
const fileMode = 0o600;

/** The file system of the machine. */
export const systemDisk: Disk = {
  makeDirectory,
  list: (directory) => files.readdir(directory),
  // Windows syncs only what may be written to.
  open: (path) => open(path, process.platform === 'win32' ? 'r+' : 'r'),
  create: (path) => open(path, 'w'),
  rename: (from, to) => files.rename(from, to),
  remove: (path) => files.unlink(path),
  fileAt,
  openDirectory,
  freeBytes: async (directory) => {
    const { bavail, bsize } = await files.statfs(directory);
    return bavail * bsize;
  },
  bootId: async () => {
    try {
      return (await files.readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
    } catch {
      // Not Linux, or not shown here: every start may be another one of the machine.
      return undefined;
    }
  },
  lock: lockDirectory,
};

/** Step by step: the runtime's own way of making all that leads there may never end where a directory takes no other. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await files.mkdir(path, { mode: directoryMode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Perhaps by a link, which may lead to none.
    if (code === 'EEXIST' && (await files.stat(path)).isDirectory()) return;
    const above = dirname(resolve(path));
    if (code !== 'ENOENT' || above === resolve(path) || (await isThere(above))) throw error;
    await makeDirectory(above);
    return await makeDirectory(path);
  }
  // A directory is named by the one it lies in, and has to be found there when the power has failed.
  const directory = await openDirectory(dirname(resolve(path)));
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function fileAt(path: string): Promise<string | undefined> {
  try {
    const [{ dev, ino }, { type }] = await Promise.all([files.stat(path, { bigint: true }), files.statfs(path)]);
    // Of a network's file system nobody knows whether it keeps the number of a file.
    return isOfOneMachine(type, process.platform) ? `${dev}:${ino}` : someFile;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await files.stat(path).then(
    () => true,
    () => false,
  );
}

async function openDirectory(path: string): Promise<DiskDirectory> {
  const directory = await files.open(path, 'r');
  return {
    sync: async () => {
      try {
        await directory.sync();
      } catch (error) {
        // Some file systems (and Windows) know no such thing: they keep names in order themselves.
        if (!knowsNoSync(error)) throw error;
      }
    },
    close: () => directory.close(),
  };
}

function knowsNoSync(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === 'EINVAL' || code === 'ENOTSUP' || (code === 'EPERM' && process.platform === 'win32');
}

function open(path: string, flags: 'r' | 'r+' | 'w'): Promise<DiskFile> {
  return new Promise((done, failed) => {
    openFile(path, flags, fileMode, (error, descriptor) => {
      if (error === null) done(new SystemFile(descriptor));
      else failed(error);
    });
  });
}

/** By descriptor and callback: half the price of a FileHandle, and a lonely record pays it for itself. */
class SystemFile implements DiskFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  read(into: Buffer, position: number): Promise<number> {
    return new Promise((done, failed) => {
      readFile(this.#descriptor, into, 0, into.length, position, (error, bytes) => {
        if (error === null) done(bytes);
        else failed(error);
      });
    });
  }

  write(bytes: Buffer, position: number): Promise<number> {
    return new Promise((done, failed) => {
      writeFile(this.#descriptor, bytes, 0, bytes.length, position, (error, written) => {
        if (error === null) done(written);
        else failed(error);
      });
    });
  }

  sync(): Promise<void> {
    return this.#whenDone((callback) => fdatasync(this.#descriptor, callback));
  }

  size(): Promise<number> {
    return new Promise((done, failed) => {
      fstat(this.#descriptor, (error, stats) => {
        if (error === null) done(stats.size);
        else failed(error);
      });
    });
  }

  close(): Promise<void> {
    return this.#whenDone((callback) => closeFile(this.#descriptor, callback));
  }

  #whenDone(start: (callback: NoParamCallback) => void): Promise<void> {
    return new Promise((done, failed) => {
      start((error) => {
        if (error === null || error === undefined) done();
        else failed(error);
      });
    });
  }
}
