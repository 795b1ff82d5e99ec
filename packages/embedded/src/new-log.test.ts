// A new log in the place of the last one, and the snapshot that it goes on from: there or not, nothing is lost over it.

import { StoreUnavailable } from '@skein/broker';
import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { comes, directory, Life, rest } from '../testing/journal-life.ts';

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

/** A snapshot of all numbers up to one. */
function numbersTo(last: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(1, 0);
  payload.writeUInt32BE(last, 4);
  return payload;
}

describe('a new log', () => {
  it.each([
    ['create', 'EMFILE'],
    ['create', 'EACCES'],
    ['create', 'ENOSPC'],
    ['write', 'ENOSPC'],
    ['openDirectory', 'EMFILE'],
    ['rename', 'ENOSPC'],
  ] as const)(
    'that cannot be made (%s: %s) costs the snapshot, and nothing else: the old one goes on',
    async (call, code) => {
      for (const durability of ['everysec', 'always'] as const) {
        const life = await open({ durability });
        life.append(2);
        await rest(life.clock);
        life.disk.refuses = (asked, path) => {
          const isOurs = path === directory || path.endsWith('log-00000002.skein.tmp');
          return asked === call && isOurs ? code : undefined;
        };
        const snapshot = expect(life.snapshot(1, () => life.append(1))).rejects.toMatchObject({ code });
        life.append(1);
        expect(await life.isStored()).toBe(true);
        await snapshot;
        expect({ isStuck: life.journal.isStuck, logs: life.journal.logs, events: life.events }).toEqual({
          isStuck: false,
          logs: 1,
          events: [],
        });
        const after = await openAgain(life.disk.after('kill', new SeededRandom(1)));
        expect(after.found).toBe(life.appended);

        // And the next one takes its place.
        life.disk.refuses = () => undefined;
        const file = life.journal.beginSnapshot();
        await file.write(numbersTo(life.appended));
        life.append(1);
        await file.complete();
        expect(life.disk.paths()).toEqual([`${directory}/log-00000002.skein`, `${directory}/snapshot-00000002.skein`]);
        await rest(life.clock);
        await life.journal.close();
        expect((await openAgain(life.disk)).found).toBe(life.appended);
      }
    },
  );

  it('does not follow one that could not be made', async () => {
    const life = await open();
    const { isOpen, open: openDoor } = door();
    life.append(1);
    await rest(life.clock);
    let creates = 0;
    life.disk.waits = (call, path) => (call === 'create' && path.includes('log') ? isOpen : undefined);
    life.disk.refuses = (call, path) =>
      call === 'create' && path.includes('log') && creates++ === 0 ? 'EMFILE' : undefined;
    await life.journal.beginSnapshot().discard();
    await rest(life.clock);
    life.append(1);
    const second = life.journal.beginSnapshot();
    life.append(1);
    await second.write(numbersTo(2));
    const completed = expect(second.complete()).rejects.toThrow('log 2 could not be begun');
    openDoor();
    await rest(life.clock);
    await completed;
    await second.discard();
    expect(await life.isStored()).toBe(true);
    expect(life.journal.logs).toBe(1);
    const third = life.journal.beginSnapshot();
    await third.write(numbersTo(3));
    await third.complete();
    expect(life.disk.paths()).toEqual([`${directory}/log-00000002.skein`, `${directory}/snapshot-00000002.skein`]);
    await life.journal.close();
    expect((await openAgain(life.disk)).found).toBe(3);
  });

  it.each([
    ['the directory could not be synced', ['syncDirectory']],
    ['it could neither get its name nor be removed', ['rename', 'remove']],
  ])('ends everything if nobody knows whether it is there: %s', async (_, calls) => {
    const life = await open();
    life.append(1);
    await rest(life.clock);
    life.disk.refuses = (call, path) => (calls.includes(call) && !path.includes('snapshot') ? 'EIO' : undefined);
    const snapshot = expect(life.snapshot()).rejects.toThrow(StoreUnavailable);
    await rest(life.clock);
    await snapshot;
    expect(life.events).toMatchObject([{ is: 'failed', error: { cause: { code: 'EIO' } } }]);
  });
});

