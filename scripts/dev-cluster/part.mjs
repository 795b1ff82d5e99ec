// A process of the cluster: started, waited for, and started again when it ends. What it says goes to a file.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const readyMs = 30_000;
const pollMs = 50;
/** How long until one that has ended is started again. */
const againMs = 1000;
/** How much of what it said is shown when it does not start, in lines. */
const lastLines = 15;

/** Why something cannot be started; the message is for people. */
export class NotStarted extends Error {}

/**
 * @typedef {object} What
 * @property {string} name
 * @property {readonly [string, ...string[]]} command
 * @property {string} log the file for what it says
 * @property {() => Promise<boolean>} isReady asked again and again; to throw is to say no
 * @property {Record<string, string>} [env] on top of ours
 */

/** One process. */
export class Part {
  /** @type {What} */
  #what;
  /** @type {import('./guard.mjs').Guard} */
  #guard;
  /** @type {(text: string) => void} */
  #say;
  #pid = 0;
  /** How it ended, if it has. @type {string | undefined} */
  #ended;
  #isKept = false;
  #isStopping = false;

  /**
   * @param {What} what
   * @param {import('./guard.mjs').Guard} guard ends it
   * @param {(text: string) => void} say for people: that it ended, and is started again
   */
  constructor(what, guard, say) {
    this.#what = what;
    this.#guard = guard;
    this.#say = say;
  }

  /** The id of its process. */
  get pid() {
    return this.#pid;
  }

  /**
   * Starts it, and waits until it is ready. From then on it is started again whenever it ends.
   *
   * @throws {NotStarted} if it ends before, or takes too long; with the last that it said
   */
  async start() {
    this.#spawn();
    const deadlineMs = performance.now() + readyMs;
    while (!(await this.#what.isReady().catch(() => false))) {
      if (this.#ended !== undefined) throw this.#failure(`${this.#what.name} ended with ${this.#ended} at its start`);
      if (performance.now() > deadlineMs) throw this.#failure(`${this.#what.name} was not ready after ${readyMs} ms`);
      await sleep(pollMs);
    }
    this.#isKept = true;
  }

  /** Leaves it alone when it ends: that is wanted from now on. */
  release() {
    this.#isStopping = true;
  }

  #spawn() {
    const { command, env, log } = this.#what;
    const [file, ...args] = command;
    const output = openSync(log, 'a');
    // In a process group of its own: Ctrl-C reaches us alone, and we end all in their order.
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...env },
    });
    closeSync(output);
    const { pid } = child;
    this.#ended = undefined;
    child.once('error', (error) => {
      this.#ended = error.message;
    });
    if (pid === undefined) return;
    this.#pid = pid;
    this.#guard.watch(pid);
    child.once('exit', (code, signal) => {
      this.#guard.forget(pid);
      this.#ended = signal ?? `status ${code}`;
      if (!this.#isKept || this.#isStopping) return;
      this.#say(`${this.#what.name} ended with ${this.#ended}, and is started again in ${againMs} ms (${log})`);
      setTimeout(() => {
        if (!this.#isStopping) this.#spawn();
      }, againMs);
    });
  }

  /** @param {string} text */
  #failure(text) {
    const said = readFileSync(this.#what.log, 'utf8').trimEnd().split('\n').slice(-lastLines).join('\n');
    return new NotStarted(`${text}\n${said}`);
  }
}
