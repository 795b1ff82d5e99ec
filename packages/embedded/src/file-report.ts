// One file of a data directory, looked at from outside: how far it is whole, and what lies behind that.

import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { decodeHeader, type FileHeader, headerBytes } from './file-header.ts';
import { frameBytes } from './frame.ts';
import { type BehindBad, type FramesPlace, type FramesRead, isDamage, lookBehind, readFrames } from './reading.ts';
import { isComplete, readBeginning } from './recovery.ts';
import type { Segment } from './segments.ts';
import { UnreadableFile } from './unreadable.ts';

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
  /** Bytes from that place on that belong to no whole frame, and those that are missing: nobody knows what they held. */
  readonly bytesUnknown: number;
  /** Bytes that the disk does not give out. */
  readonly bytesUnreadable: number;
  /** The number of the frame that is to come next. */
  readonly nextSequence: number;
}

/** Takes what the files that count hold, in order, up to the first damage. @returns how many records a payload has */
export interface RecordsSink {
  /** Calls of another version are not replayed by a start. */
  readonly callsVersion?: number;
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
  /** Bytes of it that the disk does not give out. */
  readonly bytesUnreadable: number;
}

/** Reads what a file begins with. */
export async function readHeaderOf(directory: string, disk: Disk, { kind, number, name }: Segment): Promise<Beginning> {
  return await reading(disk, join(directory, name), async (file) => {
    const bytes = await file.size();
    const readable = new UnreadableFile(file);
    const read = decodeHeader(await readBeginning(readable));
    const [unreadable] = readable.places;
    const known = { bytes, header: undefined, isUnknown: false, bytesUnreadable: bytesOf(readable) };
    if (unreadable !== undefined) return { ...known, why: whyUnreadable(unreadable.code) };
    switch (read.is) {
      case 'foreign':
        return { ...known, why: "is no file of Skein's", isUnknown: true };
      case 'format':
        return { ...known, why: `is of format ${read.version}, which this version cannot read`, isUnknown: true };
      case 'damaged':
        return { ...known, why: 'does not begin as it was written' };
      case 'header': {
        const { header } = read;
        if (header.kind === kind && header.number === number) return { ...known, header, why: undefined };
        return { ...known, why: `calls itself ${header.kind} ${header.number}: it has been renamed` };
      }
    }
  });
}

