import { describe, expect, it } from 'vitest';
import { Remembered } from './remembered.ts';

describe('Remembered', () => {
  it('has what was put in, for as long as it counts', () => {
    const remembered = new Remembered<string>(1000, 320);
    remembered.set('a', 'one', 0);
    expect(remembered.get('a', 999)).toBe('one');
    expect(remembered.get('a', 1000)).toBeUndefined();
    remembered.set('a', 'two', 1000);
    expect(remembered.get('a', 1999)).toBe('two');
    remembered.forget('a');
    expect(remembered.get('a', 1000)).toBeUndefined();
  });

  it('has the last one put in under a name, though an earlier one lies elsewhere', () => {
    const remembered = new Remembered<number>(1000, 64);
    for (let i = 0; i < 30; i++) {
      remembered.set('same', i, i);
      expect(remembered.get('same', i)).toBe(i);
      remembered.set(`other ${i}`, i, i);
    }
    remembered.forget('same');
    expect(remembered.get('same', 30)).toBeUndefined();
    expect(remembered.get('other 0', 30)).toBe(0);
  });

  it('forgets the oldest where there are too many, and no more than that', () => {
    const remembered = new Remembered<number>(1000, 320);
    for (let i = 0; i < 1000; i++) remembered.set(`${i}`, i, 0);
    const known = Array.from({ length: 1000 }, (_, i) => remembered.get(`${i}`, 0)).filter(
      (each) => each !== undefined,
    );
    expect(known.length).toBeGreaterThanOrEqual(310);
    expect(known.length).toBeLessThanOrEqual(320);
    expect(known[0]).toBe(1000 - known.length);
  });
});
