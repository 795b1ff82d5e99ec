// A journal, ended at every step it takes: whatever was promised is there at the next start.

import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { type Crash, type DiskCall, FaultyDisk } from '../testing/faulty-disk.ts';
import { comes, Life, rest } from '../testing/journal-life.ts';
import { forEachSeed } from '../testing/seeds.ts';
import type { JournalClass, SnapshotFile } from './journal.ts';

const classes: readonly JournalClass[] = ['memory', 'everysec', 'always'];
const crashes: readonly Crash[] = ['kill', 'power loss'];

/** Everything a journal does in its life, once. It may end anywhere. */
async function live(life: Life): Promise<void> {
  const { clock, journal } = life;
  life.append(3);
  await rest(clock);
  life.append(2);
  clock.endTurn();
  // While that is being written.
  life.append(4, 100);
  await rest(clock);
  await second(life);
  await snapshotInVain(life);
  if (life.disk.isStopped) return;
  life.append(1);
  const snapshot = life.snapshot(3, () => {
    life.append(1);
    clock.endTurn();
  });
  await comes(clock, () => life.events.some(({ is }) => is === 'snapshot'));
  if (life.disk.isStopped) return;
  await snapshot;
  life.append(5);
  await rest(clock);
  await second(life);
  life.append(2);
  const closing = journal.close();
  await rest(clock);
  if (life.disk.isStopped) return;
  await closing;
  life.kept = life.appended;
  life.promised = life.appended;
}

/** The new log is all but there when it turns out that it cannot be had: the old one goes on. */
async function snapshotInVain(life: Life): Promise<void> {
  const { clock, disk } = life;
  disk.refuses = (call) => (call === 'openDirectory' ? 'EMFILE' : undefined);
  let failure: unknown;
  const snapshot = life.snapshot(2, () => {
    life.append(1);
    clock.endTurn();
  });
  snapshot.catch((error: unknown) => {
    failure = error;
  });
  await comes(clock, () => failure !== undefined);
  if (disk.isStopped) return;
  expect(failure).toMatchObject({ code: 'EMFILE' });
  disk.refuses = () => undefined;
}

/** A second goes by, in which all that was written is synced. */
async function second(life: Life): Promise<void> {
  const { promised } = life;
  await life.clock.advance(1000);
  await rest(life.clock);
  if (!life.disk.isStopped) life.kept = promised;
}

/** The last number that must be there after a crash. */
function owed(life: Life, durability: JournalClass, crash: Crash): number {
  switch (durability) {
    case 'memory':
      return 0;
    case 'everysec':
      return crash === 'kill' ? life.promised : life.kept;
    case 'always':
      return life.promised;
  }
}

/** Starts once more, checks what is there, goes on, stops in good order, and starts again. */
async function checkAfter(life: Life, durability: JournalClass, crash: Crash, chance: SeededRandom): Promise<void> {
  const disk = life.disk.after(crash, chance);
  const next = await Life.open(disk, { durability });
  expect(next.found).toBeGreaterThanOrEqual(owed(life, durability, crash));
  expect(next.found).toBeLessThanOrEqual(life.appended);
  // Who was told, or could have been, of what is gone.
  if (next.found < life.promised) expect(next.opened.mayHaveLost).toBe(true);

  next.append(3);
  await rest(next.clock);
  await next.journal.close();
  const last = await Life.open(disk, { durability });
  expect(last.found).toBe(next.appended);
  expect(last.opened.mayHaveLost).toBe(false);
  expect(disk.paths().filter((path) => path.endsWith('.tmp'))).toEqual([]);
}

/** Opens a disk; undefined if it stops before that is done. */
async function opened(disk: FaultyDisk, durability: JournalClass): Promise<Life | undefined> {
  let isOver = false;
  const opening = Life.open(disk, { durability }).finally(() => {
    isOver = true;
  });
  while (!disk.isStopped && !isOver) await undefined;
  return isOver ? await opening : undefined;
}

describe.each(classes)('a process in class %s that ends at any step', (durability) => {
  it.each(crashes)('has, after a %s, what it promised', async (crash) => {
    const whole = new FaultyDisk();
    const life = await opened(whole, durability);
    if (life !== undefined) await live(life);
    expect(life?.events).toMatchObject([{ is: 'snapshot' }]);
    expect(life?.appended).toBe(24);
    expect(whole.calls).toBeGreaterThan(30);
    let checked = 0;
    for (let call = 1; call <= whole.calls; call++) {
      for (const part of [0, 0.5, 1]) {
        for (const seed of crash === 'kill' ? [1] : [1, 2]) {
          const disk = new FaultyDisk();
          disk.stopAt(call, part);
          const stopped = await opened(disk, durability);
          if (stopped !== undefined) await live(stopped);
          expect(disk.isStopped).toBe(true);
          try {
            if (stopped !== undefined) await checkAfter(stopped, durability, crash, new SeededRandom(seed));
            else expect((await Life.open(disk.after(crash, new SeededRandom(seed)), { durability })).found).toBe(0);
          } catch (error) {
            (error as Error).message =
              `stopped at call ${call}, part ${part}, seed ${seed}: ${(error as Error).message}`;
            throw error;
          }
          checked += 1;
        }
      }
    }
    expect(checked).toBeGreaterThan(30);
  });
});

