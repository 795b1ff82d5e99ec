import type { memory } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import { Reader, Texts, Writer } from '@skein/stored';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeItem, encodeItem, type SnapshotItem } from './item.ts';
import { ReadMessages, WrittenMessages } from './same-messages.ts';

type EntriesItem = memory.EntriesItem;

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

// Whole characters of all planes, U+0000 too; a lone surrogate is no text.
const text = fc.oneof({ weight: 5, arbitrary: fc.string({ unit: 'binary' }) }, fc.string({ minLength: 60 }));
const bytes = fc.uint8Array({ maxLength: 80 });
const qos = fc.constantFrom<QoS>(0, 1, 2);
const seconds = fc.oneof(fc.constantFrom(0, 0xffffffff), fc.nat({ max: 0xffffffff }));
const timeMs = fc.oneof(fc.constantFrom(0, 2 ** 48 - 1), fc.nat({ max: 2 ** 42 }));
const number = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER), fc.nat(), fc.maxSafeNat());
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const list = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> => fc.array(value, { maxLength: 4 });
const identifier = fc.integer({ min: 1, max: 268_435_455 });
const identifiers = maybe(fc.oneof(fc.constant([7]), fc.array(identifier, { minLength: 1, maxLength: 3 })));

const publishProperties = {
  payloadFormatIndicator: fc.constantFrom<0 | 1>(0, 1),
  messageExpiryInterval: seconds,
  contentType: text,
  responseTopic: text,
  correlationData: bytes,
  userProperties: list(fc.tuple(text, text)),
};
const message = fc.record({
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  properties: maybe(fc.record(publishProperties, { requiredKeys: [] })),
  publisherId: text,
  expiresAtMs: timeMs,
  frames: fc.constant(undefined),
});
const will = fc.record({
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  properties: maybe(fc.record({ ...publishProperties, willDelayInterval: seconds }, { requiredKeys: [] })),
});
const order = fc.record({ epoch: number, n: number });
const entry = fc.record(
  { seq: number, message, qos, retain: fc.boolean(), subscriptionIdentifiers: identifiers, sharedFilter: text },
  { requiredKeys: ['seq', 'message', 'qos', 'retain', 'subscriptionIdentifiers'] },
);
const refusal = fc.oneof(
  fc.constantFrom({ is: 'offline' as const }, { is: 'no_subscription' as const }),
  number.map((expired) => ({ is: 'full' as const, expired })),
);

/** Items of every kind. A kind that has none here does not compile. */
const items: { readonly [Is in SnapshotItem['is']]: fc.Arbitrary<Omit<Extract<SnapshotItem, { is: Is }>, 'is'>> } = {
  session: fc.record({
    clientId: text,
    generation: text,
    stored: fc.boolean(),
    over: maybe(fc.record({ undelivered: number })),
    epoch: number,
    owner: maybe(text),
    sessionExpirySeconds: seconds,
    disconnectedAtMs: timeMs,
    reserve: number,
    nextSeq: number,
    headSeq: number,
    sentSeq: number,
    subscriptions: list(
      fc.record({
        topicFilter: text,
        qos,
        noLocal: fc.boolean(),
        retainAsPublished: fc.boolean(),
        retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
        subscriptionIdentifier: maybe(identifier),
      }),
    ),
    feeds: list(fc.record({ topicFilter: text, from: text })),
    releases: list(number),
    inbound: list(fc.record({ packetId: fc.integer({ min: 1, max: 0xffff }), uid: text, isDone: fc.boolean() })),
    seen: list(fc.record({ uid: text, sinceMs: timeMs, refusal: maybe(refusal) })),
    taken: list(fc.record({ entry, takenMs: timeMs })),
    will: maybe(will),
    username: maybe(text),
  }),
  entries: fc.record({ generation: text, entries: list(entry) }),
  will: fc.record({
    clientId: text,
    generation: text,
    epoch: number,
    will,
    username: maybe(text),
    dueMs: timeMs,
    isClaimed: fc.boolean(),
  }),
  ended: fc.record({
    session: fc.record({ clientId: text, generation: text, undelivered: number, topicFilters: list(text) }),
  }),
  retained: fc.record({ message, order: maybe(order) }),
  removal: fc.record({ topic: text, publisherId: text, order, sinceMs: timeMs }),
  retained_uid: fc.record({ uid: text, sinceMs: timeMs }),
  choice: fc.record({ name: text, member: text, sinceMs: timeMs }),
  epoch: fc.record({ epoch: number }),
  time: fc.record({ nowMs: timeMs }),
};
const kinds = Object.keys(items) as SnapshotItem['is'][];
const itemOf = (is: SnapshotItem['is']): fc.Arbitrary<SnapshotItem> =>
  (items[is] as fc.Arbitrary<object>).map((item) => ({ is, ...item }) as SnapshotItem);

