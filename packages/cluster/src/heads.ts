// The fields that a head is made of (peer.proto): a text, a number, a byte.
//
// Most texts are Client Identifiers, short and ASCII: bytes that are written one by one then cost less than a call.

import type { Slab } from '@skein/protocol';
import type { Texts } from './texts.ts';

/** A number takes eight bytes: epochs are microseconds since 1970, which six would not hold. */
const numberBytes = 8;

/** Longer texts are left to Node. */
const shortText = 24;

/** Appends a byte. */
export function writeByte(out: Slab, value: number): void {
  out.reserve(1);
  out.buffer[out.length++] = value;
}

/** Appends a number: an integer from 0 to 2⁵³ - 1; what lies behind the point is cut off. */
export function writeNumber(out: Slab, value: number): void {
  out.reserve(numberBytes);
  const { buffer, length } = out;
  const high = Math.floor(value / 0x1_0000_0000);
  buffer[length] = high >>> 24;
  buffer[length + 1] = high >>> 16;
  buffer[length + 2] = high >>> 8;
  buffer[length + 3] = high;
  const low = value >>> 0;
  buffer[length + 4] = low >>> 24;
  buffer[length + 5] = low >>> 16;
  buffer[length + 6] = low >>> 8;
  buffer[length + 7] = low;
  out.length = length + numberBytes;
}

/**
 * Appends a text.
 *
 * @throws RangeError if it takes more than 65,535 bytes
 */
export function writeText(out: Slab, text: string): void {
  // A UTF-16 unit never takes more than three bytes.
  out.reserve(2 + text.length * 3);
  const at = out.length + 2;
  const size = asciiBytes(out.buffer, at, text) ? text.length : out.buffer.utf8Write(text, at);
  if (size > 0xffff) throw new RangeError('a text takes at most 65,535 bytes');
  out.buffer[at - 2] = size >>> 8;
  out.buffer[at - 1] = size;
  out.length = at + size;
}

function asciiBytes(bytes: Uint8Array, at: number, text: string): boolean {
  const { length } = text;
  if (length > shortText) return false;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return false;
    bytes[at + i] = unit;
  }
  return true;
}

/** Reads heads. What it reads throws RangeError where bytes are missing. */
export class HeadReader {
  readonly #bytes: Buffer;
  readonly #texts: Texts;
  #at = 0;

  /** @param texts those that were read before */
  constructor(bytes: Uint8Array, texts: Texts) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#texts = texts;
  }

  /** Whether everything has been read. */
  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  number(): number {
    const at = this.#take(numberBytes);
    return this.#bytes.readUInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  text(): string {
    const sizeAt = this.#take(2);
    const size = ((this.#bytes[sizeAt] as number) << 8) | (this.#bytes[sizeAt + 1] as number);
    const at = this.#take(size);
    return size === 0 ? '' : this.#texts.read(this.#bytes, at, at + size);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#bytes.length) throw new RangeError('a head is cut short');
    this.#at = at + size;
    return at;
  }
}
