// What a hostile look at the files found.

import { defaultLimits } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { comes, directory, Life, rest } from '../testing/journal-life.ts';
import { checkDirectory } from './check.ts';
import { frameBytes, frameLength, sealFrame } from './frame.ts';
import { inspect } from './inspect.ts';
import { openJournal } from './journal.ts';
import { openEmbeddedStore } from './open.ts';
import { repair } from './repair.ts';

const random = new SeededRandom(7);

describe('a stop in good order', () => {
  it('comes to an end by its deadline, also while a snapshot is under way and the disk hangs', async () => {
    const disk = new FaultyDisk();
    const clock = new ManualClock();
    const opening = openEmbeddedStore({
      directory,
      durability: 'everysec',
      limits: defaultLimits,
      clock,
      random,
      journalMaxBytes: 1000,
      minFreeBytes: 0,
      disk,
      onEvent: () => {},
    });
    let isOpen = false;
    void opening.then(() => {
      isOpen = true;
    });
    expect(await comes(clock, () => isOpen)).toBe(true);
    const store = await opening;
    const neverDone = new Promise<void>(() => {});
    disk.waits = (call) => (call === 'write' ? neverDone : undefined);
    const message = {
      topic: 'a',
      payload: Buffer.alloc(2000),
      qos: 1 as const,
      retain: true,
      properties: undefined,
      publisherId: 'p',
      expiresAtMs: 0,
      frames: undefined,
    };
    store.retained.set([{ message, uid: undefined, order: undefined } as never]).catch(() => {});
    await rest(clock);
    let hasEnded = false;
    const ended = (): void => {
      hasEnded = true;
    };
    store.close().then(ended, ended);
    for (let second = 0; second < 60; second++) {
      await clock.advance(1000);
      await rest(clock);
    }
    expect(hasEnded).toBe(true);
  });
});

describe('a new log', () => {
  it('is tried again if there was no descriptor left to sync its directory with: nothing was lost', async () => {
    const life = await Life.open(new FaultyDisk(), { durability: 'everysec' });
    life.append(1);
    expect(await life.isStored()).toBe(true);
    let times = 0;
    // The directory has to be opened to be synced.
    life.disk.refuses = (call) => (call === 'syncDirectory' && times++ === 0 ? 'EMFILE' : undefined);
    life.journal.beginSnapshot();
    await comes(life.clock, () => times > 0);
    await life.clock.advance(1000);
    await rest(life.clock);
    expect(life.events.map(({ is }) => is)).not.toContain('failed');
  });
});

describe('a log that cannot be followed by another', () => {
  it('goes on: what has no descriptor, no inode or no right is a snapshot, which can wait', async () => {
    const life = await Life.open(new FaultyDisk(), { durability: 'everysec' });
    life.disk.refuses = (call) => (call === 'create' ? 'EMFILE' : undefined);
    life.journal.beginSnapshot();
    life.append(1);
    for (let i = 0; i < 20; i++) {
      await life.clock.advance(250);
      await rest(life.clock);
    }
    expect({ isStuck: life.journal.isStuck, promised: life.promised }).toEqual({ isStuck: false, promised: 1 });
  });
});

describe('a look at what another version wrote', () => {
  it('offers no repair that would set its calls aside', async () => {
    const disk = new FaultyDisk();
    const clock = new ManualClock();
    const { journal } = await openJournal(
      {
        directory,
        disk,
        clock,
        random,
        durability: 'always',
        deadlineMs: 5000,
        minFreeBytes: 0,
        callsVersion: 2,
        onEvent: () => {},
      },
      { snapshotFrame: () => {}, callsFrame: () => {} },
    );
    journal.append((out) => {
      out.byte(250); // a kind of call that this version does not know
      out.varint(1);
    });
    let isStored = false;
    journal.stored()?.then(() => {
      isStored = true;
    });
    expect(await comes(clock, () => isStored)).toBe(true);
    await journal.close();
    const report = await checkDirectory(directory, disk);
    expect(report.isGood).toBe(false); // a start refuses it
    expect(report.remedy).toBeUndefined(); // and says which version to start
  });
});

describe('a repair', () => {
  it('says what it costs where the head of a log is spoilt', async () => {
    const disk = new FaultyDisk();
    const life = await Life.open(disk, { durability: 'always' });
    for (let i = 0; i < 3; i++) {
      life.append(1);
      await rest(life.clock);
    }
    await life.journal.close();
    const path = `${directory}/log-00000001.skein`;
    const bytes = disk.bytes(path);
    bytes[50] = (bytes[50] as number) ^ 1; // in its header
    disk.put(path, bytes);
    const { remedy } = await inspect(directory, disk);
    await repair({ directory, disk, random, nowMs: 1 });
    const next = await Life.open(disk, { durability: 'always' });
    expect({ found: next.found, mayHaveLost: next.opened.mayHaveLost, framesLost: remedy?.framesLost }).not.toEqual({
      found: 0,
      mayHaveLost: false,
      framesLost: 0,
    });
  });

  it('is possible where the disk cannot read a part of a file: it is told as damage', async () => {
    const disk = new FaultyDisk();
    const life = await Life.open(disk, { durability: 'always' });
    life.append(1);
    await rest(life.clock);
    await life.journal.close();
    disk.refuses = (call) => (call === 'read' ? 'EIO' : undefined);
    expect((await inspect(directory, disk)).isGood).toBe(false);
  });
});

describe('a frame', () => {
  // Shown at full length: 560 retained messages of a megabyte in one call of `retained.set` are acknowledged, and after
  // `kill -9` the next start takes them, and all that follows, for a torn end.
  it('is not written longer than it is read', () => {
    const frame = Buffer.alloc(frameBytes + 512 * 1024 * 1024 + 1);
    let isRefused = false;
    try {
      sealFrame(frame, 1, { kind: 1, sequence: 1, syncedTo: 0 });
    } catch {
      isRefused = true;
    }
    expect(isRefused || frameLength(frame, 0, 1) === frame.length).toBe(true);
  });
});
