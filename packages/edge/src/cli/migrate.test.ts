import { PassThrough } from 'node:stream';
import type { ImportSource } from '@skein/redis';
import { describe, expect, it } from 'vitest';
import { countsTable, Progress, type Screen, verdictJson, verdictTable } from './migrate-report.ts';
import { discard, type MigrateSurroundings, migrateFrom } from './migrate-run.ts';
import { type MigrateWords, readMigrateWords } from './migrate-words.ts';
import { ask } from './question.ts';

const nowhere = 'redis://ada:hunter2@127.0.0.1:1/3';
const counts = { sessions: 1234, subscriptions: 5, messages: 6, releases: 7, inbound: 8, retained: 9, wills: 10 };

/** What the words mean, without anything in the environment unless it is given. */
function good(words: readonly string[], environment: Record<string, string> = {}): MigrateWords {
  const read = readMigrateWords(words, environment);
  if (read.is !== 'good') throw new Error(JSON.stringify(read));
  return read.words;
}

function problems(words: readonly string[], environment: Record<string, string> = {}): readonly string[] {
  const read = readMigrateWords(words, environment);
  return read.is === 'wrong' ? read.problems : [];
}

describe('the words of skein migrate', () => {
  it('name the data directory, the Redis and the cluster, or leave what is usual', () => {
    expect(good(['--to', 'redis://a'])).toEqual({
      from: 'file:./skein-data',
      to: 'redis://a',
      cluster: 'skein',
      json: false,
      yes: false,
      dryRun: false,
      discard: false,
    });
    const all = [
      '--from=file:/x',
      '--to=rediss://a:1/2',
      '--cluster',
      'c',
      '--json',
      '--yes',
      '--dry-run',
      '--discard',
    ];
    expect(good(all)).toEqual({
      from: 'file:/x',
      to: 'rediss://a:1/2',
      cluster: 'c',
      json: true,
      yes: true,
      dryRun: true,
      discard: true,
    });
    expect(readMigrateWords(['--to', 'redis://a', '-h'], {})).toEqual({ is: 'help' });
  });

  it('may stand in the environment, where a password is better kept', () => {
    expect(good([], { SKEIN_STORE: nowhere, SKEIN_CLUSTER: 'c' })).toMatchObject({ to: nowhere, cluster: 'c' });
    expect(good(['--to', 'redis://a'], { SKEIN_STORE: 'file:/y' })).toMatchObject({ from: 'file:/y', to: 'redis://a' });
    expect(problems([], { SKEIN_STORE_FILE: '/no/such/file', SKEIN_WAT: '1' })).toEqual([
      expect.stringMatching(/^store: the file of SKEIN_STORE_FILE cannot be read/),
      expect.stringMatching(/^--to: a value is missing/),
    ]);
  });

  it('are refused with what is wrong, and what is allowed', () => {
    expect(problems(['--form', 'file:x', '--to', 'redis://a'])).toEqual([
      '--form: there is no such flag of migrate; did you mean --from?',
      'file:x: there is no such flag of migrate',
    ]);
    expect(problems(['--to', '--yes'])).toEqual([
      '--to: a value is missing',
      expect.stringMatching(/^--to: a value is/),
    ]);
    expect(problems(['--to', 'redis://a', '--to', 'redis://b'])).toEqual(['--to is given more than once']);
    expect(problems(['--from', 'memory:', '--to', 'file:x', '--cluster', 'a b'])).toEqual([
      '--from: what is migrated is a data directory, file:DIRECTORY',
      '--to: a data directory is migrated to a Redis, redis:// or rediss://',
      '--cluster: a name has letters, digits, . _ - and at most 64 of them',
    ]);
    expect(problems(['--from', 'file:', '--to', 'http://a'])).toEqual([
      '--from: it names no directory',
      '--to: there is no such store',
    ]);
  });
});

describe('what skein migrate tells', () => {
  it('is both sides of every count, and where they differ', () => {
    const verdict = { isComplete: false, wanted: counts, found: { ...counts, wills: 9 } };
    expect(verdictTable(verdict)).toMatch(/^ {2}Sessions +1,234 +1,234$/m);
    expect(verdictTable(verdict)).toMatch(/^ {2}Wills +10 +9 {3}differs$/m);
    expect(verdictJson(verdict)).toMatchObject({
      sessions: { source: 1234, redis: 1234 },
      wills: { source: 10, redis: 9 },
    });
    expect(countsTable(counts).split('\n')).toHaveLength(8);
  });

  it('is how far it is, on one line of a terminal, or now and then on a line of its own', () => {
    for (const [isTerminal, wanted] of [
      [true, ['\r\u001b[2K  50 %: 10 Sessions, 0 messages, 0 retained', '\r\u001b[2K']],
      [false, ['50 %: 10 Sessions, 0 messages, 0 retained\n']],
    ] as const) {
      const said: string[] = [];
      let nowMs = 0;
      const none = { ...counts, sessions: 0, messages: 0, retained: 0, wills: 0 };
      const screen = { isTerminal, write: (text: string) => void said.push(text) };
      const progress = new Progress({ ...none, sessions: 20 }, () => nowMs, screen);
      progress.at({ ...none, sessions: 5 });
      nowMs = 5000;
      progress.at({ ...none, sessions: 10 });
      progress.at({ ...none, sessions: 11 });
      progress.end();
      expect(said).toEqual(wanted);
    }
  });
});

