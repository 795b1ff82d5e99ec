// The start: what the files of a directory hold, in order, and where the journal goes on.
//
// The newest snapshot, then each log that follows it. Headers first, all of them: what is written by another version, or
// lies here from another directory, is refused before anything is read, and each log is told by the next one how far it
// counts. Only the last log may have a torn tail. Nothing is changed here, but for what was read being on the disk then.

import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { decodeHeader, type FileHeader, headerBytes } from './file-header.ts';
import type { JournalEvent } from './journal-event.ts';
import { synced } from './log-file.ts';
import { type FramesPlace, type FramesRead, isDamage, lookBehind, readFrames } from './reading.ts';
import { DataDamaged, FormatUnknown, StoreRefused } from './refusal.ts';
import { type Chain, chainOf, firstNumber, listSegments, type Segment, type Segments } from './segments.ts';

/** What is read back at the start, in order. Payloads are good during the call only. */
export interface Replay {
  /** Some of what a snapshot holds. */
  snapshotFrame(payload: Buffer): void;
  /** Calls, as they were appended. */
  callsFrame(payload: Buffer): void;
}

/** What a directory turned out to hold, and where its journal goes on. */
export interface Recovered {
  readonly isNew: boolean;
  /** Undefined if the directory is new. */
  readonly directoryId: string | undefined;
  readonly nextNumber: number;
  readonly nextSequence: number;
  /** Up to where the last log counts; 0 if there is none. */
  readonly previousBytes: number;
  /** Bytes of the logs since the last snapshot, and how many they are. */
  readonly logBytes: number;
  readonly logs: number;
  readonly snapshotBytes: number;
  /** Whether calls may be missing that were acted on. */
  readonly mayHaveLost: boolean;
  /**
   * Whether the last life closed its log in good order, or there was none. If not, what was read may have been there for
   * this process only: of what a failed sync left in the memory of the system, the disk need never get anything.
   */
  readonly endedWell: boolean;
  /** Bytes at the end of the last log that a crash has spoilt. */
  readonly tornBytes: number;
  /** Bytes that were read back. */
  readonly replayedBytes: number;
  /** Files that nobody needs any more. */
  readonly superseded: readonly string[];
}

export interface RecoveryOptions {
  readonly directory: string;
  readonly disk: Disk;
  readonly callsVersion: number;
  onEvent(event: JournalEvent): void;
}

/** A file that counts. */
interface KnownSegment extends Segment {
  readonly bytes: number;
  readonly header: FileHeader;
}

/** Reads a directory. @throws DataDamaged, FormatUnknown */
export async function recover(options: RecoveryOptions, replay: Replay): Promise<Recovered> {
  const { directory, disk } = options;
  const segments = await listSegments(directory, disk);
  const chain = chainOf(segments);
  if (chain.missing !== undefined) {
    throw new DataDamaged(directory, { file: chain.missing.name, offset: undefined, why: 'is missing' });
  }
  const known: KnownSegment[] = [];
  for (const segment of [...(chain.snapshot === undefined ? [] : [chain.snapshot]), ...chain.logs]) {
    const beginning = await reading(options, segment, async (file) => ({
      bytes: await file.size(),
      header: await readHeader(directory, segment, file),
    }));
    known.push({ ...segment, ...beginning });
  }
  return await new Recovery(options, replay, known).run(segments, chain);
}

