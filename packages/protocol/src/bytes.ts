// What this package uses of Node's Buffer, and nothing else of Node: the rest does not compile here.
//
// Public signatures say Uint8Array. Inside, a Buffer's own methods turn bytes to text and back several times faster
// than the portable ones, so memory of ours is always a Buffer and a chunk that is none is seen through one.

/** A Buffer, as far as this package needs one. */
export interface Bytes extends Uint8Array {
  /** Text of one byte per character; right for ASCII only. */
  latin1Slice(start: number, end: number): string;
  /** Text of UTF-8; keeps U+FEFF where it stands [MQTT-1.5.4-3]. */
  utf8Slice(start: number, end: number): string;
  /** Writes text as UTF-8, a lone surrogate as U+FFFD; returns the number of bytes. */
  utf8Write(text: string, offset: number): number;
}

declare const Buffer: {
  from(memory: ArrayBufferLike, byteOffset: number, length: number): Bytes;
  allocUnsafe(length: number): Bytes;
  allocUnsafeSlow(length: number): Bytes;
};

/** No bytes; what lets go of memory points here. */
export const noBytes: Bytes = Buffer.allocUnsafeSlow(0);

/** The same memory, seen as a Buffer. */
export function asBytes(chunk: Uint8Array): Bytes {
  return 'latin1Slice' in chunk ? (chunk as Bytes) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
}

/** Fresh memory cut from Node's pool: quick, for what is small and soon gone. */
export function shortLived(length: number): Bytes {
  return Buffer.allocUnsafe(length);
}

/** Fresh memory of its own, which pins nobody else's while it lives. */
export function longLived(length: number): Bytes {
  return Buffer.allocUnsafeSlow(length);
}

/** The byte at `at`, which the caller knows to be there. */
export function uint8(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

/** The Two Byte Integer at `at`, which the caller knows to be there. */
export function uint16(bytes: Uint8Array, at: number): number {
  return (uint8(bytes, at) << 8) | uint8(bytes, at + 1);
}

/** Memory that packets are read from. */
export class Chunk {
  readonly bytes: Bytes;
  /** The same bytes, to be read several at a time. */
  readonly data: DataView;
  // Asking a Buffer for these costs as much as decoding a topic, so it is done once for all packets in it.
  readonly #memory: ArrayBufferLike;
  readonly #offset: number;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
    this.#memory = bytes.buffer;
    this.#offset = bytes.byteOffset;
    this.data = new DataView(this.#memory, this.#offset, bytes.length);
  }

  /** A view of the bytes from `at` to `end`. */
  view(at: number, end: number): Uint8Array {
    return new Uint8Array(this.#memory, this.#offset + at, end - at);
  }
}

/** A chunk without bytes, which lets go of the one before it. */
export const noChunk: Chunk = new Chunk(noBytes);
