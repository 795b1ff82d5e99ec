// Whether this process may open as many sockets as a run needs: found out before, not in the middle.

import { readFileSync } from 'node:fs';
import { BenchError } from './bench-error.ts';

/** What a process has open besides: libraries, threads, the terminal. */
const otherFiles = 64;

/** @throws BenchError if there are too few file descriptors, with what to do */
export function checkFileLimit(connections: number, limit: number = fileLimit()): void {
  if (connections + otherFiles <= limit) return;
  throw new BenchError(
    'machine',
    `${connections} connections need about ${connections + otherFiles} file descriptors, and this process may have ` +
      `${limit}: run \`ulimit -n ${connections + otherFiles}\` before (the hard limit may have to be raised too, in ` +
      '/etc/security/limits.conf), or take fewer clients. The server needs as many',
  );
}

/** How many files this process may have open; Node raises it to the hard limit as it starts. */
function fileLimit(): number {
  const said = process.platform === 'linux' ? linuxLimit() : reportedLimit();
  return said === undefined || Number.isNaN(said) ? Number.POSITIVE_INFINITY : said;
}

function linuxLimit(): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return soft === 'unlimited' ? undefined : Number(soft);
}

function reportedLimit(): number | undefined {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : undefined;
}