describe('a snapshot', () => {
  it('goes with a log that begins at that very moment, and what is older goes', async () => {
    const life = await open();
    life.append(5);
    await rest(life.clock);
    let midway: string[] = [];
    const snapshot = life.snapshot(2, () => {
      midway = life.disk.paths();
      life.append(1);
    });
    await comes(life.clock, () => life.events.length > 0);
    await snapshot;
    expect(midway).toContain(`${directory}/log-00000001.skein`);
    expect(midway).toContain(`${directory}/snapshot-00000002.skein.tmp`);
    expect(life.disk.paths()).toEqual([`${directory}/log-00000002.skein`, `${directory}/snapshot-00000002.skein`]);
    expect(life.journal.logs).toBe(1);
    expect(life.journal.snapshotBytes).toBe(128 + 2 * 72 + 48);
    expect(life.events).toEqual([{ is: 'snapshot', file: 'snapshot-00000002.skein', bytes: 320 }]);
    await rest(life.clock);
    await life.journal.close();
    const next = await Life.open(life.disk, { durability: 'everysec' });
    expect(next.found).toBe(8);
    expect(next.opened).toMatchObject({ snapshotBytes: 320, mayHaveLost: false, isNew: false });
  });

  it('that is discarded, or that the disk does not take, is as if it had not been begun', async () => {
    const life = await open();
    life.append(5);
    const first = life.journal.beginSnapshot();
    expect(() => life.journal.beginSnapshot()).toThrow('under way');
    await first.write(Buffer.alloc(8));
    await first.discard();
    await first.discard();
    await expect(first.complete()).rejects.toThrow('discarded');
    await rest(life.clock); // its log is there
    const second = life.journal.beginSnapshot();
    life.disk.roomBytes = 100;
    await expect(second.write(Buffer.alloc(100))).rejects.toThrow('ENOSPC');
    life.disk.roomBytes = Number.POSITIVE_INFINITY;
    await second.discard();
    life.append(1);
    await rest(life.clock);
    await life.clock.advance(1000);
    // The log of the second one did not fit either.
    expect(life.disk.paths().length).toBe(2);
    expect(life.journal.logs).toBe(2);
    await life.journal.close();
    expect((await Life.open(life.disk, { durability: 'everysec' })).found).toBe(6);
  });

  it('that nobody knows to be there, or is discarded while the disk is at it, leaves nothing behind', async () => {
    const life = await open();
    life.append(5);
    await rest(life.clock);
    let syncs = 0;
    life.disk.refuses = (call) => (call === 'syncDirectory' && syncs++ === 1 ? 'EIO' : undefined);
    await expect(life.snapshot()).rejects.toThrow('could not keep what was written');
    const logs = [`${directory}/log-00000001.skein`, `${directory}/log-00000002.skein`];
    expect(life.disk.paths()).toEqual(logs);

    const { isOpen, open: openDoor } = door();
    life.disk.waits = (call, path) => (call === 'write' && path.includes('snapshot') ? isOpen : undefined);
    const file = life.journal.beginSnapshot();
    const writing = file.write(numbersTo(5));
    const discarding = file.discard();
    await rest(life.clock);
    // Its file must not be closed under the write: another one could get its descriptor.
    expect(life.disk.paths()).toContain(`${directory}/snapshot-00000003.skein.tmp`);
    expect(() => life.journal.beginSnapshot()).toThrow('under way');
    openDoor();
    await writing;
    await discarding;
    expect(life.disk.paths()).toEqual([...logs, `${directory}/log-00000003.skein`]);
    await life.journal.close();
    expect((await openAgain(life.disk)).found).toBe(5);
  });

  it('of which old files cannot be deleted counts; they go at the next start', async () => {
    const life = await open();
    life.append(5);
    await rest(life.clock);
    life.disk.refuses = (call) => (call === 'remove' ? 'EIO' : undefined);
    await life.snapshot();
    expect(life.events.map(({ is }) => is)).toEqual(['snapshot', 'hindered']);
    expect(life.disk.paths().length).toBe(3);
    life.disk.refuses = () => undefined;
    await life.journal.close();
    await Life.open(life.disk, { durability: 'everysec' });
    expect(life.disk.paths().some((path) => path.endsWith('log-00000001.skein'))).toBe(false);
  });
});
