// A clone, and how it becomes able to run: its dependencies are installed, its packages built, its tools called.
//
// Each step looks first and does nothing when nothing is to be done, so that every command may begin with it.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCurrent, program } from '../packages/edge/bin/program.js';

/** The directory of the clone. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** What npm notes down when it has installed. */
const installed = join(root, 'node_modules/.package-lock.json');

const tools = {
  tsc: 'node_modules/typescript/bin/tsc',
  biome: 'node_modules/@biomejs/biome/bin/biome',
  knip: 'node_modules/knip/bin/knip.js',
  vitest: 'node_modules/vitest/vitest.mjs',
  buf: 'node_modules/@bufbuild/buf/bin/buf',
  bundle: 'scripts/bundle.mjs',
};

/**
 * The command line of a development tool, without a shell or a `.cmd` file between.
 *
 * @param {keyof typeof tools} name
 * @param {string[]} args
 * @returns {[string, ...string[]]}
 */
export function tool(name, ...args) {
  return [process.execPath, join(root, tools[name]), ...args];
}

/**
 * Runs a command in the foreground: it has our terminal, and the signals that reach us are passed on to it.
 *
 * All but the SIGINT of a terminal: that one goes to the child by itself, and a broker that hears it twice stops at once.
 *
 * @param {[string, ...string[]]} command
 * @returns {Promise<number>} its exit code; 128 and the signal's number if a signal ended it
 */
export function run([file, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, stdio: 'inherit' });
    /** @param {NodeJS.Signals} signal */
    const passOn = (signal) => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
    for (const signal of signals) process.on(signal, passOn);
    const settle = () => {
      for (const signal of signals) process.off(signal, passOn);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      settle();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * Installs what package-lock.json names, if it is not there yet; without it nothing else can go on.
 *
 * @returns {Promise<void>}
 */
export async function install() {
  if (isInstalled()) return;
  console.error('Installing dependencies …');
  // Without `--include=dev`, NODE_ENV=production would leave out the compiler.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--prefer-offline', '--loglevel=error'];
  const code = await run([...npm(), ...args]);
  if (code !== 0) process.exit(code);
}

/**
 * Compiles all packages to their `dist`, puts the program together, and makes sure that `node_modules/.bin/skein` is there.
 *
 * @returns {Promise<number>} 0, or the exit code of what failed
 */
export async function build() {
  const compiled = await run(tool('tsc', '-b'));
  const code = compiled !== 0 || isPutTogether() ? compiled : await run(tool('bundle'));
  const link = join(root, 'node_modules/.bin', process.platform === 'win32' ? 'skein.cmd' : 'skein');
  // npm makes the link while it installs; it may have been removed since.
  if (code !== 0 || existsSync(link)) return code;
  return run([...npm(), 'rebuild', '--ignore-scripts', '--loglevel=error', '@skein/edge']);
}

/** Whether the program was put together from what is compiled and installed, and as it would be now. */
export function isPutTogether() {
  if (!isCurrent()) return false;
  const madeMs = statSync(program).mtimeMs;
  return [join(root, tools.bundle), installed].every((file) => statSync(file).mtimeMs <= madeMs);
}

function isInstalled() {
  return existsSync(installed) && covers(readLock(installed), readLock(join(root, 'package-lock.json')));
}

/**
 * Whether what npm noted down when it installed is what the lock names. Compared by content, not by time: a
 * `git switch` there and back makes the lock newer, and nothing is to be installed.
 *
 * @typedef {Record<string, { version?: string, optional?: boolean }>} Entries
 * @param {Entries} installed
 * @param {Entries} wanted
 * @returns {boolean}
 */
export function covers(installed, wanted) {
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    // The clone itself is not noted down; what is optional is there or not by platform.
    if (path === '' || optional) return true;
    return installed[path] !== undefined && installed[path].version === version;
  });
}

/**
 * @param {string} path
 * @returns {Entries}
 */
function readLock(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/**
 * The npm that called us, else the one on the path.
 *
 * @returns {[string, ...string[]]}
 */
function npm() {
  const path = process.env.npm_execpath;
  if (path !== undefined && basename(path) === 'npm-cli.js') return [process.execPath, path];
  return ['npm'];
}
