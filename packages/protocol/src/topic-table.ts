// Topic Names already seen, found again by their bytes, so that a PUBLISH need not decode and check its topic anew.
//
// The table is a cache of fixed size in which a topic has exactly one slot, and a newer one takes it: no chains to
// grow, no order to keep, and whoever makes topics collide makes them only as slow as unknown ones. The seed keeps the
// slots from being foretold. Equal topics are one string object for as long as they stay, so that a Map keyed by topic
// finds its hash computed.
//
// Bytes are hashed and compared four at a time, which takes a third of the time of one at a time.

import type { Chunk } from './bytes.ts';
import { decodeText } from './text.ts';
import { checkTopicName } from './topic-name.ts';

/** Longer topics are not kept, which bounds the memory of a table: well under a KiB a slot. */
const keptTopicBytes = 256;

/** A Topic Name and the bytes it came in. */
interface Topic {
  readonly name: string;
  readonly byteLength: number;
  /** All whole words, from the beginning. */
  readonly words: Int32Array;
  /** The last four bytes once more, or all there are if fewer. */
  readonly lastWord: number;
}

/** Topic Names shared by all connections of a process. */
export class TopicTable {
  readonly #slots: (Topic | undefined)[];
  readonly #seed: number;

  /**
   * @param options.slots how many topics it holds at most, rounded up to a power of two
   * @param options.seed any 32 bits, best unknown to Clients
   */
  constructor(options: { slots?: number; seed?: number } = {}) {
    const slots = 2 ** Math.ceil(Math.log2(options.slots ?? 8192));
    this.#slots = new Array(slots).fill(undefined);
    this.#seed = options.seed ?? Math.trunc(Math.random() * 0x1_0000_0000);
  }

  /** @internal The Topic Name in `chunk` from `at` to `end`; throws MqttError if it is none. */
  find(chunk: Chunk, at: number, end: number): Topic {
    const slot = hash(chunk.data, at, end, this.#seed) & (this.#slots.length - 1);
    const known = this.#slots[slot];
    if (known !== undefined && isTopic(known, chunk.data, at, end)) return known;
    const topic = decodeTopic(chunk, at, end);
    if (end - at <= keptTopicBytes) this.#slots[slot] = topic;
    return topic;
  }
}

/** The Topic Names of one connection: mostly the one before, else one of the table's. */
export class TopicReader {
  #last: Topic | undefined = undefined;
  readonly #table: TopicTable | undefined;

  constructor(table: TopicTable | undefined) {
    this.#table = table;
  }

  /** The Topic Name in `chunk` from `at` to `end`; throws MqttError if it is none. */
  read(chunk: Chunk, at: number, end: number): string {
    const last = this.#last;
    if (last !== undefined && isTopic(last, chunk.data, at, end)) return last.name;
    const topic = this.#table === undefined ? decodeTopic(chunk, at, end) : this.#table.find(chunk, at, end);
    if (end - at <= keptTopicBytes) this.#last = topic;
    return topic.name;
  }
}

function isTopic(topic: Topic, data: DataView, at: number, end: number): boolean {
  if (topic.byteLength !== end - at) return false;
  const { words } = topic;
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== data.getInt32(at + 4 * i)) return false;
  }
  return topic.lastWord === lastWord(data, at, end);
}

function decodeTopic(chunk: Chunk, at: number, end: number): Topic {
  const name = decodeText(chunk.bytes, at, end, 'PUBLISH: Topic Name');
  checkTopicName(name, 'PUBLISH: Topic Name', 'MQTT-3.3.2-2');
  const byteLength = end - at;
  const words = new Int32Array(byteLength >> 2);
  for (let i = 0; i < words.length; i++) words[i] = chunk.data.getInt32(at + 4 * i);
  return { name, byteLength, words, lastWord: lastWord(chunk.data, at, end) };
}

/** A multiplication a word, each followed by a fold, so that every bit reaches the low ones that choose the slot. */
function hash(data: DataView, at: number, end: number, seed: number): number {
  let value = seed ^ (end - at);
  for (let i = at; i + 4 <= end; i += 4) value = fold(value ^ data.getInt32(i));
  return fold(value ^ lastWord(data, at, end));
}

function fold(value: number): number {
  const product = Math.imul(value, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function lastWord(data: DataView, at: number, end: number): number {
  if (end - at >= 4) return data.getInt32(end - 4);
  let word = 0;
  for (let i = at; i < end; i++) word = (word << 8) | data.getUint8(i);
  return word;
}
