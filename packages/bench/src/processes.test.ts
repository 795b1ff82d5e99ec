import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BenchError } from './bench-error.ts';
import { checkFileLimit } from './file-limit.ts';
import { cpuSecondsBetween, psSeconds, usedBy } from './processes.ts';

describe('what a process has used', () => {
  it('grows by the CPU that it takes', () => {
    const before = usedBy([process.pid], false);
    const own = process.cpuUsage();
    // Until so much is used, however long others keep the processor.
    const usedMs = (): number => {
      const { user, system } = process.cpuUsage(own);
      return (user + system) / 1000;
    };
    let work = 0;
    while (usedMs() < 100) work += Math.sqrt(work + 1);
    const used = usedMs();
    const measured = cpuSecondsBetween(before, usedBy([process.pid], false));
    expect(measured).toBeGreaterThan(0);
    // The kernel writes down what a running thread has used at its ticks.
    expect(Math.abs(measured - used / 1000)).toBeLessThan(0.05);
    expect(before.rssKiB * 1024).toBeGreaterThan(process.memoryUsage().rss / 2);
  });

  it('has its children with it if that is asked for', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log(1)'], { stdio: 'pipe' });
    try {
      await once(child.stdout, 'data');
      const threads = [...usedBy([process.pid], true).cpuSeconds.keys()];
      expect(threads.some((thread) => thread.split('/')[0] === String(child.pid))).toBe(true);
      const alone = [...usedBy([process.pid], false).cpuSeconds.keys()];
      expect(alone.every((thread) => thread.split('/')[0] === String(process.pid))).toBe(true);
    } finally {
      child.stdin.end();
      child.kill('SIGKILL');
    }
  });

  it('is not to be had of a process that does not exist', () => {
    expect(() => usedBy([2 ** 30], false)).toThrow(BenchError);
    expect(() => usedBy([2 ** 30], false)).toThrow(/there is no process 1073741824/);
  });

  it('is understood as ps tells it', () => {
    expect(psSeconds('0:01.50')).toBe(1.5);
    expect(psSeconds('02:03:04')).toBe(7384);
    expect(psSeconds('1-00:00:01')).toBe(86_401);
  });
});

describe('too few file descriptors', () => {
  it('are found out before, with what to do', () => {
    expect(() => checkFileLimit(1000, 1024)).toThrow(/1000 connections .* 1024: run `ulimit -n 1064`/);
    expect(checkFileLimit(900, 1024)).toBeUndefined();
    expect(checkFileLimit(10)).toBeUndefined();
  });
});
