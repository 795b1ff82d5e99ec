// What a start makes of files that are not as they were left: torn, damaged, missing, another version's, other people's.

import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { callsVersion, directory, Life, rest } from '../testing/journal-life.ts';
import { decodeHeader, encodeHeader, headerBytes } from './file-header.ts';
import { frameBytes } from './frame.ts';
import { DataDamaged, FormatUnknown, StoreRefused } from './refusal.ts';

const log = (number: number): string => `${directory}/log-0000000${number}.skein`;
const snapshot = (number: number): string => `${directory}/snapshot-0000000${number}.skein`;
/** A frame with one record of the length that a life appends. */
const oneBytes = frameBytes + 25;

/** What a process leaves that appends so many numbers, each in a frame of its own, and is killed. */
async function killed(count: number, durability: 'everysec' | 'always' = 'everysec'): Promise<FaultyDisk> {
  const life = await Life.open(new FaultyDisk(), { durability });
  await appended(life, count);
  return life.disk.after('kill', new SeededRandom(1));
}

async function appended(life: Life, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    life.append(1);
    await rest(life.clock);
  }
}

/** What three starts leave, each with two numbers, without a snapshot. */
async function threeLogs(): Promise<FaultyDisk> {
  const disk = new FaultyDisk();
  for (let i = 0; i < 3; i++) {
    const life = await Life.open(disk, { durability: 'everysec' });
    await appended(life, 2);
    await life.journal.close();
  }
  return disk;
}

/** Changes one byte. */
function spoil(disk: FaultyDisk, path: string, at: number): void {
  const bytes = disk.bytes(path);
  bytes[at] = (bytes[at] as number) ^ 0x40;
  disk.put(path, bytes);
}

const open = (disk: FaultyDisk): Promise<Life> => Life.open(disk, { durability: 'everysec' });

/** The error of a start. */
async function refusal(disk: FaultyDisk): Promise<StoreRefused> {
  const error = await open(disk).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreRefused);
  return error as StoreRefused;
}

describe('a torn tail', () => {
  it('is cut off, wherever it was torn, and what was read of it counts', async () => {
    const whole = (await killed(3)).bytes(log(1));
    for (let length = headerBytes; length < whole.length; length += 3) {
      const disk = await killed(0);
      disk.put(log(1), whole.subarray(0, length));
      const life = await open(disk);
      const found = Math.floor((length - headerBytes) / oneBytes);
      const bytes = length - headerBytes - found * oneBytes;
      expect(life.found).toBe(found);
      expect(life.opened.tornBytes).toBe(bytes);
      expect(life.opened.mayHaveLost).toBe(bytes > 0);
      expect(life.events).toEqual(
        bytes === 0 ? [] : [{ is: 'torn', file: 'log-00000001.skein', at: headerBytes + found * oneBytes, bytes }],
      );
      // And it stays cut off, though the file is as it was.
      await appended(life, 2);
      await life.journal.close();
      const next = await open(disk);
      expect(next.found).toBe(found + 2);
      expect(next.events).toEqual([]);
    }
  });

  it('is after a loss of power also a hole with later pages behind it, as long as nobody knew it to be on the disk', async () => {
    const disk = await killed(5);
    const bytes = disk.bytes(log(1));
    bytes.fill(0, headerBytes + oneBytes + 10, headerBytes + 3 * oneBytes);
    disk.put(log(1), bytes);
    // The machine has been up all the time: no crash leaves that.
    await expect(open(disk)).rejects.toThrow(DataDamaged);
    disk.boot = 'another boot';
    const life = await open(disk);
    expect(life.found).toBe(1);
    expect(life.opened).toMatchObject({ tornBytes: 4 * oneBytes, mayHaveLost: true });
  });

  it('is zeros too, which a file system leaves behind a file that it had made longer', async () => {
    const disk = await killed(2);
    disk.put(log(1), Buffer.concat([disk.bytes(log(1)), Buffer.alloc(1000)]));
    const life = await open(disk);
    expect(life.found).toBe(2);
    expect(life.opened.tornBytes).toBe(1000);
  });

  it('holds no frames that a Client has sent as a message', async () => {
    // A whole log as the payload of a record that is torn.
    const disk = await killed(1);
    const other = await Life.open(new FaultyDisk(), { durability: 'always', seed: 4711 });
    await appended(other, 4);
    const payload = other.disk.bytes(log(1)).subarray(headerBytes);
    disk.put(log(1), Buffer.concat([disk.bytes(log(1)), Buffer.alloc(50, 1), payload]));
    expect((await open(disk)).found).toBe(1);
  });
});

