import { describe, expect, it } from 'vitest';
import { messageOn } from './contract/samples.ts';
import { keepMessage } from './message.ts';

describe('a message that is kept', () => {
  it('owns its bytes', () => {
    for (const length of [0, 1, 256, 257, 5000]) {
      const arrived = new Uint8Array(length).fill(7);
      const kept = keepMessage({ ...messageOn('a'), payload: arrived });
      const next = keepMessage({ ...messageOn('a'), payload: new Uint8Array(length).fill(9) });
      arrived.fill(8);
      expect(kept.payload).toEqual(new Uint8Array(length).fill(7));
      expect(next.payload).toEqual(new Uint8Array(length).fill(9));
    }
  });

  it('keeps no more than 1 KiB from being freed beyond its own size', () => {
    for (let length = 0; length < 600; length++) {
      const { payload } = keepMessage({ ...messageOn('a'), payload: new Uint8Array(length) });
      expect(payload.buffer.byteLength - length).toBeLessThanOrEqual(length > 256 ? 0 : 1024);
    }
  });
});
