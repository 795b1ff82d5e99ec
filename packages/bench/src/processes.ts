// What processes of this machine have used so far: CPU of all their threads, and resident memory.
//
// On Linux the kernel knows in nanoseconds what each thread has run, in /proc/N/task/*/schedstat; where that is not
// there, in ticks of 10 ms. Elsewhere `ps` is asked, which rounds to hundredths of a second at best.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { BenchError } from './bench-error.ts';

/** What processes have used. */
export interface Used {
  /** By thread (or process, where threads are not known), so that one that ended meanwhile does not count as less. */
  readonly cpuSeconds: ReadonlyMap<string, number>;
  readonly rssKiB: number;
}

const ticksPerSecond = 100;

/**
 * Reads what processes have used until now.
 *
 * @throws BenchError if there is no such process
 */
export function usedBy(pids: readonly number[], includeChildren: boolean): Used {
  const all = includeChildren ? withChildren(pids) : pids;
  const cpuSeconds = new Map<string, number>();
  let rssKiB = 0;
  for (const pid of all) {
    try {
      rssKiB += process.platform === 'linux' ? readLinux(pid, cpuSeconds) : readPs(pid, cpuSeconds);
    } catch {
      // A child may have ended since it was listed.
      if (pids.includes(pid)) throw new BenchError('options', `pid: there is no process ${pid} on this machine`);
    }
  }
  return { cpuSeconds, rssKiB };
}

/** CPU seconds used between two readings; of threads that ended between them only what they had used before counts. */
export function cpuSecondsBetween(before: Used, after: Used): number {
  let sum = 0;
  for (const [thread, seconds] of after.cpuSeconds) sum += seconds - (before.cpuSeconds.get(thread) ?? 0);
  return sum;
}

function readLinux(pid: number, cpuSeconds: Map<string, number>): number {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      cpuSeconds.set(`${pid}/${thread}`, threadSeconds(pid, thread));
    } catch {
      // It has ended since it was listed.
    }
  }
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
}

function threadSeconds(pid: number, thread: string): number {
  const nanoseconds = Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] ?? 0);
  if (nanoseconds > 0) return nanoseconds / 1e9;
  // After the name in brackets, which may hold spaces, utime and stime are the twelfth and thirteenth field.
  const fields = read(`/proc/${pid}/task/${thread}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function read(path: string): string {
  return readFileSync(path, 'latin1');
}

function readPs(pid: number, cpuSeconds: Map<string, number>): number {
  const line = execFileSync('ps', ['-o', 'time=,rss=', '-p', String(pid)], { encoding: 'latin1' }).trim();
  const [time = '', rss = ''] = line.split(/\s+/);
  cpuSeconds.set(String(pid), psSeconds(time));
  return Number(rss);
}

/** `1-02:03:04.56`, or the end of it. */
export function psSeconds(text: string): number {
  const [clock = '', days = '0'] = text.split('-').reverse();
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) + Number(days) * 86_400;
}

/** The processes and all that descend from them. */
function withChildren(pids: readonly number[]): number[] {
  const parents = process.platform === 'linux' ? parentsLinux() : parentsPs();
  const all = new Set(pids);
  for (let before = 0; before < all.size; ) {
    before = all.size;
    for (const [pid, parent] of parents) if (all.has(parent)) all.add(pid);
  }
  return [...all];
}

function parentsLinux(): [pid: number, parent: number][] {
  const parents: [number, number][] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.push([Number(name), Number(read(`/proc/${name}/stat`).split(') ').at(-1)?.split(' ')[1])]);
    } catch {
      // It has ended since it was listed.
    }
  }
  return parents;
}

function parentsPs(): [pid: number, parent: number][] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'latin1' }).trim().split('\n');
  return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