/** Opens a file and closes it again: a process that was started again and again may have left more than can be open. */
async function reading<Result>(
  { directory, disk }: Pick<RecoveryOptions, 'directory' | 'disk'>,
  { name }: Segment,
  read: (file: DiskFile) => Promise<Result>,
): Promise<Result> {
  const file = await disk.open(join(directory, name));
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

/** Reads and checks the header of a file. @throws DataDamaged, FormatUnknown */
async function readHeader(directory: string, { kind, number, name }: Segment, file: DiskFile): Promise<FileHeader> {
  const read = decodeHeader(await readBeginning(file));
  switch (read.is) {
    case 'foreign':
      throw new FormatUnknown(
        `${join(directory, name)} has a name of Skein's, but is no file of Skein's; move it away, or choose another directory with --store file:DIR`,
      );
    case 'format':
      throw new FormatUnknown(
        `${join(directory, name)} is of format ${read.version}, which this version cannot read: start the version that wrote it`,
      );
    case 'damaged':
      throw new DataDamaged(directory, { file: name, offset: 0, why: 'does not begin as it was written' });
    case 'header':
      if (read.header.kind !== kind || read.header.number !== number) {
        const why = `calls itself ${read.header.kind} ${read.header.number}: it has been renamed`;
        throw new DataDamaged(directory, { file: name, offset: 0, why });
      }
      return read.header;
  }
}

/** The first bytes of a file, as many as a header has, if there are so many. */
export async function readBeginning(file: Pick<DiskFile, 'read'>): Promise<Buffer> {
  const bytes = Buffer.alloc(headerBytes);
  let length = 0;
  while (length < bytes.length) {
    const read = await file.read(bytes.subarray(length), length);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

/** One walk through the files that count. */
class Recovery {
  readonly #options: RecoveryOptions;
  readonly #replay: Replay;
  readonly #segments: readonly KnownSegment[];
  #replayedBytes = 0;

  constructor(options: RecoveryOptions, replay: Replay, segments: readonly KnownSegment[]) {
    this.#options = options;
    this.#replay = replay;
    this.#segments = segments;
  }

  async run(segments: Segments, chain: Chain): Promise<Recovered> {
    this.#checkBelonging();
    const snapshot = this.#segments.find(({ kind }) => kind === 'snapshot');
    const logs = this.#segments.filter(({ kind }) => kind === 'log');
    if (snapshot !== undefined) await this.#readSnapshot(snapshot);

    let nextSequence = (snapshot ?? logs[0])?.header.firstSequence ?? 1;
    let previousBytes = 0;
    let logBytes = 0;
    let tornBytes = 0;
    // Something was set aside, and nothing is left: somebody may know what was in it.
    let mayHaveLost = logs.length === 0 && segments.aside.length > 0;
    let endedWell = !mayHaveLost;
    for (const [index, log] of logs.entries()) {
      if (log.header.firstSequence !== nextSequence) {
        const why = `begins with frame ${log.header.firstSequence}, where ${nextSequence} should be`;
        throw this.#damaged(log, 0, why);
      }
      const next = logs[index + 1];
      const read = await this.#readLog(log, next?.header.previousBytes);
      if (next === undefined && read.bad !== undefined) {
        tornBytes = log.bytes - read.bad.at;
        this.#options.onEvent({ is: 'torn', file: log.name, at: read.bad.at, bytes: tornBytes });
      }
      if (next === undefined) {
        mayHaveLost = await this.#mayHaveLost(log.header, read);
        endedWell = read.isEnded && read.bad === undefined;
      }
      nextSequence = read.nextSequence;
      previousBytes = read.goodBytes;
      logBytes += read.goodBytes;
    }

    const last = logs.at(-1);
    return {
      isNew: last === undefined,
      directoryId: last?.header.directoryId,
      nextNumber: last === undefined ? firstNumber : last.number + 1,
      nextSequence,
      previousBytes,
      logBytes,
      logs: logs.length,
      snapshotBytes: snapshot?.bytes ?? 0,
      mayHaveLost,
      endedWell,
      tornBytes,
      replayedBytes: this.#replayedBytes,
      superseded: [...chain.superseded.map(({ name }) => name), ...segments.unfinished],
    };
  }

  /** All of them were made in one directory. */
  #checkBelonging(): void {
    const [first] = this.#segments;
    for (const segment of this.#segments) {
      if (segment.header.directoryId === first?.header.directoryId) continue;
      throw this.#damaged(segment, 0, `comes from another directory than ${first?.name}`);
    }
  }

  async #readSnapshot(snapshot: KnownSegment): Promise<void> {
    const extent = { end: snapshot.bytes, mark: snapshot.header.mark, firstSequence: 1 };
    const read = await reading(this.#options, snapshot, (file) =>
      readFrames({ file, ...extent }, (payload, _, at) =>
        this.#understand(snapshot, at, () => this.#replay.snapshotFrame(payload)),
      ),
    );
    if (read.bad !== undefined) throw this.#damaged(snapshot, read.bad.at, read.bad.why);
    if (!isComplete(read)) throw this.#damaged(snapshot, read.goodBytes, 'ends before it is complete');
    this.#replayedBytes += read.payloadBytes;
  }

  /** @param counts up to where it counts; undefined if it is the last one */
  async #readLog(log: KnownSegment, counts: number | undefined): Promise<FramesRead> {
    if (counts !== undefined && log.bytes < counts) {
      throw this.#damaged(log, log.bytes, `ends, where it had ${counts} bytes when the next log began`);
    }
    const { mark, firstSequence, callsVersion } = log.header;
    return await reading(this.#options, log, async (file) => {
      const place: FramesPlace = { file, end: counts ?? log.bytes, mark, firstSequence };
      const read = await readFrames(place, (payload, _, at) => {
        if (callsVersion !== this.#options.callsVersion) throw this.#otherCalls(log);
        this.#understand(log, at, () => this.#replay.callsFrame(payload));
      });
      this.#replayedBytes += read.payloadBytes;
      const { bad } = read;
      const isDamaged = async (): Promise<boolean> =>
        bad !== undefined &&
        isDamage(read, bad, await lookBehind(place, bad.at), await isThisBoot(log.header, this.#options.disk));
      if (bad !== undefined && (counts !== undefined || (await isDamaged()))) {
        throw this.#damaged(log, bad.at, bad.why);
      }
      // What a process that was killed had written, the disk need not have yet; and the next log will build on it.
      if (counts === undefined) await synced(file.sync());
      return read;
    });
  }

  /** Whether the last life may have acted on calls that the last log does not hold. */
  async #mayHaveLost(header: FileHeader, read: FramesRead): Promise<boolean> {
    // The start that found it out has not written anything, and may have come to nothing.
    if (header.afterLoss && read.frames === 0) return true;
    if (read.bad !== undefined) return true;
    if (read.isEnded) return false;
    switch (header.durability) {
      case 'memory':
        return true;
      case 'everysec':
        return !(await isThisBoot(header, this.#options.disk));
      case 'always':
        return false;
    }
  }

  /** Whoever replays cannot make sense of bytes that are as they were written: then something else was written there. */
  #understand(segment: Segment, at: number, replayed: () => void): void {
    try {
      replayed();
    } catch (error) {
      if (error instanceof StoreRefused) throw error;
      const why = `holds what this version does not understand: ${(error as Error).message}`;
      throw new DataDamaged(this.#options.directory, { file: segment.name, offset: at, why }, { cause: error });
    }
  }

  #otherCalls(log: KnownSegment): FormatUnknown {
    const path = join(this.#options.directory, log.name);
    return new FormatUnknown(
      `${path} holds calls of version ${log.header.callsVersion}, this version replays ${this.#options.callsVersion}: start the version that wrote it and stop it in good order, which leaves a snapshot that every version reads`,
    );
  }

  #damaged(segment: Segment, offset: number, why: string): DataDamaged {
    return new DataDamaged(this.#options.directory, { file: segment.name, offset, why });
  }
}

/** Whether a snapshot holds all that was written to it. */
export function isComplete({ isEnded, counts, frames, payloadBytes }: FramesRead): boolean {
  return isEnded && counts?.frames === frames && counts.payloadBytes === payloadBytes;
}

/** Whether the machine has been up since a file was begun; false if that is not known. */
export async function isThisBoot({ bootId }: Pick<FileHeader, 'bootId'>, disk: Pick<Disk, 'bootId'>): Promise<boolean> {
  return bootId !== '' && bootId === (await disk.bootId());
}
