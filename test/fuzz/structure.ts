// A packet as a tree of what it is made of: what is counted by a length, what belongs together, what is only bytes.
//
// A mutation of flat bytes mostly breaks the first length it meets and gets no further. In a tree a property can be
// doubled or a string exchanged, and the lengths around it still fit; a length that lies does so on purpose.
//
// Reading is tolerant: it never refuses anything. What does not fit is bytes, and writing gives back what was read.

/** A part of a packet. */
export type Piece =
  | { readonly is: 'bytes'; readonly bytes: Uint8Array }
  | { readonly is: 'run'; readonly pieces: readonly Piece[] }
  | Counted;

/** Pieces with their length before them: in a Variable Byte Integer, or in two bytes. */
export interface Counted {
  readonly is: 'counted';
  readonly by: 'variable' | 'two';
  readonly pieces: readonly Piece[];
  /** What stands in place of the length, if not the length. */
  readonly lie: Uint8Array | undefined;
}

/** Bytes and nothing else. */
export function bytesPiece(...bytes: number[]): Piece {
  return { is: 'bytes', bytes: Uint8Array.from(bytes) };
}

/** Pieces that belong together. */
export function run(pieces: readonly Piece[]): Piece {
  return { is: 'run', pieces };
}

/** Pieces with the right length before them. */
export function counted(by: Counted['by'], pieces: readonly Piece[]): Counted {
  return { is: 'counted', by, pieces, lie: undefined };
}

/** A UTF-8 Encoded String or Binary Data. */
export function textPiece(content: Uint8Array): Piece {
  return counted('two', [{ is: 'bytes', bytes: content }]);
}

/** How a version's packets are laid out; undefined is a connection that begins, with CONNECT. */
export type Level = 3 | 4 | 5 | undefined;

/** The bytes of a piece. */
export function written(piece: Piece): Uint8Array {
  const parts: Uint8Array[] = [];
  write(piece, parts);
  return joined(parts);
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function write(piece: Piece, parts: Uint8Array[]): number {
  if (piece.is === 'bytes') {
    parts.push(piece.bytes);
    return piece.bytes.length;
  }
  const place = parts.length;
  let size = 0;
  for (const each of piece.pieces) size += write(each, parts);
  if (piece.is === 'run') return size;
  const length = piece.lie ?? (piece.by === 'two' ? Uint8Array.of(size >> 8, size) : variableBytes(size));
  parts.splice(place, 0, length);
  return size + length.length;
}

/** A Variable Byte Integer. */
export function variableBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

/** A place in a packet, moving towards its end; everything it reads is undefined where it does not fit. */
export class Reader {
  readonly #bytes: Uint8Array;
  at = 0;
  end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.end = bytes.length;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** The byte that comes next. */
  get peek(): number | undefined {
    return this.at < this.end ? this.#bytes[this.at] : undefined;
  }

  bytes(count: number): Piece | undefined {
    if (count > this.left) return undefined;
    this.at += count;
    return { is: 'bytes', bytes: this.#bytes.slice(this.at - count, this.at) };
  }

  /** A Variable Byte Integer, and its bytes if it has more than it needs. */
  variable(): { value: number; lie: Uint8Array | undefined } | undefined {
    let value = 0;
    for (let size = 1; size <= 4 && size <= this.left; size++) {
      const byte = this.#bytes[this.at + size - 1] as number;
      value += (byte & 0x7f) << (7 * (size - 1));
      if (byte >= 0x80) continue;
      const bytes = this.#bytes.slice(this.at, this.at + size);
      this.at += size;
      return { value, lie: variableBytes(value).length === size ? undefined : bytes };
    }
    return undefined;
  }

  /** A UTF-8 Encoded String or Binary Data. */
  text(): Piece | undefined {
    if (this.left < 2) return undefined;
    const length = ((this.#bytes[this.at] as number) << 8) | (this.#bytes[this.at + 1] as number);
    if (length > this.left - 2) return undefined;
    this.at += 2 + length;
    return textPiece(this.#bytes.slice(this.at - length, this.at));
  }

  /** All that is left. */
  rest(): Piece[] {
    const rest = this.bytes(this.left);
    return rest === undefined || (rest.is === 'bytes' && rest.bytes.length === 0) ? [] : [rest];
  }
}
