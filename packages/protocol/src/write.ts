// Writing the data types of the wire [§1.5], appended to a Slab.
//
// A length that stands before what it measures is opened, and closed once that is written. What does not fit its type
// is a RangeError: packets to send are made by us, so it is we who are wrong.

import type { Bytes } from './bytes.ts';
import type { Slab } from './slab.ts';

/** The largest Variable Byte Integer, and so the largest Remaining Length. */
const variableByteIntegerMax = 268_435_455;

/** How many bytes a Variable Byte Integer takes. */
export function variableByteIntegerSize(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

/** Appends a byte. */
export function writeByte(out: Slab, value: number): void {
  out.reserve(1);
  out.buffer[out.length++] = value;
}

/** Appends a Two Byte Integer [§1.5.2]. */
export function writeTwoByteInteger(out: Slab, value: number): void {
  out.reserve(2);
  const at = out.length;
  out.buffer[at] = value >>> 8;
  out.buffer[at + 1] = value;
  out.length = at + 2;
}

/** Appends a Four Byte Integer [§1.5.3]. */
export function writeFourByteInteger(out: Slab, value: number): void {
  writeTwoByteInteger(out, value >>> 16);
  writeTwoByteInteger(out, value & 0xffff);
}

/** Appends a Variable Byte Integer, in the fewest bytes [MQTT-1.5.5-1]. */
export function writeVariableByteInteger(out: Slab, value: number): void {
  out.reserve(4);
  out.length = putVariableByteInteger(out.buffer, out.length, value);
}

/**
 * Appends a UTF-8 Encoded String [§1.5.4].
 *
 * @throws RangeError if it takes more than 65,535 bytes
 */
export function writeText(out: Slab, text: string): void {
  // A UTF-16 unit never takes more than three bytes; asking exactly would cost another pass.
  if (text.length > 0xffff) throw new RangeError('a UTF-8 Encoded String holds at most 65,535 bytes');
  out.reserve(2 + text.length * 3);
  const at = out.length;
  const size = putText(out.buffer, at + 2, text);
  if (size > 0xffff) throw new RangeError('a UTF-8 Encoded String holds at most 65,535 bytes');
  out.buffer[at] = size >>> 8;
  out.buffer[at + 1] = size;
  out.length = at + 2 + size;
}

/**
 * Appends Binary Data [§1.5.6].
 *
 * @throws RangeError if there are more than 65,535 bytes
 */
export function writeBinaryData(out: Slab, data: Uint8Array): void {
  if (data.length > 0xffff) throw new RangeError('Binary Data holds at most 65,535 bytes');
  writeTwoByteInteger(out, data.length);
  writeBytes(out, data);
}

/** Appends bytes as they are. */
export function writeBytes(out: Slab, data: Uint8Array): void {
  out.reserve(data.length);
  out.buffer.set(data, out.length);
  out.length += data.length;
}

/** Leaves room for a length that is known later; returns what {@link closeLength} wants. */
export function openLength(out: Slab): number {
  out.reserve(1);
  return out.length++;
}

/**
 * Writes the length of all that was written since {@link openLength}.
 *
 * One byte was left for it, which is enough for nearly every packet; a longer length moves what follows.
 *
 * @param at what openLength returned
 * @param yetToCome bytes that count too and are written afterwards
 * @throws RangeError if it is more than a Variable Byte Integer holds
 */
export function closeLength(out: Slab, at: number, yetToCome = 0): void {
  const length = out.length - at - 1 + yetToCome;
  if (length > variableByteIntegerMax) throw new RangeError('a packet holds at most 268,435,455 bytes');
  const more = variableByteIntegerSize(length) - 1;
  if (more > 0) {
    out.reserve(more);
    out.buffer.copyWithin(at + 1 + more, at + 1, out.length);
    out.length += more;
  }
  putVariableByteInteger(out.buffer, at, length);
}

/** Writes it at `at`, where there is room; returns where it ends. */
function putVariableByteInteger(bytes: Bytes, at: number, value: number): number {
  let position = at;
  let rest = value;
  while (rest >= 0x80) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/** Writes UTF-8 at `at`, where there is room; returns its bytes. A call into Node costs more than a few ASCII bytes. */
function putText(bytes: Bytes, at: number, text: string): number {
  const length = text.length;
  if (length > 24) return bytes.utf8Write(text, at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return bytes.utf8Write(text, at);
    bytes[at + i] = unit;
  }
  return length;
}
