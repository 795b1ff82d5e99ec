// Nothing that we start outlives us, however we end: by Ctrl-C, by a signal that reaches only the shell above us, by
// SIGKILL, by a defect.
//
// So a process of its own, the guard, knows what runs. It hears of each process through a pipe from us. When that pipe
// ends, which it does with us at the latest, the guard ends what runs, the last started first, and then itself. To stop
// in good order is nothing else: the pipe is closed, and the guard waited for.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** How long a process may take to end after SIGTERM: a node's own deadline, and a second. */
const patienceMs = 12_000;
const pollMs = 20;

/** Who ends what we have started. */
export class Guard {
  // In a process group of its own, or the terminal's Ctrl-C would end the guard first.
  #child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });

  constructor() {
    // A guard that has gone hears nothing any more; there is nobody left to tell.
    this.#child.stdin.on('error', () => undefined);
  }

  /** @param {number} pid of a process that has started */
  watch(pid) {
    this.#child.stdin.write(`${pid}\n`);
  }

  /** @param {number} pid of a process that has ended: its number may soon be another's */
  forget(pid) {
    this.#child.stdin.write(`-${pid}\n`);
  }

  /** Ends all that runs. */
  async endAll() {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  /** @type {Set<number>} */
  const running = new Set();
  for await (const line of createInterface({ input: process.stdin })) {
    const pid = Number(line);
    if (pid > 0) running.add(pid);
    else running.delete(-pid);
  }
  for (const pid of [...running].reverse()) await end(pid);
}

/** @param {number} pid */
async function end(pid) {
  const deadlineMs = performance.now() + patienceMs;
  send(pid, 'SIGTERM');
  // One that is stopped does not hear the other.
  send(pid, 'SIGCONT');
  while (runs(pid)) {
    if (performance.now() > deadlineMs) send(pid, 'SIGKILL');
    await sleep(pollMs);
  }
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/**
 * Whether a process runs. One that has ended and is waited for by nobody does not, though it has a number still.
 *
 * @param {number} pid
 */
export function runs(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return process.platform !== 'linux';
  }
}