function bytesOf(...all: readonly SnapshotItem[]): Buffer {
  const out = new Writer(64);
  for (const item of all) encodeItem(out, item);
  return out.take();
}

function isCutShort(bytes: Buffer): boolean {
  try {
    decodeItem(new Reader(bytes, 'snapshot'));
    return false;
  } catch (error) {
    return error instanceof RangeError && error.message === 'a snapshot is cut short';
  }
}

describe(`a piece of the state as bytes (SKEIN_SEED=${seed})`, () => {
  it.each(kinds)('gives back the piece, and where it ends: %s', (is) => {
    fc.assert(
      fc.property(itemOf(is), itemOf('epoch'), (item, next) => {
        const bytes = bytesOf(item, next);
        for (const texts of [undefined, new Texts()]) {
          const reader = new Reader(bytes, 'snapshot', texts);
          expect(decodeItem(reader)).toEqual(item);
          expect(decodeItem(reader)).toEqual(next);
          expect(reader.remaining).toBe(0);
        }
      }),
      { seed, numRuns: 30 },
    );
  });

  it.each(kinds)('is refused where it is cut short, at every byte: %s', (is) => {
    fc.assert(
      fc.property(itemOf(is), (item) => {
        const bytes = bytesOf(item);
        for (let length = 0; length < bytes.length; length++) {
          if (!isCutShort(bytes.subarray(0, length))) expect.fail(`${length} of ${bytes.length} bytes were enough`);
        }
      }),
      { seed, numRuns: 15 },
    );
  });

  it('is refused if its kind is not known', () => {
    for (const kind of [0, kinds.length + 1, 255]) {
      const reader = new Reader(Buffer.from([kind, 0, 0]), 'snapshot');
      expect(() => decodeItem(reader)).toThrow(
        new RangeError(`a piece of the state of kind ${kind}: a newer version wrote it`),
      );
    }
  });
});

