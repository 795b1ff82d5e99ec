// `node scripts/generate.mjs`: the code that protobuf's compiler makes of packages/cluster/peer.proto, written anew.
//
// What it makes is committed, so that nobody needs the compiler to build; the check makes it once more and compares.

import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, tool } from './workspace.mjs';

const home = 'packages/cluster';
const generated = 'src/generated';

/**
 * What of the generated code is not what the compiler makes of its source today.
 *
 * @returns {Promise<string[]>} findings, a line each
 */
export async function staleCode() {
  const directory = await mkdtemp(join(tmpdir(), 'skein-generated-'));
  try {
    const problem = await generate(['--output', directory]);
    if (problem !== '') return [`${home}: ${problem.trim()}`];
    const fresh = await filesOf(join(directory, generated));
    const committed = await filesOf(join(root, home, generated));
    return [...new Set([...fresh.keys(), ...committed.keys()])]
      .filter((name) => fresh.get(name) !== committed.get(name))
      .map((name) => `${home}/${generated}/${name}: not what peer.proto says; run node scripts/generate.mjs`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/**
 * Runs the compiler.
 *
 * @param {string[]} args
 * @returns {Promise<string>} what went wrong; empty if nothing did
 */
function generate(args) {
  const [file, ...rest] = tool('buf', 'generate', ...args);
  return new Promise((resolve, reject) => {
    const child = spawn(file, rest, { cwd: join(root, home), stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0 ? '' : text || `buf ended with ${code}`));
  });
}

/**
 * @param {string} directory
 * @returns {Promise<Map<string, string>>} the text of each file, by name
 */
async function filesOf(directory) {
  const files = /** @type {Map<string, string>} */ (new Map());
  for (const name of await readdir(directory)) files.set(name, await readFile(join(directory, name), 'utf8'));
  return files;
}

const [, script] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const problem = await generate([]);
  if (problem !== '') {
    console.error(problem);
    process.exitCode = 1;
  }
}
