import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../limits.ts';
import { exceeds, isReserved, utf8Length } from './name.ts';

describe('the length of a topic', () => {
  it('is counted in UTF-8', () => {
    for (const text of ['', 'a/b', 'ö', '߿', 'ࠀ', '☃/€', '\uffff', '𝄞', 'a𝄞b/😀', '\ud7ff\ue000']) {
      expect(utf8Length(text), text).toBe(Buffer.byteLength(text));
    }
  });

  it('has a limit in bytes and one in levels, both to the last one', () => {
    const limits = { ...defaultLimits, topicBytesMax: 6, topicLevelsMax: 4 };
    expect(exceeds('abcdef', limits)).toBe(false);
    expect(exceeds('abcdefg', limits)).toBe(true);
    expect(exceeds('☃☃', limits)).toBe(false);
    expect(exceeds('☃☃a', limits)).toBe(true);
    expect(exceeds('a/b/c/', limits)).toBe(false);
    expect(exceeds('///', limits)).toBe(false);
    expect(exceeds('////', limits)).toBe(true);
  });
});

describe('a tree that belongs to the server [§4.7.2]', () => {
  it('is $SYS, $share and $queue, and nothing that only begins alike', () => {
    expect(['$SYS', '$SYS/uptime', '$share/g/a', '$queue', '$queue/a'].every(isReserved)).toBe(true);
    expect(['$SYSTEM', '$sys/a', 'a/$SYS', '$shared', '$', '$other/a', 'SYS'].some(isReserved)).toBe(false);
  });
});
