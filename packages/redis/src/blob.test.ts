import type { Message } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import { encodeMessage } from '@skein/stored';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry, identifiersOf } from './blob.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

// Whole characters of all planes; a lone surrogate is no text.
const text = fc.string({ unit: 'binary' });
const bytes = fc.uint8Array({ maxLength: 100 });
const qos = fc.constantFrom<QoS>(0, 1, 2);
const some = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

const properties = fc
  .record({
    payloadFormatIndicator: some(fc.constantFrom<0 | 1>(0, 1)),
    messageExpiryInterval: some(fc.nat({ max: 0xffffffff })),
    contentType: some(text),
    responseTopic: some(text),
    correlationData: some(bytes),
    userProperties: some(fc.array(fc.tuple(text, text), { maxLength: 4 })),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));

const message: fc.Arbitrary<Message> = fc.record({
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  properties: some(properties),
  publisherId: text,
  expiresAtMs: fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 47 })),
  frames: fc.constant(undefined),
});

describe(`bytes of queue entries (SKEIN_SEED=${seed})`, () => {
  it('give back the entry as a function of Redis puts it together', () => {
    const identifiers = fc.uniqueArray(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 5 });
    fc.assert(
      fc.property(message, qos, fc.boolean(), identifiers, fc.nat(), (each, granted, retain, ids, seq) => {
        const head = `${String.fromCharCode(16 + granted + (retain ? 4 : 0))}${ids.join(',')}\0`;
        const entry = decodeEntry(seq, Buffer.concat([Buffer.from(head, 'latin1'), encodeMessage(each)]));
        const subscriptionIdentifiers = ids.length === 0 ? undefined : ids;
        expect(entry).toEqual({ seq, message: each, qos: granted, retain, subscriptionIdentifiers });
      }),
      { seed },
    );
  });

  it('are refused in a format that only a newer node knows', () => {
    expect(() => decodeEntry(1, Buffer.from([0x21, 0]))).toThrow(/queue entry of format 2/);
    expect(() => decodeEntry(1, Buffer.from([0x11, 0x37]))).toThrow(/cut short/);
  });

  it('name Subscription Identifiers as text', () => {
    expect(identifiersOf('')).toBeUndefined();
    expect(identifiersOf('7,268435455')).toEqual([7, 268_435_455]);
  });
});
