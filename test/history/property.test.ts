// What a correct server does is never called a violation, and any one thing that it does wrongly always is.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check } from './checker.ts';
import type { HistoryEvent } from './event.ts';
import { bystander, happen } from './model.ts';
import { mutations } from './mutation.ts';
import { chooseSeed, Random } from './random.ts';
import { broken } from './story.ts';

const seed = chooseSeed();

/** What a history comes from; one that fails is shrunk to the fewest decisions, all others being the same. */
const origins = fc.record({ seed: fc.integer(), decisions: fc.integer({ min: 0, max: 3000 }) });

function historyOf({ seed, decisions }: { seed: number; decisions: number }): readonly HistoryEvent[] {
  const random = new Random(seed);
  let left = decisions;
  return happen((below) => (left-- > 0 ? random.below(below) : undefined)).events;
}

// Whoever decides at random gives much up.
const options = { acknowledgedShareMin: 0 };

describe(`a history that a correct server brought about (SKEIN_SEED=${seed})`, () => {
  it('is accepted', () => {
    fc.assert(
      fc.property(origins, (origin) => {
        expect(check(historyOf(origin), options)).toEqual({ is: 'ok', counts: expect.anything() });
      }),
      { seed, numRuns: 500 },
    );
  }, 60_000);

  it('has something of everything in it', () => {
    const sums = { owed: 0, repeated: 0, retained: 0, wills: 0, refused: 0 };
    const seen = new Set<string>();
    for (const origin of fc.sample(origins, { numRuns: 50, seed: 1 })) {
      const events = historyOf(origin);
      const { counts } = check(events, options);
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += counts[key];
      for (const { is } of events) seen.add(is);
    }
    for (const [what, count] of Object.entries(sums)) expect(count, what).toBeGreaterThan(40);
    expect(seen.size).toBe(13);
  });
});

describe(`a history that a server brought about which was wrong once (SKEIN_SEED=${seed})`, () => {
  it.each(mutations(bystander))(
    'is caught: $name',
    ({ breaks, victims, apply }) => {
      const property = fc.property(origins, fc.nat(), fc.nat(), (origin, choice, chance) => {
        const events = historyOf(origin);
        const found = victims(events);
        fc.pre(found.length > 0);
        const verdict = check(apply(events, found[choice % found.length] as number, chance), options);
        expect(verdict.is).toBe('violation');
        expect(breaks.some((invariant) => broken(verdict)[invariant] !== undefined)).toBe(true);
      });
      fc.assert(property, { seed, numRuns: 100 });
    },
    60_000,
  );
});