describe('damage in the middle', () => {
  it('is what was known to be on the disk, by a frame behind it: the start is refused', async () => {
    const disk = await killed(5, 'always');
    spoil(disk, log(1), headerBytes + 2 * oneBytes + 40);
    const error = await refusal(disk);
    expect(error).toBeInstanceOf(DataDamaged);
    expect(error).toMatchObject({ file: 'log-00000001.skein', offset: headerBytes + 2 * oneBytes });
    expect(error.message).toMatch(/log-00000001\.skein at byte 242 is not what was written .*skein check-data \/data/);
  });

  it('is found at every byte of a frame but the last one of the file, which only a crash could explain', async () => {
    const disk = await killed(3, 'always');
    const whole = disk.bytes(log(1));
    for (let at = headerBytes; at < whole.length; at++) {
      disk.put(log(1), whole);
      spoil(disk, log(1), at);
      const found = Math.floor((at - headerBytes) / oneBytes);
      const copy = disk.after('kill', new SeededRandom(1));
      if (found < 2) expect(await refusal(copy)).toMatchObject({ offset: headerBytes + found * oneBytes });
      else expect((await open(copy)).found).toBe(2);
    }
  });

  it('is everything in a log that was closed in good order, up to its end', async () => {
    for (const durability of ['memory', 'everysec', 'always'] as const) {
      const life = await Life.open(new FaultyDisk(), { durability });
      await appended(life, 3);
      await life.journal.close();
      const { disk } = life;
      const whole = disk.bytes(log(1));
      for (let at = headerBytes; at < headerBytes + 3 * oneBytes; at++) {
        disk.put(log(1), whole);
        spoil(disk, log(1), at);
        const offset = headerBytes + Math.floor((at - headerBytes) / oneBytes) * oneBytes;
        expect(await refusal(disk)).toMatchObject({ file: 'log-00000001.skein', offset });
      }
    }
  });

  it('is anything amiss in a log that is not the last one', async () => {
    const disk = await threeLogs();
    const whole = disk.bytes(log(2));
    for (const at of [0, 20, headerBytes, headerBytes + oneBytes + 3, headerBytes + 2 * oneBytes]) {
      disk.put(log(2), whole);
      spoil(disk, log(2), at);
      expect(await refusal(disk)).toMatchObject({ name: at === 0 ? 'FormatUnknown' : 'DataDamaged' });
    }
    disk.put(log(2), whole.subarray(0, headerBytes + oneBytes));
    expect(await refusal(disk)).toMatchObject({ file: 'log-00000002.skein', offset: headerBytes + oneBytes });
    disk.put(log(2), whole);
    expect((await open(disk)).found).toBe(6);
  });

  it('is a snapshot that is not whole: spoilt, cut short, or without its end', async () => {
    const life = await open(new FaultyDisk());
    await appended(life, 5);
    await life.snapshot(3);
    await life.journal.close();
    const { disk } = life;
    const whole = disk.bytes(snapshot(2));
    for (let at = 1; at < whole.length; at += 7) {
      disk.put(snapshot(2), whole);
      spoil(disk, snapshot(2), at);
      expect(await refusal(disk)).toMatchObject({ message: expect.stringContaining('snapshot-00000002.skein') });
    }
    const endless = whole.length - frameBytes - 16;
    for (const length of [endless, endless - 72, headerBytes, 10, 0]) {
      disk.put(snapshot(2), whole.subarray(0, length));
      expect(await refusal(disk)).toMatchObject({ file: 'snapshot-00000002.skein' });
    }
    disk.put(snapshot(2), Buffer.concat([whole, Buffer.alloc(1)]));
    expect(await refusal(disk)).toMatchObject({ file: 'snapshot-00000002.skein', offset: whole.length });
    disk.put(snapshot(2), whole);
    expect((await open(disk)).found).toBe(5);
  });

  it('is a file that is missing', async () => {
    const disk = await threeLogs();
    const [first, second] = [disk.bytes(log(1)), disk.bytes(log(2))];
    disk.put(log(2), undefined);
    expect((await refusal(disk)).message).toMatch(/log-00000002\.skein is missing/);
    disk.put(log(2), second);
    disk.put(log(1), undefined);
    expect((await refusal(disk)).message).toMatch(/snapshot-00000002\.skein is missing/);
    disk.put(log(1), first);
    const life = await open(disk);
    await life.snapshot();
    await life.journal.close();
    disk.put(log(5), undefined);
    expect((await refusal(disk)).message).toMatch(/log-00000005\.skein is missing/);
  });

  it('is a file of another directory, or under the name of another', async () => {
    const disk = await threeLogs();
    const second = disk.bytes(log(2));
    const read = decodeHeader(second);
    if (read.is !== 'header') throw new Error('no header');
    const header = encodeHeader({ ...read.header, directoryId: 'ab'.repeat(16) });
    disk.put(log(2), Buffer.concat([header, second.subarray(headerBytes)]));
    expect((await refusal(disk)).message).toMatch(/log-00000002\.skein at byte 0 comes from another directory/);
    disk.put(log(2), disk.bytes(log(3)));
    expect((await refusal(disk)).message).toMatch(/calls itself log 3: it has been renamed/);
  });

  it('is a frame that cannot be understood though it is as it was written', async () => {
    const disk = await killed(1);
    const life = await open(disk);
    life.journal.append((out) => out.uint32(77));
    await rest(life.clock);
    await life.journal.close();
    expect(await refusal(disk)).toMatchObject({ file: 'log-00000002.skein', offset: headerBytes });
  });
});