describe('a message that several queues hold', () => {
  const messageOf = (topic: string, payloadBytes = 1000): EntriesItem['entries'][number]['message'] => ({
    topic,
    payload: new Uint8Array(payloadBytes),
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'p',
    expiresAtMs: 0,
    frames: undefined,
  });
  const entriesOf = (generation: string, messages: readonly ReturnType<typeof messageOf>[]): EntriesItem => ({
    is: 'entries',
    generation,
    entries: messages.map((message, i) => ({
      seq: i + 1,
      message,
      qos: 1,
      retain: false,
      subscriptionIdentifiers: [7],
    })),
  });

  it('is written once, and is one again', () => {
    const shared = [messageOf('a'), messageOf('b')];
    const all = ['g1', 'g2', 'g3'].map((generation) => entriesOf(generation, shared));
    const out = new Writer();
    const written = new WrittenMessages();
    for (const item of all) encodeItem(out, item, written);
    const bytes = out.take();
    expect(bytes.length).toBeLessThan(2200);

    const reader = new Reader(bytes, 'snapshot', new Texts());
    const messages = new ReadMessages();
    const read = all.map(() => decodeItem(reader, messages) as EntriesItem);
    expect(read).toEqual(all);
    expect(new Set(read.flatMap(({ entries }) => entries.map(({ message }) => message))).size).toBe(2);
    expect(new Set(read[0]?.entries.map((entry) => entry.subscriptionIdentifiers)).size).toBe(1);
  });

  it('is written again when too many came since, and is itself all the same', () => {
    const first = messageOf('first', 0);
    const others = Array.from({ length: 5000 }, (_, i) => messageOf(`${i}`, 0));
    const all = [
      entriesOf('g1', [first, ...others.slice(0, 4095)]),
      entriesOf('g2', [first]),
      entriesOf('g3', others.slice(4095)),
      entriesOf('g4', [first, ...others.slice(-1)]),
      entriesOf('g5', others.slice(0, 10)),
    ];
    const out = new Writer();
    const written = new WrittenMessages();
    const sizes = all.map((item) => {
      const { length } = out;
      encodeItem(out, item, written);
      return out.length - length;
    });
    expect(sizes[1]).toBeLessThan(20);
    expect(sizes[3]).toBeGreaterThan(20);
    const reader = new Reader(out.take(), 'snapshot', new Texts());
    const messages = new ReadMessages();
    for (const item of all) {
      const { entries } = decodeItem(reader, messages) as EntriesItem;
      expect(entries.map(({ message }) => message.topic)).toEqual(item.entries.map(({ message }) => message.topic));
    }
  });

  it('is refused where it was never read', () => {
    const shared = messageOf('a');
    const out = new Writer();
    const written = new WrittenMessages();
    encodeItem(out, entriesOf('g1', [shared]), written);
    out.take();
    encodeItem(out, entriesOf('g2', [shared]), written);
    const bytes = out.take();
    expect(() => decodeItem(new Reader(bytes, 'snapshot'))).toThrow(/names a message that was written before/);
    expect(() => decodeItem(new Reader(bytes, 'snapshot'), new ReadMessages())).toThrow(/message 1 before/);
  });
});

describe('pieces, for all versions to come', () => {
  const message = {
    topic: 'a/b',
    payload: Uint8Array.of(0xff),
    qos: 1 as const,
    retain: true,
    properties: undefined,
    publisherId: 'p',
    expiresAtMs: 5,
    frames: undefined,
  };
  const messageHex = '01 01 05 000000000005 0003612f62 000170 ff';
  const pieces: readonly (readonly [SnapshotItem, string])[] = [
    [{ is: 'epoch', epoch: Number.MAX_SAFE_INTEGER }, '09 ffffffffffffff0f'],
    [{ is: 'time', nowMs: 0x0102_0304_0506 }, '0a 010203040506'],
    [{ is: 'retained', message, order: { epoch: 1, n: 2 } }, `05 01 01 02 ${messageHex}`],
    [
      {
        is: 'entries',
        generation: 'g1',
        entries: [
          { seq: 1, message, qos: 1, retain: false, subscriptionIdentifiers: [7, 300] },
          { seq: 2, message, qos: 2, retain: true, subscriptionIdentifiers: [7, 300], sharedFilter: '$share/g/#' },
        ],
      },
      `02 026731 02 09 01 02 07 ac02 ${messageHex} 36 02 0a2473686172652f672f23 ${messageHex}`,
    ],
    [
      {
        is: 'session',
        clientId: 'lamp',
        generation: 'g1',
        stored: true,
        over: { undelivered: 3 },
        epoch: 300,
        owner: 'n',
        sessionExpirySeconds: 60,
        disconnectedAtMs: 0,
        reserve: 32,
        nextSeq: 5,
        headSeq: 4,
        sentSeq: 3,
        subscriptions: [],
        feeds: [{ topicFilter: '#', from: '' }],
        releases: [2],
        inbound: [{ packetId: 7, uid: 'u', isDone: true }],
        seen: [{ uid: 'u', sinceMs: 1, refusal: { is: 'full', expired: 0 } }],
        taken: [],
        will: undefined,
        username: 'ada',
      },
      '01 046c616d70 026731 07 03 016e ac02 3c 00 20 05 04 03 00 01 03616461 00 01 0123 00 01 02 01 0007 0175 01 01 0175 01 02 00 00',
    ],
  ];

  it.each(pieces)('%o', (item, hex) => {
    expect(bytesOf(item).toString('hex')).toBe(hex.replaceAll(' ', ''));
  });
});
