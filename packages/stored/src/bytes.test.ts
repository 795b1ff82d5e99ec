import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader, Writer } from './bytes.ts';
import { Texts } from './texts.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

// Whole characters of all planes; a lone surrogate is no text. Some are longer than what is written by ourselves.
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.string({ unit: 'binary', minLength: 60, maxLength: 200 }),
);

type Written = { readonly is: string; readonly value: unknown };

const numbers = (is: string, max: number) =>
  fc
    .oneof(
      fc.maxSafeNat().map((n) => n % (max + 1)),
      fc.constantFrom(0, 1, 0x7f, max, Math.max(0, max - 1)),
    )
    .map((value) => ({ is, value: Math.min(value, max) }));

const written: fc.Arbitrary<Written> = fc.oneof(
  numbers('byte', 0xff),
  numbers('uint16', 0xffff),
  numbers('uint32', 0xffffffff),
  numbers('uint48', 2 ** 48 - 1),
  fc.constantFrom(0x80, 0x3fff, 0x4000, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 35, 2 ** 49, 2 ** 53 - 1).map((value) => ({
    is: 'varint',
    value,
  })),
  numbers('varint', Number.MAX_SAFE_INTEGER),
  fc.double({ noNaN: true }).map((value) => ({ is: 'float64', value })),
  text.map((value) => ({ is: 'text', value })),
  text.map((value) => ({ is: 'longText', value })),
  fc.uint8Array({ maxLength: 100 }).map((value) => ({ is: 'data', value })),
);

function write(out: Writer, { is, value }: Written): void {
  (out as unknown as Record<string, (value: unknown) => void>)[is]?.(value);
}

function read(reader: Reader, { is, value }: Written): unknown {
  if (is === 'data') return reader.data((value as Uint8Array).length);
  return (reader as unknown as Record<string, () => unknown>)[is]?.();
}

describe(`bytes that are kept (SKEIN_SEED=${seed})`, () => {
  it('give back what was written, however small the memory it began with, and read again with Texts', () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 20 }), fc.integer({ min: 1, max: 300 }), (all, memory) => {
        const out = new Writer(memory);
        for (const each of all) write(out, each);
        const { length } = out;
        const bytes = out.take();
        expect(bytes.length).toBe(length);
        for (const texts of [undefined, new Texts()]) {
          const reader = new Reader(bytes, 'thing', texts);
          for (const each of all) expect(read(reader, each)).toEqual(each.value);
          expect(reader.remaining).toBe(0);
          expect(reader.position).toBe(length);
        }
      }),
      { seed },
    );
  });

  it('are cut short at no place without being found to be', () => {
    fc.assert(
      fc.property(written, (each) => {
        const out = new Writer(16);
        write(out, each);
        const bytes = out.take();
        for (let length = 0; length < bytes.length; length++) {
          const reader = new Reader(bytes.subarray(0, length), 'thing');
          expect(() => read(reader, each), `${length} bytes`).toThrow(new RangeError('a thing is cut short'));
        }
      }),
      { seed },
    );
  });

  it('are these', () => {
    const out = new Writer();
    out.byte(0xff);
    out.uint16(0x0102);
    out.uint32(0xfffefdfc);
    out.uint48(0x0102_0304_0506);
    out.float64(-2);
    out.varint(127);
    out.varint(300);
    out.varint(Number.MAX_SAFE_INTEGER);
    out.text('ä');
    out.longText('ab');
    out.data(Uint8Array.of(9));
    expect(out.take().toString('hex')).toBe(
      'ff 0102 fffefdfc 010203040506 c000000000000000 7f ac02 ffffffffffffff0f 0002c3a4 026162 09'.replaceAll(' ', ''),
    );
  });

  it('refuse numbers that have no place in them', () => {
    const out = new Writer();
    for (const number of [-1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, undefined as unknown as number]) {
      expect(() => out.varint(number), `varint ${number}`).toThrow(RangeError);
      expect(() => out.uint48(number), `uint48 ${number}`).toThrow(RangeError);
    }
    expect(() => out.uint16(0x1_0000)).toThrow('65536 does not fit');
    expect(() => out.uint32(0x1_0000_0000)).toThrow(RangeError);
    expect(() => out.uint48(2 ** 48)).toThrow(RangeError);
    expect(() => out.text('x'.repeat(0x1_0000))).toThrow(RangeError);
  });

  it('refuse to read a number beyond what a number can hold', () => {
    const tooLarge = Buffer.from('ffffffffffffff1f', 'hex');
    expect(() => new Reader(tooLarge, 'thing').varint()).toThrow('a number in a thing is too large');
    const tooLong = Buffer.from('80808080808080808000', 'hex');
    expect(() => new Reader(tooLong, 'thing').varint()).toThrow('a number in a thing is too large');
  });
});

describe('a Writer', () => {
  it('hands over what was written, and never touches it again', () => {
    const out = new Writer(64);
    const taken: Buffer[] = [];
    for (let i = 0; i < 100; i++) {
      out.data(new Uint8Array(i).fill(i));
      taken.push(out.take());
      expect(out.length).toBe(0);
    }
    for (const [i, bytes] of taken.entries()) expect(bytes).toEqual(Buffer.alloc(i, i));
  });

  it('leaves room for what is known later, wherever its memory has moved', () => {
    const out = new Writer(8);
    out.byte(1);
    const at = out.room(4);
    out.data(new Uint8Array(1000).fill(7));
    const bytes = out.take();
    bytes.writeUInt32BE(1000, at);
    expect(bytes.subarray(0, 6).toString('hex')).toBe('01000003e807');
    expect(bytes.length).toBe(1005);
  });

  it('takes back what was written behind a length that it had', () => {
    const out = new Writer(8);
    out.text('kept');
    const { length } = out;
    out.text('not kept, and long enough to need other memory');
    out.truncate(length);
    expect(out.written().toString('latin1')).toBe('\0\u0004kept');
    expect(out.take().toString('latin1')).toBe('\0\u0004kept');
  });

  it('writes into a place that it was given, and no further', () => {
    const memory = Buffer.alloc(8);
    const out = new Writer(memory, 2);
    out.text('äö');
    expect(memory.toString('hex')).toBe('00000004c3a4c3b6');
    expect(() => out.byte(1)).toThrow('there is no room left');
    for (const text of ['abc', 'äö', 'x'.repeat(100)]) {
      expect(() => new Writer(memory, 4).text(text), text).toThrow('there is no room left');
    }
  });
});

describe('what a Reader with Texts gives', () => {
  const out = new Writer();
  out.text('site/hall/7');
  out.data(Uint8Array.of(1, 2, 3));
  const bytes = out.take();

  it('is no view of the bytes', () => {
    const copy = Buffer.from(bytes);
    const reader = new Reader(copy, 'thing', new Texts());
    reader.text();
    const data = reader.rest();
    copy.fill(0);
    expect(data).toEqual(Uint8Array.of(1, 2, 3));
    expect(data.buffer).not.toBe(copy.buffer);
  });

  it('is a view without', () => {
    const reader = new Reader(bytes, 'thing');
    reader.text();
    expect(reader.data(3).buffer).toBe(bytes.buffer);
  });
});