describe('which files count', () => {
  it('are the newest snapshot and what follows; what is older and unfinished goes, what is not ours stays', async () => {
    const disk = await threeLogs();
    const older = disk.bytes(log(1));
    const life = await open(disk);
    await life.snapshot();
    await appended(life, 1);
    await life.journal.close();
    disk.put(log(1), older);
    disk.put(snapshot(3), Buffer.from('whatever'));
    disk.put(`${snapshot(6)}.tmp`, Buffer.from('half'));
    disk.put(`${log(1)}.damaged`, Buffer.from('kept'));
    disk.put(`${directory}/lost+found`, Buffer.alloc(0));
    disk.put(`${directory}/log-1.skein`, Buffer.alloc(0));
    expect((await open(disk)).found).toBe(7);
    expect(disk.paths()).toEqual(
      [log(5), log(6), `${log(1)}.damaged`, `${directory}/log-1.skein`, `${directory}/lost+found`, snapshot(5)].sort(),
    );
  });

  it('is the new log too, where a start that came to nothing has left one of its name unfinished', async () => {
    const disk = await threeLogs();
    disk.put(`${log(4)}.tmp`, Buffer.from('half'));
    const life = await open(disk);
    expect(life.found).toBe(6);
    expect(life.events).toEqual([]);
    expect(disk.paths()).toEqual([log(1), log(2), log(3), log(4)]);
  });

  it('are none in a new directory', async () => {
    const life = await open(new FaultyDisk());
    expect(life.opened).toMatchObject({ isNew: true, mayHaveLost: false, endedWell: true, logs: 0, snapshotBytes: 0 });
    expect(life.journal.logs).toBe(1);
  });

  it('are none either where a repair has set everything aside, but that is no new directory', async () => {
    const disk = new FaultyDisk();
    disk.put(`${log(1)}.damaged`, Buffer.from('kept'));
    expect((await open(disk)).opened).toMatchObject({ mayHaveLost: true, endedWell: false });
    expect((await open(disk.after('kill', new SeededRandom(1)))).opened).toMatchObject({ mayHaveLost: true });
  });
});

