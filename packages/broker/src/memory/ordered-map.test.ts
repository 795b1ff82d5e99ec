import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedMap } from './ordered-map.ts';

describe('OrderedMap', () => {
  it('is a map in order, whatever came and went', () => {
    const key = fc.integer({ min: 0, max: 3000 }).map((n) => `k${n}`);
    const some = fc.record({
      is: fc.constantFrom('set', 'delete'),
      from: fc.nat(3000),
      count: fc.nat(700),
      step: fc.constantFrom(1, 7, 1009),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 30 }), fc.array(key, { maxLength: 10 }), (changes, sought) => {
        const map = new OrderedMap<number>();
        const model = new Map<string, number>();
        for (const [i, { is, from, count, step }] of changes.entries()) {
          for (let n = 0; n < count; n++) {
            const each = `k${(from + n * step) % 3001}`;
            if (is === 'set') {
              map.set(each, i);
              model.set(each, i);
            } else if (map.delete(each) !== model.delete(each)) throw new Error(`${each} was there, or it was not`);
          }
        }
        expect(map.size).toBe(model.size);
        const sorted = [...model].sort(([one], [other]) => (one < other ? -1 : 1));
        expect(all(map, '')).toEqual(sorted);
        for (const each of sought) {
          expect(map.get(each)).toBe(model.get(each));
          expect(all(map, each)).toEqual(sorted.filter(([other]) => other >= each));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('fills its leaves where keys come in order, either way', () => {
    for (const isUp of [true, false]) {
      const map = new OrderedMap<number>();
      for (let i = 0; i < 10_000; i++) map.set(String(isUp ? i + 100_000 : 200_000 - i), i);
      expect(map.size).toBe(10_000);
      expect(all(map, '')).toHaveLength(10_000);
    }
  });
});

function all(map: OrderedMap<number>, from: string): [string, number][] {
  const found: [string, number][] = [];
  for (const position = map.seek(from); position.key !== undefined; position.next()) {
    found.push([position.key, position.value as number]);
  }
  return found;
}
