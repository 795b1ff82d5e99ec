// Real processes, since it is the kernel that is asked.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { DirectoryTaken, lockDirectory } from './directory-lock.ts';
import { isOfOneMachine, raiseFlag } from './directory-lock-flag.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const place = mkdtempSync(join(tmpdir(), 'skein-lock-'));
const program = join(place, 'starter.mjs');
let directories = 0;

/** Takes the directory when it is told to, lets go of it when it is told to, and says what came of it. */
const starter = `
import { createInterface } from 'node:readline';
import { lockDirectory } from './lock.mjs';
let lock;
for await (const line of createInterface({ input: process.stdin })) {
  const [word, directory] = line.split(' ');
  if (word === 'release') {
    await lock.release();
    console.log('released');
  } else {
    try {
      lock = await lockDirectory(directory, 'n' + process.pid);
      console.log('held');
    } catch (error) {
      console.log(error.name + ': ' + error.message);
    }
  }
}
`;

beforeAll(async () => {
  // Node runs no TypeScript of its own accord.
  const input = fileURLToPath(new URL('directory-lock.ts', import.meta.url));
  const bundle = await rolldown({ input, platform: 'node' });
  await bundle.write({ file: join(place, 'lock.mjs'), format: 'esm' });
  await bundle.close();
  writeFileSync(program, starter);
});

const running: Starter[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.kill()));
});
afterAll(() => rmSync(place, { recursive: true }));

/** A process that may take a directory. */
class Starter {
  readonly #child: ChildProcess = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #lines: Interface = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });

