// Processes that must not outlive the tests: a test that runs out of time never comes to its end.

import type { ChildProcess } from 'node:child_process';

const running = new Set<ChildProcess>();

function endAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

process.on('exit', endAll);
// So is this one ended when a test of it has run out of time: without an exit of its own.
process.once('SIGTERM', () => {
  endAll();
  process.exit(143);
});

/** Ends a process at the latest when this one ends by itself. */
export function endWithUs(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}
