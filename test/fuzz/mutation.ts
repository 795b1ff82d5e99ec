// Changes to a conversation: to a byte, a field, a length, a packet, the order of packets, and to whole connections.
//
// Each is drawn by chance from a seed. What a field becomes is more often something that has broken a parser before
// than something random.

import type { SeededRandom } from '../../packages/broker/src/contract/index.ts';
import { type Conversation, type Life, sizeOf } from './conversation.ts';
import { propertyValues, structureOf } from './fields.ts';
import {
  bytesPiece,
  type Counted,
  type Level,
  type Piece,
  run,
  textPiece,
  variableBytes,
  written,
} from './structure.ts';

/** No mutation makes a conversation larger than this, in bytes. */
const sizeMax = 200_000;

const encoder = new TextEncoder();
const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));

/** Strings that parsers and matchers have stumbled over. */
const texts: readonly Uint8Array[] = [
  ...['', '/', '#', '+', '+/+', 'a/#', 'a/#/b', 'a+', '$SYS/a', '$share/g/a', '$share//a', '$share/g+/a', '$queue/a'],
  ...['a', 'a/b', 'lamp', 'bystander/x', '\u{feff}', '\u{ffff}', '\u{10ffff}', '\u0001', '\u007f', 'ö', 'x'.repeat(70)],
].map((text) => encoder.encode(text));
const brokenTexts: readonly Uint8Array[] = [
  '00', '610062', 'c080', 'c0af', 'e08080', 'eda080', 'edbfbf', 'edb080eda080', 'f08080af', 'f4908080', 'f8888080', 'ff',
  '80', 'c3', 'e282', 'f09f98', '61e2', 'fe',
].map(hex); // biome-ignore format: a table

/** A conversation that differs from this one in one to a few places. @param other to take parts from */
export function mutated(original: Conversation, random: SeededRandom, other: Conversation): Conversation {
  let changed = original;
  const times = 1 + random.below(random.oneIn(4) ? 6 : 2);
  for (let i = 0; i < times; i++) changed = once(changed, random, other);
  return sizeOf(changed) > sizeMax ? original : changed;
}

function once(original: Conversation, random: SeededRandom, other: Conversation): Conversation {
  const { lives } = original;
  const from = original.version === undefined && random.oneIn(12);
  if (from) return { ...original, lives: changedLives(lives, random, other) };
  const at = random.below(lives.length);
  const life = lives[at] as Life;
  const packets = random.oneIn(3)
    ? changedOrder(life.packets, random, other)
    : changedPacket(life.packets, random, levelOf(original, life), other);
  return { ...original, lives: lives.with(at, { ...life, packets }) };
}

/** Which version a connection seems to speak. */
function levelOf({ version }: Conversation, { packets }: Life): Level {
  const [first] = packets;
  if (version !== undefined || first === undefined || first[0] !== 0x10) return version ?? 5;
  const level = first[2] === 0 && first[3] === 6 ? first[10] : first[8];
  return level === 3 || level === 4 ? level : 5;
}

// Connections --------------------------------------------------------------------------------------------------------

function changedLives(lives: readonly Life[], random: SeededRandom, other: Conversation): readonly Life[] {
  const at = random.below(lives.length);
  const life = lives[at] as Life;
  switch (random.below(4)) {
    case 0:
      return lives.length < 4 ? lives.toSpliced(at, 0, life) : lives;
    case 1:
      return lives.length < 4 && other.version === undefined ? [...lives, random.pick(other.lives)] : lives;
    case 2:
      return lives.length > 1 ? lives.toSpliced(at, 1) : lives;
    default:
      return lives.with(at, { ...life, isCut: !life.isCut });
  }
}

// Packets ------------------------------------------------------------------------------------------------------------

type Packets = readonly Uint8Array[];