function whyUnreadable(code: string): string {
  return `cannot be read: the disk reports an error (${code})`;
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
  /** Whether the machine has been up since it was begun. */
  readonly isThisBoot: boolean;
  readonly expectedId: string | undefined;
  /** What its first frame must be. */
  readonly nextSequence: number | undefined;
  readonly records: RecordsSink | undefined;
  /** The version of calls that a start replays; undefined if any will do. */
  readonly callsVersion: number | undefined;
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
      const readable = new UnreadableFile(file);
      const place = { file: readable, end, mark, firstSequence: isLog ? header.firstSequence : 1 };
      return this.#framesOf(header, place, readable);
    });
  }

  async #framesOf(header: FileHeader, place: FramesPlace, readable: UnreadableFile): Promise<FileReport> {
    const { segment, standing, beginning } = this.#parts;
    let seen = 0;
    let misunderstood: { at: number; why: string; sequence: number; seen: number; bytes: number } | undefined;
    const read = await readFrames(place, (payload, sequence, at) => {
      seen += 1;
      const why = misunderstood === undefined ? this.#count(payload) : undefined;
      if (why !== undefined) misunderstood = { at, why, sequence, seen, bytes: frameBytes + payload.length };
    });
    const behind = read.bad === undefined ? nothingBehind : await lookBehind(place, read.bad.at);
    const { bad, state } = this.#stateOf(read, behind, readable);
    const report = {
      ...segment,
      standing,
      header,
      bytes: beginning.bytes,
      frames: read.frames,
      records: this.#records,
      payloadBytes: read.payloadBytes,
      isEnded: read.isEnded,
      bytesUnreadable: bytesOf(readable),
    };
    if (this.#isOtherVersion(header) && read.frames > 0) {
      const { callsVersion } = this.#parts;
      const why = `holds calls of version ${header.callsVersion}, which this version does not replay (it replays ${callsVersion}): start the version that wrote it, and stop it in good order`;
      const at = { bad: { at: headerBytes, why }, goodBytes: headerBytes, nextSequence: header.firstSequence };
      return { ...report, ...at, isUnknown: true, state: 'damaged', framesBehind: read.frames, bytesUnknown: 0 };
    }
    const bytesBad = read.bad === undefined ? 0 : place.end - read.bad.at - behind.bytes;
    const bytesMissing = segment.kind === 'log' ? Math.max(0, (this.#parts.countsTo ?? 0) - beginning.bytes) : 0;
    const first = misunderstood;
    return {
      ...report,
      isUnknown: false,
      state: first === undefined ? state : 'damaged',
      bad: first ?? bad,
      framesBehind: behind.frames + (first === undefined ? 0 : seen - first.seen),
      bytesUnknown: bytesBad + bytesMissing + (first?.bytes ?? 0),
      goodBytes: first?.at ?? bad?.at ?? read.goodBytes,
      nextSequence: first?.sequence ?? read.nextSequence,
    };
  }

  /** What its frames show, whether they can be understood or not. */
  #stateOf(read: FramesRead, behind: BehindBad, readable: UnreadableFile): Pick<FileReport, 'bad' | 'state'> {
    const { segment, isLast, isThisBoot, beginning, countsTo } = this.#parts;
    if (read.bad !== undefined) {
      const { at } = read.bad;
      const hole = readable.places.find((each) => each.at + each.bytes > at);
      // No crash leaves that, and a start ends there.
      if (hole !== undefined) return { bad: { at, why: whyUnreadable(hole.code) }, state: 'damaged' };
      const isTorn = segment.kind === 'log' && isLast && !isDamage(read, read.bad, behind, isThisBoot);
      return { bad: read.bad, state: isTorn ? 'torn' : 'damaged' };
    }
    const at = read.goodBytes;
    if (segment.kind === 'snapshot' && !isComplete(read)) {
      return { bad: { at, why: 'ends before it is complete' }, state: 'damaged' };
    }
    if (segment.kind === 'log' && countsTo !== undefined && beginning.bytes < countsTo) {
      return { bad: { at, why: `ends, where it had ${countsTo} bytes when the next log began` }, state: 'damaged' };
    }
    return { bad: undefined, state: 'good' };
  }

  #isOtherVersion(header: FileHeader): boolean {
    const { segment, standing, callsVersion } = this.#parts;
    if (segment.kind !== 'log' || standing !== 'counts' || callsVersion === undefined) return false;
    return header.callsVersion !== callsVersion;
  }

  /** Counts the records of a payload. @returns why it cannot be understood */
  #count(payload: Buffer): string | undefined {
    const { records, segment, beginning } = this.#parts;
    if (records === undefined) return undefined;
    if (beginning.header !== undefined && this.#isOtherVersion(beginning.header)) return undefined;
    try {
      this.#records += segment.kind === 'log' ? records.callsFrame(payload) : records.snapshotFrame(payload);
      return undefined;
    } catch (error) {
      return `holds what this version does not understand: ${(error as Error).message}`;
    }
  }

  #unread(why: string): FileReport {
    const { segment, standing, beginning } = this.#parts;
    const nothing = { frames: 0, records: 0, payloadBytes: 0, goodBytes: 0, framesBehind: 0, nextSequence: 0 };
    const { bytes, header, isUnknown, bytesUnreadable } = beginning;
    return {
      ...segment,
      ...nothing,
      standing,
      isUnknown,
      bytes,
      header,
      bytesUnknown: bytes,
      bytesUnreadable,
      isEnded: false,
      state: 'damaged',
      bad: { at: 0, why },
    };
  }
}

const nothingBehind: BehindBad = { frames: 0, bytes: 0, syncedTo: 0 };

function bytesOf({ places }: UnreadableFile): number {
  return places.reduce((sum, { bytes }) => sum + bytes, 0);
}
