// What every file of a data directory begins with: what it is, whose, and what it goes on from.
//
// A file gets its name only when its header is on the disk, so a file with a bad header was damaged later. A log says up
// to where the one before it counts: what lies behind that was torn off by a crash, and stays cut off whatever becomes of
// the file. It says also whether calls may be missing before it, for the start that finds nothing else in it: the one
// that cut them off may have died before it could act on that.

import { crc32 } from 'node:zlib';
import { readUint64, writeUint64 } from './frame.ts';

/** When an answer is given: when nothing, the write, or the write and the sync have been waited for. */
export type JournalClass = 'memory' | 'everysec' | 'always';

export type FileKind = 'log' | 'snapshot';

/** The only format there is so far. */
export const formatVersion = 1;

export interface FileHeader {
  readonly kind: FileKind;
  /** A snapshot is the state before the log of the same number begins. */
  readonly number: number;
  /** The directory that it belongs to, 32 hexadecimal digits, drawn when the directory was made. */
  readonly directoryId: string;
  /** The version of the behaviour of calls: another one may make another state of the same calls. */
  readonly callsVersion: number;
  readonly durability: JournalClass;
  /** The start of the machine during which it was begun; empty if unknown. */
  readonly bootId: string;
  /** When it was begun, in milliseconds since 1970. For people. */
  readonly begunMs: number;
  /** What its frames begin with: drawn at random. */
  readonly mark: number;
  /** Of a log: the number of its first frame. Of a snapshot: that of the log's. */
  readonly firstSequence: number;
  /** Of a log: up to which byte the log before it counts; 0 if it is the first one. */
  readonly previousBytes: number;
  /** Of a log: whether calls that were acted on may be missing before it. */
  readonly afterLoss: boolean;
}

/** Bytes of a header. */
export const headerBytes = 128;

const magic = Buffer.from([0x89, 0x53, 0x6b, 0x65, 0x69, 0x6e, 0x0d, 0x0a]);
const formatAt = 8;
const kindAt = 10;
const classAt = 11;
const callsAt = 12;
const numberAt = 16;
const sequenceAt = 24;
const previousAt = 32;
const begunAt = 40;
const directoryAt = 48;
const directoryIdBytes = 16;
const bootAt = 64;
const bootIdBytes = 40;
const markAt = 104;
const lossAt = 108;
const crcAt = headerBytes - 4;

const kinds: readonly FileKind[] = ['log', 'snapshot'];
const classes: readonly JournalClass[] = ['memory', 'everysec', 'always'];

export function encodeHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  magic.copy(bytes);
  bytes.writeUInt16BE(formatVersion, formatAt);
  bytes[kindAt] = kinds.indexOf(header.kind);
  bytes[classAt] = classes.indexOf(header.durability);
  bytes.writeUInt32BE(header.callsVersion, callsAt);
  writeUint64(bytes, numberAt, header.number);
  writeUint64(bytes, sequenceAt, header.firstSequence);
  writeUint64(bytes, previousAt, header.previousBytes);
  writeUint64(bytes, begunAt, Math.max(0, Math.floor(header.begunMs)));
  bytes.write(header.directoryId, directoryAt, directoryIdBytes, 'hex');
  bytes.write(header.bootId, bootAt, bootIdBytes, 'latin1');
  bytes.writeUInt32BE(header.mark, markAt);
  bytes[lossAt] = header.afterLoss ? 1 : 0;
  bytes.writeUInt32BE(crc32(bytes.subarray(0, crcAt)), crcAt);
  return bytes;
}

/** What the first bytes of a file turned out to be. */
export type HeaderRead =
  | { readonly is: 'header'; readonly header: FileHeader }
  /** It does not begin as our files do. */
  | { readonly is: 'foreign' }
  /** It begins as our files do, and was written by another version, which had a format of its own. */
  | { readonly is: 'format'; readonly version: number }
  | { readonly is: 'damaged' };

/** @param bytes at most {@link headerBytes}; fewer if the file is shorter */
export function decodeHeader(bytes: Buffer): HeaderRead {
  if (!bytes.subarray(0, magic.length).equals(magic)) return { is: isErased(bytes) ? 'damaged' : 'foreign' };
  if (bytes.length < headerBytes) return { is: 'damaged' };
  const isWhole = crc32(bytes.subarray(0, crcAt)) === bytes.readUInt32BE(crcAt);
  const version = bytes.readUInt16BE(formatAt);
  // Another format may keep its checksum elsewhere, so its number is believed.
  if (version !== formatVersion) return isWhole ? { is: 'damaged' } : { is: 'format', version };
  const kind = kinds[bytes[kindAt] as number];
  const durability = classes[bytes[classAt] as number];
  if (!isWhole || kind === undefined || durability === undefined) return { is: 'damaged' };
  const header = {
    kind,
    number: readUint64(bytes, numberAt),
    directoryId: bytes.toString('hex', directoryAt, directoryAt + directoryIdBytes),
    callsVersion: bytes.readUInt32BE(callsAt),
    durability,
    bootId: bytes.toString('latin1', bootAt, bootAt + bootIdBytes).replaceAll('\0', ''),
    begunMs: readUint64(bytes, begunAt),
    mark: bytes.readUInt32BE(markAt),
    firstSequence: readUint64(bytes, sequenceAt),
    previousBytes: readUint64(bytes, previousAt),
    afterLoss: bytes[lossAt] === 1,
  };
  return { is: 'header', header };
}

/** Nothing, or nothing but zeros: that is what a disk leaves of a file, and nobody writes. */
function isErased(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