function changedOrder(packets: Packets, random: SeededRandom, other: Conversation): Packets {
  const at = random.below(packets.length + 1);
  const packet = packets[at];
  const others = random.pick(other.lives).packets;
  switch (random.below(6)) {
    case 0:
      return packet === undefined ? packets : packets.toSpliced(at, 1);
    case 1:
      return packet === undefined ? packets : packets.toSpliced(at, 0, ...new Array(1 + random.below(5)).fill(packet));
    case 2: {
      if (packet === undefined) return packets;
      const without = packets.toSpliced(at, 1);
      return without.toSpliced(random.below(without.length + 1), 0, packet);
    }
    case 3:
      // The other side, after its CONNECT or with it.
      return [...packets.slice(0, at), ...others.slice(random.below(others.length + 1))];
    default:
      return others.length === 0 ? packets : packets.toSpliced(at, 0, random.pick(others));
  }
}

function changedPacket(packets: Packets, random: SeededRandom, level: Level, other: Conversation): Packets {
  if (packets.length === 0) return packets;
  const at = random.below(packets.length);
  const packet = packets[at] as Uint8Array;
  if (packet.length === 0) return packets;
  if (random.oneIn(8)) return packets.with(at, changedBytes(packet, random));
  if (random.oneIn(10))
    return packets.with(at, Uint8Array.of((packet[0] as number) ^ random.below(16), ...packet.subarray(1)));
  const tree = structureOf(packet, level);
  const donor = structureOf(random.pick([packet, ...random.pick(other.lives).packets]), level);
  const kinds = [targetsOf(tree, 'list'), targetsOf(tree, 'string'), targetsOf(tree, 'bytes')];
  const target = random.pick(random.pick(kinds.filter(({ length }) => length > 0)));
  return packets.with(at, written(replaced(tree, target, (piece) => changedPiece(piece, random, donor))));
}

// Pieces -------------------------------------------------------------------------------------------------------------

type Kind = 'list' | 'string' | 'bytes';

/** The pieces of a kind, counted from the root: there are more bytes than strings, and more strings than lists of them. */
function targetsOf(piece: Piece, kind: Kind, first = 0, targets: number[] = []): number[] {
  const isString = piece.is === 'counted' && piece.by === 'two';
  if ((piece.is === 'bytes' ? 'bytes' : isString ? 'string' : 'list') === kind) targets.push(first);
  if (piece.is === 'bytes') return targets;
  let next = first + 1;
  for (const each of piece.pieces) {
    targetsOf(each, kind, next, targets);
    next += count(each);
  }
  return targets;
}

function count(piece: Piece): number {
  return piece.is === 'bytes' ? 1 : piece.pieces.reduce((sum, each) => sum + count(each), 1);
}

/** A tree in which one piece, counted from the root, is another. */
function replaced(piece: Piece, target: number, change: (piece: Piece) => Piece): Piece {
  if (target === 0) return change(piece);
  if (piece.is === 'bytes') return piece;
  let rest = target - 1;
  const pieces = piece.pieces.map((each) => {
    const size = count(each);
    const isHere = rest >= 0 && rest < size;
    const kept = isHere ? replaced(each, rest, change) : each;
    rest -= size;
    return kept;
  });
  return { ...piece, pieces };
}

function changedPiece(piece: Piece, random: SeededRandom, donor: Piece): Piece {
  if (piece.is === 'bytes') return { is: 'bytes', bytes: changedBytes(piece.bytes, random) };
  if (piece.is === 'run' && random.oneIn(3)) return run([piece, piece]);
  if (piece.is === 'counted' && random.oneIn(3)) return { ...piece, lie: lieFor(piece, random) };
  if (piece.is === 'counted' && piece.by === 'two') return { ...piece, pieces: [anyText(random)] };
  return { ...piece, pieces: changedPieces(piece, random, donor) };
}

