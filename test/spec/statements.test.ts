// The list of statements is whole, and each that binds a Server has its test, or a reason why it has none.

import { describe, expect, it } from 'vitest';
import { specifications } from './statements/lists.mjs';
import { citations, titles } from './statements/titles.mjs';

/** How many statements each section of appendix B has, where it has any. */
const sections = {
  'MQTT 5.0': {
    '1.5.4': 3,
    '1.5.5': 1,
    '1.5.7': 1,
    '2.1.3': 1,
    // Appendix B begins it with -2.
    '2.2.1': 5,
    '2.2.2': 1,
    '3.1.0': 2,
    '3.1.2': 30,
    '3.1.3': 12,
    '3.1.4': 6,
    '3.2.0': 2,
    '3.2.2': 22,
    '3.3.1': 13,
    '3.3.2': 20,
    '3.3.4': 10,
    '3.4.2': 3,
    '3.5.2': 3,
    '3.6.1': 1,
    '3.6.2': 3,
    '3.7.2': 3,
    '3.8.1': 1,
    '3.8.3': 5,
    '3.8.4': 8,
    '3.9.2': 2,
    '3.9.3': 2,
    '3.10.1': 1,
    '3.10.3': 2,
    '3.10.4': 6,
    '3.11.2': 2,
    '3.11.3': 2,
    '3.12.4': 1,
    '3.14.0': 1,
    '3.14.1': 1,
    '3.14.2': 4,
    '3.14.4': 3,
    '3.15.1': 1,
    '3.15.2': 3,
    '4.1.0': 2,
    '4.2.0': 1,
    '4.3.1': 1,
    '4.3.2': 5,
    '4.3.3': 13,
    '4.4.0': 2,
    '4.5.0': 2,
    '4.6.0': 6,
    '4.7.0': 1,
    '4.7.1': 2,
    '4.7.2': 1,
    '4.7.3': 4,
    '4.8.2': 6,
    '4.9.0': 3,
    '4.12.0': 7,
    '4.12.1': 2,
    '4.13.1': 1,
    '4.13.2': 1,
    '6.0.0': 4,
  },
  'MQTT 3.1.1': {
    '1.5.3': 3,
    '2.2.2': 2,
    '2.3.1': 7,
    '3.1.0': 2,
    '3.1.2': 24,
    '3.1.3': 11,
    '3.1.4': 5,
    '3.2.0': 1,
    '3.2.2': 6,
    '3.3.1': 12,
    '3.3.2': 3,
    '3.3.5': 2,
    '3.6.1': 1,
    '3.8.1': 1,
    // One of them is printed with a misprint: [3.1.1 MQTT-3-8.3-4].
    '3.8.3': 4,
    '3.8.4': 6,
    '3.9.3': 2,
    '3.10.1': 1,
    '3.10.3': 2,
    '3.10.4': 6,
    '3.12.4': 1,
    '3.14.1': 1,
    '3.14.4': 3,
    '4.1.0': 2,
    '4.3.1': 1,
    '4.3.2': 2,
    '4.3.3': 2,
    '4.4.0': 1,
    '4.5.0': 2,
    '4.6.0': 6,
    '4.7.1': 3,
    '4.7.2': 1,
    '4.7.3': 4,
    '4.8.0': 2,
    '6.0.0': 4,
    '7.0.0': 2,
    '7.1.1': 1,
    '7.1.2': 1,
  },
} as const;

const specTitles = titles(['test/spec']);
const tested = new Set(specTitles.map(({ named }) => named.name));

describe.each(specifications)('the statements of $name', ({ name, prefix, statements }) => {
  it('are all there, in order', () => {
    const counted = new Map<string, number>();
    for (const { number } of statements) {
      const [, section = '', index] = /^MQTT-(\d+[.-]\d+\.\d+)-(\d+)$/.exec(number) ?? [];
      const chapter = section.replace('-', '.');
      const first = name === 'MQTT 5.0' && chapter === '2.2.1' ? 2 : 1;
      const before = counted.get(chapter) ?? 0;
      expect(`${number} is number ${before + first}`).toBe(`${number} is number ${index}`);
      counted.set(chapter, before + 1);
    }
    expect(Object.fromEntries(counted)).toEqual(sections[name as keyof typeof sections]);
  });

  it('have a test in test/spec, or a reason, if they bind a Server', () => {
    const missing = statements
      .filter(({ binds, untested, pending }) => binds !== 'client' && untested === undefined && pending === undefined)
      .filter(({ number }) => !tested.has(prefix + number));
    expect(missing).toEqual([]);
  });

  it('have no reason any more once they have a test', () => {
    const outdated = statements
      .filter(({ untested, pending }) => untested !== undefined || pending !== undefined)
      .filter(({ number }) => tested.has(prefix + number));
    expect(outdated).toEqual([]);
  });
});

const known = new Set(specifications.flatMap(({ prefix, statements }) => statements.map((s) => prefix + s.number)));

describe('the titles of tests', () => {
  it('name statements that exist', () => {
    expect(titles(['test', 'packages']).filter(({ named }) => !known.has(named.name))).toEqual([]);
  });

  it('name each in brackets of its own, in test/spec', () => {
    expect(specTitles.filter(({ named }) => !named.alone)).toEqual([]);
  });
});

describe('the code', () => {
  it('cites statements that exist', () => {
    expect(citations(['packages', 'test']).filter(({ named }) => !known.has(named.name))).toEqual([]);
  });
});
