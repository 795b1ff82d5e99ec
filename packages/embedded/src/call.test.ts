import type { QoS } from '@skein/protocol';
import { Reader, Texts, Writer } from '@skein/stored';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Call, decodeCall, encodeCall } from './call.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

// Whole characters of all planes, U+0000 too; a lone surrogate is no text.
const text = fc.oneof({ weight: 5, arbitrary: fc.string({ unit: 'binary' }) }, fc.string({ minLength: 60 }));
const texts = fc.array(text, { maxLength: 3 });
const bytes = fc.uint8Array({ maxLength: 80 });
const qos = fc.constantFrom<QoS>(0, 1, 2);
const seconds = fc.oneof(fc.constantFrom(0, 0xffffffff), fc.nat({ max: 0xffffffff }));
const timeMs = fc.oneof(fc.constantFrom(0, 2 ** 48 - 1), fc.nat({ max: 2 ** 42 }));
const number = fc.oneof(fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER), fc.nat(), fc.maxSafeNat());
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const list = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> => fc.array(value, { maxLength: 4 });
const identifier = maybe(fc.integer({ min: 1, max: 268_435_455 }));

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
const claim = fc.record({ clientId: text, generation: text, epoch: number });
const key = fc.record({ clientId: text, epoch: number });
const session = fc.record({ clientId: text, generation: text });
const ack = fc.record({ clientId: text, generation: text, seqs: list(number) });
const ingress = fc.record({ claim, packetId: fc.integer({ min: 1, max: 0xffff }), uid: text });
const target = fc.record(
  { clientId: text, generation: text, topicFilters: texts, onlineOnly: fc.constant(true) },
  { requiredKeys: ['clientId', 'generation', 'topicFilters'] },
);
const subscription = fc.record({
  topicFilter: text,
  qos,
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  subscriptionIdentifier: identifier,
});

/** Calls of every kind. A kind that has none here does not compile. */
const calls: { readonly [Is in Call['is']]: fc.Arbitrary<Omit<Extract<Call, { is: Is }>, 'is'>> } = {
  limits: fc.record({
    limits: fc.record({
      queueMaxMessages: number,
      queueMaxBytes: number,
      queueFull: fc.constantFrom('drop-new', 'drop-old', 'refuse'),
      retainedMaxMessages: number,
    }),
  }),
  restart: fc.constant({}),
  skip_ahead: fc.record({ by: number }),
  acquire: fc.record({
    request: fc.record({
      clientId: text,
      nonce: text,
      cleanStart: fc.boolean(),
      sessionExpirySeconds: seconds,
      will: maybe(will),
      username: maybe(text),
      owner: text,
      receiveMaximum: fc.integer({ min: 1, max: 0xffff }),
    }),
    generation: text,
    lastEpoch: number,
  }),
  abandoned: fc.record({
    effect: fc.record({ claim, sentSeq: number, sessionExpirySeconds: seconds, wills: list(key) }),
  }),
  release: fc.record({
    request: fc.record({
      claim,
      sessionExpirySeconds: seconds,
      will: fc.constantFrom('publish', 'drop'),
      sentSeq: number,
    }),
  }),
  subscribe: fc.record({ claim, subscriptions: list(subscription) }),
  unsubscribe: fc.record({ claim, topicFilters: texts }),
  expire: fc.record({ keys: list(key) }),
  forget: fc.record({ generations: texts }),
  let_go: fc.record({ keys: list(key) }),
  enqueue: fc.record({
    batch: list(fc.record({ message, targets: list(target), isRefusable: fc.boolean(), uid: maybe(text) })),
  }),
  read: fc.record({ claim, fromSeq: number, limit: number }),
  ack: fc.record({ acks: list(ack) }),
  rec: fc.record({ recs: list(ack) }),
  append: fc.record({
    page: fc.record({
      claim,
      topicFilter: text,
      from: text,
      to: maybe(text),
      messages: list(message),
      sinceSeq: number,
    }),
  }),
  ingress: fc.record({ received: list(ingress) }),
  inbound_done: fc.record({ published: list(ingress) }),
  inbound_release: fc.record({ released: list(ingress) }),
  retain: fc.record({
    sets: list(fc.record({ message, uid: maybe(text), order: maybe(fc.record({ epoch: number, n: number })) })),
  }),
  take_wills: fc.record({ keys: list(key) }),
  wills_done: fc.record({ wills: list(claim) }),
  choose: fc.record({
    choices: list(fc.record({ uid: text, sharedFilter: text, member: text, instead: maybe(text) })),
  }),
  take: fc.record({ session, sharedFilters: texts, limit: number }),
  taken_done: fc.record({ taken: list(fc.record({ clientId: text, generation: text, uid: text })) }),
  pass: fc.record({ session: fc.record({ clientId: text, generation: text, isOver: fc.boolean() }) }),
};
const kinds = Object.keys(calls) as Call['is'][];
const callOf = (is: Call['is']): fc.Arbitrary<Call> =>
  (calls[is] as fc.Arbitrary<object>).map((call) => ({ is, ...call }) as Call);

