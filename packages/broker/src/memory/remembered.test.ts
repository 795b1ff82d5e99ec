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

  it('can be looked through as it was at a moment, whatever comes and goes meanwhile', () => {
    const remembered = new Remembered<number>(1000, 320);
    for (let i = 0; i < 25; i++) remembered.set(`${i}`, i, i);
    remembered.forget('3');
    const sealed = remembered.seal();
    remembered.forget('4');
    remembered.set('5', 55, 30);
    remembered.set('new', 0, 30);
    for (let i = 0; i < 1000; i++) remembered.set(`other ${i}`, i, 40);
    const names = Array.from(sealed, ({ name, value }) => `${name} ${value}`);
    const wanted = Array.from({ length: 25 }, (_, i) => `${i} ${i}`).filter((_, i) => i !== 3);
    expect(names).toEqual(wanted);
    expect(remembered.get('4', 40)).toBeUndefined();
  });

  it('forgets what lies behind a moment at which it was looked through, and takes it again', () => {
    const remembered = new Remembered<string>(1000, 320);
    remembered.set('a', 'one', 0);
    remembered.seal();
    remembered.forget('a');
    expect(remembered.get('a', 1)).toBeUndefined();
    expect([...remembered.seal()]).toEqual([]);
    expect([...remembered.seal()]).toEqual([]);
    remembered.set('a', 'two', 2);
    expect(remembered.get('a', 3)).toBe('two');
    expect([...remembered.seal()]).toEqual([{ name: 'a', value: 'two', sinceMs: 2 }]);
    expect([...remembered.all(3)]).toEqual([{ name: 'a', value: 'two', sinceMs: 2 }]);
  });

  it('forgets nothing sooner for being looked through often', () => {
    const remembered = new Remembered<number>(1000, 320);
    for (let i = 0; i < 1000; i++) {
      remembered.set(`${i}`, i, 0);
      if (i % 3 === 0) remembered.seal();
      const known = i - 309;
      if (known >= 0) expect(remembered.get(`${known}`, 0)).toBe(known);
    }
    expect([...remembered.seal()].length).toBeLessThanOrEqual(320);
  });
});
