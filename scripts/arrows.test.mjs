// The arrows hold only if pointing the wrong way is found: each rule is broken once here.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { arrows } from './arrows.mjs';

const houses = /** @type {string[]} */ ([]);

afterEach(() => {
  for (const path of houses.splice(0)) rmSync(path, { recursive: true });
});

/**
 * A small house that keeps all rules, but for the files given.
 *
 * @param {Record<string, unknown>} changes file contents by path; what is not text is written as JSON
 */
function build(changes) {
  const root = mkdtempSync(join(tmpdir(), 'arrows-'));
  houses.push(root);
  const contents = {
    'packages/protocol/package.json': {},
    'packages/protocol/tsconfig.json': { compilerOptions: { types: [] } },
    'packages/protocol/src/index.ts': 'export const one = 1;\n',
    'packages/broker/package.json': { dependencies: { '@skein/protocol': '0.0.0' } },
    'packages/broker/tsconfig.json': { compilerOptions: { types: [] }, references: [{ path: '../protocol' }] },
    'packages/broker/src/index.ts': "export { two } from './deep/two.ts';\n",
    'packages/broker/src/deep/two.ts': "import { one } from '@skein/protocol';\nexport const two = one + one;\n",
    'packages/broker/src/deep/two.test.ts': "import { it } from 'vitest';\nimport 'node:fs';\n",
    'packages/edge/package.json': { dependencies: { '@skein/broker': '0.0.0', ws: '8.0.0', '@scope/log': '1.0.0' } },
    'packages/edge/tsconfig.json': { compilerOptions: { types: ['node'] }, references: [{ path: '../broker' }] },
    'packages/edge/src/index.ts':
      "import 'node:net';\nimport 'ws';\nimport '@scope/log/deep';\nimport '@skein/broker';\n",
    'packages/edge/bin/skein.js': "import '../dist/main.js';\n",
    ...changes,
  };
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
  return root;
}

