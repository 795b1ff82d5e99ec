// What can be done about damage, in steps.
//
// A start goes again when what follows the damage counts no more: the rest of that log, and every later one. If it is the
// newest snapshot that is damaged, the one before it does as well, while the logs that follow from it are still there.
// Calls that count no more were acted on, and the log that is begun says so. Nothing is deleted.

import type { FileHeader } from './file-header.ts';
import type { FileReport } from './file-report.ts';
import { type Chain, chainOf, firstNumber, type Segment, type Segments } from './segments.ts';

/** A step of a repair. Nothing is ever deleted. */
export type RepairStep =
  /** A file is given a name that does not count. */
  | { readonly is: 'set aside'; readonly file: string; readonly as: string }
  | CutStep
  /**
   * A log is begun that says how far the one before it counts; in the place of a file of its name, which was copied. It
   * draws an id for the directory if that is not known.
   */
  | { readonly is: 'begin'; readonly header: Omit<FileHeader, 'mark' | 'begunMs'> };

/** What a log holds from a place on counts no more; it is copied. */
export interface CutStep {
  readonly is: 'cut';
  readonly file: string;
  readonly at: number;
  readonly bytes: number;
  /** How many of them, or of those before, the disk does not give out: where they should be, the copy has zeros. */
  readonly bytesUnreadable: number;
  readonly as: string;
}

/** What can be done about damage. */
export interface Remedy {
  readonly steps: readonly RepairStep[];
  /** Whole frames with records that will count no more: what it costs, as far as it can be known. */
  readonly framesLost: number;
  /** Bytes that will count no more, of which nobody knows what they held. */
  readonly bytesUnknown: number;
}

/** What can be done about the damage in a directory. @returns undefined if there is nothing that would not cost too much */
export function remedyFor(segments: Segments, files: readonly FileReport[]): Remedy | undefined {
  const reportOf = (segment: Segment): FileReport => files.find(({ name }) => name === segment.name) as FileReport;
  // Nothing is done to what another version wrote, or somebody else.
  if (files.some(({ isUnknown }) => isUnknown)) return undefined;

  const broken: Segment[] = [];
  for (const snapshot of [...segments.snapshots].reverse()) {
    if (reportOf(snapshot).state === 'good') return goOnFrom(segments, chainOf(segments, snapshot), broken, reportOf);
    broken.push(snapshot);
  }
  const rest = { ...segments, snapshots: [] };
  const chain = chainOf(rest);
  // Without a snapshot everything begins with log 1.
  if (chain.missing?.kind === 'snapshot') return undefined;
  if (chain.logs.length === 0) return undefined;
  return goOnFrom(rest, chain, broken, reportOf);
}

/** Goes on from a whole snapshot, or from nothing, up to the first damage. */
function goOnFrom(
  segments: Segments,
  chain: Chain,
  broken: readonly Segment[],
  reportOf: (segment: Segment) => FileReport,
): Remedy | undefined {
  // An old snapshot without the logs that follow from it would take everybody back to long ago.
  if (broken.length > 0 && chain.missing !== undefined) return undefined;
  const steps: RepairStep[] = [];
  const asideName = namesAside(segments);
  for (const { name } of broken) steps.push({ is: 'set aside', file: name, as: asideName(name) });

  let last = chain.snapshot === undefined ? undefined : reportOf(chain.snapshot);
  let end = 0;
  let nextSequence = last?.header?.firstSequence ?? 1;
  let framesLost = 0;
  let bytesUnknown = 0;
  let isOver = false;
  const cut = ({ name, bytes, bytesUnreadable }: FileReport, at: number): void => {
    if (bytes === at) return;
    steps.push({ is: 'cut', file: name, at, bytes: bytes - at, bytesUnreadable, as: asideName(name) });
  };
  for (const log of chain.logs) {
    const report = reportOf(log);
    const next = last === undefined ? firstNumber : last.number + (last.kind === 'log' ? 1 : 0);
    // One that is bad from its very beginning does not belong there.
    const goesOn = log.number === next && report.header?.firstSequence === nextSequence && report.bad?.at !== 0;
    if (isOver || !goesOn) {
      isOver = true;
      framesLost += report.frames + report.framesBehind;
      bytesUnknown += report.bytesUnknown;
      // The one whose number the new log has stays until that takes its place: so wherever a repair ends, no start takes
      // what is left for all that there was. What cannot be read may be one day, and is not replaced.
      if (log.number === next && report.bytesUnreadable === 0) cut(report, 0);
      else steps.push({ is: 'set aside', file: log.name, as: asideName(log.name) });
      continue;
    }
    last = report;
    end = report.goodBytes;
    nextSequence = report.nextSequence;
    if (report.state !== 'damaged') continue;
    isOver = true;
    framesLost += report.framesBehind;
    bytesUnknown += report.bytesUnknown;
    cut(report, end);
  }
  // Nothing would be left.
  if (last === undefined && broken.length > 0) return undefined;
  if (isOver || chain.missing !== undefined) {
    const known = last?.header ?? chain.logs.map((log) => reportOf(log).header).find((header) => header !== undefined);
    const goesOnFrom = last === undefined ? { number: firstNumber, previousBytes: 0 } : behind(last, end);
    steps.push({
      is: 'begin',
      header: {
        ...(known ?? unknown),
        ...goesOnFrom,
        kind: 'log',
        bootId: '',
        firstSequence: nextSequence,
        afterLoss: true,
      },
    });
  }
  return { steps, framesLost, bytesUnknown };
}

/** The log behind a file that counts. */
function behind({ kind, number }: FileReport, end: number): Pick<FileHeader, 'number' | 'previousBytes'> {
  return kind === 'log' ? { number: number + 1, previousBytes: end } : { number, previousBytes: 0 };
}

/** Of a directory of which no header is left. It is another one from now on, and holds no calls. */
const unknown: Pick<FileHeader, 'directoryId' | 'callsVersion' | 'durability'> = {
  directoryId: '',
  callsVersion: 0,
  durability: 'always',
};

/** Names that nothing has yet. */
function namesAside({ aside }: Segments): (name: string) => string {
  const taken = new Set(aside);
  return (name) => {
    let free = `${name}.damaged`;
    for (let n = 2; taken.has(free); n++) free = `${name}.damaged-${n}`;
    taken.add(free);
    return free;
  };
}
