// One measurement: a server is started in a directory of its own, loaded, and ended; what the load generator reports is
// cut down to what the page needs.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadProgram } from './load.mjs';
import { machineBusySeconds, usageOf } from './proc.mjs';
import { keepAnEyeOn, NotRunning, pinned } from './running.mjs';

/** What a run may take beyond the time that is measured: connecting, stragglers, ends. */
const patienceMs = 90_000;
/** How much of the load generator's complaint is kept. */
const complaintLength = 400;

/**
 * @typedef {import('../../packages/bench/src/scenario.ts').Report} Report
 *
 * @typedef {object} Measured what a phase came to
 * @property {number} perSecond
 * @property {number} count
 * @property {number | undefined} cpuMicros of the server, for one of what it counts
 * @property {number | undefined} cores of the server
 * @property {number | undefined} rssKib of the server, at its end
 * @property {number | undefined} bytesEach by which the server's memory grew for one of what it counts
 * @property {number | undefined} p50Ms
 * @property {number | undefined} p99Ms
 * @property {number} loadBusy 0 to 1: the part of the time for which the load generator was not waiting
 *
 * @typedef {object} Run
 * @property {number} round
 * @property {string} row
 * @property {string} server
 * @property {string} at
 * @property {Record<string, Measured>} phases
 * @property {Record<string, number>} faults what the checker found, where it is not 0
 * @property {string[]} problems
 * @property {number | undefined} othersCores how many cores others on this machine kept busy meanwhile
 * @property {string} [failure] why there is nothing
 */

/** What it means that a count of the checker is not 0, in the words of the page. */
const faultWords = /** @type {const} */ ({
  lost: 'lost',
  duplicates: 'delivered twice',
  outOfOrder: 'out of order',
  misrouted: 'misrouted',
  corrupt: 'corrupt',
  wrongQos: 'at another QoS',
  sessionsGone: 'Sessions gone',
  unacknowledged: 'unacknowledged',
});

/**
 * Measures one server under one load.
 *
 * @param {object} what
 * @param {import('./order.mjs').Step} what.step
 * @param {import('./servers.mjs').Server} what.server
 * @param {import('./rows.mjs').ScenarioOptions} what.load
 * @param {string} what.node that runs the load generator
 * @param {{ server: number | undefined, load: number | undefined }} what.cores which core each is held to
 * @param {string} what.directory under which there is room for what a server keeps
 * @param {import('../dev-cluster/guard.mjs').Guard} what.guard
 * @returns {Promise<Run>} with a failure if the server or the load did not work
 */
export async function measure({ step, server, load, node, cores, directory, guard }) {
  const own = newDirectory(directory);
  const run = { ...step, at: new Date().toISOString(), phases: {}, faults: {}, problems: [], othersCores: undefined };
  try {
    const started = await server.start({ directory: own, core: cores.server, guard });
    try {
      const before = { busy: machineBusySeconds(), ours: oursSeconds(), ms: performance.now() };
      /** @type {import('./rows.mjs').ScenarioOptions} */
      const options = {
        ...load,
        urls: [`mqtt://127.0.0.1:${started.port}`],
        protocolVersion: 4,
        pids: started.pids,
        includeChildren: true,
      };
      const report = await runLoad({ node, options, core: cores.load, guard });
      const othersCores = coresSince(before);
      const ended = started.ended();
      const failure = ended === undefined ? {} : { failure: `it ended with ${ended}` };
      return { ...run, ...cutDown(report), othersCores, ...failure };
    } finally {
      await started.stop();
    }
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    return { ...run, failure: error.message };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/**
 * Whether a server can be started here at all.
 *
 * @param {import('./servers.mjs').Server} server
 * @param {string} directory
 * @param {import('../dev-cluster/guard.mjs').Guard} guard
 * @returns {Promise<string | undefined>} why not
 */
export async function whyNot(server, directory, guard) {
  const own = newDirectory(directory);
  try {
    const started = await server.start({ directory: own, core: undefined, guard });
    await started.stop();
    return undefined;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    return error.message.replaceAll(own, 'DIRECTORY');
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/**
 * Of a report what the page needs.
 *
 * @param {Report} report
 * @returns {Pick<Run, 'phases' | 'faults' | 'problems'>}
 */
export function cutDown({ phases, checked, problems }) {
  /** @type {Record<string, Measured>} */
  const measured = {};
  for (const { name, perSecond, count, latencyMs, server, own } of phases) {
    measured[name] = {
      perSecond,
      count,
      cpuMicros: server?.cpuMicrosecondsEach ?? undefined,
      cores: server?.cores,
      rssKib: server?.rssAfterKiB,
      bytesEach: server?.rssBytesEach ?? undefined,
      p50Ms: latencyMs?.p50,
      p99Ms: latencyMs?.p99,
      loadBusy: own.busiestLoop,
    };
  }
  /** @type {Record<string, number>} */
  const faults = {};
  for (const [key, words] of Object.entries(faultWords)) {
    const count = checked[/** @type {keyof typeof faultWords} */ (key)];
    if (count > 0) faults[words] = count;
  }
  const refused = Object.values(checked.refused).reduce((sum, each) => sum + each, 0);
  if (refused > 0) faults.refused = refused;
  return { phases: measured, faults, problems };
}

/**
 * Runs the load generator.
 *
 * @param {object} what
 * @param {string} what.node
 * @param {import('./rows.mjs').ScenarioOptions} what.options
 * @param {number | undefined} what.core
 * @param {import('../dev-cluster/guard.mjs').Guard} what.guard
 * @returns {Promise<Report>}
 * @throws {NotRunning} with what it says
 */
function runLoad({ node, options, core, guard }) {
  const [file, ...args] = pinned([node, loadProgram, JSON.stringify(options)], core);
  const child = spawn(file, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  keepAnEyeOn(child, guard);
  let said = '';
  let complained = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complained += text;
  });
  const deadlineMs = patienceMs + 1000 * ((options.durationSeconds ?? 0) + (options.warmupSeconds ?? 0));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, deadlineMs);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new NotRunning(`the load did not start: ${error.message}`)));
    child.once('close', (code) => {
      clearTimeout(timer);
      if (late) return reject(new NotRunning(`the load did not end within ${deadlineMs / 1000} s`));
      if (code !== 0) return reject(new NotRunning(`no result: ${complained.trim().slice(-complaintLength)}`));
      resolve(JSON.parse(said));
    });
  });
}

/** What we and all that we have started took so far, the load generators that have ended among them. */
function oursSeconds() {
  return usageOf([process.pid]).cpuSeconds;
}

/**
 * How many cores others on this machine have kept busy.
 *
 * @param {{ busy: number | undefined, ours: number, ms: number }} before
 */
function coresSince({ busy, ours, ms }) {
  const now = machineBusySeconds();
  if (now === undefined || busy === undefined) return undefined;
  const seconds = (performance.now() - ms) / 1000;
  return Math.max(0, (now - busy - (oursSeconds() - ours)) / seconds);
}

/** @param {string} parent */
function newDirectory(parent) {
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'run-'));
}
