// A store that stops while its disk hangs, and a directory of another version that is looked at.

import { defaultLimits } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { comes, directory, rest } from '../testing/journal-life.ts';
import { checkDirectory } from './check.ts';
import { openJournal } from './journal.ts';
import { openEmbeddedStore } from './open.ts';

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
    void journal.stored()?.then(() => {
      isStored = true;
    });
    expect(await comes(clock, () => isStored)).toBe(true);
    await journal.close();
    const report = await checkDirectory(directory, disk);
    expect(report.isGood).toBe(false); // a start refuses it
    expect(report.remedy).toBeUndefined(); // and says which version to start
  });
});
