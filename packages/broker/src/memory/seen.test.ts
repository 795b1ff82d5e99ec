import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { horizonMs } from './remembered.ts';
import { noSeen, type ReadonlySeen, remember, type SeenUids } from './seen.ts';

describe('uids that a Session has had', () => {
  it('are forgotten from the oldest on: such as are too old or too many, but for what is unfinished', () => {
    const step = fc.record({
      count: fc.constantFrom(1, 3, 4000),
      lateMs: fc.constantFrom(0, 1, horizonMs / 2, horizonMs, -horizonMs), // a clock may be set back
      isUnfinished: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let seen: ReadonlySeen = noSeen;
        const model = new Map<string, number>();
        const unfinished = new Set<string>();
        let nowMs = 10 * horizonMs;
        for (const [i, { count, lateMs, isUnfinished }] of steps.entries()) {
          nowMs += lateMs;
          if (isUnfinished) unfinished.add(`${i} 0`);
          for (let n = 0; n < count; n++) {
            const uid = `${i} ${n}`;
            const own: SeenUids = remember(seen, uid, { sinceMs: nowMs, refusal: undefined });
            own.forget(nowMs, unfinished);
            seen = own;
            model.set(uid, nowMs);
            for (const [oldest, sinceMs] of model) {
              if (sinceMs > nowMs - horizonMs && model.size <= 10_000) break;
              if (!unfinished.has(oldest)) model.delete(oldest);
            }
          }
          expect(seen.size).toBe(model.size);
          expect(Array.from(seen, ([uid]) => uid).join()).toBe([...model.keys()].join());
        }
        expect(noSeen.size).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});
