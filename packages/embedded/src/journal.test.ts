// How the journal answers: batches, promises, deadlines, and a disk that does not do as it should.

import { StoreUnavailable } from '@skein/broker';
import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { comes, Life, rest } from '../testing/journal-life.ts';

/** Counts the calls of a disk, from now on. */
function counted(disk: FaultyDisk): Record<'write' | 'sync', number> {
  const counts = { write: 0, sync: 0 };
  disk.refuses = (call) => {
    if (call === 'write' || call === 'sync') counts[call] += 1;
    return undefined;
  };
  return counts;
}

/** A door that is shut until it is opened. */
function door(): { readonly isOpen: Promise<void>; open: () => void } {
  let open!: () => void;
  const isOpen = new Promise<void>((done) => {
    open = done;
  });
  return { isOpen, open };
}

/** Starts on a disk that another life has left. */
async function openAgain(disk: FaultyDisk): Promise<Life> {
  return await Life.open(disk, { durability: 'everysec' });
}

async function open(options: Partial<Parameters<typeof Life.open>[1]> = {}): Promise<Life> {
  return await Life.open(new FaultyDisk(), { durability: 'everysec', ...options });
}

describe('a batch', () => {
  it('is everything that a turn brought, in one write', async () => {
    const life = await open();
    const counts = counted(life.disk);
    life.append(50);
    life.append(50);
    expect(life.promised).toBe(0);
    expect(await life.isStored()).toBe(true);
    expect(counts).toEqual({ write: 1, sync: 0 });
    expect(life.journal.stored()).toBeUndefined();
  });

  it('gathers what comes while a write is under way, and goes out after it', async () => {
    const life = await open({ durability: 'always' });
    const counts = counted(life.disk);
    const { isOpen, open: openDoor } = door();
    life.disk.waits = (call) => (call === 'write' ? isOpen : undefined);
    life.append(1);
    await rest(life.clock);
    for (let turn = 0; turn < 10; turn++) {
      life.append(2);
      await rest(life.clock);
    }
    expect(life.promised).toBe(0);
    openDoor();
    expect(await life.isStored()).toBe(true);
    expect(counts).toEqual({ write: 2, sync: 2 });
  });

  it('is one promise for all who wait for it', async () => {
    const life = await open();
    life.journal.append((out) => out.uint32(1));
    const first = life.journal.stored();
    life.journal.append((out) => out.uint32(2));
    expect(life.journal.stored()).toBe(first);
    await rest(life.clock);
    await first;
  });

  it('is closed when it is large', async () => {
    const life = await open();
    const counts = counted(life.disk);
    for (let i = 0; i < 10; i++) life.journal.append((out) => out.data(Buffer.alloc(300_000)));
    await rest(life.clock);
    expect(counts.write).toBe(3);
    expect(life.journal.logBytes).toBe(128 + 3 * 32 + 3_000_000);
  });

  it('takes no more at once than a frame holds, which is what can be read back', async () => {
    const life = await open();
    life.append(1);
    const tooMuch = (): void =>
      life.journal.append((out) => {
        out.room(512 * 1024 * 1024);
      });
    expect(tooMuch).toThrow('536870912 bytes in one append; allowed: 535822336');
    life.append(1);
    await rest(life.clock);
    await life.journal.close();
    expect((await openAgain(life.disk)).found).toBe(2);
  });

  it('keeps out what could not be written down', async () => {
    const life = await open();
    life.append(1);
    const broken = (): void =>
      life.journal.append((out) => {
        out.uint32(9);
        throw new RangeError('too long');
      });
    expect(broken).toThrow('too long');
    life.append(1);
    await rest(life.clock);
    await life.journal.close();
    expect((await Life.open(life.disk, { durability: 'everysec' })).found).toBe(2);
  });
});

