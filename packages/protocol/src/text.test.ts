import { describe, expect, it } from 'vitest';
import { asBytes } from './bytes.ts';
import { decodeText, isWellFormed } from './text.ts';

/** What the platform says of the same bytes, which it decodes by the same standard. */
function platformAccepts(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe('[MQTT-1.5.4-1] well-formed UTF-8', () => {
  it('is what the standard says, for every one and two bytes', () => {
    for (let first = 0; first < 256; first++) {
      expect(isWellFormed(Uint8Array.of(first), 0, 1)).toBe(platformAccepts(Uint8Array.of(first)));
      for (let second = 0; second < 256; second++) {
        const bytes = Uint8Array.of(first, second);
        if (isWellFormed(bytes, 0, 2) !== platformAccepts(bytes)) expect.fail(`differs for ${bytes}`);
      }
    }
  });

  it('is what the standard says at every edge of three and four bytes', () => {
    const leads = [0x61, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff];
    const followers = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for (const lead of leads) {
      for (const second of followers) {
        for (const third of followers) {
          for (const fourth of followers) {
            for (const bytes of [Uint8Array.of(lead, second, third), Uint8Array.of(lead, second, third, fourth)]) {
              const accepted = isWellFormed(bytes, 0, bytes.length);
              if (accepted !== platformAccepts(bytes)) expect.fail(`differs for ${bytes}`);
            }
          }
        }
      }
    }
  });

  it('is judged between the two ends and not beyond', () => {
    const bytes = Uint8Array.of(0x80, 0xc3, 0xbc, 0x80);
    expect(isWellFormed(bytes, 1, 3)).toBe(true);
    expect(isWellFormed(bytes, 0, 3)).toBe(false);
    expect(isWellFormed(bytes, 1, 2)).toBe(false);
  });
});

describe('a UTF-8 Encoded String', () => {
  const decode = (...bytes: number[]): string => decodeText(asBytes(Uint8Array.from(bytes)), 0, bytes.length, 'X: Y');

  it('is its text, byte order mark and all [MQTT-1.5.4-3]', () => {
    expect(decode()).toBe('');
    expect(decode(0x61, 0x7f)).toBe('a\u007f');
    expect(decode(0xef, 0xbb, 0xbf, 0x61)).toBe('\ufeffa');
    expect(decode(0xf0, 0x9f, 0x92, 0xa1)).toBe('💡');
  });

  it('names the field and the fault, and never the bytes', () => {
    expect(() => decode(0x61, 0)).toThrow('X: Y contains U+0000 [MQTT-1.5.4-2]');
    expect(() => decode(0xc3)).toThrow('X: Y is not well-formed UTF-8 [MQTT-1.5.4-1]');
    expect(() => decode(0xc3, 0)).toThrow('X: Y contains U+0000 [MQTT-1.5.4-2]');
  });
});