describe('skein migrate', () => {
  const source: ImportSource = {
    id: 'directory',
    state: 'as it is',
    place: './skein-data',
    nowMs: () => Date.now(),
    items: () => [],
    counts: () => counts,
  };

  function heard(more: Partial<MigrateSurroundings> = {}) {
    const said = { out: '', err: '' };
    const screen = (name: 'out' | 'err'): Screen => ({
      isTerminal: false,
      write: (text) => {
        said[name] += text;
      },
    });
    const around: MigrateSurroundings = {
      out: screen('out'),
      err: screen('err'),
      monotonicMs: () => performance.now(),
      ask: undefined,
      isStopped: () => false,
      ...more,
    };
    return { said, around };
  }

  it('says what there is, and does nothing more, when that is all that is asked', async () => {
    const { said, around } = heard();
    expect(await migrateFrom(source, good(['--to', nowhere, '--dry-run']), around)).toBe(0);
    expect(said.out).toMatch(/skein-data holds\n\n {2}Sessions +1,234\n/);
    expect(said.out).toMatch(/redis:\/\/127\.0\.0\.1:1\/3\. Nothing has been done/);
    const { said: json, around: again } = heard();
    expect(await migrateFrom(source, good(['--to', nowhere, '--dry-run', '--json']), again)).toBe(0);
    expect(JSON.parse(json.out)).toEqual({
      event: 'dry_run',
      counts,
      from: './skein-data',
      to: 'redis://127.0.0.1:1/3',
      cluster: 'skein',
    });
  });

  it('asks whoever is there, and takes no for an answer', async () => {
    const asked: string[] = [];
    const { said, around } = heard({
      ask: (question) => {
        asked.push(question);
        return Promise.resolve(false);
      },
    });
    expect(await migrateFrom(source, good(['--to', nowhere]), around)).toBe(1);
    expect(asked).toEqual(['Copy it into the cluster skein in redis://127.0.0.1:1/3? [y/N] ']);
    expect(said.out).toContain('Nothing has been done.');
    expect(await discard(good(['--to', nowhere, '--discard']), around)).toBe(1);
    expect(asked[1]).toMatch(/^Remove what was copied/);
    expect(said.out).toContain('Nothing has been removed.');
  });

  it.each([
    ['y\n', true],
    ['Yes \n', true],
    ['\n', false],
    ['yesterday\n', false],
    ['\u0003', false],
    ['\u0004', false],
    ['y\u0003', false],
  ])('takes nothing but a yes for one: %j typed at a terminal', async (typed, isYes) => {
    const [input, output] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true, columns: 80 })];
    const answer = ask('Really? ', input, output);
    input.write(typed);
    expect(await answer).toBe(isYes);
    const shown = String(output.read());
    expect(shown).toContain('Really? ');
    expect(shown.endsWith('\n')).toBe(true);
  });

  it('takes the end of what is typed for a no', async () => {
    const input = new PassThrough();
    const answer = ask('Really? ', input, new PassThrough());
    input.end();
    expect(await answer).toBe(false);
  });

  it('ends with 78 where there is no Redis, and never tells a password', async () => {
    for (const json of [[], ['--json']]) {
      const { said, around } = heard();
      expect(await migrateFrom(source, good(['--to', nowhere, ...json]), around)).toBe(78);
      expect(said.err).toMatch(/^skein: Redis at 127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/);
      if (json.length > 0) expect(JSON.parse(said.out)).toMatchObject({ event: 'refused', from: './skein-data' });
      expect(said.out + said.err).not.toContain('hunter2');
    }
    const { said, around } = heard();
    expect(await discard(good(['--to', nowhere, '--discard', '--yes']), around)).toBe(78);
    expect(said.err).toMatch(/cannot be reached/);
  });

  it('takes nothing back unasked', async () => {
    const { said, around } = heard();
    expect(await discard(good(['--to', nowhere, '--discard']), around)).toBe(64);
    expect(said.err).toContain('say --yes as well');
  });
});
