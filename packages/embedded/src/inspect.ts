// What a data directory holds, looked at from outside: each file, whether it is whole, and what can be done if not.
//
// A start refuses what is damaged. This reads all that there is all the same, changes nothing, and names the one step
// after which a start will go. What is to be done is said in steps, so that who reads the report knows what a repair does
// before it does it.

import type { Disk } from './disk.ts';
import { type Beginning, type FileReport, Looking, type RecordsSink, readHeaderOf } from './file-report.ts';
import { isThisBoot } from './recovery.ts';
import { refusalOf } from './refusal.ts';
import { type Remedy, remedyFor } from './remedy.ts';
import { chainOf, listSegments, type Segment } from './segments.ts';

export type { FileReport, RecordsSink } from './file-report.ts';
export type { Remedy, RepairStep } from './remedy.ts';

/** What a directory holds. */
export interface DataReport {
  readonly directory: string;
  /** Snapshots, then logs, in order. */
  readonly files: readonly FileReport[];
  /** Files that were not finished, and those that a repair has set aside. */
  readonly unfinished: readonly string[];
  readonly aside: readonly string[];
  /** The name of a file that should be there and is not. */
  readonly missing: string | undefined;
  /** Whether a start reads everything that counts. */
  readonly isGood: boolean;
  /** What can be done; undefined if nothing need be done, or nothing can. */
  readonly remedy: Remedy | undefined;
}

/**
 * Looks at everything that a directory holds. Takes its lock meanwhile.
 *
 * @throws DirectoryTaken, StoreRefused: it cannot be read
 */
export async function inspect(directory: string, disk: Disk, records?: RecordsSink): Promise<DataReport> {
  return await withLock(directory, disk, () => inspectLocked(directory, disk, records));
}

/** Does something while no broker runs on a directory. @throws DirectoryTaken, StoreRefused */
export async function withLock<Result>(directory: string, disk: Disk, work: () => Promise<Result>): Promise<Result> {
  try {
    // Before the lock: that may make files of its own, and must not make a directory.
    await disk.list(directory);
    const lock = await disk.lock(directory, 'skein check-data');
    try {
      return await work();
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw refusalOf(directory, error);
  }
}

/** As {@link inspect}, by whoever has the lock. */
export async function inspectLocked(directory: string, disk: Disk, records?: RecordsSink): Promise<DataReport> {
  const segments = await listSegments(directory, disk);
  const chain = chainOf(segments);
  const beginnings = new Map<Segment, Beginning>();
  for (const segment of [...segments.snapshots, ...segments.logs]) {
    beginnings.set(segment, await readHeaderOf(directory, disk, segment));
  }
  const expectedId = [chain.snapshot, ...chain.logs]
    .map((segment) => segment && beginnings.get(segment)?.header?.directoryId)
    .find((id) => id !== undefined);

  const files: FileReport[] = [];
  let isUnbroken = chain.missing === undefined;
  let nextSequence: number | undefined;
  for (const segment of [...segments.snapshots, ...segments.logs]) {
    const next = segments.logs.find(({ kind, number }) => kind === segment.kind && number === segment.number + 1);
    const standing = chain.superseded.includes(segment) ? 'superseded' : 'counts';
    const beginning = beginnings.get(segment) as Beginning;
    const looking = new Looking({
      directory,
      disk,
      segment,
      standing,
      beginning,
      countsTo: next && beginnings.get(next)?.header?.previousBytes,
      isLast: next === undefined,
      isThisBoot: beginning.header !== undefined && (await isThisBoot(beginning.header, disk)),
      expectedId,
      nextSequence: standing === 'counts' ? nextSequence : undefined,
      records: standing === 'counts' && isUnbroken ? records : undefined,
      callsVersion: records?.callsVersion,
    });
    const report = await looking.report();
    files.push(report);
    if (standing === 'superseded') continue;
    // Behind damage there is no telling with which frame the next log should begin.
    const follows = segment.kind === 'snapshot' ? report.header?.firstSequence : report.nextSequence;
    nextSequence = report.state === 'damaged' ? undefined : follows;
    isUnbroken &&= report.state !== 'damaged';
  }
  const { unfinished, aside } = segments;
  const report = { directory, files, unfinished, aside, missing: chain.missing?.name, isGood: isUnbroken };
  return { ...report, remedy: isUnbroken ? undefined : remedyFor(segments, files) };
}
