import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Due } from './due.ts';

describe('Due', () => {
  it('gives what is due, earliest first, and nothing that is not', () => {
    const step = fc.oneof(
      fc.record({ dueMs: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ nowMs: fc.integer({ min: 0, max: 50 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const due = new Due<{ readonly dueMs: number }>(() => true);
        const model: { readonly dueMs: number }[] = [];
        for (const each of steps) {
          if ('dueMs' in each) {
            due.push(each.dueMs, each);
            model.push(each);
          } else {
            const earliestMs = Math.min(...model.map(({ dueMs }) => dueMs));
            const item = due.pop(each.nowMs);
            if (earliestMs > each.nowMs) expect(item).toBeUndefined();
            else {
              expect(item?.dueMs).toBe(earliestMs);
              // The very item, and each of them once.
              const at = model.indexOf(item as { dueMs: number });
              expect(at).not.toBe(-1);
              model.splice(at, 1);
            }
          }
          expect(due.size).toBe(model.length);
        }
        for (const { dueMs } of model.sort((a, b) => a.dueMs - b.dueMs)) expect(due.pop(50)?.dueMs).toBe(dueMs);
        expect(due.pop(Number.POSITIVE_INFINITY)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  it('keeps little more than twice what holds, however often one and the same thing is put off', () => {
    let latest = 0;
    const due = new Due<number>((item) => item === latest);
    let most = 0;
    for (latest = 1; latest < 100_000; latest++) {
      due.push(latest, latest);
      most = Math.max(most, due.size);
    }
    expect(most).toBeLessThanOrEqual(1024 + 1024 / 64 + 1);
    latest--;
    for (let item = due.pop(100_000); item !== latest; item = due.pop(100_000)) expect(item).toBeDefined();
  });

  it('looks at some at a time, and loses none that holds', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }), fc.nat(6), (delays, pops) => {
        // Each of 3000 things is put off again and again, by more or by less.
        const latest = new Map<number, { readonly of: number; readonly dueMs: number }>();
        let looks = 0;
        const due = new Due<{ readonly of: number; readonly dueMs: number }>((item) => {
          looks++;
          return latest.get(item.of) === item;
        });
        for (let i = 0; i < 20_000; i++) {
          const delayMs = (delays[i % delays.length] as number) * 100;
          const item = { of: (i * 7919) % 3000, dueMs: i * 10 + delayMs };
          latest.set(item.of, item);
          looks = 0;
          due.push(item.dueMs, item);
          if (looks > 64) throw new Error(`one push looked at ${looks} items`);
          if (due.size > 3000 * 2.2) throw new Error(`${due.size} items, of which 3000 hold`);
          for (let n = 0; i % 1000 === 0 && n < pops; n++) {
            const popped = due.pop(Number.POSITIVE_INFINITY);
            if (popped !== undefined && latest.get(popped.of) === popped) latest.delete(popped.of);
          }
        }
        let lastMs = 0;
        for (let item = due.pop(Number.POSITIVE_INFINITY); item; item = due.pop(Number.POSITIVE_INFINITY)) {
          if (item.dueMs < lastMs) throw new Error(`${item.dueMs} came after ${lastMs}`);
          lastMs = item.dueMs;
          if (latest.get(item.of) === item) latest.delete(item.of);
        }
        expect([...latest.values()]).toEqual([]);
      }),
      { numRuns: 10 },
    );
  });
});