describe('a file that this version cannot read', () => {
  it('is refused by what to do: no file of ours', async () => {
    const disk = await threeLogs();
    disk.put(log(4), Buffer.from('My diary. Monday: it rained all day long.'));
    const error = await refusal(disk);
    expect(error).toBeInstanceOf(FormatUnknown);
    expect(error.message).toMatch(/log-00000004\.skein .* is no file of Skein's; move it away/);
  });

  it('is refused by what to do: another format', async () => {
    const disk = await threeLogs();
    const bytes = disk.bytes(log(3));
    bytes.writeUInt16BE(2, 8);
    disk.put(log(3), bytes);
    expect((await refusal(disk)).message).toMatch(/is of format 2, .* start the version that wrote it/);
  });

  it('is refused by what to do: calls of another version; a snapshot and an empty log are read by every version', async () => {
    const disk = await threeLogs();
    const newer = { durability: 'everysec', callsVersion: callsVersion + 1 } as const;
    await expect(Life.open(disk, newer)).rejects.toThrow(/holds calls of version 3, this version replays 4/);
    const life = await open(disk);
    await life.snapshot();
    await life.journal.close();
    expect((await Life.open(disk, newer)).found).toBe(6);
  });
});

describe('a directory that cannot be used', () => {
  it.each([
    ['makeDirectory', 'ENOTDIR', 'is not a directory'],
    ['makeDirectory', 'EACCES', 'may not read and write there'],
    ['makeDirectory', 'EROFS', 'can only be read'],
    ['create', 'ENOSPC', 'no room left'],
    ['read', 'EIO', 'the disk reports errors'],
    ['sync', 'EIO', 'the disk reports errors'],
    ['rename', 'EXDEV', 'EXDEV'],
  ] as const)('says so when %s fails with %s', async (call, code, sentence) => {
    const disk = await threeLogs();
    disk.refuses = (asked) => (asked === call ? code : undefined);
    const error = await refusal(disk);
    expect(error.message).toMatch(/^The data directory \/data cannot be used: /);
    expect(error.message).toContain(sentence);
    expect(error.cause).toMatchObject({ code });
    // It was let go.
    disk.refuses = () => undefined;
    expect((await open(disk)).found).toBe(6);
  });

  it('passes on what is our own mistake', async () => {
    const disk = await threeLogs();
    disk.bootId = () => Promise.reject(new TypeError('no'));
    await expect(open(disk)).rejects.toThrow(TypeError);
  });
});

describe('whether the last life ended in good order', () => {
  it('is whether it has closed its log, whatever became of the calls', async () => {
    const disk = await threeLogs();
    const life = await open(disk);
    expect(life.opened.endedWell).toBe(true);
    await appended(life, 1);
    const after = life.disk.after('kill', new SeededRandom(1));
    const next = await open(after);
    expect(next.opened).toMatchObject({ endedWell: false, mayHaveLost: false });
    await next.journal.close();
    expect((await open(after)).opened.endedWell).toBe(true);
  });
});

describe('whether calls may be lost that were acted on', () => {
  it.each([
    ['memory', 'same', true],
    ['everysec', 'same', false],
    ['everysec', 'another', true],
    ['always', 'another', false],
  ] as const)('class %s, killed, %s start of the machine: %s', async (durability, boot, expected) => {
    const life = await Life.open(new FaultyDisk(), { durability });
    await appended(life, 2);
    const disk = life.disk.after('kill', new SeededRandom(1));
    if (boot === 'another') disk.boot = 'another';
    expect((await Life.open(disk, { durability: 'always' })).opened.mayHaveLost).toBe(expected);
    // Until something is stored, every start is told.
    const next = await Life.open(disk.after('kill', new SeededRandom(1)), { durability: 'always' });
    expect(next.opened.mayHaveLost).toBe(expected);
    await appended(next, 1);
    const last = await Life.open(next.disk.after('kill', new SeededRandom(1)), { durability: 'always' });
    expect(last.opened.mayHaveLost).toBe(false);
  });

  it('is no after a stop in good order, in every class', async () => {
    for (const durability of ['memory', 'everysec', 'always'] as const) {
      const life = await Life.open(new FaultyDisk(), { durability });
      await appended(life, 2);
      const closing = life.journal.close();
      await rest(life.clock);
      await closing;
      const disk = life.disk.after('power loss', new SeededRandom(1));
      expect((await Life.open(disk, { durability })).opened.mayHaveLost).toBe(false);
    }
  });

  it('is known of a log that began with a snapshot, too', async () => {
    const life = await Life.open(new FaultyDisk(), { durability: 'memory' });
    const disk = life.disk.after('kill', new SeededRandom(1));
    const next = await Life.open(disk, { durability: 'always' });
    expect(next.opened.mayHaveLost).toBe(true);
    await next.snapshot();
    const third = await Life.open(disk.after('kill', new SeededRandom(1)), { durability: 'always' });
    expect(third.opened.mayHaveLost).toBe(true);
  });
});
