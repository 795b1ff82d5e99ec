// `npm run check`: what can be said of the code without running it, in seconds.
//
// Eight looks, all but two at once. Each says one line if all is well, and what it found if not. What is compiled is put
// together at once, in a second: else the program would be the slower to start for it until the next build.

import './node-version.mjs';
import { spawn } from 'node:child_process';
import { install, isPutTogether, root, tool } from './workspace.mjs';

await install();
const { arrows } = await import('./arrows.mjs');
const { stalePage } = await import('./conformance.mjs');
const { staleCode } = await import('./generate.mjs');

/** @typedef {{ ok: boolean, text: string }} Outcome */

const colors = process.stdout.isTTY && process.env.NO_COLOR === undefined;

/** @type {Outcome} */
const well = { ok: true, text: '' };

const types = look('types', () => call('tsc', ['-b', ...(colors ? ['--pretty'] : [])]));

const looks = [
  types,
  // Some scripts import what is compiled: on a fresh clone that has to be there first.
  types.then(() =>
    look('types of tests and scripts', () =>
      call('tsc', ['-p', 'tsconfig.test.json', ...(colors ? ['--pretty'] : [])]),
    ),
  ),
  types.then((ok) => ok && look('program', async () => (isPutTogether() ? well : call('bundle', [])))),
  look('format and lint', () => call('biome', ['check', '--error-on-warnings', ...(colors ? ['--colors=force'] : [])])),
  look('unused files, exports, dependencies', () => call('knip', ['--no-progress', '--no-config-hints'])),
  look('arrows between packages', async () => {
    const found = arrows(root);
    return {
      ok: found.length === 0,
      text: found.map((each) => `${each.file}:${each.line}: ${each.message}\n`).join(''),
    };
  }),
  look('generated code', async () => {
    const found = await staleCode();
    return { ok: found.length === 0, text: found.map((each) => `${each}\n`).join('') };
  }),
  look('page of conformance', async () => {
    const found = await stalePage();
    return { ok: found.length === 0, text: found.map((each) => `${each}\n`).join('') };
  }),
];
const outcomes = await Promise.all(looks);
process.exitCode = outcomes.every((ok) => ok) ? 0 : 1;

/**
 * Takes one look and says what came of it.
 *
 * @param {string} name
 * @param {() => Promise<Outcome>} take
 * @returns {Promise<boolean>} whether all is well
 */
async function look(name, take) {
  const startedMs = performance.now();
  const { ok, text } = await take();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${ok ? '✓' : '✗'} ${name} (${seconds} s)${ok ? '' : `\n${text}`}`);
  return ok;
}

/**
 * Runs a tool, its output held back until it has ended.
 *
 * @param {Parameters<typeof tool>[0]} name
 * @param {string[]} args
 * @returns {Promise<Outcome>}
 */
function call(name, args) {
  const [file, ...rest] = tool(name, ...args);
  return new Promise((resolve, reject) => {
    const env = colors ? { ...process.env, FORCE_COLOR: '1' } : process.env;
    const child = spawn(file, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ ok: code === 0, text }));
  });
}
