// The others: which versions are compared, where they are found, and how they are got.
//
// What comes from npm is installed beside the clone's own cache, never among our dependencies: nothing of ours may come
// to need it by accident.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../workspace.mjs';

/** What is installed from npm. aedes 1.2 names the 11th of aedes-persistence-redis as the one that it works with. */
export const packages = { aedes: '1.2.0', 'aedes-persistence-redis': '11.2.2', 'mqemitter-redis': '7.2.1' };

/** Where it is installed. */
export const modules = join(root, '.cache/bench-peers');

/** Where Debian and Ubuntu have it, which is not on everybody's PATH. */
const mosquittoPlaces = [
  'mosquitto',
  '/usr/sbin/mosquitto',
  '/usr/local/sbin/mosquitto',
  '/opt/homebrew/sbin/mosquitto',
];

/**
 * Where Mosquitto is.
 *
 * @returns {{ file: string, version: string } | undefined}
 */
export function findMosquitto() {
  for (const file of mosquittoPlaces) {
    // It knows no --version, and says it on top of its help; the exit code is that of a wrong use.
    const version = /mosquitto version (\S+)/.exec(outputOf(file, '-h'))?.[1];
    if (version !== undefined) return { file, version };
  }
  return undefined;
}

/**
 * The version of the redis-server on the PATH.
 *
 * @returns {string | undefined}
 */
export function findRedis() {
  return /v=(\S+)/.exec(outputOf('redis-server', '--version'))?.[1];
}

/**
 * Installs what comes from npm, if it is not there in these versions.
 *
 * @returns {Promise<boolean>} whether it is there now
 */
export async function installPackages() {
  if (arePackagesThere()) return true;
  mkdirSync(modules, { recursive: true });
  const wanted = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  console.error(`Installing ${wanted.join(', ')} into ${modules} …`);
  // No script of theirs is run: none of them needs one.
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const code = await run(['npm', 'install', ...quiet, '--prefix', modules, ...wanted]);
  return code === 0 && arePackagesThere();
}

function arePackagesThere() {
  return Object.entries(packages).every(([name, version]) => {
    const manifest = join(modules, 'node_modules', name, 'package.json');
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version;
  });
}

/**
 * @param {string} file
 * @param {string[]} args
 * @returns {string} empty if there is no such program
 */
function outputOf(file, ...args) {
  const { stdout } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 });
  return stdout ?? '';
}