function bytesOf(call: Call, nowMs: number): Buffer {
  const out = new Writer(64);
  encodeCall(out, call, nowMs);
  return out.take();
}

function isCutShort(bytes: Buffer): boolean {
  try {
    decodeCall(new Reader(bytes, 'journal'));
    return false;
  } catch (error) {
    return error instanceof RangeError && error.message === 'a journal is cut short';
  }
}

describe(`the record of a call (SKEIN_SEED=${seed})`, () => {
  it.each(kinds)('gives back the call, its time, and where it ends: %s', (is) => {
    fc.assert(
      fc.property(callOf(is), timeMs, callOf('ack'), (call, nowMs, next) => {
        const bytes = Buffer.concat([bytesOf(call, nowMs), bytesOf(next, 1)]);
        for (const texts of [undefined, new Texts()]) {
          const reader = new Reader(bytes, 'journal', texts);
          expect(decodeCall(reader)).toEqual({ call, nowMs });
          expect(decodeCall(reader)).toEqual({ call: next, nowMs: 1 });
          expect(reader.remaining).toBe(0);
        }
      }),
      { seed, numRuns: 30 },
    );
  });

  it.each(kinds)('is refused where it is cut short, at every byte: %s', (is) => {
    fc.assert(
      fc.property(callOf(is), timeMs, (call, nowMs) => {
        const bytes = bytesOf(call, nowMs);
        for (let length = 0; length < bytes.length; length++) {
          if (!isCutShort(bytes.subarray(0, length))) expect.fail(`${length} of ${bytes.length} bytes were enough`);
        }
      }),
      { seed, numRuns: 15 },
    );
  });

  it('is refused if its kind is not known', () => {
    for (const kind of [0, kinds.length + 1, 255]) {
      const reader = new Reader(Buffer.from([kind, 0, 0, 0, 0, 0, 0]), 'journal');
      expect(() => decodeCall(reader)).toThrow(new RangeError(`a call of kind ${kind}: a newer version wrote it`));
    }
  });

  it('is refused where yes and no are neither, or a word stands for nothing', () => {
    const pass = bytesOf({ is: 'pass', session: { clientId: 'c', generation: 'g', isOver: true } }, 1);
    pass[pass.length - 1] = 2;
    expect(() => decodeCall(new Reader(pass, 'journal'))).toThrow(RangeError);
    const limits = { queueMaxMessages: 1, queueMaxBytes: 1, queueFull: 'refuse', retainedMaxMessages: 1 } as const;
    const bytes = bytesOf({ is: 'limits', limits }, 1);
    bytes[9] = 3;
    expect(() => decodeCall(new Reader(bytes, 'journal'))).toThrow(/policy for full queues/);
  });

  it('is not written where a number is none', () => {
    const acquire = {
      clientId: 'c',
      nonce: 'n',
      cleanStart: false,
      sessionExpirySeconds: Number.POSITIVE_INFINITY,
      will: undefined,
      username: undefined,
      owner: 'o',
      receiveMaximum: 1,
    };
    const call: Call = { is: 'acquire', request: acquire, generation: 'g', lastEpoch: 0 };
    expect(() => bytesOf(call, 1)).toThrow('Infinity does not fit');
  });

  it('holds texts longer than a packet could carry: uids are made of several', () => {
    const long = 'ä'.repeat(70_000);
    const call: Call = { is: 'taken_done', taken: [{ clientId: 'c', generation: 'g', uid: long }] };
    expect(decodeCall(new Reader(bytesOf(call, 1), 'journal')).call).toEqual(call);
  });

  it('holds nothing of the bytes it was read from, if it is to be applied', () => {
    const correlationData = Uint8Array.of(7, 7);
    const message = {
      topic: 't',
      payload: Uint8Array.of(1, 2, 3),
      qos: 1 as const,
      retain: false,
      properties: { correlationData },
      publisherId: 'p',
      expiresAtMs: 0,
      frames: undefined,
    };
    const call: Call = { is: 'enqueue', batch: [{ message, targets: [], isRefusable: true, uid: undefined }] };
    const bytes = bytesOf(call, 1);
    const decoded = decodeCall(new Reader(bytes, 'journal', new Texts()));
    bytes.fill(0);
    expect(decoded.call).toEqual(call);
  });

  it('names filters once that many targets share', () => {
    const message = {
      topic: 't',
      payload: new Uint8Array(0),
      qos: 1 as const,
      retain: false,
      properties: undefined,
      publisherId: 'p',
      expiresAtMs: 0,
      frames: undefined,
    };
    const topicFilters = ['a filter that is long enough to be seen/#'];
    const targets = Array.from({ length: 100 }, (_, i) => ({ clientId: `${i}`, generation: 'g', topicFilters }));
    const call: Call = { is: 'enqueue', batch: [{ message, targets, isRefusable: false, uid: undefined }] };
    const bytes = bytesOf(call, 1);
    expect(bytes.length).toBeLessThan(800);
    expect(decodeCall(new Reader(bytes, 'journal')).call).toEqual(call);
  });
});

