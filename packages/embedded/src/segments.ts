// The files of a data directory by their names, and which of them count.
//
// `snapshot-00000007.skein` is the state before `log-00000007.skein` begins. What counts is the newest snapshot, the log
// of its number and all that follow; without a snapshot, all logs from 1. What is older is superseded, and only still
// there because a process ended before it could delete it. `.tmp` is a file that was not finished, `.damaged` one that a
// repair has set aside. Other names are other people's.

import type { Disk } from './disk.ts';
import type { FileKind } from './file-header.ts';

/** A file that bears one of our names. */
export interface Segment {
  readonly kind: FileKind;
  readonly number: number;
  readonly name: string;
}

/** What a directory holds. */
export interface Segments {
  /** In order of number, as are the others. */
  readonly logs: readonly Segment[];
  readonly snapshots: readonly Segment[];
  /** Names of files that were not finished. */
  readonly unfinished: readonly string[];
  /** Names of files that were set aside. */
  readonly aside: readonly string[];
}

/** The number of the first log. */
export const firstNumber = 1;

const pattern = /^(log|snapshot)-(\d{8,15})\.skein(\.tmp|\.damaged(?:-\d+)?)?$/;

export function segmentName(kind: FileKind, number: number): string {
  return `${kind}-${String(number).padStart(8, '0')}.skein`;
}

/** What a file is called until it is finished. */
export function unfinishedName(name: string): string {
  return `${name}.tmp`;
}

/** Lists a directory. @throws what the file system says, ENOENT if there is none */
export async function listSegments(directory: string, disk: Pick<Disk, 'list'>): Promise<Segments> {
  const logs: Segment[] = [];
  const snapshots: Segment[] = [];
  const unfinished: string[] = [];
  const aside: string[] = [];
  for (const name of [...(await disk.list(directory))].sort()) {
    const [, kind, digits, rest] = pattern.exec(name) ?? [];
    if (kind === undefined) continue;
    const number = Number(digits);
    if (rest === '.tmp') unfinished.push(name);
    else if (rest !== undefined) aside.push(name);
    // A number written in another way is another name.
    else if (name !== segmentName(kind as FileKind, number)) continue;
    else if (kind === 'log') logs.push({ kind, number, name });
    else snapshots.push({ kind: 'snapshot', number, name });
  }
  const byNumber = (a: Segment, b: Segment): number => a.number - b.number;
  return { logs: logs.sort(byNumber), snapshots: snapshots.sort(byNumber), unfinished, aside };
}

/** Which files count. */
export interface Chain {
  readonly snapshot: Segment | undefined;
  /** Those that follow the snapshot, in order. */
  readonly logs: readonly Segment[];
  /** Files whose content is in the snapshot. */
  readonly superseded: readonly Segment[];
  /** The first file that should be there and is not. */
  readonly missing: Segment | undefined;
}

/**
 * The files that count.
 *
 * @param snapshot the one to begin with: the newest, unless somebody wants to know what could be done without it
 */
export function chainOf(segments: Segments, snapshot: Segment | undefined = segments.snapshots.at(-1)): Chain {
  const logs = segments.logs.filter(({ number }) => number >= (snapshot?.number ?? firstNumber));
  const superseded = [
    ...segments.logs.filter((log) => !logs.includes(log)),
    ...segments.snapshots.filter(({ number }) => snapshot !== undefined && number < snapshot.number),
  ];
  return { snapshot, logs, superseded, missing: missingOf(snapshot, logs) };
}

function missingOf(snapshot: Segment | undefined, logs: readonly Segment[]): Segment | undefined {
  let expected = snapshot?.number ?? firstNumber;
  const [first] = logs;
  if (first === undefined) return snapshot === undefined ? undefined : absent('log', expected);
  // Without a snapshot and without log 1: either is missing, but only one of them was to be there.
  if (snapshot === undefined && first.number !== expected) return absent('snapshot', first.number);
  for (const { number } of logs) {
    if (number !== expected) return absent('log', expected);
    expected += 1;
  }
  return undefined;
}

function absent(kind: FileKind, number: number): Segment {
  return { kind, number, name: segmentName(kind, number) };
}
