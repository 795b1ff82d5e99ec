// A repair: the steps that a report names, done.
//
// Nothing is deleted: what counts no more gets another name, or is copied first. Whatever step it ends at, it can be begun
// again: what is damaged is still damaged then.

import { join } from 'node:path';
import type { Random } from '@skein/broker';
import type { Disk } from './disk.ts';
import { type DataReport, inspectLocked, type RecordsSink, type RepairStep, withLock } from './inspect.ts';
import { LogFile } from './log-file.ts';
import { DataDamaged } from './refusal.ts';
import { unfinishedName } from './segments.ts';

/** How much is copied at a time. */
const portionBytes = 1024 * 1024;

export interface RepairOptions {
  readonly directory: string;
  readonly disk: Disk;
  readonly random: Random;
  readonly nowMs: number;
  readonly records?: RecordsSink;
}

/**
 * Does what can be done about damage; does nothing where there is none.
 *
 * @returns what was found before
 * @throws DataDamaged if nothing can be done; DirectoryTaken, StoreRefused: it cannot be worked on
 */
export async function repair(options: RepairOptions): Promise<DataReport> {
  const { directory, disk, records } = options;
  return await withLock(directory, disk, async () => {
    const report = await inspectLocked(directory, disk, records);
    if (report.isGood) return report;
    if (report.remedy === undefined) {
      const damaged = report.files.find(({ state }) => state === 'damaged');
      const why = 'cannot be repaired: restore the directory from a backup, or begin with an empty one';
      throw new DataDamaged(directory, {
        file: damaged?.name ?? report.missing ?? directory,
        offset: damaged?.bad?.at,
        why,
      });
    }
    for (const step of report.remedy.steps) await take(step, options);
    return report;
  });
}

async function take(step: RepairStep, { directory, disk, random, nowMs }: RepairOptions): Promise<void> {
  switch (step.is) {
    case 'set aside':
      await disk.rename(join(directory, step.file), join(directory, step.as));
      return await disk.syncDirectory(directory);
    case 'cut':
      return await copyEnd(step, directory, disk);
    case 'begin': {
      const mark = Buffer.from(random.bytes(4)).readUInt32BE(0);
      const log = await LogFile.beginLog({ disk, directory }, { ...step.header, mark, begunMs: nowMs });
      return await log.close();
    }
  }
}

/** Copies what lies behind a place. The log itself stays as it is: the next one says how far it counts. */
async function copyEnd(step: RepairStep & { is: 'cut' }, directory: string, disk: Disk): Promise<void> {
  const unfinished = join(directory, unfinishedName(step.file));
  const from = await disk.open(join(directory, step.file));
  const to = await disk.create(unfinished);
  try {
    const portion = Buffer.alloc(portionBytes);
    for (let done = 0; done < step.bytes; ) {
      const read = await from.read(portion.subarray(0, Math.min(portion.length, step.bytes - done)), step.at + done);
      if (read === 0) break;
      for (let written = 0; written < read; ) {
        written += await to.write(portion.subarray(written, read), done + written);
      }
      done += read;
    }
    await to.sync();
  } finally {
    await from.close();
    await to.close();
  }
  await disk.rename(unfinished, join(directory, step.as));
  await disk.syncDirectory(directory);
}
