import { describe, expect, it } from 'vitest';
import { bucketCount, bucketOf, bucketTags, byteHash, slotOf } from './bucket.ts';
import { isClusterName, Keys, partitionOf } from './keys.ts';

describe('buckets', () => {
  it('have slots as a Redis Cluster works them out', () => {
    // The check value of CRC16 XMODEM, and the example of the Redis Cluster specification.
    expect(slotOf('123456789')).toBe(0x31c3 % 16_384);
    expect(slotOf('user1000')).toBe(3443);
  });

  it('lie evenly over the slots: bucket n in slot n · 16', () => {
    expect(bucketTags).toHaveLength(bucketCount);
    expect(bucketTags.map(slotOf)).toEqual(bucketTags.map((_, bucket) => bucket * 16));
    expect(new Set(bucketTags).size).toBe(bucketCount);
  });

  it('never change: what is stored would be lost', () => {
    expect(bucketTags.slice(0, 4)).toMatchInlineSnapshot(`
      [
        "1bz",
        "8yr",
        "e8a",
        "9m1",
      ]
    `);
    expect(['lamp', 'grüße/☃', ''].map(bucketOf)).toMatchInlineSnapshot(`
      [
        447,
        183,
        755,
      ]
    `);
    expect(['a', 'a/b', 'sensor/17/temperature'].map(partitionOf)).toMatchInlineSnapshot(`
      [
        9,
        18,
        32,
      ]
    `);
  });

  it('are hashed by the bytes of UTF-8', () => {
    expect(byteHash('foobar')).toBe(0xbf9cf968);
    expect(byteHash('ü')).toBe(295556170); // of C3 BC
  });

  it('take a fair share of identifiers that differ by a number', () => {
    const counts = new Array<number>(bucketCount).fill(0);
    for (let i = 0; i < bucketCount * 20; i++) {
      const bucket = bucketOf(`device-${i}`);
      counts[bucket] = (counts[bucket] as number) + 1;
    }
    expect(Math.max(...counts)).toBeLessThan(60);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});

describe('keys', () => {
  it('of one Client Identifier have the tag of its bucket, whatever braces it has itself', () => {
    const keys = new Keys('plant');
    const clientId = 'a{b}c';
    const tag = `{${bucketTags[bucketOf(clientId)]}}`;
    const { bucket, expiries, ended, wills, willsDue, willsClaimed } = keys.bucketOf(clientId);
    const all = [
      keys.session(clientId),
      ...keys.generation(clientId, 'g'),
      bucket,
      expiries,
      ended,
      wills,
      willsDue,
      willsClaimed,
    ];
    for (const key of all) {
      expect(key.startsWith('plant:')).toBe(true);
      expect(key.slice(key.indexOf('{'), key.indexOf('}') + 1)).toBe(tag);
    }
    expect(new Set(all).size).toBe(all.length);
  });

  it('belong to clusters whose names cannot move them into other slots', () => {
    expect(['a', 'prod-1', 'A.b_c'].every(isClusterName)).toBe(true);
    expect(['', 'a b', '{a}', 'a:b', 'ä', 'x'.repeat(65)].some(isClusterName)).toBe(false);
  });
});
