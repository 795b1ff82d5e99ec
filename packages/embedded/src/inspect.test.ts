// What a look from outside says of a directory, and what a repair makes of it.

import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { callsVersion, directory, Life, rest } from '../testing/journal-life.ts';
import { decodeHeader, encodeHeader, headerBytes } from './file-header.ts';
import { frameBytes } from './frame.ts';
import { type DataReport, inspect } from './inspect.ts';
import { DataDamaged, StoreRefused } from './refusal.ts';
import { repair } from './repair.ts';

const log = (number: number): string => `log-0000000${number}.skein`;
const snapshot = (number: number): string => `snapshot-0000000${number}.skein`;
const oneBytes = frameBytes + 25;

async function appended(life: Life, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    life.append(1);
    await rest(life.clock);
  }
}

/** A snapshot of four numbers, and three logs behind it with two each. */
async function written(): Promise<FaultyDisk> {
  const disk = new FaultyDisk();
  const first = await Life.open(disk, { durability: 'always' });
  await appended(first, 4);
  await first.snapshot(2);
  await appended(first, 2);
  await first.journal.close();
  for (let i = 0; i < 2; i++) {
    const life = await Life.open(disk, { durability: 'always' });
    await appended(life, 2);
    await life.journal.close();
  }
  return disk;
}

function spoil(disk: FaultyDisk, name: string, at: number): void {
  const bytes = disk.bytes(`${directory}/${name}`);
  bytes[at] = (bytes[at] as number) ^ 0x40;
  disk.put(`${directory}/${name}`, bytes);
}

/** The header of a log, had it been written in another directory. */
function foreignHeader(disk: FaultyDisk, name: string): Buffer {
  const read = decodeHeader(disk.bytes(`${directory}/${name}`));
  if (read.is !== 'header') throw new Error('no header');
  return encodeHeader({ ...read.header, directoryId: 'ab'.repeat(16) });
}

const records = {
  callsVersion,
  snapshotFrame: (payload: Buffer): number => payload.readUInt32BE(4) - payload.readUInt32BE(0) + 1,
  callsFrame: (payload: Buffer): number => payload.length / 25,
};

const brief = ({ files }: DataReport): unknown[] =>
  files.map(({ name, state, records: count }) => [name, state, count]);
const repaired = (disk: FaultyDisk): Promise<DataReport> =>
  repair({ directory, disk, random: new SeededRandom(5), nowMs: 1_750_000_000_000 });

/** Repairs, and starts: what is found, and that it goes on. */
async function foundAfterRepair(disk: FaultyDisk): Promise<number> {
  const contents = disk.paths().map((path) => disk.bytes(path));
  await repaired(disk);
  // Nothing that was there is gone.
  const now = disk.paths().map((path) => disk.bytes(path));
  for (const content of contents) expect(now.some((other) => other.equals(content))).toBe(true);
  const life = await Life.open(disk, { durability: 'always' });
  expect(life.opened.mayHaveLost).toBe(true);
  await appended(life, 1);
  await life.journal.close();
  const next = await Life.open(disk, { durability: 'always' });
  expect(next.found).toBe(life.found + 1);
  await next.journal.close();
  expect((await inspect(directory, disk)).isGood).toBe(true);
  return life.found;
}

