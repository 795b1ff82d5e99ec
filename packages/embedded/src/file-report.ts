// One file of a data directory, looked at from outside: how far it is whole, and what lies behind that.

import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { decodeHeader, type FileHeader } from './file-header.ts';
import { type FramesPlace, isDamage, lookBehind, readFrames } from './reading.ts';
import { isComplete, readBeginning } from './recovery.ts';
import type { Segment } from './segments.ts';

/** What is found in one file. */
export interface FileReport extends Segment {
  readonly bytes: number;
  /** Whether it is another version's or somebody else's: then nothing is done to it. */
  readonly isUnknown: boolean;
  /** Whether it counts, or what it holds is in a newer snapshot. */
  readonly standing: 'counts' | 'superseded';
  /** Undefined if it cannot be read. */
  readonly header: FileHeader | undefined;
  /** Whole frames from its beginning, their records if somebody counts them, and the bytes of these. */
  readonly frames: number;
  readonly records: number;
  readonly payloadBytes: number;
  /** Up to here it is as it was written, and counts. */
  readonly goodBytes: number;
  /** Whether it was closed in good order, or is complete. */
  readonly isEnded: boolean;
  /** `torn`: a crash has spoilt its end, and a start cuts that off. */
  readonly state: 'good' | 'torn' | 'damaged';
  /** The place of a torn end or damage. */
  readonly bad: { readonly at: number; readonly why: string } | undefined;
  /** Whole frames behind that place. */
  readonly framesBehind: number;
  /** The number of the frame that is to come next. */
  readonly nextSequence: number;
}

/** Takes what the files that count hold, in order, up to the first damage. @returns how many records a payload has */
export interface RecordsSink {
  snapshotFrame(payload: Buffer): number;
  callsFrame(payload: Buffer): number;
}

/** What a file begins with. */
export interface Beginning {
  readonly bytes: number;
  readonly header: FileHeader | undefined;
  /** Why there is no header. */
  readonly why: string | undefined;
  readonly isUnknown: boolean;
}

/** Reads what a file begins with. */
export async function readHeaderOf(directory: string, disk: Disk, { kind, number, name }: Segment): Promise<Beginning> {
  return await reading(disk, join(directory, name), async (file) => {
    const bytes = await file.size();
    const read = decodeHeader(await readBeginning(file));
    switch (read.is) {
      case 'foreign':
        return { bytes, header: undefined, why: "is no file of Skein's", isUnknown: true };
      case 'format':
        return {
          bytes,
          header: undefined,
          why: `is of format ${read.version}, which this version cannot read`,
          isUnknown: true,
        };
      case 'damaged':
        return { bytes, header: undefined, why: 'does not begin as it was written', isUnknown: false };
      case 'header': {
        const { header } = read;
        if (header.kind === kind && header.number === number) {
          return { bytes, header, why: undefined, isUnknown: false };
        }
        const why = `calls itself ${header.kind} ${header.number}: it has been renamed`;
        return { bytes, header: undefined, why, isUnknown: false };
      }
    }
  });
}

async function reading<Result>(disk: Disk, path: string, read: (file: DiskFile) => Promise<Result>): Promise<Result> {
  const file = await disk.open(path);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

export interface LookingParts {
  readonly directory: string;
  readonly disk: Disk;
  readonly segment: Segment;
  readonly standing: FileReport['standing'];
  readonly beginning: Beginning;
  /** Up to where the next log says that it counts. */
  readonly countsTo: number | undefined;
  readonly isLast: boolean;
  readonly expectedId: string | undefined;
  /** What its first frame must be. */
  readonly nextSequence: number | undefined;
  readonly records: RecordsSink | undefined;
}

/** A look at one file. */
export class Looking {
  readonly #parts: LookingParts;
  #records = 0;

  constructor(parts: LookingParts) {
    this.#parts = parts;
  }

  async report(): Promise<FileReport> {
    const { beginning, segment, expectedId, nextSequence, countsTo } = this.#parts;
    const { header, bytes, why } = beginning;
    if (header === undefined) return this.#unread(why as string);
    if (header.directoryId !== expectedId) return this.#unread('comes from another directory');
    if (nextSequence !== undefined && header.firstSequence !== nextSequence) {
      return this.#unread(`begins with frame ${header.firstSequence}, where ${nextSequence} should be`);
    }
    const { disk, directory } = this.#parts;
    return await reading(disk, join(directory, segment.name), (file) => {
      const isLog = segment.kind === 'log';
      const end = Math.min(bytes, (isLog ? countsTo : undefined) ?? bytes);
      const { mark } = header;
      return this.#framesOf(header, { file, end, mark, firstSequence: isLog ? header.firstSequence : 1 });
    });
  }

  async #framesOf(header: FileHeader, place: FramesPlace): Promise<FileReport> {
    const { segment, standing, isLast, beginning, countsTo } = this.#parts;
    const misunderstood: { at: number; why: string; sequence: number }[] = [];
    const read = await readFrames(place, (payload, sequence, at) => {
      if (misunderstood.length === 0) this.#count(payload, (why) => misunderstood.push({ at, why, sequence }));
    });
    let bad: FileReport['bad'] = misunderstood[0] ?? read.bad;
    let state: FileReport['state'] = bad === undefined ? 'good' : 'damaged';
    let framesBehind = 0;
    if (misunderstood.length === 0 && read.bad !== undefined) {
      const behind = await lookBehind(place, read.bad.at);
      framesBehind = behind.frames;
      if (segment.kind === 'log' && isLast && !isDamage(read, read.bad, behind)) state = 'torn';
    }
    if (bad === undefined && segment.kind === 'snapshot' && !isComplete(read)) {
      bad = { at: read.goodBytes, why: 'ends before it is complete' };
    }
    if (bad === undefined && segment.kind === 'log' && countsTo !== undefined && beginning.bytes < countsTo) {
      bad = { at: read.goodBytes, why: `ends, where it had ${countsTo} bytes when the next log began` };
    }
    if (bad !== undefined && state === 'good') state = 'damaged';
    return {
      ...segment,
      standing,
      isUnknown: false,
      header,
      state,
      bad,
      framesBehind,
      bytes: beginning.bytes,
      frames: read.frames,
      records: this.#records,
      payloadBytes: read.payloadBytes,
      goodBytes: bad?.at ?? read.goodBytes,
      isEnded: read.isEnded,
      nextSequence: misunderstood[0]?.sequence ?? read.nextSequence,
    };
  }

  #count(payload: Buffer, misunderstood: (why: string) => void): void {
    const { records, segment } = this.#parts;
    if (records === undefined) return;
    try {
      this.#records += segment.kind === 'log' ? records.callsFrame(payload) : records.snapshotFrame(payload);
    } catch (error) {
      misunderstood(`holds what this version does not understand: ${(error as Error).message}`);
    }
  }

  #unread(why: string): FileReport {
    const { segment, standing, beginning } = this.#parts;
    const nothing = { frames: 0, records: 0, payloadBytes: 0, goodBytes: 0, framesBehind: 0, nextSequence: 0 };
    const { bytes, header, isUnknown } = beginning;
    return {
      ...segment,
      ...nothing,
      standing,
      isUnknown,
      bytes,
      header,
      isEnded: false,
      state: 'damaged',
      bad: { at: 0, why },
    };
  }
}