describe('the arrows between packages', () => {
  it('find nothing in a house that keeps them', () => {
    expect(arrows(build({}))).toEqual([]);
  });

  it.each([
    [
      'an arrow outwards',
      'protocol',
      "import '@skein/broker';",
      'imports @skein/broker; protocol may import no other package',
    ],
    [
      'an arrow outwards in a type',
      'broker',
      "type A = import('@skein/edge').A;",
      'imports @skein/edge; broker may import only protocol',
    ],
    ['a re-export', 'broker', "export * from '@skein/edge';", 'imports @skein/edge; broker may import only protocol'],
    [
      'Node in a pure package',
      'broker',
      "import 'node:fs';",
      'imports node:fs; broker is pure and reaches the world through ports',
    ],
    [
      'Node by its old name',
      'protocol',
      "import type { Buffer } from 'buffer';",
      'imports buffer; protocol is pure and reaches the world through ports',
    ],
    [
      'a library in a pure package',
      'broker',
      "await import('ws');",
      'imports ws; broker is pure and has no outside library',
    ],
    [
      'a library nobody declared',
      'edge',
      "import '@other/log/deep';",
      'imports @other/log, which package.json does not name',
    ],
    [
      'a neighbour nobody declared',
      'edge',
      "import '@skein/protocol';",
      'imports @skein/protocol, which package.json does not name',
    ],
    [
      'a back door',
      'edge',
      "import '@skein/broker/dist/two.js';",
      'imports @skein/broker/dist/two.js; a package has one door, @skein/broker',
    ],
    [
      'a climb over the fence',
      'edge',
      "import '../../broker/src/index.ts';",
      'imports ../../broker/src/index.ts, which lies outside of packages/edge',
    ],
    [
      'a computed name',
      'edge',
      "await import('w' + 's');",
      "imports a computed name, which cannot be checked: import('w' + 's');",
    ],
  ])('find %s, and name file, line and import', (_, name, line, message) => {
    const file = `packages/${name}/src/wrong.ts`;
    expect(arrows(build({ [file]: `// A first line.\n\n${line}\nexport {};\n` }))).toEqual([
      { file, line: 3, message },
    ]);
  });

  it('hold in tests too, but for what tests are written with', () => {
    const file = 'packages/protocol/src/wrong.test.ts';
    expect(arrows(build({ [file]: "import 'vitest';\nimport 'node:fs';\nimport '@skein/broker';\n" }))).toEqual([
      { file, line: 3, message: 'imports @skein/broker; protocol may import no other package' },
    ]);
  });

  it('are not drawn by words in comments and strings', () => {
    const text = "// import 'node:fs';\nexport const text = \"import 'node:fs';\";\n/* from '@skein/edge' */\n";
    expect(arrows(build({ 'packages/protocol/src/text.ts': text }))).toEqual([]);
  });

  it('give an outside library one home', () => {
    const file = 'packages/redis/package.json';
    expect(arrows(build({ [file]: { dependencies: { ws: '8.0.0' } } }))).toEqual([
      { file, line: 3, message: 'depends on ws, which has its home in packages/edge' },
    ]);
  });

  it('let what is put together with others declare their libraries, in their version, and import none of them', () => {
    const manifest = 'packages/edge/package.json';
    /** @param {Record<string, string>} more */
    const house = (more, source = 'export {};') =>
      build({
        'packages/redis/package.json': { dependencies: { ioredis: '6.0.0' } },
        'packages/edge/tsconfig.json': { references: [{ path: '../redis' }] },
        'packages/edge/src/index.ts': source,
        [manifest]: { dependencies: { '@skein/redis': '0.0.0', ...more } },
      });
    expect(arrows(house({ ioredis: '6.0.0' }))).toEqual([]);
    const message = 'does not name ioredis 6.0.0 of packages/redis, which is put together with it';
    expect(arrows(house({}))).toEqual([{ file: manifest, line: 1, message }]);
    expect(arrows(house({ ioredis: '6.0.1' }))).toEqual([{ file: manifest, line: 1, message }]);
    expect(arrows(house({ ioredis: '6.0.0' }, "import 'ioredis';"))).toEqual([
      { file: 'packages/edge/src/index.ts', line: 1, message: 'imports ioredis, which package.json does not name' },
    ]);
  });

  it('give a pure package no library, nor an arrow outwards, even unused', () => {
    const file = 'packages/protocol/package.json';
    const dependencies = { zod: '4.0.0', '@skein/edge': '0.0.0' };
    const references = { compilerOptions: { types: [] }, references: [{ path: '../edge' }] };
    expect(arrows(build({ [file]: { dependencies }, 'packages/protocol/tsconfig.json': references }))).toEqual([
      { file, line: 3, message: 'depends on zod; protocol is pure and has no outside library' },
      { file, line: 4, message: 'depends on @skein/edge; protocol may import no other package' },
    ]);
  });

  it('are the same in package.json and tsconfig.json', () => {
    const file = 'packages/broker/tsconfig.json';
    expect(arrows(build({ [file]: { compilerOptions: { types: [] }, references: [{ path: '../edge' }] } }))).toEqual([
      { file, line: 1, message: 'has no reference to ../protocol, but package.json depends on @skein/protocol' },
      { file, line: 7, message: 'references ../edge, but package.json does not depend on it' },
    ]);
  });

  it('keep ambient types out of a pure package', () => {
    const file = 'packages/protocol/tsconfig.json';
    expect(arrows(build({ [file]: { compilerOptions: { types: ['node'] } } }))).toEqual([
      { file, line: 1, message: 'protocol is pure, so compilerOptions.types must be []' },
    ]);
  });

  it('ask where a new package stands', () => {
    const file = 'packages/attic/package.json';
    expect(arrows(build({ [file]: {} }))).toEqual([
      { file, line: 1, message: 'package attic has no place in scripts/arrows.mjs yet' },
    ]);
  });
});