describe('a look at a directory', () => {
  it('tells of each file what it is and what it holds, and changes nothing', async () => {
    const disk = await written();
    const before = disk.paths().map((path) => [path, disk.bytes(path)]);
    const report = await inspect(directory, disk, records);
    expect(report).toMatchObject({ isGood: true, remedy: undefined, missing: undefined, unfinished: [], aside: [] });
    expect(brief(report)).toEqual([
      [snapshot(2), 'good', 4],
      [log(2), 'good', 2],
      [log(3), 'good', 2],
      [log(4), 'good', 2],
    ]);
    expect(report.files[1]).toMatchObject({
      kind: 'log',
      number: 2,
      standing: 'counts',
      frames: 2,
      payloadBytes: 50,
      bytes: headerBytes + 2 * oneBytes + frameBytes,
      isEnded: true,
      header: { durability: 'always', callsVersion: 3 },
    });
    expect(disk.paths().map((path) => [path, disk.bytes(path)])).toEqual(before);
  });

  it('is not taken while a broker runs on it, and of nothing', async () => {
    const disk = await written();
    const life = await Life.open(disk, { durability: 'always' });
    await expect(inspect(directory, disk)).rejects.toThrow(/is used by test/);
    await life.journal.close();
    await expect(inspect('/elsewhere', disk)).rejects.toThrow(StoreRefused);
    await expect(inspect('/elsewhere', disk)).rejects.toThrow(/there is no such directory/);
  });

  it('finds a torn tail good, and says where it was torn', async () => {
    const disk = await written();
    const life = await Life.open(disk, { durability: 'everysec' });
    await appended(life, 2);
    const after = life.disk.after('kill', new SeededRandom(1));
    const path = `${directory}/${log(5)}`;
    after.put(path, after.bytes(path).subarray(0, headerBytes + oneBytes + 9));
    const report = await inspect(directory, after, records);
    expect(report.isGood).toBe(true);
    expect(report.files.at(-1)).toMatchObject({ state: 'torn', records: 1, bad: { at: headerBytes + oneBytes } });
    expect(await repaired(after)).toMatchObject({ isGood: true });
    expect((await Life.open(after, { durability: 'everysec' })).found).toBe(11);
  });

  it('counts no records behind damage, but says how many frames there are', async () => {
    const disk = await written();
    spoil(disk, log(3), headerBytes + 40);
    const report = await inspect(directory, disk, records);
    expect(brief(report)).toEqual([
      [snapshot(2), 'good', 4],
      [log(2), 'good', 2],
      [log(3), 'damaged', 0],
      [log(4), 'good', 0],
    ]);
    expect(report.files[2]).toMatchObject({ bad: { at: headerBytes }, framesBehind: 2 });
    expect(report.remedy?.steps.map(({ is }) => is)).toEqual(['cut', 'cut', 'begin']);
    // The second frame of the log and the end of it, and those of the last log; and nobody can say what the first held.
    expect(report.remedy).toMatchObject({ framesLost: 4, bytesUnknown: oneBytes });
  });

  it('counts what lies behind a frame that cannot be understood', async () => {
    const disk = await written();
    let calls = 0;
    const refuses = (): number => {
      calls += 1;
      if (calls === 2) throw new RangeError('a call is cut short');
      return 1;
    };
    const { files, remedy } = await inspect(directory, disk, { ...records, callsFrame: refuses });
    expect(files[1]).toMatchObject({ framesBehind: 0, bytesUnknown: oneBytes, bad: { at: headerBytes + oneBytes } });
    expect(remedy).toMatchObject({ framesLost: 4, bytesUnknown: oneBytes });
  });

  it('goes on where the disk gives out nothing, and says so', async () => {
    const disk = await written();
    disk.refuses = (call, path) => (call === 'read' && path.endsWith(log(3)) ? 'EIO' : undefined);
    const report = await inspect(directory, disk, records);
    expect(report.isGood).toBe(false);
    expect(brief(report)).toEqual([
      [snapshot(2), 'good', 4],
      [log(2), 'good', 2],
      [log(3), 'damaged', 0],
      [log(4), 'good', 0],
    ]);
    const bytes = headerBytes + 2 * oneBytes + frameBytes;
    expect(report.files[2]).toMatchObject({
      bad: { at: 0, why: expect.stringContaining('cannot be read: the disk reports an error (EIO)') },
      bytesUnknown: bytes,
    });
    // It is not replaced: the disk may be persuaded one day.
    expect(report.remedy?.steps.map(({ is }) => is)).toEqual(['set aside', 'set aside', 'begin']);
    expect(report.remedy).toMatchObject({ bytesUnknown: bytes });
  });

  it('finds damaged what cannot be understood', async () => {
    const disk = await written();
    const refuses = (): number => {
      throw new RangeError('a call is cut short');
    };
    const report = await inspect(directory, disk, { ...records, callsFrame: refuses });
    expect(report.files[1]).toMatchObject({
      state: 'damaged',
      goodBytes: headerBytes,
      bad: { at: headerBytes, why: expect.stringContaining('a call is cut short') },
    });
    await repair({
      directory,
      disk,
      random: new SeededRandom(1),
      nowMs: 0,
      records: { ...records, callsFrame: refuses },
    });
    expect((await Life.open(disk, { durability: 'always' })).found).toBe(4);
  });
});

