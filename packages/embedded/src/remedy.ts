// What can be done about damage, in steps.
//
// A start goes again when what follows the damage counts no more: the rest of that log, and every later one. If it is the
// newest snapshot that is damaged, the one before it does as well, while the logs that follow from it are still there.
// Calls that count no more were acted on, and the log that is begun says so. Nothing is deleted.

import type { FileHeader } from './file-header.ts';
import type { FileReport } from './file-report.ts';
import { type Chain, chainOf, type Segment, type Segments } from './segments.ts';

/** A step of a repair. Nothing is ever deleted. */
export type RepairStep =
  /** A file is given a name that does not count. */
  | { readonly is: 'set aside'; readonly file: string; readonly as: string }
  /** What a log holds from a place on counts no more; it is copied. */
  | { readonly is: 'cut'; readonly file: string; readonly at: number; readonly bytes: number; readonly as: string }
  /** A log is begun that says how far the one before it counts. */
  | { readonly is: 'begin'; readonly header: Omit<FileHeader, 'mark' | 'begunMs'> };

/** What can be done about damage. */
export interface Remedy {
  readonly steps: readonly RepairStep[];
  /** Whole frames with records that will count no more: what it costs, as far as it can be known. */
  readonly framesLost: number;
}

/** What can be done about the damage in a directory. @returns undefined if there is nothing that would not cost too much */
export function remedyFor(segments: Segments, files: readonly FileReport[]): Remedy | undefined {
  const reportOf = (segment: Segment): FileReport => files.find(({ name }) => name === segment.name) as FileReport;
  // Nothing is done to what another version wrote, or somebody else.
  if (files.some(({ bad }) => bad?.why.includes('is no file of') || bad?.why.includes('is of format')))
    return undefined;

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
  const setAside = (segment: Segment): void => {
    steps.push({ is: 'set aside', file: segment.name, as: asideName(segment.name) });
  };
  for (const snapshot of broken) setAside(snapshot);

  let last = chain.snapshot === undefined ? undefined : reportOf(chain.snapshot);
  let end = 0;
  let nextSequence = last?.header?.firstSequence ?? 1;
  let framesLost = 0;
  let isOver = false;
  for (const log of chain.logs) {
    const report = reportOf(log);
    const isNext = log.number === (last === undefined ? 1 : last.number + (last.kind === 'log' ? 1 : 0));
    if (isOver || !isNext || report.header === undefined || report.header.firstSequence !== nextSequence) {
      isOver = true;
      framesLost += report.frames;
      setAside(log);
      continue;
    }
    last = report;
    end = report.goodBytes;
    nextSequence = report.nextSequence;
    if (report.state !== 'damaged') continue;
    isOver = true;
    framesLost += report.framesBehind;
    const bytes = report.bytes - end;
    if (bytes > 0) steps.push({ is: 'cut', file: log.name, at: end, bytes, as: asideName(log.name) });
  }
  if (last?.header !== undefined && (isOver || chain.missing !== undefined)) {
    const { header, kind } = last;
    steps.push({
      is: 'begin',
      header: {
        ...header,
        kind: 'log',
        number: kind === 'log' ? last.number + 1 : last.number,
        bootId: '',
        firstSequence: nextSequence,
        previousBytes: kind === 'log' ? end : 0,
        afterLoss: true,
      },
    });
  }
  return { steps, framesLost };
}

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