describe('records, for all versions to come', () => {
  const claim = { clientId: 'lamp', generation: 'g1', epoch: 300 };
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
  const records: readonly (readonly [Call, string])[] = [
    [{ is: 'restart' }, '02 000000000001'],
    [
      { is: 'ack', acks: [{ clientId: 'lamp', generation: 'g1', seqs: [1, 128] }] },
      '0e 000000000001 01 046c616d70 026731 02 01 8001',
    ],
    [{ is: 'read', claim, fromSeq: 1, limit: 256 }, '0d 000000000001 046c616d70 026731 ac02 01 8002'],
    [
      { is: 'ingress', received: [{ claim, packetId: 7, uid: 'u' }] },
      '11 000000000001 01 046c616d70 026731 ac02 0007 0175',
    ],
    [
      {
        is: 'enqueue',
        batch: [
          {
            message,
            targets: [
              { clientId: 'lamp', generation: 'g1', topicFilters: ['a/+'] },
              { clientId: 'c', generation: 'g2', topicFilters: ['a/+'], onlineOnly: true },
            ],
            isRefusable: true,
            uid: 'u',
          },
        ],
      },
      '0c 000000000001 01 03 0175 01 01 05 000000000005 0003612f62 000170 ff 02 046c616d70 026731 04 03612f2b 0163 026732 03',
    ],
    [
      {
        is: 'subscribe',
        claim,
        subscriptions: [
          {
            topicFilter: '#',
            qos: 2,
            noLocal: true,
            retainAsPublished: true,
            retainHandling: 2,
            subscriptionIdentifier: 9,
          },
        ],
      },
      '07 000000000001 046c616d70 026731 ac02 01 0123 6e 09',
    ],
    [
      { is: 'retain', sets: [{ message, uid: undefined, order: { epoch: 1, n: Number.MAX_SAFE_INTEGER } }] },
      '14 000000000001 01 00 01 01 ffffffffffffff0f 01 01 05 000000000005 0003612f62 000170 ff',
    ],
  ];

  it.each(records)('%o', (call, hex) => {
    expect(bytesOf(call, 1).toString('hex')).toBe(hex.replaceAll(' ', ''));
  });
});