describe('an answer in each class', () => {
  it('waits for nothing in class memory, but for a disk that is far behind', async () => {
    const life = await open({ durability: 'memory' });
    const { isOpen, open: openDoor } = door();
    life.disk.waits = (call) => (call === 'write' ? isOpen : undefined);
    life.append(1);
    expect(life.promised).toBe(1);
    for (let i = 0; i < 65; i++) life.journal.append((out) => out.data(Buffer.alloc(1024 * 1024)));
    const storing = life.journal.stored();
    expect(storing).toBeInstanceOf(Promise);
    openDoor();
    await rest(life.clock);
    await storing;
    expect(life.journal.stored()).toBeUndefined();
  });

  it('waits for the write in class everysec; a second later that is synced, once', async () => {
    const life = await open();
    const counts = counted(life.disk);
    life.append(1);
    await rest(life.clock);
    expect(life.promised).toBe(1);
    await life.clock.advance(999);
    life.append(1);
    await rest(life.clock);
    expect(counts).toEqual({ write: 2, sync: 0 });
    await life.clock.advance(1);
    expect(counts).toEqual({ write: 2, sync: 1 });
    await life.clock.advance(5000);
    expect(counts).toEqual({ write: 2, sync: 1 });
    expect(life.journal.syncs).toBe(1);
  });

  it('waits for the sync in class always', async () => {
    const life = await open({ durability: 'always' });
    const { isOpen, open: openDoor } = door();
    life.disk.waits = (call) => (call === 'sync' ? isOpen : undefined);
    life.append(1);
    await rest(life.clock);
    expect(life.disk.writtenBytes).toBeGreaterThan(128);
    expect(life.promised).toBe(0);
    openDoor();
    expect(await life.isStored()).toBe(true);
  });

  it('waits no longer than the deadline, and the outcome is unknown then; what comes later waits its own time', async () => {
    const life = await open({ deadlineMs: 3000 });
    const { isOpen, open: openDoor } = door();
    life.disk.waits = (call) => (call === 'write' ? isOpen : undefined);
    life.append(1);
    await life.clock.advance(1000);
    life.append(1);
    await life.clock.advance(1999);
    expect(life.refused).toEqual([]);
    expect(life.journal.isStuck).toBe(false);
    await life.clock.advance(1);
    expect(life.refused).toEqual([expect.any(StoreUnavailable)]);
    expect(life.journal.isStuck).toBe(true);
    expect(life.events).toMatchObject([{ is: 'stuck' }]);
    await life.clock.advance(1000);
    expect(life.refused.length).toBe(2);
    // A read waits too, for as long again.
    life.ask();
    await life.clock.advance(2999);
    expect(life.refused.length).toBe(2);
    openDoor();
    expect(await life.isStored()).toBe(true);
    expect(life.journal.isStuck).toBe(false);
    expect(life.events.map(({ is }) => is)).toEqual(['stuck', 'unstuck']);
  });
});

describe('a disk that takes nothing', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EIO'])(
    'with %s is tried every 250 ms, and nothing is lost or there twice',
    async (code) => {
      const life = await open({ deadlineMs: 1000 });
      let tries = 0;
      life.disk.refuses = (call) => {
        if (call !== 'write') return undefined;
        tries += 1;
        return code;
      };
      life.append(2);
      await rest(life.clock);
      expect(tries).toBe(1);
      expect(life.journal.isStuck).toBe(true);
      await life.clock.advance(999);
      expect(tries).toBe(4);
      expect(life.refused).toEqual([]);
      await life.clock.advance(1);
      expect(life.refused).toEqual([expect.any(StoreUnavailable)]);
      expect(life.events).toMatchObject([{ is: 'stuck', error: { code } }]);
      life.disk.refuses = () => undefined;
      await life.clock.advance(250);
      expect(life.journal.isStuck).toBe(false);
      expect(life.events.map(({ is }) => is)).toEqual(['stuck', 'unstuck']);
      life.append(1);
      expect(await life.isStored()).toBe(true);
      expect((await Life.open(life.disk.after('kill', new SeededRandom(1)), { durability: 'everysec' })).found).toBe(3);
    },
  );

  it('in the middle of a frame goes on where it left off', async () => {
    const life = await open();
    life.append(1);
    await rest(life.clock);
    life.disk.roomBytes = 40;
    life.append(3, 100);
    await rest(life.clock);
    expect(life.journal.isStuck).toBe(true);
    life.append(1);
    life.disk.roomBytes = Number.POSITIVE_INFINITY;
    life.disk.takesBytes = 7;
    await life.clock.advance(250);
    expect(await life.isStored()).toBe(true);
    await life.journal.close();
    const next = await Life.open(life.disk, { durability: 'everysec' });
    expect(next.found).toBe(5);
    expect(next.opened).toMatchObject({ tornBytes: 0, mayHaveLost: false });
  });

  it('at the end is waited for until the deadline; the directory is let go all the same', async () => {
    const life = await open({ deadlineMs: 1000 });
    life.disk.roomBytes = 0;
    life.append(1);
    const closing = life.journal.close();
    const closed = expect(closing).rejects.toThrow(StoreUnavailable);
    await life.clock.advance(1000);
    await rest(life.clock);
    await closed;
    expect(life.refused.length).toBe(1);
    life.disk.roomBytes = Number.POSITIVE_INFINITY;
    const next = await Life.open(life.disk, { durability: 'everysec' });
    expect(next.found).toBe(0);
  });

  it.each(['write', 'sync'] as const)(
    'at the end, if it hangs in a %s, keeps the directory until it answers',
    async (hangs) => {
      const life = await open({ deadlineMs: 1000 });
      const { isOpen, open: openDoor } = door();
      life.disk.waits = (call) => (call === hangs ? isOpen : undefined);
      life.append(1);
      const closed = expect(life.journal.close()).rejects.toThrow(StoreUnavailable);
      await life.clock.advance(1000);
      await closed;
      await expect(openAgain(life.disk)).rejects.toThrow('is used by test');
      const writtenBytes = life.disk.writtenBytes;
      openDoor();
      await rest(life.clock);
      // What was on its way arrives; nothing follows it.
      expect(life.disk.writtenBytes - writtenBytes).toBe(hangs === 'write' ? 32 + 25 : 0);
      expect((await openAgain(life.disk)).found).toBe(1);
    },
  );
});

