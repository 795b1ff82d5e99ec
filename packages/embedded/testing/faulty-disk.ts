// A disk in memory that fails as disks fail, when a test says so.
//
// It keeps what a process has written apart from what the disk was made to keep. A process that is killed leaves all that
// it wrote; when the power fails, only what was synced is sure: of the rest any page may be there, also a later one
// without an earlier one, a file may be longer than what it holds (the hole is zeros), and any change of a name since the
// directory was synced may have happened or not.

import { DirectoryTaken } from '../src/directory-lock.ts';
import type { Disk, DiskDirectory, DiskFile } from '../src/disk.ts';

/** What is asked of the disk. */
export type DiskCall =
  | 'makeDirectory'
  | 'list'
  | 'open'
  | 'create'
  | 'rename'
  | 'remove'
  | 'openDirectory'
  | 'syncDirectory'
  | 'freeBytes'
  | 'lock'
  | 'read'
  | 'write'
  | 'sync'
  | 'size'
  | 'close';

/** Chance, as a test has it. */
export interface Chance {
  below(limit: number): number;
  oneIn(times: number): boolean;
}

/** How the process came to its end. */
export type Crash = 'kill' | 'power loss';

interface Content {
  live: Buffer;
  /** What the disk keeps whatever happens. */
  kept: Buffer;
}

type NameChange = readonly (readonly [path: string, content: Content | undefined])[];

/** Much smaller than real ones, so that a short file has many. */
const pageBytes = 64;

/** An error as the operating system gives it. */
export function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
}

/** A disk that can fail. */
export class FaultyDisk implements Disk {
  readonly #directories = new Set<string>();
  #names = new Map<string, Content>();
  #keptNames = new Map<string, Content>();
  #changes: NameChange[] = [];
  #takenBy: string | undefined;
  #calls = 0;
  #stopAt = Number.POSITIVE_INFINITY;
  #part = 0;
  #written = 0;

  /** Which start of the machine this is. */
  boot = 'boot-1';
  /** Bytes that can still be written; a write that does not fit is taken in part, the next one refused. */
  roomBytes: number = Number.POSITIVE_INFINITY;
  /** The most that one write takes. */
  takesBytes: number = Number.POSITIVE_INFINITY;
  /** What it says of free room. */
  free: number = Number.POSITIVE_INFINITY;
  /** Says with which code a call fails, if it does. */
  refuses: (call: DiskCall, path: string) => string | undefined = () => undefined;
  /** What a call waits for before it does anything. */
  waits: (call: DiskCall, path: string) => Promise<void> | undefined = () => undefined;

  /** How many calls it was asked for. */
  get calls(): number {
    return this.#calls;
  }

  /** How many bytes it has taken. */
  get writtenBytes(): number {
    return this.#written;
  }

  /** Whether the process has come to its end, as far as the disk is concerned. */
  get isStopped(): boolean {
    return this.#calls >= this.#stopAt;
  }

  /**
   * From this call on nothing is answered, and nothing done after it.
   *
   * @param part how much of that call itself is done, from 0 to 1: some of a write; all or nothing of what has no parts
   */
  stopAt(call: number, part: number): void {
    this.#stopAt = call;
    this.#part = part;
  }