  constructor() {
    running.push(this);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** What came of it: `held`, or why not. */
  take(directory: string): Promise<string> {
    return this.#tell(`take ${directory}`);
  }

  async release(): Promise<void> {
    expect(await this.#tell('release')).toBe('released');
  }

  stop(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #tell(line: string): Promise<string> {
    const answer = once(this.#lines, 'line');
    this.#child.stdin?.write(`${line}\n`);
    return String((await answer)[0]);
  }
}

function newDirectory(name: string = `data-${directories++}`): string {
  const directory = join(place, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** What a process leaves that was killed: a socket that nobody listens at. */
async function leaveDeadFlag(directory: string, index: number): Promise<void> {
  const server = createServer();
  const unfinished = join(directory, 'dead.new');
  server.listen(unfinished);
  await once(server, 'listening');
  renameSync(unfinished, join(directory, `lock-${index.toString(16).padStart(16, '0')}.sock`));
  server.close();
  await once(server, 'close');
}

describe.skipIf(process.platform === 'win32')('a data directory', () => {
  it('is for one process; the second is told whose it is, and what to do', async () => {
    const directory = newDirectory();
    const lock = await lockDirectory(directory, 'lamp');
    const error = await lockDirectory(directory, 'n2').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DirectoryTaken);
    const { message } = error as Error;
    expect(message).toContain(`${directory} is in use by process ${process.pid} (node lamp) since 2`);
    expect(message).toContain('give this one a directory of its own');
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
    await (await lockDirectory(directory)).release();
  });

  it('is free at once when its process was killed', async () => {
    const directory = newDirectory();
    for (let round = 0; round < 5; round += 1) {
      const holder = new Starter();
      expect(await holder.take(directory)).toBe('held');
      await holder.kill();
    }
    const lock = await lockDirectory(directory);
    expect(readdirSync(directory)).toHaveLength(1);
    await lock.release();
  });

  it('stays that of a process that was stopped in its tracks', async () => {
    const directory = newDirectory();
    const holder = new Starter();
    expect(await holder.take(directory)).toBe('held');
    holder.stop();
    const [flag] = readdirSync(directory);
    await expect(lockDirectory(directory)).rejects.toThrow(/another process, which does not answer/);
    await expect(lockDirectory(directory)).rejects.toThrow(`Its lock is ${join(directory, flag ?? '')}`);
    await holder.kill();
    await (await lockDirectory(directory)).release();
  });

  it('is that of exactly one of two who start at the same time', async () => {
    const starters = [new Starter(), new Starter()];
    for (let round = 0; round < 20; round += 1) {
      const directory = newDirectory();
      const outcomes = await Promise.all(starters.map((each) => each.take(directory)));
      expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
      const winner = starters[outcomes.indexOf('held')];
      expect(outcomes.find((outcome) => outcome !== 'held')).toMatch(/^DirectoryTaken: .* is in use by process \d+/);
      expect(outcomes.find((outcome) => outcome !== 'held')).toContain(`process ${winner?.pid} (node n${winner?.pid})`);
      await winner?.release();
    }
  });

  it('is that of exactly one of several who find what dead ones left', async () => {
    const starters = [new Starter(), new Starter(), new Starter(), new Starter()];
    const directory = newDirectory();
    for (let round = 0; round < 50; round += 1) {
      for (let index = 0; index < round % 4; index += 1) await leaveDeadFlag(directory, round * 4 + index);
      const outcomes = await Promise.all(starters.map((each) => each.take(directory)));
      expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome.startsWith('DirectoryTaken: '))).toHaveLength(3);
      await starters[outcomes.indexOf('held')]?.release();
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  it('may have a path that is too long for a socket', async () => {
    const directory = newDirectory(join('deep', 'x'.repeat(100), 'y'.repeat(100)));
    const holder = new Starter();
    if (process.platform !== 'linux') {
      expect(await holder.take(directory)).toMatch(/^StoreRefused: .*the path is too long for a socket/);
      return;
    }
    expect(await holder.take(directory)).toBe('held');
    await expect(lockDirectory(directory)).rejects.toThrow(`in use by process ${holder.pid}`);
    await holder.kill();
    await (await lockDirectory(directory)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('that is not there, or not a directory, is refused with its name', async () => {
    const file = join(place, 'file');
    writeFileSync(file, '');
    await expect(lockDirectory(join(place, 'nowhere'))).rejects.toThrow(/nowhere: it cannot be locked.*ENOENT/);
    await expect(lockDirectory(file)).rejects.toThrow(/file: it cannot be locked.*ENOTDIR/);
  });
});

describe.skipIf(process.platform !== 'linux')('a data directory of which a file says whose it is', () => {
  const here = {
    host: hostname(),
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pids: readlinkSync('/proc/self/ns/pid'),
  };
  /** What a process leaves that nobody can ask. */
  const leave = (directory: string, of: object): string => {
    const path = join(directory, 'lock-00000000000000aa.pid');
    const whole = { pid: 1, node: 'n1', since: 'noon', holds: true, ...here, started: '', ...of };
    writeFileSync(path, JSON.stringify(whole));
    return path;
  };

  it('is free if that process is gone', async () => {
    const directory = newDirectory();
    const gone = new Starter();
    await gone.kill();
    leave(directory, { pid: gone.pid });
    await (await lockDirectory(directory)).release();
    // Or another one bears its number.
    leave(directory, { pid: process.pid, started: 'never' });
    await (await lockDirectory(directory)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each([
    ['another start of the machine, or another machine of its name', { boot: 'another' }],
    ['another container', { pids: 'pid:[1]' }],
  ])('is free if that was in %s, and the file is touched no more', async (_, elsewhere) => {
    const directory = newDirectory();
    const path = leave(directory, { pid: process.pid, ...elsewhere });
    const touching = setInterval(() => utimesSync(path, new Date(), new Date()), 500);
    await expect(lockDirectory(directory)).rejects.toThrow(`in use by process ${process.pid} (node n1)`);
    clearInterval(touching);
    await (await lockDirectory(directory)).release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is not free if it may be the process of another machine, and it is told which file to remove', async () => {
    const directory = newDirectory();
    leave(directory, { host: 'elsewhere' });
    await expect(lockDirectory(directory)).rejects.toThrow(
      /in use by process 1 \(node n1\) of elsewhere since noon.*If that one is gone, remove .*00aa\.pid/,
    );
  });

  it('is kept by that file as by a socket, while the process lives', async () => {
    const directory = newDirectory();
    const flag = await raiseFlag(directory, 'lamp', 'file');
    await flag.hold();
    await expect(lockDirectory(directory)).rejects.toThrow(`in use by process ${process.pid} (node lamp)`);
    // Which shows from anywhere.
    const touchedMs = (): number => statSync(join(directory, flag.name)).mtimeMs;
    const first = touchedMs();
    await vi.waitFor(() => expect(touchedMs()).toBeGreaterThan(first), { timeout: 10_000 });
    await flag.lower();
    await (await lockDirectory(directory)).release();
  });
});

describe('a socket', () => {
  it.each([
    ['ext4', 'linux', 0xef53, true],
    ['overlayfs', 'linux', 0x794c7630, true],
    ['Btrfs', 'linux', 0x9123683e, true],
    ['APFS', 'darwin', 26, true],
    ['NFS', 'linux', 0x6969, false],
    ['FUSE, and what a virtual machine shares by it', 'linux', 0x65735546, false],
    ['9p', 'linux', 0x01021997, false],
    ['anything else', 'linux', 1, false],
    ['anything where numbers are others', 'freebsd', 0xef53, false],
  ] as const)('is enough on %s of %s: %s is %s', (_, platform, fileSystem, isEnough) => {
    expect(isOfOneMachine(fileSystem, platform)).toBe(isEnough);
  });

  it.skipIf(process.platform === 'win32')('is what a directory is kept by on a disk of this machine', async () => {
    const directory = newDirectory();
    const { type } = await statfs(directory);
    const flag = await raiseFlag(directory, 'lamp');
    expect(flag.isWeak).toBe(!isOfOneMachine(type, process.platform));
    expect(flag.name).toMatch(flag.isWeak ? /\.pid$/ : /\.sock$/);
    await flag.lower();
  });
});