describe('a repair', () => {
  it('cuts a log at the damage, and sets aside what followed', async () => {
    const disk = await written();
    spoil(disk, log(3), headerBytes + oneBytes + 40);
    const tail = disk.bytes(`${directory}/${log(3)}`).subarray(headerBytes + oneBytes);
    expect(await foundAfterRepair(disk)).toBe(7);
    expect(disk.bytes(`${directory}/${log(3)}.damaged`)).toEqual(tail);
    expect(disk.paths()).toContain(`${directory}/${log(4)}.damaged`);
  });

  it('ends before a log that is missing, or does not begin as it was written', async () => {
    const disk = await written();
    disk.put(`${directory}/${log(3)}`, undefined);
    expect((await inspect(directory, disk)).missing).toBe(log(3));
    expect(await foundAfterRepair(disk)).toBe(6);
    const other = await written();
    spoil(other, log(3), 30);
    expect(await foundAfterRepair(other)).toBe(6);
    const third = await written();
    const elsewhere = await Life.open(third, { durability: 'always' });
    await elsewhere.journal.close();
    third.put(`${directory}/${log(4)}`, Buffer.concat([foreignHeader(third, log(4)), Buffer.alloc(100)]));
    expect(await foundAfterRepair(third)).toBe(8);
  });

  it('says what it costs where the head of the only log is spoilt, and the next start is told of the loss', async () => {
    const spoilt = async (): Promise<FaultyDisk> => {
      const disk = new FaultyDisk();
      const life = await Life.open(disk, { durability: 'always' });
      await appended(life, 3);
      await life.journal.close();
      spoil(disk, log(1), 50);
      return disk;
    };
    const whole = await spoilt();
    const { remedy } = await inspect(directory, whole);
    expect(remedy).toMatchObject({ framesLost: 0, bytesUnknown: headerBytes + 3 * oneBytes + frameBytes });
    expect(await foundAfterRepair(whole)).toBe(0);
    // Wherever it ends, no start takes the directory for a new one.
    const disk = await spoilt();
    const before = disk.calls;
    await repaired(disk);
    for (let call = 1; call <= disk.calls - before; call++) {
      const stopped = await spoilt();
      stopped.stopAt(stopped.calls + call, call % 2);
      let isOver = false;
      const over = (): void => {
        isOver = true;
      };
      repaired(stopped).then(over, over);
      while (!stopped.isStopped && !isOver) await undefined;
      const after = stopped.after('power loss', new SeededRandom(call));
      const next = await Life.open(after, { durability: 'always' }).catch((error: unknown) => error);
      if (next instanceof Life) expect(next.opened.mayHaveLost).toBe(true);
      else expect(next).toBeInstanceOf(DataDamaged);
    }
  });

  it('does not empty a directory of which nothing can be read', async () => {
    const disk = new FaultyDisk();
    const life = await Life.open(disk, { durability: 'always' });
    await appended(life, 2);
    disk.refuses = (call) => (call === 'remove' ? 'EIO' : undefined);
    await life.snapshot();
    await life.journal.close();
    disk.refuses = () => undefined;
    spoil(disk, snapshot(2), 50);
    expect((await inspect(directory, disk)).remedy).toBeDefined();
    spoil(disk, log(1), 50);
    expect((await inspect(directory, disk)).remedy).toBeUndefined();
  });

  it('copies what the disk gives out, and zeros for the rest', async () => {
    const disk = new FaultyDisk();
    const life = await Life.open(disk, { durability: 'always' });
    for (let i = 0; i < 3; i++) {
      life.append(60, 200);
      await rest(life.clock);
    }
    await life.journal.close();
    const frame = frameBytes + 60 * 205;
    const bytes = disk.bytes(`${directory}/${log(1)}`);
    // One page in the middle of the second frame.
    const hole = 4 * 4096;
    const { open } = disk;
    disk.open = async (path) => {
      const file = await open.call(disk, path);
      return {
        ...file,
        read: async (into, position) => {
          if (position < hole + 4096 && position + into.length > hole && position < bytes.length) {
            throw Object.assign(new Error('EIO'), { code: 'EIO' });
          }
          return await file.read(into, position);
        },
      };
    };
    const report = await inspect(directory, disk);
    const at = headerBytes + frame;
    expect(report.files[0]).toMatchObject({ state: 'damaged', framesBehind: 2, bytesUnreadable: 4096, bad: { at } });
    expect(report.remedy?.steps[0]).toMatchObject({ is: 'cut', at, bytesUnreadable: 4096 });
    expect(report.remedy).toMatchObject({ framesLost: 2, bytesUnknown: frame });
    await repaired(disk);
    const copy = Buffer.from(bytes.subarray(at));
    copy.fill(0, hole - at, hole - at + 4096);
    expect(disk.bytes(`${directory}/${log(1)}.damaged`).equals(copy)).toBe(true);
    disk.open = open;
    expect((await Life.open(disk, { durability: 'always' })).found).toBe(60);
  });

  it('begins anew behind the snapshot if its log is gone', async () => {
    const disk = await written();
    disk.put(`${directory}/${log(2)}`, undefined);
    expect(await foundAfterRepair(disk)).toBe(4);
  });

  it('goes back to an older snapshot, or to none, if the logs are still there', async () => {
    const disk = await written();
    const life = await Life.open(disk, { durability: 'always' });
    disk.refuses = (call) => (call === 'remove' ? 'EIO' : undefined);
    await life.snapshot();
    await appended(life, 1);
    await life.journal.close();
    disk.refuses = () => undefined;
    spoil(disk, snapshot(6), headerBytes + 40);
    const report = await inspect(directory, disk);
    expect(report.remedy).toEqual({
      steps: [{ is: 'set aside', file: snapshot(6), as: `${snapshot(6)}.damaged` }],
      framesLost: 0,
      bytesUnknown: 0,
    });
    await repaired(disk);
    expect((await Life.open(disk, { durability: 'always' })).found).toBe(11);
  });

  it('does nothing about a snapshot that nothing can stand in for', async () => {
    const disk = await written();
    spoil(disk, snapshot(2), headerBytes + 40);
    const before = disk.paths();
    expect((await inspect(directory, disk)).remedy).toBeUndefined();
    await expect(repaired(disk)).rejects.toThrow(DataDamaged);
    await expect(repaired(disk)).rejects.toThrow(/snapshot-00000002\.skein at byte 128 cannot be repaired: restore/);
    expect(disk.paths()).toEqual(before);
  });

  it('does nothing to what is not ours', async () => {
    const disk = await written();
    disk.put(`${directory}/${log(5)}`, Buffer.from('My diary. Monday: it rained all day long.'));
    expect(await inspect(directory, disk)).toMatchObject({ isGood: false, remedy: undefined });
    await expect(repaired(disk)).rejects.toThrow(
      /log-00000005\.skein at byte 0 cannot be repaired by this version: it is no file of Skein's/,
    );
  });

  it('does nothing to calls of another version, damaged or not: that one can replay them', async () => {
    const disk = await written();
    const before = disk.paths();
    const newer = { ...records, callsVersion: 4 };
    for (const at of [undefined, headerBytes + 40]) {
      if (at !== undefined) spoil(disk, log(3), at);
      const report = await inspect(directory, disk, newer);
      expect(report).toMatchObject({ isGood: false, remedy: undefined });
      expect(report.files[1]).toMatchObject({
        isUnknown: true,
        frames: 2,
        bad: { why: expect.stringMatching(/holds calls of version 3, .* start the version that wrote it/) },
      });
      const repairing = repair({ directory, disk, random: new SeededRandom(1), nowMs: 0, records: newer });
      await expect(repairing).rejects.toThrow(/cannot be repaired by this version: it holds calls of version 3/);
    }
    expect(disk.paths()).toEqual(before);
    // An empty log is any version's.
    const life = await Life.open(await written(), { durability: 'always' });
    await life.snapshot();
    await life.journal.close();
    expect(await inspect(directory, life.disk, newer)).toMatchObject({ isGood: true });
  });

  it('finds names that nothing has yet, and can be begun again wherever it ended', async () => {
    const spoilt = async (): Promise<FaultyDisk> => {
      const disk = await written();
      disk.put(`${directory}/${log(3)}.damaged`, Buffer.from('from before'));
      spoil(disk, log(3), headerBytes + oneBytes + 40);
      return disk;
    };
    const whole = await spoilt();
    const before = whole.calls;
    await repaired(whole);
    const calls = whole.calls - before;
    expect(calls).toBeGreaterThan(30);
    for (let call = 1; call <= calls; call++) {
      const disk = await spoilt();
      disk.stopAt(disk.calls + call, call % 2);
      let isOver = false;
      const over = (): void => {
        isOver = true;
      };
      repaired(disk).then(over, over);
      while (!disk.isStopped && !isOver) await undefined;
      const after = disk.after(call % 3 === 0 ? 'kill' : 'power loss', new SeededRandom(call));
      expect(after.bytes(`${directory}/${log(3)}.damaged`).toString()).toBe('from before');
      await repaired(after);
      expect((await Life.open(after, { durability: 'always' })).found).toBe(7);
    }
  });
});
