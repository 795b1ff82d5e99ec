// The words behind `skein bench`, and what is said of them.

import { scenarioNames } from '@skein/bench';
import { describe, expect, it } from 'vitest';
import { benchFlags, inFlags, readBenchWords, withoutPassword } from './bench-flags.ts';
import { benchHelp } from './bench-help.ts';

describe('the words behind skein bench', () => {
  it('become the options of a run', () => {
    const words = ['p2p', '--url', 'mqtt://a:1', '--url=mqtt://b:2', '--mqtt', '3.1.1', '--qos', '1', '--rate', '0.5'];
    expect(readBenchWords([...words, '--pid', '1', '--pid', '2', '--children', '--json'], undefined)).toEqual({
      is: 'run',
      json: true,
      options: {
        scenario: 'p2p',
        urls: ['mqtt://a:1', 'mqtt://b:2'],
        protocolVersion: 4,
        qos: 1,
        rate: 0.5,
        pids: [1, 2],
        includeChildren: true,
      },
    });
  });

  it('need not hold the password, and are shown without it', () => {
    expect(readBenchWords(['p2p'], 'hunter2')).toMatchObject({ options: { password: 'hunter2' } });
    expect(readBenchWords(['p2p', '--password', 'other'], 'hunter2')).toMatchObject({ options: { password: 'other' } });
    expect(withoutPassword(['p2p', '--password', 'x', '--password=y'])).toEqual([
      'p2p',
      '--password',
      '…',
      '--password=…',
    ]);
  });

  const wrong: [words: string[], says: RegExp][] = [
    [[], /a scenario is missing; allowed: p2p, fan-in/],
    [['fanin'], /fanin: there is no such scenario; did you mean fan-in\?/],
    [['p2p', 'shared'], /shared: one scenario at a time/],
    [['p2p', '--quos', '1'], /--quos: there is no such flag; did you mean --qos\?/],
    [['p2p', '--qos', '3'], /--qos: 3 is not allowed; allowed: 0\|1\|2/],
    [['p2p', '--mqtt', '6'], /--mqtt: 6 is not allowed/],
    [['p2p', '--rate', 'fast'], /--rate: fast is not allowed; allowed: N/],
    [['p2p', '--pid', '1', '--pid', 'x'], /--pid: .*x is not allowed/],
  ];
  for (const [words, says] of wrong) {
    it(`are refused: ${words.join(' ') || '(none)'}`, () => {
      expect(readBenchWords(words, undefined)).toEqual({ is: 'wrong', problem: expect.stringMatching(says) });
    });
  }

  const misplaced: [words: string[], says: string][] = [
    [['p2p', '--clients', '5'], '--clients: p2p has no use for it; it belongs to connect'],
    [['connect', '--qos', '1'], '--qos: connect has no use for it; it belongs to all scenarios but connect'],
    [
      ['offline', '--duration=3'],
      '--duration: offline has no use for it; it belongs to p2p, fan-in, fan-out, shared, subs',
    ],
    [['subs', '--messages', '9'], '--messages: subs has no use for it; it belongs to retained, offline'],
  ];
  for (const [words, problem] of misplaced) {
    it(`are refused where they would do nothing: ${words.join(' ')}`, () => {
      expect(readBenchWords(words, undefined)).toEqual({ is: 'misplaced', problem });
    });
  }

  it('are what a message about an option speaks of', () => {
    expect(inFlags('payloadBytes: 3 is not allowed')).toBe('--payload: 3 is not allowed');
    expect(inFlags('url: x is not allowed')).toBe('--url: x is not allowed');
    expect(inFlags('something else')).toBe('something else');
  });
});

describe('the help of skein bench', () => {
  const help = benchHelp();

  it('has every scenario and every flag', () => {
    for (const name of scenarioNames) expect(help).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    for (const { name } of benchFlags) expect(help).toMatch(new RegExp(`^ {2}--${name}\\b`, 'm'));
  });

  it('has examples that are understood', () => {
    const examples = [...help.matchAll(/^ {2}skein bench (.*)$/gm)].map(([, words = '']) => words);
    expect(examples.length).toBeGreaterThan(3);
    for (const words of examples) {
      expect(readBenchWords(words.replace(/\$\(.*\)/, '1').split(' '), undefined)).toMatchObject({ is: 'run' });
    }
  });

  it('fits on a terminal', () => {
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
  });
});
