// What a payload carries, so that each delivery can be checked by itself.
//
//   0  run        4  line      8  sequence     12  checksum of the others
//  16  due, microseconds since the run began: the upper 32 bits, the lower 32 bits
//  24  filling
//
// A line is one topic of one publisher: what MQTT keeps in order [MQTT-4.6.0-6]. The filling is a stretch of one random
// text; where it begins depends on line and sequence, so that the tail of another message is found out as well.

/** What a payload must hold at least. */
export const payloadBytesMin = 24;

/** Where fillings may begin. */
const beginnings = 1024;

/** The payloads of one run. */
export class Payloads {
  readonly run: number;
  readonly bytes: number;
  readonly #filling: Buffer;
  readonly #fillingView: DataView;

  /** @param run any 32 bits, another run's being others */
  constructor(options: { run: number; bytes: number; seed: number }) {
    this.run = options.run | 0;
    this.bytes = options.bytes;
    this.#filling = Buffer.alloc(options.bytes + beginnings);
    this.#fillingView = new DataView(this.#filling.buffer, this.#filling.byteOffset, this.#filling.length);
    const random = dice(options.seed);
    for (let i = 0; i < this.#filling.length; i++) this.#filling[i] = random() * 256;
  }

  /** Writes the payload of a message at `at`, where there is room for it. */
  write(out: Uint8Array, at: number, line: number, sequence: number, dueMicros: number): void {
    const high = Math.floor(dueMicros / 0x1_0000_0000) | 0;
    const low = dueMicros >>> 0 === dueMicros ? dueMicros | 0 : (dueMicros % 0x1_0000_0000) | 0;
    putInt32(out, at, this.run);
    putInt32(out, at + 4, line);
    putInt32(out, at + 8, sequence);
    putInt32(out, at + 12, checksum(this.run, line, sequence, high, low));
    putInt32(out, at + 16, high);
    putInt32(out, at + 20, low);
    if (this.bytes === payloadBytesMin) return;
    const from = beginning(line, sequence);
    copyBytes(this.#filling, from, out, at + payloadBytesMin, this.bytes - payloadBytesMin);
  }

  /** Whether a payload is one of this run, whole and unharmed. */
  isRight(bytes: Buffer, view: DataView, at: number, end: number): boolean {
    if (end - at !== this.bytes || view.getInt32(at) !== this.run) return false;
    const line = view.getInt32(at + 4);
    const sequence = view.getInt32(at + 8);
    const sum = checksum(this.run, line, sequence, view.getInt32(at + 16), view.getInt32(at + 20));
    if (view.getInt32(at + 12) !== sum) return false;
    const from = beginning(line, sequence) - payloadBytesMin;
    return this.bytes < 128
      ? this.#isFilling(view, at + payloadBytesMin, end, from - at)
      : this.#filling.compare(bytes, at + payloadBytesMin, end, from + payloadBytesMin, from + this.bytes) === 0;
  }

  /** For short ones a call into Node costs more than the bytes. */
  #isFilling(view: DataView, from: number, end: number, offset: number): boolean {
    const filling = this.#fillingView;
    let at = from;
    for (; at + 4 <= end; at += 4) {
      if (view.getInt32(at) !== filling.getInt32(at + offset)) return false;
    }
    for (; at < end; at++) {
      if (view.getUint8(at) !== filling.getUint8(at + offset)) return false;
    }
    return true;
  }
}

/** Copies bytes; a call into Node costs more than a few dozen of them. */
export function copyBytes(source: Buffer, from: number, target: Uint8Array, at: number, count: number): void {
  if (count > 64) {
    source.copy(target, at, from, from + count);
    return;
  }
  for (let i = 0; i < count; i++) target[at + i] = source[from + i] as number;
}

/** The line of a payload that is right. */
export function lineOf(view: DataView, at: number): number {
  return view.getInt32(at + 4);
}

/** The sequence of a payload that is right. */
export function sequenceOf(view: DataView, at: number): number {
  return view.getInt32(at + 8);
}

/** When it was due, in microseconds since the run began. */
export function dueMicrosOf(view: DataView, at: number): number {
  return view.getInt32(at + 16) * 0x1_0000_0000 + view.getUint32(at + 20);
}

/** Numbers in [0, 1), the same ones for the same seed. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

function beginning(line: number, sequence: number): number {
  return (Math.imul(line, 0x9e3779b1) + Math.imul(sequence, 61)) & (beginnings - 1);
}

function checksum(run: number, line: number, sequence: number, high: number, low: number): number {
  let sum = Math.imul(run ^ line, 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 15) ^ sequence, 0xc2b2ae35);
  sum = Math.imul(sum ^ (sum >>> 13) ^ high, 0x27d4eb2f);
  sum = Math.imul(sum ^ (sum >>> 16) ^ low, 0x9e3779b1);
  return sum ^ (sum >>> 15);
}

function putInt32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}
