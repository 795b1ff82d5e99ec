// What calls and pieces of the state cost as bytes: `npx tsc -b packages/embedded && node packages/embedded/bench/codec.mjs`.
//
// Figures are CPU time, the best of several rounds: what the code can do when the machine leaves it alone. The last
// line is the resident memory that a decoded entry takes (with --expose-gc).

import { Reader, Texts, Writer } from '@skein/stored';
import { decodeCall, encodeCall } from '../dist/call.js';
import { decodeItem, encodeItem } from '../dist/item.js';
import { ReadMessages, WrittenMessages } from '../dist/same-messages.js';

const rounds = 12;
const batch = 1000;
const nowMs = 1_790_000_000_000;
const epoch = nowMs * 1000;
const generation = 'a1b2c3d4e5f6';
const topic = 'site/berlin/hall/7';

/** @param {number} i */
function messageOf(i) {
  return {
    topic,
    payload: new Uint8Array(64).fill(i),
    qos: /** @type {const} */ (1),
    retain: false,
    properties: undefined,
    publisherId: `publisher-${i % 50}`,
    expiresAtMs: 0,
    frames: undefined,
  };
}

/** @param {number} i */
function enqueueOf(i, count = 1) {
  const targets = Array.from({ length: count }, (_, n) => ({
    clientId: `subscriber-${(i + n) % 100}`,
    generation,
    topicFilters: ['site/+/hall/7'],
  }));
  return { message: messageOf(i), targets, isRefusable: true, uid: undefined };
}

/** @param {number} i */
const claimOf = (i) => ({ clientId: `subscriber-${i % 100}`, generation, epoch: epoch + i });
/** @param {number} i */
const ingressOf = (i) => ({ claim: claimOf(i), packetId: (i % 65_535) + 1, uid: `${generation}-${i}` });

/** @type {[string, number, (i: number) => import('../dist/call.js').Call][]} */
const calls = [
  ['enqueue, one to one', 1, (i) => ({ is: 'enqueue', batch: [enqueueOf(i)] })],
  [
    'enqueue, 32 to one each',
    32,
    (i) => ({ is: 'enqueue', batch: Array.from({ length: 32 }, (_, n) => enqueueOf(i + n)) }),
  ],
  ['enqueue, one to 100, per copy', 100, (i) => ({ is: 'enqueue', batch: [enqueueOf(i, 100)] })],
  ['ack, one', 1, (i) => ({ is: 'ack', acks: [{ clientId: `subscriber-${i % 100}`, generation, seqs: [i + 1] }] })],
  [
    'ack, 32 Sessions with 8, per ack',
    256,
    (i) => ({
      is: 'ack',
      acks: Array.from({ length: 32 }, (_, n) => ({
        clientId: `subscriber-${n}`,
        generation,
        seqs: [1, 2, 3, 4, 5, 6, 7, 8].map((seq) => seq + i),
      })),
    }),
  ],
  ['read', 1, (i) => ({ is: 'read', claim: claimOf(i), fromSeq: i, limit: 256 })],
  ['ingress, one', 1, (i) => ({ is: 'ingress', received: [ingressOf(i)] })],
  [
    'inbound release, 32',
    32,
    (i) => ({ is: 'inbound_release', released: Array.from({ length: 32 }, (_, n) => ingressOf(i + n)) }),
  ],
];

console.log(`Node ${process.version}, payloads of 64 bytes`);
console.log('per call or copy                  encode ns  decode ns  bytes');
for (const [name, copies, callOf] of calls) {
  const all = Array.from({ length: batch }, (_, i) => callOf(i));
  const out = new Writer(1024 * 1024);
  let bytes = Buffer.alloc(0);
  const encodeNs = best(() => {
    for (const call of all) encodeCall(out, call, nowMs);
    bytes = out.take();
  });
  const texts = new Texts();
  const decodeNs = best(() => {
    const reader = new Reader(bytes, 'journal', texts);
    while (reader.remaining > 0) decodeCall(reader);
  });
  const count = batch * copies;
  const columns = [encodeNs / count, decodeNs / count].map((ns) => ns.toFixed(0).padStart(9));
  console.log(`${name.padEnd(34)}${columns.join('  ')}  ${(bytes.length / count).toFixed(1).padStart(5)}`);
}

const entriesCount = 1_000_000;
const perItem = 500;
const frames = entryFrames();
const before = residentBytes();
const started = process.cpuUsage();
const kept = readFrames(frames);
const { user, system } = process.cpuUsage(started);
const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
console.log(
  `\na million entries: ${((user + system) / 1e6).toFixed(2)} s of CPU to decode ${(bytes / 1e6).toFixed(0)} MB`,
);
console.log(`${((residentBytes() - before) / entriesCount).toFixed(0)} bytes of memory each (${kept.length} pieces)`);

/** A snapshot of a million entries, in frames as it is written. */
function entryFrames() {
  const out = new Writer();
  const messages = new WrittenMessages();
  const frames = [];
  const startedUs = process.cpuUsage();
  for (let first = 0; first < entriesCount; first += perItem) {
    const entries = Array.from({ length: perItem }, (_, i) => ({
      seq: first + i + 1,
      message: messageOf(first + i),
      qos: /** @type {const} */ (1),
      retain: false,
      subscriptionIdentifiers: [7],
    }));
    encodeItem(out, { is: 'entries', generation, entries }, messages);
    frames.push(Buffer.from(out.take()));
  }
  const { user, system } = process.cpuUsage(startedUs);
  console.log(`\na million entries: ${((user + system) / 1e6).toFixed(2)} s of CPU to make and encode`);
  return frames;
}

/** @param {readonly Buffer[]} frames */
function readFrames(frames) {
  const texts = new Texts();
  const messages = new ReadMessages();
  const items = [];
  for (const frame of frames) {
    const reader = new Reader(frame, 'snapshot', texts);
    while (reader.remaining > 0) items.push(decodeItem(reader, messages));
  }
  return items;
}

/** The least CPU time of several rounds, in nanoseconds. @param {() => void} run */
function best(run) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < 20; i++) run();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, ((user + system) * 1000) / 20);
  }
  return least;
}

function residentBytes() {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}
