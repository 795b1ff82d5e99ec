import { describe, expect, it } from 'vitest';
import { dueMicrosOf, lineOf, Payloads, sequenceOf } from './payload.ts';

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function written(payloads: Payloads, line: number, sequence: number, dueMicros: number): Buffer {
  const bytes = Buffer.alloc(payloads.bytes);
  payloads.write(bytes, 0, line, sequence, dueMicros);
  return bytes;
}

const isRight = (payloads: Payloads, bytes: Buffer): boolean => payloads.isRight(bytes, viewOf(bytes), 0, bytes.length);

describe('a payload', () => {
  for (const bytes of [24, 25, 64, 127, 128, 5000]) {
    const payloads = new Payloads({ run: 0xfeed_beef, bytes, seed: 7 });

    it(`of ${bytes} bytes tells what was written into it`, () => {
      for (const due of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 45 + 3]) {
        const message = written(payloads, 70_000, 123_456_789, due);
        expect(isRight(payloads, message)).toBe(true);
        const view = viewOf(message);
        expect([lineOf(view, 0), sequenceOf(view, 0), dueMicrosOf(view, 0)]).toEqual([70_000, 123_456_789, due]);
      }
    });

    it(`of ${bytes} bytes is found out if one bit of it is turned, or a byte missing or too much`, () => {
      const message = written(payloads, 3, 9, 1_000_000);
      const unnoticed: number[] = [];
      for (let bit = 0; bit < bytes * 8; bit++) {
        const harmed = Buffer.from(message);
        harmed[bit >> 3] = (harmed[bit >> 3] as number) ^ (1 << (bit & 7));
        if (isRight(payloads, harmed)) unnoticed.push(bit);
      }
      expect(unnoticed).toEqual([]);
      expect(isRight(payloads, message.subarray(0, bytes - 1))).toBe(false);
      expect(isRight(payloads, Buffer.concat([message, Buffer.alloc(1)]))).toBe(false);
    });
  }

  it('is found out if its tail is that of the message after it', () => {
    const payloads = new Payloads({ run: 1, bytes: 64, seed: 7 });
    const head = written(payloads, 0, 1, 5).subarray(0, 24);
    const tail = written(payloads, 0, 2, 5).subarray(24);
    expect(isRight(payloads, Buffer.concat([head, tail]))).toBe(false);
  });

  it("is not another run's", () => {
    const ours = new Payloads({ run: 1, bytes: 64, seed: 7 });
    const theirs = new Payloads({ run: 2, bytes: 64, seed: 7 });
    expect(isRight(ours, written(theirs, 0, 1, 5))).toBe(false);
  });
});
