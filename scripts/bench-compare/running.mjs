// A process of the comparison: started on its core, waited for until it serves, and ended by its id.
//
// The guard hears of each, so that nothing is left over when this program ends, however it ends. What is started in the
// moment in which the guard goes is ended with this program.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const readyMs = 20_000;
const askMs = 2000;
const pollMs = 50;
/** From SIGTERM until SIGKILL. */
const patienceMs = 10_000;
/** How much of what it said is shown when it does not start, in lines. */
const lastLines = 3;
/** And of each line, in characters. */
const lineLength = 200;

/** Holds a process to a core. Linux has it. */
const taskset = 'taskset';

/** Why a server cannot be had; the message is for people. */
export class NotRunning extends Error {}

/**
 * @typedef {object} What
 * @property {string} name
 * @property {readonly [string, ...string[]]} command
 * @property {string} log the file for what it says
 * @property {string} directory where it runs
 * @property {number | undefined} core the only one that it may use; undefined leaves it alone
 * @property {() => Promise<boolean>} isReady asked again and again; to throw is to say no
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * Sees to it that a process does not outlive this one.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {import('../dev-cluster/guard.mjs').Guard} guard
 */
export function keepAnEyeOn(child, guard) {
  const { pid } = child;
  if (pid === undefined) return;
  children.add(child);
  guard.watch(pid);
  child.once('exit', () => {
    children.delete(child);
    guard.forget(pid);
  });
}

/** One process. */
export class Running {
  /** @type {What} */
  #what;
  /** @type {import('node:child_process').ChildProcess} */
  #child;
  /** How it ended, if it has. @type {string | undefined} */
  #ended;

  /**
   * @param {What} what
   * @param {import('../dev-cluster/guard.mjs').Guard} guard
   */
  constructor(what, guard) {
    this.#what = what;
    const [file, ...args] = pinned(what.command, what.core);
    const output = openSync(what.log, 'a');
    // In a process group of its own: Ctrl-C reaches us alone, and the guard ends all in their order.
    const child = spawn(file, args, { cwd: what.directory, detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    this.#child = child;
    child.once('error', (error) => {
      this.#ended = error.message;
    });
    keepAnEyeOn(child, guard);
    child.once('exit', (code, signal) => {
      this.#ended ??= signal ?? `status ${code}`;
    });
  }

  /** Its id; 0 if it could not be started. */
  get pid() {
    return this.#child.pid ?? 0;
  }

  /** Whether it has ended, and how. */
  get ended() {
    return this.#ended;
  }

  /**
   * Waits until it serves.
   *
   * @throws {NotRunning} if it ends before, or takes too long; with the last that it said
   */
  async ready() {
    const deadlineMs = performance.now() + readyMs;
    while (!(await this.#what.isReady().catch(() => false))) {
      if (this.#ended !== undefined) throw this.#failure(`${this.#what.name} ended with ${this.#ended} at its start`);
      if (performance.now() > deadlineMs) throw this.#failure(`${this.#what.name} was not ready after ${readyMs} ms`);
      await sleep(pollMs);
    }
  }

  /** Ends it. */
  async stop() {
    const { pid } = this.#child;
    if (pid === undefined || this.#ended !== undefined) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs);
    await exited;
    clearTimeout(timer);
  }

  /** @param {string} text */
  #failure(text) {
    const lines = readFileSync(this.#what.log, 'utf8').trimEnd().split('\n').slice(-lastLines);
    const said = lines.map((line) => line.slice(0, lineLength)).join('\n');
    return new NotRunning(`${text}: ${said}`);
  }
}

/**
 * A command that may use one core only.
 *
 * @param {readonly [string, ...string[]]} command
 * @param {number | undefined} core undefined leaves it alone
 * @returns {readonly [string, ...string[]]}
 */
export function pinned(command, core) {
  return core === undefined ? command : [taskset, '-c', `${core}`, ...command];
}

/**
 * Whether a process can be held to a core here.
 *
 * @param {number} core
 */
export function canPin(core) {
  return spawnSync(taskset, ['-c', `${core}`, process.execPath, '--version'], { stdio: 'ignore' }).status === 0;
}

/** A port on loopback that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  return address.port;
}

/** CONNECT of MQTT 3.1.1, clean session, Client Identifier `ready?`. */
const connectPacket = Buffer.from('101200044d5154540402003c000672656164793f', 'hex');

/**
 * Whether an MQTT server accepts a Client.
 *
 * @param {number} port
 */
export function acceptsClients(port) {
  return answers(port, connectPacket, (answer) => answer[0] === 0x20 && answer[3] === 0);
}

/**
 * Whether a Redis answers; one that still reads what it has kept says that instead.
 *
 * @param {number} port
 */
export function answersPing(port) {
  return answers(port, Buffer.from('PING\r\n'), (answer) => answer.toString('latin1').startsWith('+PONG'));
}

/**
 * @param {number} port
 * @param {Buffer} question
 * @param {(answer: Buffer) => boolean} isGood of the first bytes that come back
 * @returns {Promise<boolean>}
 */
function answers(port, question, isGood) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(askMs, () => socket.destroy());
    socket.once('error', reject);
    socket.once('close', () => resolve(false));
    socket.once('data', (answer) => {
      resolve(isGood(answer));
      socket.destroy();
    });
    socket.write(question);
  });
}
