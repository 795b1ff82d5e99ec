// Which fields a packet has, in order: enough of the layout to take packets apart, and none of the rules.

import { counted, type Level, type Piece, Reader, run } from './structure.ts';

/** How the value of a property is laid out: so many bytes, or one of these. */
type Value = 1 | 2 | 4 | 'variable' | 'text' | 'pair';

const text: Value = 'text';

/** Every property by its identifier. */
export const propertyValues: ReadonlyMap<number, Value> = new Map<number, Value>([
  [0x01, 1],
  [0x02, 4],
  [0x03, text],
  [0x08, text],
  [0x09, text],
  [0x0b, 'variable'],
  [0x11, 4],
  [0x12, text],
  [0x13, 2],
  [0x15, text],
  [0x16, text],
  [0x17, 1],
  [0x18, 4],
  [0x19, 1],
  [0x1a, text],
  [0x1c, text],
  [0x1f, text],
  [0x21, 2],
  [0x22, 2],
  [0x23, 2],
  [0x24, 1],
  [0x25, 1],
  [0x26, 'pair'],
  [0x27, 4],
  [0x28, 1],
  [0x29, 1],
  [0x2a, 1],
]);

/** Reads one field; undefined where it does not fit. */
type Field = (reader: Reader) => Piece | undefined;

const bytes =
  (count: number): Field =>
  (reader) =>
    reader.bytes(count);
const string: Field = (reader) => reader.text();

const property: Field = (reader) => {
  const value = propertyValues.get(reader.peek ?? 0);
  if (value === undefined) return undefined;
  const parts = [reader.bytes(1), ...valueFields(reader, value)];
  return parts.every((part) => part !== undefined) ? run(parts) : undefined;
};

function valueFields(reader: Reader, value: Value): (Piece | undefined)[] {
  if (value === 'text') return [reader.text()];
  if (value === 'pair') return [reader.text(), reader.text()];
  if (value !== 'variable') return [reader.bytes(value)];
  const at = reader.at;
  if (reader.variable() === undefined) return [undefined];
  const size = reader.at - at;
  reader.at = at;
  return [reader.bytes(size)];
}

const properties: Field = (reader) => {
  const start = reader.at;
  const length = reader.variable();
  if (length === undefined || length.value > reader.left) {
    reader.at = start;
    return undefined;
  }
  const { end } = reader;
  reader.end = reader.at + length.value;
  const pieces = all(reader, property);
  reader.end = end;
  return { ...counted('variable', pieces), lie: length.lie };
};

const subscription: Field = (reader) => {
  const filter = reader.text();
  const options = reader.bytes(1);
  return filter === undefined || options === undefined ? undefined : run([filter, options]);
};

/** One field over and over to the end; what does not fit is bytes. */
function all(reader: Reader, field: Field): Piece[] {
  const pieces: Piece[] = [];
  while (reader.left > 0) {
    const { at } = reader;
    const piece = field(reader);
    if (piece === undefined) {
      reader.at = at;
      return [...pieces, ...reader.rest()];
    }
    pieces.push(piece);
  }
  return pieces;
}

/** These fields in order; what is left is bytes. */
function inOrder(reader: Reader, fields: readonly Field[]): Piece[] {
  const pieces: Piece[] = [];
  for (const field of fields) {
    const { at } = reader;
    const piece = reader.left > 0 ? field(reader) : undefined;
    if (piece === undefined) {
      reader.at = at;
      break;
    }
    pieces.push(piece);
  }
  return pieces;
}

function connect(reader: Reader): Piece[] {
  const start = inOrder(reader, [string, bytes(1), bytes(1), bytes(2)]);
  const [level, flags] = start.slice(1, 3).map((piece) => (piece.is === 'bytes' ? (piece.bytes[0] ?? 0) : 0));
  if (flags === undefined) return start;
  const own = level === 5 ? [properties] : [];
  const will = (flags & 4) === 0 ? [] : [...own, string, string];
  const username = (flags & 0x80) === 0 ? [] : [string];
  const password = (flags & 0x40) === 0 ? [] : [string];
  return [...start, ...inOrder(reader, [...own, string, ...will, ...username, ...password])];
}

/** The fields of a packet's Variable Header and Payload, all of them. */
function packetFields(first: number, reader: Reader, level: Level): Piece[] {
  const own = level === 5 ? [properties] : [];
  const id = bytes(2);
  const fields = ((): Piece[] => {
    switch (first >> 4) {
      case 1:
        return connect(reader);
      case 2:
        return inOrder(reader, [bytes(1), bytes(1), ...own]);
      case 3:
        return inOrder(reader, [string, ...((first & 6) > 0 ? [id] : []), ...own]);
      case 4:
      case 5:
      case 6:
      case 7:
        return inOrder(reader, [id, bytes(1), ...own]);
      case 8:
        return [...inOrder(reader, [id, ...own]), ...all(reader, subscription)];
      case 9:
      case 11:
        return inOrder(reader, [id, ...own]);
      case 10:
        return [...inOrder(reader, [id, ...own]), ...all(reader, string)];
      case 14:
      case 15:
        return inOrder(reader, [bytes(1), ...own]);
      default:
        return [];
    }
  })();
  return [...fields, ...reader.rest()];
}

/** What a packet is made of, as far as that can be told. */
export function structureOf(packet: Uint8Array, level: Level): Piece {
  const reader = new Reader(packet);
  const first = reader.bytes(1);
  const length = reader.variable();
  if (first === undefined || length === undefined || length.value !== packet.length - reader.at) {
    return { is: 'bytes', bytes: packet };
  }
  const pieces = packetFields(packet[0] as number, reader, level);
  return run([first, { ...counted('variable', pieces), lie: length.lie }]);
}
