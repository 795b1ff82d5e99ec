// A disk that hangs while a node starts: the start is refused in the end, and says where and why.

import { defaultLimits } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { rest } from '../testing/journal-life.ts';
import { DirectoryTaken } from './directory-lock.ts';
import { type EmbeddedStore, openEmbeddedStore } from './open.ts';
import { StoreRefused } from './refusal.ts';

const clock = new ManualClock();

/** Opens a store, and says what came of it when all that happens by itself has happened. */
function open(disk: FaultyDisk): { came: EmbeddedStore | Error | undefined } {
  const outcome: { came: EmbeddedStore | Error | undefined } = { came: undefined };
  const parts = { directory: '/data', durability: 'everysec', limits: defaultLimits, minFreeBytes: 0 } as const;
  openEmbeddedStore({ ...parts, disk, clock, random: new SeededRandom(1), onEvent: () => {} }).then(
    (store) => {
      outcome.came = store;
    },
    (error: Error) => {
      outcome.came = error;
    },
  );
  return outcome;
}

const hangs = new Promise<void>(() => {});

async function refusedAfterHalfAMinute(disk: FaultyDisk): Promise<void> {
  const outcome = open(disk);
  await clock.advance(29_000);
  expect(outcome.came).toBeUndefined();
  // It gives the disk some time more to let go.
  await clock.advance(1000 + defaultLimits.storeDeadlineMs);
  expect(outcome.came).toBeInstanceOf(StoreRefused);
  expect((outcome.came as Error).message).toMatch(/^The data directory \/data cannot be used: .* for 30 s; .*--store/);
}

describe('a disk that hangs at the start', () => {
  it('is waited for no longer than half a minute', async () => {
    const disk = new FaultyDisk();
    disk.waits = (call) => (call === 'sync' ? hangs : undefined);
    await refusedAfterHalfAMinute(disk);
  });

  it('keeps the directory until it has let go, lest what it was asked for strikes another process', async () => {
    for (const call of ['write', 'sync'] as const) {
      const disk = new FaultyDisk();
      let letGo = (): void => {};
      const over = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      disk.waits = (asked) => (asked === call ? over : undefined);
      await refusedAfterHalfAMinute(disk);
      const second = open(disk);
      await clock.settle();
      expect(second.came).toBeInstanceOf(DirectoryTaken);
      letGo();
      await rest(clock);
      const third = open(disk);
      await rest(clock);
      expect(third.came).toHaveProperty('sessions');
    }
  });

  it('is waited for no longer after a loss of power, when what the start wrote has to be on it', async () => {
    const first = new FaultyDisk();
    const outcome = open(first);
    await clock.advance(2000);
    expect(outcome.came).toHaveProperty('sessions');
    const disk = first.after('power loss', { below: () => 0, oneIn: () => false });
    // The log is begun with one sync of it; the next is of what the start wrote.
    let syncs = 0;
    disk.waits = (call) => (call === 'sync' && syncs++ > 0 ? hangs : undefined);
    await refusedAfterHalfAMinute(disk);
    expect(syncs).toBe(2);
  });
});
