// A data directory that is taken away under the process that has it.

import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { directory, Life, rest } from '../testing/journal-life.ts';
import type { JournalEvent } from './journal-event.ts';
import { PlaceLost } from './place-watch.ts';

const log = (number: number): string => `${directory}/log-0000000${number}.skein`;

async function open(): Promise<Life> {
  return await Life.open(new FaultyDisk(), { durability: 'everysec' });
}

const lost: JournalEvent = { is: 'failed', error: expect.any(PlaceLost) };

describe('a log that is not where it should be', () => {
  for (const [what, found] of [
    ['gone', undefined],
    ['another file', Buffer.from('restored from a copy')],
  ] as const) {
    it(`is noticed within a second, though nothing is written: ${what}`, async () => {
      const life = await open();
      await life.clock.advance(1000);
      expect(life.events).toEqual([]);
      life.disk.put(log(1), found);
      await life.clock.advance(1000);
      expect(life.events).toEqual([lost]);
      expect(`${(life.events[0] as { error: unknown }).error}`).toContain(`${log(1)} is gone, or another file`);
      // From now on nothing is taken for stored.
      expect(life.journal.isStuck).toBe(true);
      expect(() => life.append(1)).toThrow('the disk has failed');
      await life.clock.advance(5000);
      expect(life.events).toEqual([lost]);
      await expect(life.journal.close()).rejects.toThrow('the disk has failed');
    });
  }

  it('is noticed at the stop, be it a moment after it happened', async () => {
    const life = await open();
    life.append(3);
    await rest(life.clock);
    life.disk.put(log(1), undefined);
    await expect(life.journal.close()).rejects.toThrow('the disk has failed');
    expect(life.events).toEqual([lost]);
  });

  it('is noticed before another log takes its place, which would go on from nothing', async () => {
    const life = await open();
    life.append(3);
    await rest(life.clock);
    life.disk.put(log(1), undefined);
    await expect(life.snapshot()).rejects.toThrow('the disk has failed');
    expect(life.events).toEqual([lost]);
  });
});

describe('a directory that was put in the place of the one in use', () => {
  it('is left as it is, though a new log was to be begun, be it with the number of one that is there', async () => {
    for (const isNoticed of [true, false]) {
      const life = await open();
      life.append(3);
      await rest(life.clock);
      const restored = Buffer.from('what was acknowledged');
      life.disk.put(log(2), restored);
      if (isNoticed) life.disk.put(log(1), Buffer.from('of a copy'));
      await expect(life.snapshot()).rejects.toThrow(isNoticed ? 'the disk has failed' : 'is there already');
      expect(life.disk.bytes(log(2))).toEqual(restored);
      expect(life.disk.paths().filter((path) => path.includes('log-'))).toEqual([log(1), log(2)]);
    }
  });
});

describe('a log that is where it should be', () => {
  it('may be deleted once another one has followed', async () => {
    const life = await open();
    for (let round = 0; round < 3; round++) {
      life.append(3);
      await life.snapshot();
      await life.clock.advance(2000);
    }
    expect(life.disk.paths()).toEqual([log(4), `${directory}/snapshot-00000004.skein`]);
    expect(life.events.map(({ is }) => is)).toEqual(['snapshot', 'snapshot', 'snapshot']);
    await life.journal.close();
  });

  it('may be looked for in vain by a disk that does not answer: told once', async () => {
    const disk = new FaultyDisk();
    const life = await Life.open(disk, { durability: 'everysec' });
    const fileAt = disk.fileAt.bind(disk);
    disk.fileAt = async () => {
      throw new Error('EACCES');
    };
    await life.clock.advance(3000);
    expect(life.events.map(({ is }) => is)).toEqual(['hindered']);
    disk.fileAt = fileAt;
    life.append(1);
    await life.clock.advance(2000);
    expect(life.promised).toBe(1);
    await life.journal.close();
    expect(life.events.map(({ is }) => is)).toEqual(['hindered']);
  });
});
