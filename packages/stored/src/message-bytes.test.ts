import type { Message } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader, Writer } from './bytes.ts';
import { decodeMessage, encodeMessage, messageSize, readMessage, writeMessage } from './message-bytes.ts';
import { Texts } from './texts.ts';
import { decodeWill, encodeWill, readWill, writeWill } from './will-bytes.ts';

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
    willDelayInterval: some(fc.nat({ max: 0xffffffff })),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));

const message: fc.Arbitrary<Message> = fc.record({
  topic: text,
  payload: bytes,
  qos,
  retain: fc.boolean(),
  properties: some(properties.map(({ willDelayInterval: _, ...rest }) => rest)),
  publisherId: text,
  expiresAtMs: fc.oneof(fc.constantFrom(0, 2 ** 48 - 1), fc.nat({ max: 2 ** 47 })),
  frames: fc.constant(undefined),
});
const will = fc.record({ topic: text, payload: bytes, qos, retain: fc.boolean(), properties: some(properties) });

const whole: Message = {
  topic: 'a/b',
  payload: Uint8Array.of(0xff),
  qos: 1,
  retain: true,
  properties: {
    payloadFormatIndicator: 0,
    messageExpiryInterval: 0xffffffff,
    contentType: 'text',
    responseTopic: 'ä',
    correlationData: new Uint8Array(3),
    userProperties: [['k', 'v']],
  },
  publisherId: 'lamp',
  expiresAtMs: 2 ** 48 - 1,
  frames: undefined,
};

describe(`bytes of messages and Wills (SKEIN_SEED=${seed})`, () => {
  it('give back the message, all of it, and take as many as was said', () => {
    fc.assert(
      fc.property(message, (each) => {
        const encoded = encodeMessage(each);
        expect(encoded.length).toBe(messageSize(each));
        expect(decodeMessage(encoded)).toEqual(each);
      }),
      { seed },
    );
  });

  it('give back the Will, and whose it is', () => {
    fc.assert(
      fc.property(will, some(text), (each, username) => {
        expect(decodeWill(encodeWill(each, username))).toEqual({ will: each, username });
      }),
      { seed },
    );
  });

  it('give them back one behind the other, by the length of their payloads', () => {
    fc.assert(
      fc.property(message, will, some(text), (first, second, username) => {
        const out = new Writer(32);
        writeMessage(out, first);
        writeWill(out, second, username);
        const reader = new Reader(out.take(), 'row', new Texts());
        expect(readMessage(reader, first.payload.length)).toEqual(first);
        expect(readWill(reader, second.payload.length)).toEqual({ will: second, username });
        expect(reader.remaining).toBe(0);
      }),
      { seed },
    );
  });

  it('are these, for all versions to come', () => {
    expect(encodeMessage(whole).toString('hex')).toBe(
      [
        '01 0d ffffffffffff 0003612f62 00046c616d70', // format, flags, expiry, topic, publisher
        '3f 00 ffffffff 000474657874 0002c3a4 0003000000 0001 00016b 000176', // properties
        'ff', // payload
      ]
        .join('')
        .replaceAll(' ', ''),
    );
    const properties = { willDelayInterval: 1 };
    const bytes = encodeWill({ topic: 't', payload: Uint8Array.of(7), qos: 2, retain: false, properties }, 'ada');
    expect(bytes.toString('hex')).toBe('01 1a 000174 0003616461 40 00000001 07'.replaceAll(' ', ''));
  });

  it('are refused where they are cut short, never read beyond', () => {
    const message = encodeMessage(whole);
    // What is missing of a payload that goes to the end cannot be seen.
    for (let length = 0; length < message.length - whole.payload.length; length++) {
      expect(() => decodeMessage(message.subarray(0, length)), `${length} bytes`).toThrow('a message is cut short');
    }
    const short = new Reader(message.subarray(0, -1), 'message');
    expect(() => readMessage(short, whole.payload.length)).toThrow('a message is cut short');
    const will = encodeWill({ ...whole, payload: new Uint8Array(0), properties: { willDelayInterval: 0 } }, 'ada');
    for (let length = 0; length < will.length; length++) {
      expect(() => decodeWill(will.subarray(0, length)), `${length} bytes`).toThrow('a Will is cut short');
    }
  });

  it('are refused in a format that only a newer node knows', () => {
    expect(() => decodeMessage(Buffer.from([2]))).toThrow(/message of format 2: a newer node/);
    expect(() => decodeWill(Buffer.from([9]))).toThrow(/Will of format 9/);
  });
});
