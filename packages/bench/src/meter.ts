// What everything cost from one moment to another: the server's CPU and memory, our own CPU, how busy our loops were.

import { nowMs } from './clock.ts';
import type { Totals } from './counts.ts';
import type { Crew } from './crew.ts';
import type { Plan } from './plan.ts';
import { cpuSecondsBetween, type Used, usedBy } from './processes.ts';
import type { OwnCost, ServerCost } from './scenario.ts';

/** A moment. */
export interface Moment {
  readonly atMs: number;
  readonly totals: Totals;
  readonly server: Used | undefined;
  readonly ownCpuSeconds: number;
  readonly loops: readonly { readonly active: number; readonly idle: number }[];
}

/** Reads all meters. */
export function readMeters(plan: Plan, crew: Crew): Moment {
  const { user, system } = process.cpuUsage();
  return {
    atMs: nowMs(),
    totals: crew.counts.totals(),
    server: plan.pids.length === 0 ? undefined : usedBy(plan.pids, plan.includeChildren),
    ownCpuSeconds: (user + system) / 1e6,
    loops: crew.utilizations(),
  };
}

/** What this program took. */
export function ownCost(before: Moment, after: Moment, count: number): OwnCost {
  const cpuSeconds = after.ownCpuSeconds - before.ownCpuSeconds;
  const busy = after.loops.map(({ active, idle }, index) => {
    const since = before.loops[index] ?? { active: 0, idle: 0 };
    const activeMs = active - since.active;
    return activeMs / (activeMs + idle - since.idle || 1);
  });
  return {
    cpuSeconds: rounded(cpuSeconds, 3),
    cpuMicrosecondsEach: each(cpuSeconds * 1e6, count),
    busiestLoop: rounded(Math.max(...busy), 3),
  };
}

/**
 * What the server took.
 *
 * @param grownSince the moment from which on its memory counts
 */
export function serverCost(before: Moment, after: Moment, count: number, grownSince: Moment = before): ServerCost {
  if (before.server === undefined || after.server === undefined || grownSince.server === undefined) {
    throw new Error('the server was not measured');
  }
  const cpuSeconds = cpuSecondsBetween(before.server, after.server);
  const rssBeforeKiB = grownSince.server.rssKiB;
  const rssAfterKiB = after.server.rssKiB;
  return {
    cpuSeconds: rounded(cpuSeconds, 3),
    cpuMicrosecondsEach: each(cpuSeconds * 1e6, count),
    cores: rounded((cpuSeconds * 1000) / (after.atMs - before.atMs), 3),
    rssBeforeKiB,
    rssAfterKiB,
    rssBytesEach: each((rssAfterKiB - rssBeforeKiB) * 1024, count),
  };
}

function each(amount: number, count: number): number | null {
  return count === 0 ? null : rounded(amount / count, 3);
}

/** A number with so many digits behind the point. */
export function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
