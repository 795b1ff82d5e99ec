// What Linux tells of processes, read as it is written.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseCpuModel, parseMachineStat, parseRssKib, parseStat, treeOf, usageOf } from './proc.mjs';

describe('/proc/PID/stat', () => {
  const after = '4194304 2190 5 0 0 {} 20 0 11 0 1000 600000 12000 18446744073709551615 0 0';

  it('has the parent, and the CPU time of the process and of its ended children in hundredths', () => {
    const line = `4711 (node) S 42 4711 4711 0 -1 ${after.replace('{}', '120 30 7 3')}`;
    expect(parseStat(line)).toEqual({ pid: 4711, parent: 42, cpuSeconds: 1.6 });
  });

  it('is not confused by the name that a program has given itself', () => {
    const line = `4711 (a) R 9 (b c) S 42 4711 4711 0 -1 ${after.replace('{}', '100 0 0 0')}`;
    expect(parseStat(line)).toEqual({ pid: 4711, parent: 42, cpuSeconds: 1 });
  });

  it.each(['', 'nothing of the kind', '4711 (node) S 42'])('cut short to %j is none', (line) => {
    expect(parseStat(line)).toBeUndefined();
  });
});

it('/proc/stat has what all cores have worked; waiting and what a hypervisor took is not work', () => {
  const text = 'cpu  1000 20 300 99999 555 4 6 777 50 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 12\n';
  expect(parseMachineStat(text)).toEqual({ busySeconds: 13.3 });
  expect(parseMachineStat('')).toBeUndefined();
});

it('/proc/PID/status has the memory; one that is ending has none', () => {
  expect(parseRssKib('Name:\tnode\nVmHWM:\t  90000 kB\nVmRSS:\t   45678 kB\nThreads:\t11\n')).toBe(45_678);
  expect(parseRssKib('Name:\tnode\nState:\tZ (zombie)\n')).toBe(0);
});

it('/proc/cpuinfo names the processor, each system in its own way', () => {
  const intel = 'processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) Processor  @ 2.50GHz\nstepping\t: 7\n';
  expect(parseCpuModel(intel)).toBe('Intel Xeon Processor @ 2.50GHz');
  expect(parseCpuModel('processor : 0\nModel : Raspberry Pi 4 Model B\n')).toBe('Raspberry Pi 4 Model B');
  expect(parseCpuModel('processor : 0\n')).toBeUndefined();
});

describe('a tree of processes', () => {
  const all = [
    { pid: 9, parent: 5 },
    { pid: 5, parent: 2 },
    { pid: 2, parent: 1 },
    { pid: 3, parent: 1 },
    { pid: 4, parent: 3 },
  ];

  it('is a process and all that descend from it, in whatever order they are told', () => {
    expect(treeOf([2], all).toSorted()).toEqual([2, 5, 9]);
  });

  it('has each process once, though two roots lead to it', () => {
    expect(treeOf([2, 5, 3], all).toSorted()).toEqual([2, 3, 4, 5, 9]);
  });

  it.runIf(process.platform === 'linux')('counts what a child of a child works', async () => {
    // A shell whose child works for a quarter of a second, says so and stays.
    const work =
      'const end = Date.now() + 250; while (Date.now() < end); console.log("done"); setInterval(() => 0, 1000)';
    const child = spawn('sh', ['-c', '"$0" -e "$1"; exit', process.execPath, work], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void process.kill(-Number(child.pid), 'SIGKILL'));
    await once(child.stdout, 'data');
    const { cpuSeconds, rssKib } = usageOf([Number(child.pid)]);
    expect(cpuSeconds).toBeGreaterThan(0.05);
    expect(rssKib).toBeGreaterThan(10_000);
  });
});