function changedPieces(piece: Exclude<Piece, { is: 'bytes' }>, random: SeededRandom, donor: Piece): readonly Piece[] {
  const { pieces } = piece;
  const at = random.below(pieces.length + 1);
  const each = pieces[at];
  switch (random.below(6)) {
    case 0:
      return each === undefined ? pieces : pieces.toSpliced(at, 1);
    case 1:
      return each === undefined ? pieces : pieces.toSpliced(at, 0, ...new Array(random.pick([1, 1, 2, 40])).fill(each));
    case 2:
      return pieces.toSpliced(at, 0, partOf(donor, random));
    case 3:
      return pieces.toSpliced(at, 0, textPiece(written(anyText(random))));
    default:
      return pieces.toSpliced(at, random.below(2), anyProperty(random));
  }
}

function partOf(donor: Piece, random: SeededRandom): Piece {
  let part = donor;
  while (part.is !== 'bytes' && part.pieces.length > 0 && !random.oneIn(3)) part = random.pick(part.pieces);
  return part;
}

/** A length that is not that of what follows, or is not written as it should be. */
function lieFor({ by, pieces }: Counted, random: SeededRandom): Uint8Array {
  const size = pieces.reduce((sum, piece) => sum + written(piece).length, 0);
  const value = Math.max(
    0,
    random.pick([0, 1, size - 1, size + 1, size + random.below(300), size >> 1, random.below(70_000)]),
  );
  if (by === 'two') return random.oneIn(4) ? hex('ffff') : Uint8Array.of(value >> 8, value);
  const overlong = [...variableBytes(size)];
  overlong.push(((overlong.pop() ?? 0) | 0x80) & 0xff, 0);
  return random.pick([
    variableBytes(value),
    variableBytes(value),
    Uint8Array.from(overlong),
    hex('ffffff7f'),
    hex('ffffffff01'),
    hex('80'),
    hex('8080808000'),
  ]);
}

function anyText(random: SeededRandom): Piece {
  if (random.oneIn(3)) return { is: 'bytes', bytes: random.pick(brokenTexts) };
  if (!random.oneIn(20)) return { is: 'bytes', bytes: random.pick(texts) };
  const unit = random.pick(['/', 'a', 'a/', '+/', 'ö', '\u{10ffff}']);
  return { is: 'bytes', bytes: encoder.encode(unit.repeat(random.pick([40, 1025, 65_535]))).subarray(0, 65_535) };
}

/** A property of any kind, where it belongs or not. */
function anyProperty(random: SeededRandom): Piece {
  const [id, value] = random.pick([...propertyValues]);
  const first = bytesPiece(id);
  if (value === 'text') return run([first, textPiece(written(anyText(random)))]);
  if (value === 'pair') return run([first, textPiece(written(anyText(random))), textPiece(written(anyText(random)))]);
  if (value === 'variable')
    return run([first, { is: 'bytes', bytes: variableBytes(random.pick([0, 1, 127, 128, 268_435_455])) }]);
  return run([first, bytesPiece(...Array.from({ length: value }, () => random.pick([0, 0, 1, 2, 0x7f, 0xff])))]);
}

function changedBytes(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  const all = [...bytes.subarray(0, 4096)];
  switch (random.below(7)) {
    case 0:
      all[Math.min(at, Math.max(0, all.length - 1))] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff, 0x23, 0x2b, 0x2f, 0x24]);
      break;
    case 1:
      all[Math.min(at, Math.max(0, all.length - 1))] = random.below(256);
      break;
    case 2:
      if (all.length > 0) all[at % all.length] = (all[at % all.length] as number) ^ (1 << random.below(8));
      break;
    case 3:
      all.splice(at, 1 + random.below(4));
      break;
    case 4:
      all.splice(at, 0, ...random.bytes(1 + random.below(4)));
      break;
    case 5:
      all.splice(at, 0, ...random.pick(random.oneIn(2) ? texts : brokenTexts));
      break;
    default:
      all.length = at;
  }
  return Uint8Array.from(all);
}
