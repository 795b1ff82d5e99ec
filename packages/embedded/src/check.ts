// A data directory looked at, with what it holds counted, and repaired.

import { defaultLimits, type Random } from '@skein/broker';
import { type Disk, systemDisk } from './disk.ts';
import { formatVersion } from './file-header.ts';
import { type DataReport, inspect } from './inspect.ts';
import { repair } from './repair.ts';
import { type Holdings, holdingsOf, StateReplay } from './replay.ts';

/** What was found in a data directory. */
export interface CheckedDirectory extends DataReport {
  /** The one format of files that this version reads. */
  readonly format: number;
  /** Up to the first damage. */
  readonly holds: Holdings;
}

/**
 * Reads all that a data directory holds, and changes nothing. Takes its lock meanwhile.
 *
 * @throws StoreRefused if it cannot be read: there is none, or another process has it
 */
export async function checkDirectory(directory: string, disk: Disk = systemDisk): Promise<CheckedDirectory> {
  const replay = new StateReplay(directory, defaultLimits);
  const report = await inspect(directory, disk, replay);
  return { ...report, format: formatVersion, holds: holdingsOf(replay.finish(replay.lastMs)) };
}

/**
 * Does what the report names, and nothing if it names nothing. What counts no more is set aside, never deleted.
 *
 * @throws DataDamaged if nothing can be done; StoreRefused if it cannot be worked on
 */
export async function repairDirectory(
  directory: string,
  random: Random,
  nowMs: number,
  disk: Disk = systemDisk,
): Promise<void> {
  await repair({ directory, disk, random, nowMs, records: new StateReplay(directory, defaultLimits) });
}
