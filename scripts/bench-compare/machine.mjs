// Where and with what the figures came about: a figure without its machine says nothing.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { root } from '../workspace.mjs';
import { parseCpuModel } from './proc.mjs';

/**
 * @typedef {object} Machine
 * @property {string} cpu
 * @property {number} cores
 * @property {number} memoryGib
 * @property {string} system
 * @property {string} [fileSystem] on which servers keep what they store
 */

/** @returns {Machine} */
export function thisMachine() {
  return {
    cpu: cpuModel() ?? cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
  };
}

function cpuModel() {
  try {
    return parseCpuModel(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Which version of the product is measured: its own, and the commit.
 *
 * @returns {string}
 */
export function productVersion() {
  const { version } = JSON.parse(readFileSync(join(root, 'packages/edge/package.json'), 'utf8'));
  try {
    const commit = git('rev-parse', '--short=10', 'HEAD');
    const isChanged = git('status', '--porcelain', '--untracked-files=no', 'packages') !== '';
    return `${version} (commit ${commit}${isChanged ? ' with changes' : ''})`;
  } catch {
    // Not a clone, or no git.
    return version;
  }
}

/** @param {string[]} args */
function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

/**
 * The version of a Node.
 *
 * @param {string} path
 * @returns {string} such as `24.1.0`
 * @throws if it does not run
 */
export function nodeVersion(path) {
  return execFileSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 }).trim().replace(/^v/, '');
}

/**
 * What kind of file system a directory is on: what is kept in memory anyway is cheap to store.
 *
 * @param {string} directory
 * @returns {string} `unknown` where nobody tells
 */
export function fileSystemOf(directory) {
  const { stdout } = spawnSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
}

/**
 * How many connections one process can hold here.
 *
 * @param {number} wanted
 */
export function connectionsPossible(wanted) {
  // A process of Node raises its limit as far as it may, so the hard one counts; some descriptors go elsewhere.
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim());
  if (!Number.isFinite(limit)) return wanted;
  return Math.min(wanted, Math.max(500, Math.floor((limit - 200) / 500) * 500));
}
