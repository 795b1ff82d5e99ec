// A payload that says what it is must say so after any journey, and must not after a damaged one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Content, decodePayload, encodePayload } from './payload.ts';

const content: Content = { publisher: 'garden/3', n: 70_000, qos: 2, topic: 'house/garden/ü' };

describe('a payload', () => {
  it('says what it is', () => {
    expect(decodePayload(encodePayload(content))).toEqual(content);
  });

  it('has the size asked for, if what it must say has room in it', () => {
    expect(encodePayload(content, 2000)).toHaveLength(2000);
    expect(decodePayload(encodePayload(content, 2000))).toEqual(content);
    expect(encodePayload(content, 1).length).toBeGreaterThan(20);
  });

  it('is read where it lies in a larger piece of memory', () => {
    const payload = encodePayload(content, 100);
    const memory = new Uint8Array(300).fill(7);
    memory.set(payload, 50);
    expect(decodePayload(memory.subarray(50, 150))).toEqual(content);
  });

  it('shows any one damaged bit', () => {
    const bit = fc.integer({ min: 0, max: 200 * 8 - 1 });
    fc.assert(
      fc.property(bit, (at) => {
        const payload = encodePayload(content, 200);
        (payload[at >>> 3] as number) ^= 1 << (at & 7);
        expect(decodePayload(payload)).toBeUndefined();
      }),
    );
  });

  it('shows that its end is missing, however short', () => {
    const payload = encodePayload(content, 100);
    for (let length = 0; length < 100; length++) expect(decodePayload(payload.subarray(0, length))).toBeUndefined();
  });
});
