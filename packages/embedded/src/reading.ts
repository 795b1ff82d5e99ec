// Reading a file's frames back, and telling a torn tail from damage.
//
// A process that is killed, or a machine that loses power, leaves the end of its last log in any state: bytes missing,
// holes, later pages without earlier ones. That is a torn tail: nothing of it was known to be on the disk, so it is cut
// off and the start goes on. But what was known to be on the disk and is not there, no crash takes away: that is damage,
// and cutting there would throw away what was promised. Each frame says how far the disk was known to hold the file when
// it was written. So the frames behind a bad place decide what it is: if one of them, or one before it, knew that place
// to be on the disk, it is damage.

import type { DiskFile } from './disk.ts';
import { headerBytes } from './file-header.ts';
import { FileWindow } from './file-window.ts';
import { FrameKind, frameBytes, isWhole, kindAt, readUint64, sequenceAt, syncedAt, writeUint64 } from './frame.ts';

/** Called with each frame that holds records. The payload is good during the call only. */
export type FrameSink = (payload: Buffer, sequence: number, at: number) => void;

/** A place where a file's frames do not go on as they should. */
export interface BadPlace {
  /** Bytes from the beginning of the file. */
  readonly at: number;
  /** The end of a sentence that begins with the file. */
  readonly why: string;
  /** Whether a crash may leave it. */
  readonly mayBeTorn: boolean;
}

/** What came of reading a file. */
export interface FramesRead {
  /** Frames with records. */
  readonly frames: number;
  /** Bytes of their payloads. */
  readonly payloadBytes: number;
  /** Up to here everything is as it was written. */
  readonly goodBytes: number;
  readonly nextSequence: number;
  /** Whether a frame said that nothing follows. */
  readonly isEnded: boolean;
  /** What the end of a snapshot says of it. */
  readonly counts: SnapshotCounts | undefined;
  /** Up to where the file was known to be on the disk, by the frames that were read. */
  readonly syncedTo: number;
  readonly bad: BadPlace | undefined;
}

/** What a snapshot's last frame says of those before it. */
export interface SnapshotCounts {
  readonly frames: number;
  readonly payloadBytes: number;
}

/** The payload of a snapshot's last frame. */
export function encodeCounts({ frames, payloadBytes }: SnapshotCounts): Buffer {
  const bytes = Buffer.alloc(16);
  writeUint64(bytes, 0, frames);
  writeUint64(bytes, 8, payloadBytes);
  return bytes;
}

/** Where frames are read. */
export interface FramesPlace {
  readonly file: Pick<DiskFile, 'read'>;
  /** Where the file ends, or how far it counts. */
  readonly end: number;
  readonly mark: number;
  readonly firstSequence: number;
}

/** Reads the frames of a file from its first one, up to its end or the first bad place. */
export async function readFrames(place: FramesPlace, onFrame: FrameSink): Promise<FramesRead> {
  const { end, mark } = place;
  const window = new FileWindow(place.file, end);
  let at = headerBytes;
  let frames = 0;
  let payloadBytes = 0;
  let nextSequence = place.firstSequence;
  let isEnded = false;
  let counts: SnapshotCounts | undefined;
  let syncedTo = 0;
  let bad: BadPlace | undefined;

  // Once for each frame, and a frame may hold one short record: nothing is made here but the views that are needed.
  while (at < end) {
    const length = window.frame(at, mark) || (await window.frameMovedTo(at, mark));
    if (typeof length === 'string') {
      bad = { at, why: length, mayBeTorn: !isEnded };
      break;
    }
    const { memory } = window;
    const from = window.find(at, length);
    if (!isWhole(memory, from, length, mark)) {
      bad = { at, why: 'is not what was written (checksum)', mayBeTorn: !isEnded };
      break;
    }
    const sequence = sequenceAt(memory, from);
    if (isEnded || sequence !== nextSequence) {
      const why = isEnded ? 'goes on behind its end' : `goes on with frame ${sequence} where ${nextSequence} should be`;
      bad = { at, why, mayBeTorn: false };
      break;
    }
    const payload = memory.subarray(from + frameBytes, from + length);
    if (kindAt(memory, from) === FrameKind.records) {
      onFrame(payload, sequence, at);
      frames += 1;
      payloadBytes += payload.length;
    } else {
      isEnded = true;
      if (payload.length === 16) counts = { frames: readUint64(payload, 0), payloadBytes: readUint64(payload, 8) };
    }
    const known = syncedAt(memory, from);
    if (known > syncedTo) syncedTo = known;
    nextSequence += 1;
    at += length;
  }
  return { frames, payloadBytes, goodBytes: at, nextSequence, isEnded, counts, syncedTo, bad };
}

/** What lies behind a bad place. */
export interface BehindBad {
  /** Whole frames of this file, and their bytes. */
  readonly frames: number;
  readonly bytes: number;
  /** Up to where the file was known to be on the disk, by those frames. */
  readonly syncedTo: number;
}

/** Looks for whole frames behind a bad place. */
export async function lookBehind(place: FramesPlace, badAt: number): Promise<BehindBad> {
  const { mark, end } = place;
  const window = new FileWindow(place.file, end);
  const sought = Buffer.alloc(4);
  sought.writeUInt32BE(mark);
  let frames = 0;
  let bytes = 0;
  let syncedTo = 0;
  let at = badAt + 1;
  while (at + frameBytes <= end) {
    if (window.find(at, frameBytes) < 0) await window.move(at, frameBytes);
    const rest = window.rest(at);
    const found = rest.indexOf(sought);
    if (found < 0) {
      // A mark may lie across the window's end.
      at += Math.max(1, rest.length - sought.length + 1);
      continue;
    }
    at += found;
    const length = window.frame(at, mark) || (await window.frameMovedTo(at, mark));
    const from = typeof length === 'string' ? -1 : window.find(at, length);
    if (typeof length === 'string' || !isWhole(window.memory, from, length, mark)) {
      at += 1;
      continue;
    }
    frames += 1;
    bytes += length;
    syncedTo = Math.max(syncedTo, syncedAt(window.memory, from));
    at += length;
  }
  return { frames, bytes, syncedTo };
}

/**
 * Whether no crash explains a bad place: it was known to be on the disk, or the machine has been up all the time and frames
 * follow, of which each was written when the one before it was.
 */
export function isDamage(read: FramesRead, bad: BadPlace, behind: BehindBad, isSameBoot: boolean): boolean {
  return !bad.mayBeTorn || Math.max(read.syncedTo, behind.syncedTo) > bad.at || (isSameBoot && behind.frames > 0);
}
