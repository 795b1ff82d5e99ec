// A repair: the steps that a report names, done.
//
// Nothing is deleted: what counts no more gets another name, or is copied first. Whatever step it ends at, it can be begun
// again: what is damaged is still damaged then.

import { join } from 'node:path';
import type { Random } from '@skein/broker';
import type { Disk } from './disk.ts';
import { type DataReport, inspectLocked, type RecordsSink, type RepairStep, withLock } from './inspect.ts';
import { type DataPlace, LogFile, renameForGood } from './log-file.ts';
import { DataDamaged } from './refusal.ts';
import type { CutStep } from './remedy.ts';
import { unfinishedName } from './segments.ts';
import { UnreadableFile } from './unreadable.ts';

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
      const unknown = report.files.find(({ isUnknown }) => isUnknown);
      const damaged = unknown ?? report.files.find(({ state }) => state === 'damaged');
      throw new DataDamaged(directory, {
        file: damaged?.name ?? report.missing ?? directory,
        offset: damaged?.bad?.at,
        why:
          unknown === undefined
            ? 'cannot be repaired: restore the directory from a backup, or begin with an empty one'
            : `cannot be repaired by this version: it ${unknown.bad?.why}`,
      });
    }
    for (const step of report.remedy.steps) await take(step, options);
    return report;
  });
}

async function take(step: RepairStep, { directory, disk, random, nowMs }: RepairOptions): Promise<void> {
  switch (step.is) {
    case 'set aside':
      return await renameForGood({ disk, directory }, step.file, step.as);
    case 'cut':
      return await copyEnd(step, { disk, directory });
    case 'begin': {
      const mark = Buffer.from(random.bytes(4)).readUInt32BE(0);
      const directoryId = step.header.directoryId || Buffer.from(random.bytes(16)).toString('hex');
      const log = await LogFile.beginLog({ disk, directory }, { ...step.header, directoryId, mark, begunMs: nowMs });
      return await log.close();
    }
  }
}

/** Copies what lies behind a place. The log itself stays as it is: the next one says how far it counts. */
async function copyEnd(step: CutStep, place: DataPlace): Promise<void> {
  const { disk, directory } = place;
  const unfinished = unfinishedName(step.file);
  const from = await disk.open(join(directory, step.file));
  try {
    const to = await disk.create(join(directory, unfinished));
    try {
      const readable = new UnreadableFile(from);
      const portion = Buffer.alloc(portionBytes);
      for (let done = 0; done < step.bytes; ) {
        const rest = portion.subarray(0, Math.min(portion.length, step.bytes - done));
        const read = await readable.read(rest, step.at + done);
        if (read === 0) break;
        for (let written = 0; written < read; ) {
          written += await to.write(portion.subarray(written, read), done + written);
        }
        done += read;
      }
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
  await renameForGood(place, unfinished, step.as);
}
