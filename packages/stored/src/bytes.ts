// Bytes that are kept: written one after the other, and read back in the same order.
//
// Numbers are big-endian; a varint has seven bits a byte, the lowest first, and a high bit where more follow. A text is
// UTF-8 behind its length. Leaving JavaScript costs more than a short text takes, so short ASCII is written here.
//
// Who writes finds nothing to free: what was written is handed over as it lies, and the Writer goes on behind it or in
// other memory. Who reads gets a RangeError where bytes are missing, never what lies behind them.

import { memory } from '@skein/broker';
import type { Texts } from './texts.ts';

/** Texts up to this length are written by ourselves. */
const shortText = 64;
/** Bytes of UTF-8 that one unit of a text takes at most. */
const unitBytes = 3;
const defaultBytes = 64 * 1024;
/** What the eighth byte of a varint counts: there is no ninth. */
const lastScale = 2 ** 49;

/** Writes bytes, into memory that grows, or into a given place. */
export class Writer {
  /** How much memory it takes at a time; undefined if it writes into somebody else's. */
  readonly #chunkBytes: number | undefined;
  #memory: Buffer;
  /** Where that begins which was not handed over. */
  #start: number;
  #at: number;

  /**
   * @param memory how many bytes it begins with; or where it writes, which then does not grow
   * @param at the place in the memory given
   */
  constructor(memory: number | Buffer = defaultBytes, at = 0) {
    this.#chunkBytes = typeof memory === 'number' ? memory : undefined;
    this.#memory = typeof memory === 'number' ? Buffer.allocUnsafeSlow(memory) : memory;
    this.#start = at;
    this.#at = at;
  }

