// All servers meet the same hour of the machine, and none always begins.

import { describe, expect, it } from 'vitest';
import { interleaved, remaining } from './order.mjs';

const rows = [
  { id: 'p2p', servers: ['a', 'b', 'c'] },
  { id: 'shared', servers: ['a', 'c'] },
];

describe('the order of measurements', () => {
  const steps = interleaved({ rounds: 3, rows });

  it('is round by round, and in a round load by load', () => {
    expect(steps.map(({ round }) => round)).toEqual([...Array(5).fill(1), ...Array(5).fill(2), ...Array(5).fill(3)]);
    const first = steps.slice(0, 5).map(({ row }) => row);
    expect(first).toEqual(['p2p', 'p2p', 'p2p', 'shared', 'shared']);
  });

  it('has each server once in each round of a load', () => {
    for (const round of [1, 2, 3]) {
      for (const { id, servers } of rows) {
        const found = steps.filter((step) => step.round === round && step.row === id).map(({ server }) => server);
        expect(found.toSorted()).toEqual(servers);
      }
    }
  });

  it('lets each begin in turn', () => {
    const beginners = [1, 2, 3].map(
      (round) => steps.find((step) => step.round === round && step.row === 'p2p')?.server,
    );
    expect(beginners).toEqual(['a', 'b', 'c']);
  });

  it('has nothing where nobody takes part', () => {
    expect(interleaved({ rounds: 2, rows: [{ id: 'p2p', servers: [] }] })).toEqual([]);
  });
});

describe('a comparison that was broken off', () => {
  it('goes on with what is missing, in the same order', () => {
    const steps = interleaved({ rounds: 2, rows });
    const done = steps.filter((_, index) => index < 4 || index === 7);
    expect(remaining(steps, done)).toEqual([steps[4], steps[5], steps[6], steps[8], steps[9]]);
  });

  it('takes further rounds for missing', () => {
    const done = interleaved({ rounds: 1, rows });
    const more = remaining(interleaved({ rounds: 2, rows }), done);
    expect(more).toHaveLength(5);
    expect(more.every(({ round }) => round === 2)).toBe(true);
  });
});