  /** What the next process finds. */
  after(crash: Crash, chance: Chance): FaultyDisk {
    const disk = new FaultyDisk();
    for (const directory of this.#directories) disk.#directories.add(directory);
    disk.boot = crash === 'kill' ? this.boot : `${this.boot}+`;
    const names = crash === 'kill' ? this.#names : this.#namesAfterPowerLoss(chance);
    for (const [path, content] of names) {
      const live = crash === 'kill' ? content.live : contentAfterPowerLoss(content, chance);
      // What a kill leaves is still not on the disk.
      const kept = crash === 'kill' ? content.kept : live;
      disk.#names.set(path, { live: Buffer.from(live), kept: Buffer.from(kept) });
    }
    if (crash === 'power loss') disk.#keptNames = new Map(disk.#names);
    else disk.#keepNamesOf(this);
    return disk;
  }

  /** The bytes of a file. */
  bytes(path: string): Buffer {
    return Buffer.from(this.#content(path, 'read').live);
  }

  /** The names of all files. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** Puts a file there, on the disk for good; or away. */
  put(path: string, bytes: Buffer | undefined): void {
    const content = bytes && { live: Buffer.from(bytes), kept: Buffer.from(bytes) };
    for (const names of [this.#names, this.#keptNames]) {
      if (content === undefined) names.delete(path);
      else names.set(path, content);
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#asked('makeDirectory', path);
    this.#directories.add(path);
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#asked('list', directory);
    if (!this.#directories.has(directory)) throw systemError('ENOENT', 'scandir');
    const prefix = `${directory}/`;
    return [...this.#names.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  }

  async open(path: string): Promise<DiskFile> {
    await this.#asked('open', path);
    return this.#file(path, this.#content(path, 'open'));
  }

  async create(path: string): Promise<DiskFile> {
    const content = { live: Buffer.alloc(0), kept: Buffer.alloc(0) };
    await this.#asked('create', path, () => this.#change([[path, content]]));
    this.#change([[path, content]]);
    return this.#file(path, content);
  }

  async rename(from: string, to: string): Promise<void> {
    const renamed = (): void => {
      this.#change([
        [to, this.#content(from, 'rename')],
        [from, undefined],
      ]);
    };
    await this.#asked('rename', from, renamed);
    renamed();
  }

  async remove(path: string): Promise<void> {
    const removed = (): void => {
      this.#content(path, 'unlink');
      this.#change([[path, undefined]]);
    };
    await this.#asked('remove', path, removed);
    removed();
  }

  /** Is no call that fails or counts: it is asked for every second, and changes nothing. */
  async fileAt(path: string): Promise<string | undefined> {
    if (this.isStopped) await new Promise<never>(() => {});
    const content = this.#names.get(path);
    if (content === undefined) return undefined;
    const identity = identities.get(content) ?? `file ${++identified}`;
    identities.set(content, identity);
    return identity;
  }

  async openDirectory(path: string): Promise<DiskDirectory> {
    await this.#asked('openDirectory', path);
    const synced = (): void => {
      this.#keptNames = new Map(this.#names);
      this.#changes = [];
    };
    return {
      sync: async () => {
        await this.#asked('syncDirectory', path, synced);
        synced();
      },
      close: () => this.#asked('close', path),
    };
  }

  async freeBytes(directory: string): Promise<number> {
    await this.#asked('freeBytes', directory);
    return this.free;
  }

  async bootId(): Promise<string | undefined> {
    return this.boot;
  }

  async lock(directory: string, nodeId: string): Promise<{ release(): Promise<void> }> {
    await this.#asked('lock', directory);
    if (this.#takenBy !== undefined) throw new DirectoryTaken(`${directory} is used by ${this.#takenBy}`);
    this.#takenBy = nodeId;
    return {
      release: async () => {
        this.#takenBy = undefined;
      },
    };
  }

  /** Counts a call; one that comes at the end of the process is perhaps done, and never answered. */
  async #asked(call: DiskCall, path: string, done?: (part: number) => void): Promise<void> {
    this.#calls += 1;
    if (this.isStopped) {
      if (this.#calls === this.#stopAt && this.#part > 0) done?.(this.#part);
      await new Promise<never>(() => {});
    }
    await undefined;
    await this.waits(call, path);
    const code = this.refuses(call, path);
    if (code !== undefined) throw systemError(code, call);
  }

  #content(path: string, call: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw systemError('ENOENT', call);
    return content;
  }

  #change(change: NameChange): void {
    this.#changes.push(change);
    apply(this.#names, change);
  }

  #keepNamesOf(other: FaultyDisk): void {
    // By name, as the contents are other objects here: a file that had a name before may have lost it.
    const copies = new Map<Content, Content>();
    for (const [path, content] of other.#names) copies.set(content, this.#content(path, 'copy'));
    const copyOf = (content: Content): Content => {
      const copy = copies.get(content) ?? { live: Buffer.from(content.live), kept: Buffer.from(content.kept) };
      copies.set(content, copy);
      return copy;
    };
    for (const [path, content] of other.#keptNames) this.#keptNames.set(path, copyOf(content));
    this.#changes = other.#changes.map((change) =>
      change.map(([path, content]) => [path, content && copyOf(content)] as const),
    );
  }

  #namesAfterPowerLoss(chance: Chance): Map<string, Content> {
    const names = new Map(this.#keptNames);
    const survive = chance.below(3);
    for (const change of this.#changes) {
      if (survive === 0 || (survive === 1 && chance.oneIn(2))) apply(names, change);
    }
    return names;
  }

  #file(path: string, content: Content): DiskFile {
    return {
      read: async (into, position) => {
        await this.#asked('read', path);
        return content.live.copy(into, 0, position, position + into.length);
      },
      write: async (bytes, position) => {
        const write = (length: number): void => {
          content.live = grown(content.live, position + length);
          bytes.copy(content.live, position, 0, length);
          this.#written += length;
        };
        await this.#asked('write', path, (part) => write(Math.floor(bytes.length * part)));
        if (this.roomBytes === 0) throw systemError('ENOSPC', 'write');
        const length = Math.min(bytes.length, this.takesBytes, this.roomBytes);
        this.roomBytes -= length;
        write(length);
        return length;
      },
      sync: async () => {
        // The disk keeps what was there when it was asked, though more may come before it answers.
        const asked = Buffer.from(content.live);
        const synced = (): void => {
          if (asked.length >= content.kept.length) content.kept = asked;
        };
        await this.#asked('sync', path, synced);
        synced();
      },
      size: async () => {
        await this.#asked('size', path);
        return content.live.length;
      },
      close: async () => {
        await this.#asked('close', path);
      },
    };
  }
}

/** What files are called that were asked for. */
const identities = new WeakMap<Content, string>();
let identified = 0;

/** Memory that one file has for itself. */
const spacious = new WeakSet<ArrayBufferLike>();

/** The same bytes and zeros behind them, with memory to spare where they had none. */
function grown(bytes: Buffer, length: number): Buffer {
  if (length <= bytes.length) return bytes;
  if (spacious.has(bytes.buffer) && length <= bytes.buffer.byteLength) return Buffer.from(bytes.buffer, 0, length);
  const memory = Buffer.from(new ArrayBuffer(2 * length));
  spacious.add(memory.buffer);
  bytes.copy(memory);
  return memory.subarray(0, length);
}

function apply(names: Map<string, Content>, change: NameChange): void {
  for (const [path, content] of change) {
    if (content === undefined) names.delete(path);
    else names.set(path, content);
  }
}

/** Page by page what was written or what was there before, and any length in between. */
function contentAfterPowerLoss({ live, kept }: Content, chance: Chance): Buffer {
  const survive = chance.below(4);
  if (survive === 0) return kept;
  if (survive === 1) return live;
  const bytes = Buffer.alloc(Math.max(live.length, kept.length));
  kept.copy(bytes);
  for (let at = 0; at < live.length; at += pageBytes) {
    if (chance.oneIn(2)) live.copy(bytes, at, at, at + pageBytes);
  }
  const length = survive === 2 ? bytes.length : kept.length + chance.below(bytes.length - kept.length + 1);
  return bytes.subarray(0, length);
}