  /** How many bytes were written since the last {@link take}. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Hands over what was written, without a copy, and begins anew elsewhere. It is the caller's for good. */
  take(): Buffer {
    const taken = this.written();
    this.#start = this.#at;
    const { length } = this.#memory;
    // Memory of an uncommonly large batch is not kept for the sake of what is left of it.
    if (this.#chunkBytes !== undefined && length > this.#chunkBytes) this.#begin(Buffer.alloc(0));
    return taken;
  }

  /** A view of what was written since the last {@link take}; good until more is written. */
  written(): Buffer {
    return this.#memory.subarray(this.#start, this.#at);
  }

  /** Forgets what was written behind a length that it had. */
  truncate(length: number): void {
    this.#at = this.#start + length;
  }

  /** Leaves room for what is known later. @returns where it is in what {@link take} will hand over */
  room(size: number): number {
    const at = this.#reserve(size);
    return at - this.#start;
  }

  byte(value: number): void {
    if (this.#at === this.#memory.length) this.#grow(1);
    this.#memory[this.#at++] = value;
  }

  /** @throws RangeError if it is out of range; so do those that follow */
  uint16(value: number): void {
    if (!(value >= 0 && value <= 0xffff)) throw outOfRange(value);
    const at = this.#reserve(2);
    const memory = this.#memory;
    memory[at] = value >>> 8;
    memory[at + 1] = value;
  }

  uint32(value: number): void {
    if (!(value >= 0 && value <= 0xffffffff)) throw outOfRange(value);
    const at = this.#reserve(4);
    const memory = this.#memory;
    memory[at] = value >>> 24;
    memory[at + 1] = value >>> 16;
    memory[at + 2] = value >>> 8;
    memory[at + 3] = value;
  }

  uint48(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    this.uint16(high);
    this.uint32(value - high * 0x1_0000_0000);
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.#memory.writeDoubleBE(value, at);
  }

  /** A whole number from 0 to 2^53 − 1, the shorter the smaller. */
  varint(value: number): void {
    if (value >= 0 && value < 0x80) {
      this.byte(value);
      return;
    }
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) throw outOfRange(value);
    let rest = value;
    // Beyond 31 bits, the shifts that are quick tell nonsense.
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) + 0x80);
    for (; rest >= 0x80; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** At most 65,535 bytes of UTF-8, behind their number in two bytes. */
  text(text: string): void {
    const { length } = text;
    if (length <= shortText && this.#short(text, length, 2)) return;
    // Mostly there is room whatever the text holds, and counting its bytes first would cost as much as writing them.
    if (this.#at + 2 + length * unitBytes > this.#memory.length) this.#ensure(2 + Buffer.byteLength(text));
    const size = this.#memory.write(text, this.#at + 2);
    this.uint16(size);
    this.#at += size;
  }

  /** A text of any length, behind the number of its bytes as a varint. */
  longText(text: string): void {
    const { length } = text;
    if (length <= shortText && this.#short(text, length, 1)) return;
    const size = Buffer.byteLength(text);
    this.varint(size);
    const at = this.#reserve(size);
    this.#memory.write(text, at, size);
  }

  /** These bytes, without their number. */
  data(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#memory.set(bytes, at);
  }

  /** Writes a short text, behind its length in one byte or two, if it is ASCII. @returns whether it is */
  #short(text: string, length: number, headBytes: 1 | 2): boolean {
    this.#ensure(headBytes + length);
    const memory = this.#memory;
    const start = this.#at + headBytes;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return false;
      memory[start + i] = unit;
    }
    memory[this.#at] = 0;
    memory[start - 1] = length;
    this.#at = start + length;
    return true;
  }

  /** Goes on behind so many bytes. @returns where they begin */
  #reserve(size: number): number {
    this.#ensure(size);
    const at = this.#at;
    this.#at = at + size;
    return at;
  }

  #ensure(size: number): void {
    if (this.#at + size > this.#memory.length) this.#grow(size);
  }

  #grow(size: number): void {
    if (this.#chunkBytes === undefined) throw new RangeError('there is no room left for what is written');
    const { length } = this;
    const memory = Buffer.allocUnsafeSlow(Math.max(this.#chunkBytes, 2 * (length + size)));
    this.#memory.copy(memory, 0, this.#start, this.#at);
    this.#begin(memory);
    this.#at = length;
  }

  #begin(memory: Buffer): void {
    this.#memory = memory;
    this.#start = 0;
    this.#at = 0;
  }
}

function outOfRange(value: number): RangeError {
  return new RangeError(`${value} does not fit where it is to be written`);
}

/** Reads bytes that a {@link Writer} wrote. Its methods throw RangeError where they are cut short. */
export class Reader {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #texts: Texts | undefined;
  readonly #end: number;
  #at = 0;

  /**
   * @param what is read: for errors
   * @param texts given if what is read outlives the bytes: data is copied, and a text that comes again is the same one
   */
  constructor(bytes: Buffer, what: string, texts?: Texts) {
    this.#bytes = bytes;
    this.#what = what;
    this.#texts = texts;
    this.#end = bytes.length;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at;
  }

  /** Reads the number of a format. @throws RangeError if it is another one */
  expectFormat(expected: number): void {
    const found = this.byte();
    if (found !== expected) throw new RangeError(`a ${this.#what} of format ${found}: a newer node wrote it`);
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  uint16(): number {
    const at = this.#take(2);
    const bytes = this.#bytes;
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  uint48(): number {
    return this.#bytes.readUIntBE(this.#take(6), 6);
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  varint(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER || scale > lastScale) {
        throw new RangeError(`a number in a ${this.#what} is too large`);
      }
    }
    return value;
  }

  text(): string {
    return this.#text(this.uint16());
  }

  longText(): string {
    return this.#text(this.varint());
  }

  /** So many bytes: a view of them, or a copy if what is read is kept. */
  data(size: number): Uint8Array {
    const at = this.#take(size);
    const view = new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, size);
    return this.#texts === undefined ? view : memory.keepBytes(view);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.data(this.remaining);
  }

  #text(size: number): string {
    const at = this.#take(size);
    const end = at + size;
    return this.#texts === undefined ? this.#bytes.toString('utf8', at, end) : this.#texts.read(this.#bytes, at, end);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#end) throw new RangeError(`a ${this.#what} is cut short`);
    this.#at = at + size;
    return at;
  }
}
