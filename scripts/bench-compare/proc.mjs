// What Linux tells of processes: who descends from whom, how much CPU and memory they have used, and what the machine is.
//
// Elsewhere than on Linux there is no /proc; then these figures are missing, and nothing else.

import { readdirSync, readFileSync } from 'node:fs';

/** In /proc CPU time is counted in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100;

/**
 * @typedef {object} Stat
 * @property {number} pid
 * @property {number} parent
 * @property {number} cpuSeconds its own, and that of children that have ended and were waited for
 */

/**
 * Reads a line of /proc/PID/stat. A program may have given itself a name with blanks and parentheses in it.
 *
 * @param {string} line
 * @returns {Stat | undefined} undefined if it is not one
 */
export function parseStat(line) {
  const end = line.lastIndexOf(')');
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(end + 2).split(' ');
  // The fields after the name: state, parent … the 12th to 15th are utime, stime, cutime, cstime.
  const ticks = fields.slice(11, 15).map(Number);
  const parent = Number(fields[1]);
  if (end < 0 || ticks.length < 4 || ![pid, parent, ...ticks].every(Number.isFinite)) return undefined;
  return { pid, parent, cpuSeconds: ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond };
}

/**
 * Reads the first line of /proc/stat.
 *
 * @param {string} text
 * @returns {{ busySeconds: number } | undefined} what all cores together have worked since the machine started
 */
export function parseMachineStat(text) {
  const fields = /^cpu +([\d ]+)/.exec(text)?.[1]?.split(' ').map(Number);
  if (fields === undefined || fields.length < 8) return undefined;
  // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is in user already.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return { busySeconds: (user + nice + system + irq + softirq) / ticksPerSecond };
}

/**
 * Reads VmRSS of /proc/PID/status.
 *
 * @param {string} text
 * @returns {number} KiB; 0 for a process that has no memory of its own any more
 */
export function parseRssKib(text) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

/**
 * Reads the name of the processor of /proc/cpuinfo.
 *
 * @param {string} text
 * @returns {string | undefined}
 */
export function parseCpuModel(text) {
  const found = /^(?:model name|Model|cpu model)\s*:\s*(.+)$/m.exec(text)?.[1];
  return found
    ?.replaceAll(/\((?:R|TM)\)/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/**
 * Processes and all that descend from them.
 *
 * @param {readonly number[]} roots
 * @param {readonly Pick<Stat, 'pid' | 'parent'>[]} all
 * @returns {number[]} their ids, each once
 */
export function treeOf(roots, all) {
  const found = new Set(roots);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/**
 * What processes and their descendants have used so far.
 *
 * @param {readonly number[]} roots
 * @returns {{ cpuSeconds: number, rssKib: number }}
 */
export function usageOf(roots) {
  const all = everyStat();
  const pids = new Set(treeOf(roots, all));
  const own = all.filter(({ pid }) => pids.has(pid));
  return {
    cpuSeconds: own.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    rssKib: own.reduce((sum, { pid }) => sum + parseRssKib(read(`/proc/${pid}/status`)), 0),
  };
}

/**
 * What the whole machine has worked since it started.
 *
 * @returns {number | undefined} in seconds, of all cores; undefined where nobody knows
 */
export function machineBusySeconds() {
  return parseMachineStat(read('/proc/stat'))?.busySeconds;
}

function everyStat() {
  return pids().flatMap((pid) => parseStat(read(`/proc/${pid}/stat`)) ?? []);
}

/** @returns {string[]} */
function pids() {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/**
 * @param {string} path
 * @returns {string} empty if there is no such file: a process may end while we look
 */
function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
