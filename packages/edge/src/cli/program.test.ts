// Which of its two forms the program is loaded in: put together, or as the compiler left it.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isCurrent, program, runtimeFlags } from '../../bin/program.js';

/** Two packages, and a program that was put together at a time, if it was. Seconds; each is when a file was written. */
function written(times: { one?: number; other?: number; program?: number }): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'skein-program-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const entry = join(directory, 'one/dist/program/main.js');
  const files = { one: 'one/dist/.tsbuildinfo', other: 'other/dist/.tsbuildinfo', program: 'one/dist/program/main.js' };
  mkdirSync(join(directory, 'one/dist/program'), { recursive: true });
  mkdirSync(join(directory, 'other/dist'), { recursive: true });
  for (const name of ['one', 'other', 'program'] as const) {
    const time = times[name];
    if (time === undefined) continue;
    const file = join(directory, files[name]);
    writeFileSync(file, '');
    utimesSync(file, time, time);
  }
  return isCurrent(pathToFileURL(entry), pathToFileURL(`${directory}/`));
}

describe('what was put together is loaded', () => {
  it('when no package was compiled since', () => {
    expect(written({ one: 1000, other: 2000, program: 2000.5 })).toBe(true);
    expect(written({ one: 1000, other: 2000, program: 2000 })).toBe(true);
  });

  it('when the compiler has noted down nothing, as where it was installed', () => {
    expect(written({ program: 1 })).toBe(true);
  });

  it('and not when any package was compiled since', () => {
    expect(written({ one: 1000, other: 2001, program: 2000 })).toBe(false);
    expect(written({ one: 2001, other: 1000, program: 2000 })).toBe(false);
  });

  it('and not when it is not there', () => {
    expect(written({ one: 1000 })).toBe(false);
    expect(written({})).toBe(false);
  });
});

describe('what was put together', () => {
  const directory = new URL('./', program);
  const modules = readdirSync(directory).filter((name) => name.endsWith('.js'));
  const text = modules.map((name) => readFileSync(new URL(name, directory), 'utf8')).join('\n');

  it('has all of our packages inside, so that no class is there twice', () => {
    expect(text).toContain('// packages/broker/dist/');
    expect(text).not.toMatch(/^(import|export) .*"@skein\//m);
    expect(text).not.toMatch(/import\("@skein\//);
  });

  it('has each of their modules once', () => {
    const inside: readonly string[] = text.match(/^\/\/ packages\/\S+$/gm) ?? [];
    expect(inside.filter((name, at) => inside.indexOf(name) !== at)).toEqual([]);
  });

  it('finds the libraries that are not inside from where it is, however they were installed', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const named = [...text.matchAll(/^(?:import|export) .*?"([^"./][^"]*)";$|import\("([^"./][^"]*)"\)/gm)];
    const libraries = named.map(([, fixed, later]) =>
      (fixed ?? later ?? '').replace(/^(@[^/]+\/[^/]+|[^/]+).*$/, '$1'),
    );
    const outside = new Set(libraries.filter((name) => !name.startsWith('node:')));
    expect([...outside]).toContain('ioredis');
    for (const name of outside) expect(dependencies, name).toHaveProperty([name]);
  });

  it('loads stores, the way to peers, metrics and other commands when they are needed', () => {
    const start = readFileSync(new URL('start.js', directory), 'utf8');
    for (const part of ['embedded', 'redis', 'cluster', 'metrics']) expect(start).toContain(`import("./${part}.js")`);
    const main = readFileSync(program, 'utf8');
    for (const part of ['start', 'bench', 'migrate', 'check-data']) expect(main).toContain(`import("./${part}.js")`);
  });
});

describe('the flags of the runtime', () => {
  it.each([
    [
      'the program, where it is called by its name',
      '../../bin/skein.js',
      `#!/usr/bin/env -S node ${runtimeFlags.join(' ')}\n`,
    ],
    [
      'the image',
      '../../../../deploy/Dockerfile',
      `ENTRYPOINT ["node", ${runtimeFlags.map((flag) => `"${flag}"`).join(', ')}, "/app`,
    ],
  ])('are the same in %s', (_, file, words) => {
    expect(readFileSync(new URL(file, import.meta.url), 'utf8')).toContain(words);
  });
});
