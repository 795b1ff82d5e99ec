// The room that is left on the disk, and what is told of it.

import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { Life, rest } from '../testing/journal-life.ts';

describe('the room that is left', () => {
  it('is looked at every second, and told when it is short and when there is enough again', async () => {
    const disk = new FaultyDisk();
    disk.free = 1000;
    const life = await Life.open(disk, { durability: 'everysec', minFreeBytes: 800 });
    expect(life.journal.isShort).toBe(false);
    disk.free = 799;
    await life.clock.advance(1000);
    expect(life.journal.isShort).toBe(true);
    // A little more is not enough: it would flutter.
    disk.free = 899;
    await life.clock.advance(1000);
    expect(life.journal.isShort).toBe(true);
    disk.free = 900;
    await life.clock.advance(1000);
    expect(life.journal.isShort).toBe(false);
    expect(life.events).toEqual([
      { is: 'short', freeBytes: 799 },
      { is: 'roomy', freeBytes: 900 },
    ]);
    expect(life.journal.freeBytes).toBe(900);
  });

  it('is looked at sooner when much is written', async () => {
    const disk = new FaultyDisk();
    disk.free = 1000;
    const life = await Life.open(disk, { durability: 'everysec', minFreeBytes: 800 });
    disk.free = 700;
    life.append(1);
    await rest(life.clock);
    expect(life.journal.isShort).toBe(false);
    life.append(2, 100);
    await rest(life.clock);
    expect(life.journal.isShort).toBe(true);
  });

  it('is what it was while it cannot be learnt, which is told once', async () => {
    const disk = new FaultyDisk();
    disk.free = 1;
    const life = await Life.open(disk, { durability: 'everysec', minFreeBytes: 800 });
    disk.refuses = (call) => (call === 'freeBytes' ? 'EIO' : undefined);
    await life.clock.advance(5000);
    expect(life.journal.isShort).toBe(true);
    expect(life.events.map(({ is }) => is)).toEqual(['short', 'hindered']);
  });
});
