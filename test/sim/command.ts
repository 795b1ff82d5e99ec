// `npm run sim`: as many schedules as fit into a time, until one fails; that one is made small, and its story told.

import { parseArgs } from 'node:util';
import { brokenRules, type NamedRule } from './broken-rules.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { shrink } from './shrink.ts';
import { type Outcome, type RunOptions, run } from './world.ts';

/** What may be said on the command line. */
interface Options {
  /** For so long, in seconds. */
  readonly seconds: number;
  /** From this seed on. */
  readonly from: number;
  /** Every so many-th: others take those in between. */
  readonly every: number;
  /** This one alone. */
  readonly seed: number | undefined;
  readonly rule: NamedRule | undefined;
  /** So many failures are counted and named before it ends; only the first is told. */
  readonly failures: number;
}

/** How to say it. */
export const usage = `npm run sim -- [--seconds 60] [--from SEED] [--processes N] [--seed SEED] [--failures 1] [--rule NAME]
rules that can be broken: ${brokenRules.map(({ name }) => name).join(', ')}`;

/** Schedules between two turns of the event loop, in which signals are heard. */
const perTurn = 50;

/** @returns the exit code @throws RangeError if it was not said as {@link usage} wants it */
export async function simulate(args: readonly string[], print: (line: string) => void): Promise<number> {
  const options = read(args);
  if (options.seed !== undefined) return explain(options.seed, options.rule, print);
  const { from, every, seconds, failures } = options;
  print(`seeds from ${from}, for ${seconds} s`);
  const failed: number[] = [];
  const beganMs = performance.now();
  let seed = from;
  let count = 0;
  let events = 0;
  for (; performance.now() - beganMs < seconds * 1000 && failed.length < failures; seed += every) {
    const outcome = await runQuickly(scheduleOf(seed), options.rule);
    events += outcome.events;
    if (outcome.faults.length > 0) {
      failed.push(seed);
      print(`seed ${seed} fails: ${outcome.faults[0]?.split('\n')[0]}`);
    }
    if (++count % perTurn === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const spentSeconds = (performance.now() - beganMs) / 1000;
  print(
    `${count} schedules in ${spentSeconds.toFixed(1)} s: ${Math.round(count / spentSeconds)}/s, ` +
      `${(events / count).toFixed(0)} events each; the next seed is ${seed}`,
  );
  const [first] = failed;
  return first === undefined ? 0 : explain(first, options.rule, print);
}

/** Runs one schedule, and tells its story if it fails. @returns the exit code */
async function explain(seed: number, rule: NamedRule | undefined, print: (line: string) => void): Promise<number> {
  const story = await storyOf(seed, rule);
  if (story === undefined) {
    print(`seed ${seed} fails in nothing`);
    return 0;
  }
  for (const line of story) print(line);
  return 1;
}

/** The shortest story of a seed that fails, a line each; undefined if it does not fail. */
export async function storyOf(seed: number, rule?: NamedRule): Promise<readonly string[] | undefined> {
  const schedule = scheduleOf(seed);
  if ((await runQuickly(schedule, rule)).faults.length === 0) return undefined;
  const small = await shrink(schedule, (candidate) => runQuickly(candidate, rule));
  const lines: string[] = [];
  const { faults } = await run(
    small,
    options(rule, (line) => lines.push(line)),
  );
  const { kinds, absent, onWire, isFar, failPercent, steps } = small;
  const store = isFar ? `far away, ${failPercent} of 100 calls fail` : 'near';
  return [
    `seed ${seed}, made small: ${steps.length} steps of ${schedule.steps.length}; the store is ${store}` +
      `${onWire ? '; all packets cross as bytes' : ''}${absent.length > 0 ? `; without ${absent.join(', ')}` : ''}`,
    ...kinds.filter(({ clientId }) => !absent.includes(clientId)).map((kind) => `  ${JSON.stringify(kind)}`),
    ...lines,
    ...faults.map((fault) => `FAULT ${fault}`),
    `again: npm run sim -- --seed ${seed}${rule === undefined ? '' : ` --rule ${rule.name}`}`,
  ];
}

/** Nobody reads the stack of an error that a store makes up, and thousands a second cost time. */
async function runQuickly(schedule: Schedule, rule: NamedRule | undefined): Promise<Outcome> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await run(schedule, options(rule));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function options(rule: NamedRule | undefined, tell?: (line: string) => void): RunOptions {
  return { rule: rule?.make(), tell };
}

function read(args: readonly string[]): Options {
  const said = parse(args);
  const number = (name: 'seconds' | 'from' | 'every' | 'seed' | 'failures', fallback: number): number => {
    const value = Number(said[name] ?? fallback);
    if (!Number.isFinite(value) || value < 0) throw new RangeError(`--${name} needs a number\n${usage}`);
    return value;
  };
  const rule = brokenRules.find(({ name }) => name === said.rule);
  if (said.rule !== undefined && rule === undefined) throw new RangeError(`${said.rule}: no such rule\n${usage}`);
  return {
    seconds: number('seconds', 60),
    from: number('from', 1 + Math.floor(Math.random() * 1e9)),
    every: Math.max(1, Math.floor(number('every', 1))),
    seed: said.seed === undefined ? undefined : number('seed', 0),
    failures: number('failures', 1),
    rule,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    const options = { seconds: text, from: text, every: text, seed: text, failures: text, rule: text };
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new RangeError(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
