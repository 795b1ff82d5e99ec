// One broker among a few Clients, in thousands of short schedules: whatever the order in which packets, answers of the
// store and failures come, what Clients were promised holds. A seed that fails is told as a story, made small first;
// `npm run sim` goes on where this ends.

import { describe, expect, it } from 'vitest';
import { chooseSeed } from '../history/random.ts';
import { brokenRules, type NamedRule } from './broken-rules.ts';
import { simulate, storyOf, usage } from './command.ts';
import { scheduleOf } from './schedule.ts';
import { shrink } from './shrink.ts';
import { run } from './world.ts';

/** Schedules with seeds that are always the same, and as many with others each time. */
const count = 600;
const randomFrom = 1_000_000 + (chooseSeed() % 1_000_000_000);

/** The first seed of so many that fails, as a broken rule is to show. */
async function firstFailing(from: number, seeds: number, rule?: NamedRule): Promise<number | undefined> {
  for (let seed = from; seed < from + seeds; seed++) {
    const { faults } = await run(scheduleOf(seed), { rule: rule?.make() });
    if (rule === undefined ? faults.length > 0 : rule.shows.test(faults[0] ?? '')) return seed;
  }
  return undefined;
}

describe('the promises hold', { timeout: 120_000 }, () => {
  it.each([1, randomFrom])(`in ${count} schedules, from seed %i`, async (from) => {
    const seed = await firstFailing(from, count);
    if (seed !== undefined) expect.fail((await storyOf(seed))?.join('\n') ?? `seed ${seed} failed once`);
  });
});

describe('a schedule', () => {
  it('happens the same way each time', async () => {
    for (const seed of [3, 4, 5, 6, 7]) {
      const stories = await Promise.all([tellAll(seed), tellAll(seed)]);
      expect(stories[0]).toEqual(stories[1]);
      expect(stories[0]?.length).toBeGreaterThan(20);
    }
  });

  it('has all that Clients do, in some', async () => {
    const lines: string[] = [];
    for (let seed = 1; seed <= 60; seed++) lines.push(...(await tellAll(seed)));
    const story = lines.join('\n');
    for (const what of [
      /CONNECT 3\.1 /,
      /CONNECT 3\.1\.1/,
      /CONNECT 5\.0 .*will/,
      /CONNACK session present/,
      /PUBLISH .* q0/,
      /PUBLISH .* q1 .*dup/,
      /PUBLISH .* q2 .*dup/,
      /<- PUBLISH .* retain/,
      /alias/,
      /expires in/,
      /UNSUBSCRIBE/,
      /no-local/,
      /as-published/,
      /DISCONNECT expiry/,
      /DISCONNECT 0x4/,
      /session_taken_over/,
      /is lost to the broker/,
      /takes no more/,
      /fails, though it was done/,
      /fails, and was not done/,
      /sessions\.release/,
      /wills\.done/,
    ]) {
      expect(story).toMatch(what);
    }
  });
});

describe('a broken rule is found', { timeout: 120_000 }, () => {
  it.each(brokenRules)('$name, within $withinSeeds seeds', async (rule) => {
    expect(await firstFailing(1, rule.withinSeeds, rule)).toBeDefined();
  });

  it.each(['forgets-pubrec', 'overtakes'])('%s, and its story is short', async (name) => {
    const rule = brokenRules.find((each) => each.name === name) as NamedRule;
    const schedule = scheduleOf((await firstFailing(1, rule.withinSeeds, rule)) as number);
    const runOnce = (each: typeof schedule) => run(each, { rule: rule.make() });
    const small = await shrink(schedule, runOnce);
    expect((await runOnce(small)).faults[0]).toMatch(rule.shows);
    expect(small.steps.length).toBeLessThan(schedule.steps.length / 2);
  });
});

describe('the command', () => {
  it('runs as many schedules as fit, and says how many', async () => {
    const lines: string[] = [];
    expect(await simulate(['--seconds', '0.2', '--from', '1'], (line) => lines.push(line))).toBe(0);
    expect(lines.join('\n')).toMatch(/^seeds from 1, for 0.2 s\n\d+ schedules in .* s: \d+\/s/);
  });

  it('stops at the first failure, tells its story, and says how to have it again', async () => {
    const lines: string[] = [];
    const args = ['--seconds', '60', '--from', '1', '--rule', 'acknowledges-before-it-stores'];
    expect(await simulate(args, (line) => lines.push(line))).toBe(1);
    const again = lines.at(-1) ?? '';
    expect(again).toMatch(/^again: npm run sim -- --seed \d+ --rule acknowledges-before-it-stores$/);
    const repeated: string[] = [];
    expect(await simulate(again.split(' ').slice(5), (line) => repeated.push(line))).toBe(1);
    expect(repeated).toEqual(lines.slice(-repeated.length));
  });

  it('refuses what it does not know', async () => {
    for (const args of [['--many', '3'], ['--seed'], ['--seconds', 'long'], ['--rule', 'none']]) {
      await expect(simulate(args, () => {})).rejects.toThrow(usage.split('\n')[0]);
    }
  });
});

async function tellAll(seed: number): Promise<string[]> {
  const lines: string[] = [];
  await run(scheduleOf(seed), { tell: (line) => lines.push(line) });
  return lines;
}
