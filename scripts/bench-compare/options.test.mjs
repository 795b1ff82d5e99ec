// The command line of the comparison: what is taken, and what is said of the rest.

import { describe, expect, it } from 'vitest';
import { chosen, parseOptions, WrongOption } from './options.mjs';

/** @param {string[]} args */
function parsed(...args) {
  const options = parseOptions(args, '/this/node');
  if (options === 'help') throw new Error('no help was asked for');
  return options;
}

describe('the flags', () => {
  it('may be left out', () => {
    expect(parsed()).toMatchObject({ rounds: 3, seconds: 3, isQuick: false, rows: undefined, nodes: ['/this/node'] });
  });

  it('are fewer and shorter rounds when it is to be quick, unless said otherwise', () => {
    expect(parsed('--quick')).toMatchObject({ rounds: 1, seconds: 1, isQuick: true });
    expect(parsed('--quick', '--rounds', '2')).toMatchObject({ rounds: 2, seconds: 1 });
  });

  it('choose loads, servers, and several Nodes', () => {
    const options = parsed('--rows', 'qos0-1, shared', '--servers', 'skein', '--node', 'a', '--node', 'b');
    expect(options).toMatchObject({ rows: ['qos0-1', 'shared'], servers: ['skein'], nodes: ['a', 'b'] });
  });

  it.each([
    [['--rounds', '0'], '--rounds 0'],
    [['--seconds', 'many'], '--seconds many'],
    [['--round', '3'], '--round'],
    [['three'], 'three'],
  ])('%j is refused, and named', (args, named) => {
    expect(() => parsed(...args)).toThrow(WrongOption);
    expect(() => parsed(...args)).toThrow(named);
  });

  it('ask for help', () => {
    expect(parseOptions(['--help'], '/this/node')).toBe('help');
  });
});

describe('a choice', () => {
  const all = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];

  it('is all of them, or those named, in their own order', () => {
    expect(chosen('rows', all, undefined)).toEqual(all);
    expect(chosen('rows', all, ['c', 'a'])).toEqual([{ id: 'a' }, { id: 'c' }]);
  });

  it('of what is not there is refused, with what is', () => {
    expect(() => chosen('rows', all, ['d'])).toThrow('--rows d: there is none of that name; allowed: a, b, c');
  });
});
