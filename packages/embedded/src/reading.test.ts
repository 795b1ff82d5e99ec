// Frames as bytes, and how they are found again in a file that is larger than what is read at a time.

import { SeededRandom } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import type { DiskFile } from './disk.ts';
import { decodeHeader, encodeHeader, type FileHeader, headerBytes } from './file-header.ts';
import { FrameKind, frameBytes, frameOf, payloadMaxBytes, sealFrame } from './frame.ts';
import { type FramesPlace, lookBehind, readFrames } from './reading.ts';

const mark = 0x01020304;

/** A file in memory, of which a read brings as much as it likes. */
function fileOf(bytes: Buffer, readMax = Number.POSITIVE_INFINITY): DiskFile {
  return {
    read: async (into, position) => bytes.copy(into, 0, position, position + Math.min(into.length, readMax)),
    write: () => Promise.reject(new Error('not to be written')),
    sync: async () => {},
    size: async () => bytes.length,
    close: async () => {},
  };
}

/** Frames with payloads of these lengths, each filled with its number, behind room for a header. */
function framesOf(lengths: readonly number[]): Buffer {
  let at = headerBytes;
  const frames = lengths.map((length, i) => {
    const frame = frameOf(Buffer.alloc(length, i), mark, { kind: FrameKind.records, sequence: i + 1, syncedTo: at });
    at += frame.length;
    return frame;
  });
  return Buffer.concat([Buffer.alloc(headerBytes), ...frames]);
}

const placeOf = (bytes: Buffer, file = fileOf(bytes)): FramesPlace => ({
  file,
  end: bytes.length,
  mark,
  firstSequence: 1,
});

describe('the format', () => {
  it('of a frame is this one', () => {
    const frame = frameOf(Buffer.from('lamp'), mark, { kind: FrameKind.records, sequence: 2 ** 32 + 5, syncedTo: 128 });
    expect(frame.toString('hex')).toBe(
      '01020304 7249f9e2 00000004 00000001 0000000100000005 0000000000000080 6c616d70'.replaceAll(' ', ''),
    );
    const sealed = Buffer.concat([Buffer.alloc(frameBytes), Buffer.from('lamp')]);
    sealFrame(sealed, mark, { kind: FrameKind.records, sequence: 2 ** 32 + 5, syncedTo: 128 });
    expect(sealed).toEqual(frame);
  });

  it('of a frame has no room for one that is not read back', () => {
    const frame = Buffer.allocUnsafeSlow(frameBytes + payloadMaxBytes + 1);
    expect(() => sealFrame(frame, mark, { kind: FrameKind.records, sequence: 1, syncedTo: 0 })).toThrow(RangeError);
  });

  it('of a header is this one', () => {
    const header: FileHeader = {
      kind: 'snapshot',
      number: 7,
      directoryId: '00112233445566778899aabbccddeeff',
      callsVersion: 3,
      durability: 'always',
      bootId: '3f6e0c5a-9d1b-4f7e-8a43-0d2f5b7c9e11',
      begunMs: 1_750_000_000_123,
      mark,
      firstSequence: 2 ** 33,
      previousBytes: 4096,
      afterLoss: true,
    };
    const bytes = encodeHeader(header);
    expect(bytes.toString('hex')).toBe(
      [
        '89536b65696e0d0a 0001 01 02 00000003 0000000000000007 0000000200000000 0000000000001000 000001977420dc7b',
        '00112233445566778899aabbccddeeff',
        '33663665306335612d396431622d346637652d386134332d30643266356237633965313100000000',
        '01020304 01 0000000000000000000000 00000000 641aafdd',
      ]
        .join('')
        .replaceAll(' ', ''),
    );
    expect(decodeHeader(bytes)).toEqual({ is: 'header', header });
  });
});

describe('a file longer than what is read at a time', () => {
  const chance = new SeededRandom(1);
  const lengths = Array.from({ length: 24 }, () => chance.below(chance.oneIn(6) ? 5_000_000 : 100_000));
  const bytes = framesOf(lengths);

  it.each([Number.POSITIVE_INFINITY, 65_537])('is read whole, at most %d bytes a read', async (readMax) => {
    const found: number[] = [];
    const read = await readFrames(placeOf(bytes, fileOf(bytes, readMax)), (payload, sequence) => {
      expect(sequence).toBe(found.length + 1);
      expect(payload.equals(Buffer.alloc(payload.length, found.length))).toBe(true);
      found.push(payload.length);
    });
    expect(found).toEqual(lengths);
    expect(read).toMatchObject({
      frames: 24,
      nextSequence: 25,
      goodBytes: bytes.length,
      bad: undefined,
      isEnded: false,
    });
  });

  it('is searched behind a bad place, wherever that is', async () => {
    let at = headerBytes;
    for (const [i, length] of lengths.entries()) {
      if (i % 8 === 3) {
        const spoilt = Buffer.from(bytes);
        spoilt[at + 6] = (spoilt[at + 6] as number) ^ 1;
        const read = await readFrames(placeOf(spoilt), () => {});
        expect(read.bad).toMatchObject({ at, mayBeTorn: true });
        const behind = await lookBehind(placeOf(spoilt), at);
        const syncedTo = bytes.length - (lengths.at(-1) as number) - frameBytes;
        expect(behind).toEqual({ frames: 23 - i, bytes: bytes.length - at - frameBytes - length, syncedTo });
      }
      at += frameBytes + length;
    }
  });

  it('that is shorter than it said is short of a frame', async () => {
    const read = await readFrames(placeOf(bytes, fileOf(bytes.subarray(0, -1))), () => {});
    expect(read).toMatchObject({ frames: 23, bad: { why: 'ends in the middle of a frame' } });
  });
});
