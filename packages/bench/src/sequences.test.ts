import { describe, expect, it } from 'vitest';
import { dice } from './payload.ts';
import { arrival, byLine, GroupSequences, OwnSequences, sumGroups } from './sequences.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** A number of runs in which messages are lost, doubled and late, as a plain set would judge them. */
function arrivals(random: () => number, sent: number): number[] {
  const order = Array.from({ length: sent }, (_, sequence) => sequence).filter(() => random() > 0.2);
  for (let i = 1; i < order.length; i++) {
    if (random() < 0.1) [order[i - 1], order[i]] = [order[i] as number, order[i - 1] as number];
    if (random() < 0.1) order.splice(i, 0, order[Math.floor(random() * i)] as number);
  }
  return order;
}

describe('the sequences of a line', () => {
  it(`are judged as by a set and the highest seen (seed ${seed})`, () => {
    const random = dice(seed);
    for (let run = 0; run < 200; run++) {
      const sent = 1 + Math.floor(random() * 60);
      const sequences = new OwnSequences(2);
      const group = new GroupSequences(2);
      const member = group.member();
      const seen = new Set<number>();
      let highest = -1;
      for (const sequence of arrivals(random, sent)) {
        const right = seen.has(sequence) ? arrival.again : sequence < highest ? arrival.late : arrival.fresh;
        expect(sequences.take(1, sequence), `run ${run}, ${sequence}`).toBe(right);
        expect(member.take(1, sequence), `run ${run}, ${sequence} in a group`).toBe(right);
        seen.add(sequence);
        highest = Math.max(highest, sequence);
      }
      expect(sequences.missing(1, sent, undefined)).toBe(sent - seen.size);
      expect(sumGroups([group.bits], [0, sent], new Map())).toEqual({ lost: sent - seen.size, duplicates: 0 });
      expect(sequences.missing(0, 0, undefined)).toBe(0);
    }
  });

  it('do not miss what was refused', () => {
    const sequences = new OwnSequences(1);
    sequences.take(0, 0);
    sequences.take(0, 3);
    const refused = byLine([0, 1, 0, 5]);
    expect(sequences.missing(0, 6, refused.get(0))).toBe(2);
    const group = new GroupSequences(1);
    const member = group.member();
    member.take(0, 0);
    member.take(0, 3);
    expect(sumGroups([group.bits], [6], refused)).toEqual({ lost: 2, duplicates: 0 });
  });

  it('of a shared group belong together, in whichever thread its members are', () => {
    const here = new GroupSequences(1);
    const there = new GroupSequences(1);
    const [first, second, third] = [here.member(), here.member(), there.member()];
    first.take(0, 0);
    expect(second.take(0, 1)).toBe(arrival.fresh);
    expect(second.take(0, 0)).toBe(arrival.again);
    third.take(0, 40);
    third.take(0, 1);
    expect(sumGroups([here.bits, there.bits], [42], new Map())).toEqual({ lost: 39, duplicates: 1 });
  });
});
