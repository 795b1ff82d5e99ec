// A frame: what one write puts into a file, so that a reader can tell whether all of it arrived.
//
//   mark u32 · crc u32 · payload length u32 · kind u32 · sequence u64 · syncedTo u64 · payload
//
// The CRC-32 covers all that follows it, and begins with the mark. The mark is drawn at random for each file and stands
// in its header: so no message that a Client publishes can pass for a frame when a reader looks for the next one behind
// damage, and neither can what is left of a deleted file. `sequence` counts the frames of a directory's logs from 1, from
// file to file; those of a snapshot count by themselves. `syncedTo` is an offset in the file: everything before it was
// on the disk when the frame was written, so if it is not now, the disk has lost it and no crash did.

import { crc32 } from 'node:zlib';

/** Bytes that a frame begins with, before its payload. */
export const frameBytes = 32;
/** No payload is longer: a message is at most 256 MiB, and a batch is closed when it has a fraction of that. */
export const payloadMaxBytes: number = 512 * 1024 * 1024;

/** What a frame holds. */
export const FrameKind = {
  /** Records. */
  records: 1,
  /** Nothing follows: a log was closed in good order, a snapshot is complete. */
  end: 2,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** What a frame says of itself. */
export interface FrameHead {
  readonly kind: FrameKind;
  readonly sequence: number;
  readonly syncedTo: number;
}

const crcAt = 4;
const lengthAt = 8;
const kindOffset = 12;
const sequenceOffset = 16;
const syncedOffset = 24;

/**
 * Makes a frame of a buffer whose payload begins behind room for the head.
 *
 * @throws RangeError if the payload is longer than {@link payloadMaxBytes}: nobody would read it back
 */
export function sealFrame(frame: Buffer, mark: number, { kind, sequence, syncedTo }: FrameHead): void {
  const length = frame.length - frameBytes;
  if (length > payloadMaxBytes) throw new RangeError(`a frame of ${length} bytes; allowed: ${payloadMaxBytes}`);
  frame.writeUInt32BE(mark, 0);
  frame.writeUInt32BE(length, lengthAt);
  frame.writeUInt32BE(kind, kindOffset);
  writeUint64(frame, sequenceOffset, sequence);
  writeUint64(frame, syncedOffset, syncedTo);
  frame.writeUInt32BE(crc32(frame.subarray(lengthAt), mark), crcAt);
}

/** A frame of its own around a payload, which is copied. @throws RangeError as {@link sealFrame} */
export function frameOf(payload: Buffer, mark: number, head: FrameHead): Buffer {
  const frame = Buffer.allocUnsafe(frameBytes + payload.length);
  payload.copy(frame, frameBytes);
  sealFrame(frame, mark, head);
  return frame;
}

/**
 * The length of the frame whose head begins at `at`, its head counted; undefined if no frame begins there.
 * Tells no more than what the head says: its bytes must be checked once they are there.
 */
export function frameLength(bytes: Buffer, at: number, mark: number): number | undefined {
  if (bytes.readUInt32BE(at) !== mark) return undefined;
  const length = bytes.readUInt32BE(at + lengthAt);
  return length <= payloadMaxBytes ? frameBytes + length : undefined;
}

/** Whether every byte of a frame is as it was written. `length` is that of the whole frame. */
export function isWhole(bytes: Buffer, at: number, length: number, mark: number): boolean {
  return crc32(bytes.subarray(at + lengthAt, at + length), mark) === bytes.readUInt32BE(at + crcAt);
}

/** What a whole frame holds; other numbers than {@link FrameKind} has do not occur in this format. */
export function kindAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at + kindOffset);
}

/** The number of a whole frame. */
export function sequenceAt(bytes: Buffer, at: number): number {
  return readUint64(bytes, at + sequenceOffset);
}

/** Up to where the file was on the disk when a whole frame was written. */
export function syncedAt(bytes: Buffer, at: number): number {
  return readUint64(bytes, at + syncedOffset);
}

/** Writes a whole number below 2^53 in eight bytes. */
export function writeUint64(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes.writeUInt32BE(high, at);
  bytes.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
}

export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}
