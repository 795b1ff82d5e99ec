// The journal on the disk of this machine.

import { randomBytes } from 'node:crypto';
import {
  chmod,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOfOneMachine } from './directory-lock-flag.ts';
import { systemDisk } from './disk.ts';
import { inspect } from './inspect.ts';
import { type OpenedJournal, openJournal } from './journal.ts';
import { StoreRefused } from './refusal.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'skein-journal-'));
});
afterEach(async () => {
  await rm(base, { recursive: true });
});

const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs: number, task: () => void): (() => void) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  endOfTurn: (task: () => void): void => process.nextTick(task),
};

async function open(directory: string): Promise<OpenedJournal & { readonly found: string[] }> {
  const found: string[] = [];
  const opened = await openJournal(
    {
      directory,
      durability: 'always',
      clock,
      random: { bytes: (length) => randomBytes(length) },
      deadlineMs: 10_000,
      minFreeBytes: 1,
      callsVersion: 1,
      onEvent: () => {},
    },
    { snapshotFrame: (payload) => found.push(`${payload}`), callsFrame: (payload) => found.push(`${payload}`) },
  );
  return { ...opened, found };
}

describe('a data directory on this machine', () => {
  it('is made with all that leads to it, for this user alone', async () => {
    const directory = join(base, 'a', 'b');
    const { journal, isNew } = await open(directory);
    expect(isNew).toBe(true);
    expect(journal.freeBytes).toBeGreaterThan(0);
    await journal.close();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, 'log-00000001.skein'))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['log-00000001.skein']);
  });

  it('keeps what was stored in it, through snapshots and starts, and leaves what is not its own', async () => {
    await writeFile(join(base, 'README'), 'mine');
    const first = await open(base);
    first.journal.append((out) => out.data(Buffer.from('one')));
    await first.journal.stored();
    const file = first.journal.beginSnapshot();
    first.journal.append((out) => out.data(Buffer.from('two')));
    await file.write(Buffer.from('all so far'));
    await file.complete();
    await first.journal.close();
    const second = await open(base);
    expect(second.found).toEqual(['all so far', 'two']);
    second.journal.append((out) => out.data(randomBytes(3_000_000)));
    second.journal.append((out) => out.data(Buffer.from('three')));
    await second.journal.stored();
    expect(second.journal.syncs).toBeGreaterThan(0);
    await second.journal.close();
    const third = await open(base);
    expect(third.found.map((text) => (text.length > 100 ? '…' : text))).toEqual(['all so far', 'two', '…', 'three']);
    await third.journal.close();
    expect(await readFile(join(base, 'README'), 'utf8')).toBe('mine');
    expect((await inspect(base, systemDisk)).isGood).toBe(true);
    expect((await readdir(base)).sort()).toEqual([
      'README',
      'log-00000002.skein',
      'log-00000003.skein',
      'log-00000004.skein',
      'snapshot-00000002.skein',
    ]);
  });

  it('is read past a torn tail, and refused when it is damaged', async () => {
    const first = await open(base);
    for (const text of ['one', 'two', 'three']) {
      first.journal.append((out) => out.data(Buffer.from(text)));
      await first.journal.stored();
    }
    await first.journal.close();
    const path = join(base, 'log-00000001.skein');
    const { size } = await stat(path);
    // Without its end, and without the last letter.
    await truncate(path, size - 32 - 1);
    const second = await open(base);
    expect(second).toMatchObject({ found: ['one', 'two'], tornBytes: 32 + 4, mayHaveLost: true });
    await second.journal.close();
    const bytes = await readFile(path);
    bytes[128 + 33] = 0;
    await writeFile(path, bytes);
    await expect(open(base)).rejects.toThrow(/log-00000001\.skein at byte 128 is not what was written/);
  });

  it('is refused where it cannot be one', async () => {
    const file = join(base, 'file');
    await writeFile(file, 'text');
    await expect(open(file)).rejects.toThrow(StoreRefused);
    await expect(open(file)).rejects.toThrow(/it is not a directory/);
    await expect(open(join(file, 'data'))).rejects.toThrow(/something that is not a directory/);
    await symlink(join(base, 'nowhere', 'at all'), join(base, 'link'));
    await expect(open(join(base, 'link'))).rejects.toThrow(StoreRefused);
    await expect(open('/proc/skein')).rejects.toThrow(StoreRefused);
    await chmod(base, 0o700);
  });

  it('knows which start of the machine this is, where the machine tells', async () => {
    const bootId = await systemDisk.bootId();
    expect(bootId).toBe(await systemDisk.bootId());
    if (process.platform === 'linux') expect(bootId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('tells files from each other that have the same name, one after the other', async () => {
    const path = join(base, 'file');
    expect(await systemDisk.fileAt(path)).toBeUndefined();
    await writeFile(path, 'one');
    const first = await systemDisk.fileAt(path);
    await writeFile(path, 'more');
    expect(await systemDisk.fileAt(path)).toBe(first);
    await rename(path, join(base, 'kept'));
    expect(await systemDisk.fileAt(path)).toBeUndefined();
    expect(await systemDisk.fileAt(join(base, 'kept', 'within'))).toBeUndefined();
    expect(await systemDisk.fileAt(join(base, 'kept'))).toBe(first);
    await writeFile(path, 'two');
    const { type } = await statfs(base);
    if (isOfOneMachine(type, process.platform)) expect(await systemDisk.fileAt(path)).not.toBe(first);
    else expect(await systemDisk.fileAt(path)).toBe(first);
  });
});