const open: ReadonlySet<DiskCall> = new Set(['create', 'openDirectory', 'rename']);

/** Does something that a process may do. */
async function act(life: Life, chance: SeededRandom): Promise<void> {
  const { clock, disk, journal } = life;
  switch (chance.below(10)) {
    case 0:
      return await second(life);
    case 1:
      return await clock.advance(chance.below(600));
    case 2: {
      const file = journal.beginSnapshot();
      const writing = snapshotOf(file, life.appended, () => life.append(chance.below(3), chance.below(90)));
      if (chance.oneIn(2)) clock.endTurn();
      await Promise.race([writing, rest(clock)]);
      // Nobody waits for a disk that has stopped; else it may take until it takes writes again.
      if (!disk.isStopped) await comes(clock, () => !journal.isStuck);
      return;
    }
    case 3:
      disk.takesBytes = chance.oneIn(2) ? 1 + chance.below(40) : Number.POSITIVE_INFINITY;
      return;
    case 4:
      // Neither a file nor a directory can be opened, for a while.
      disk.refuses = (call) => (open.has(call) && chance.oneIn(2) ? 'EMFILE' : undefined);
      return;
    case 5:
      disk.refuses = () => undefined;
      return;
    case 6: {
      // Full for a while.
      disk.roomBytes = chance.below(200);
      life.append(1 + chance.below(4), chance.below(90));
      await rest(clock);
      await clock.advance(300);
      disk.roomBytes = Number.POSITIVE_INFINITY;
      await clock.advance(300);
      return await rest(clock);
    }
    default:
      life.append(chance.below(4), chance.below(200));
      if (chance.oneIn(2)) clock.endTurn();
      if (chance.oneIn(2)) await rest(clock);
  }
}

/** Writes a snapshot, or gives it up if the disk refuses it. */
async function snapshotOf(file: SnapshotFile, last: number, between: () => void): Promise<void> {
  try {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(1, 0);
    payload.writeUInt32BE(last, 4);
    between();
    if (last > 0) await file.write(payload);
    between();
    await file.complete();
  } catch {
    await file.discard();
  }
}

describe('many lives on one disk, by chance', () => {
  it.each(classes)('in class %s lose nothing that was promised', async (durability) => {
    let crashed = 0;
    let snapshots = 0;
    await forEachSeed(50, async (seed) => {
      const chance = new SeededRandom(seed);
      let disk = new FaultyDisk();
      let before: Life | undefined;
      let owedNumber = 0;
      let lossIsOpen = false;
      for (let n = 0; n < 7; n++) {
        disk.stopAt(disk.calls + 1 + chance.below(120), chance.below(5) / 4);
        const life = await opened(disk, durability);
        if (life !== undefined) {
          expect(life.found).toBeGreaterThanOrEqual(owedNumber);
          if (before !== undefined) {
            expect(life.found).toBeLessThanOrEqual(before.appended);
            const isOpen = lossIsOpen && life.found === before.found;
            if (life.found < before.promised || isOpen) expect(life.opened.mayHaveLost).toBe(true);
          }
          for (let step = 0; step < 30 && !disk.isStopped; step++) await act(life, chance);
          await rest(life.clock);
          // What a start is told, the next one is told too, unless something was stored meanwhile.
          lossIsOpen = life.opened.mayHaveLost;
          snapshots += life.events.filter(({ is }) => is === 'snapshot').length;
          before = life;
        }
        crashed += disk.isStopped ? 1 : 0;
        const crash = chance.oneIn(2) ? 'kill' : 'power loss';
        // A start that came to nothing has read what was there, and promised nothing.
        if (life !== undefined) owedNumber = owed(life, durability, crash);
        else if (crash === 'power loss' && durability !== 'always')
          owedNumber = Math.min(owedNumber, before?.kept ?? 0);
        disk = disk.after(crash, chance);
      }
      const last = await Life.open(disk, { durability });
      expect(last.found).toBeGreaterThanOrEqual(owedNumber);
    });
    expect(crashed).toBeGreaterThan(150);
    expect(snapshots).toBeGreaterThan(30);
  });
});
