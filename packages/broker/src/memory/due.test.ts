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

  it('keeps no more than twice what holds, however often one and the same thing is put off', () => {
    let latest = 0;
    const due = new Due<number>((item) => item === latest);
    for (latest = 1; latest < 100_000; latest++) due.push(latest, latest);
    expect(due.size).toBeLessThanOrEqual(1025);
    latest--;
    for (let item = due.pop(100_000); item !== latest; item = due.pop(100_000)) expect(item).toBeDefined();
  });
});