describe('a sync that fails', () => {
  it.each(['everysec', 'always'] as const)('ends everything in class %s', async (durability) => {
    const life = await open({ durability });
    life.append(1);
    await rest(life.clock);
    life.disk.refuses = (call) => (call === 'sync' ? 'EIO' : undefined);
    life.append(1);
    await rest(life.clock);
    await life.clock.advance(1000);
    expect(life.events).toMatchObject([{ is: 'failed', error: { cause: { code: 'EIO' } } }]);
    expect(life.journal.isStuck).toBe(true);
    expect(life.refused.length).toBe(durability === 'always' ? 1 : 0);
    // It is not asked again: it would say that all is well.
    life.disk.refuses = () => undefined;
    await life.clock.advance(5000);
    expect(() => life.append(1)).toThrow(StoreUnavailable);
    expect(() => life.journal.beginSnapshot()).toThrow(StoreUnavailable);
    await expect(life.journal.close()).rejects.toThrow(StoreUnavailable);
    expect(life.events.length).toBe(1);
  });

  it('while a new log begins also ends the snapshot', async () => {
    const life = await open();
    life.append(1);
    await rest(life.clock);
    life.disk.refuses = (call, path) => (call === 'sync' && path.includes('log') ? 'EIO' : undefined);
    const snapshot = expect(life.snapshot()).rejects.toThrow(StoreUnavailable);
    await rest(life.clock);
    await snapshot;
    expect(life.events).toMatchObject([{ is: 'failed' }]);
  });
});

describe('in the very moment in which a write ends', () => {
  it('nothing is left lying: not what is appended then, not a new log, not the end', async () => {
    for (const durability of ['everysec', 'always'] as const) {
      for (let steps = 0; steps < 40; steps++) {
        const life = await open({ durability });
        const breath = async (): Promise<void> => {
          life.append(1);
          life.clock.endTurn();
          for (let step = 0; step < steps; step++) await undefined;
        };
        await breath();
        life.append(1);
        await life.isStored();
        expect(life.promised).toBe(2);
        await breath();
        const file = life.journal.beginSnapshot();
        const completing = file.write(Buffer.from('0000000100000003', 'hex')).then(() => file.complete());
        expect(await comes(life.clock, () => life.events.length > 0)).toBe(true);
        await completing;
        await breath();
        await life.journal.close();
        const next = await Life.open(life.disk, { durability });
        expect(next.found).toBe(4);
        const report = next.opened;
        expect(report.mayHaveLost).toBe(false);
        expect(report.previousBytes).toBe(128 + 32 + 25 + 32);
      }
    }
  });
});
