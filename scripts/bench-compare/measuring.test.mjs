// Of a report the page needs little; and nothing of a comparison outlives it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../test/support/deadline.ts';
import { runs } from '../dev-cluster/guard.mjs';
import { cutDown } from './measuring.mjs';
import { parseStat, treeOf } from './proc.mjs';

/** @typedef {import('./measuring.mjs').Report} Report */

/** @type {Report['checked']} */
const clean = {
  published: 100,
  acknowledged: 100,
  unacknowledged: 0,
  refused: {},
  expected: 100,
  delivered: 100,
  lost: 0,
  duplicates: 0,
  redelivered: 0,
  outOfOrder: 0,
  misrouted: 0,
  corrupt: 0,
  wrongQos: 0,
  foreign: 0,
  sessionsGone: 0,
  subscriptionsRefused: {},
  writtenOff: 0,
};

/**
 * @param {Partial<Report['checked']>} checked
 * @param {Report['phases']} [phases]
 */
function reportOf(checked, phases = []) {
  return /** @type {Report} */ ({ problems: ['a problem'], checked: { ...clean, ...checked }, phases });
}

describe('of a report', () => {
  it('the figures of each phase are kept by its name', () => {
    /** @type {Report['phases'][number]} */
    const load = {
      name: 'load',
      unit: 'message',
      seconds: 2,
      count: 200,
      perSecond: 100,
      latencyMs: { count: 200, mean: 2, p50: 1, p90: 3, p99: 4, p999: 5, max: 6 },
      server: {
        cpuSeconds: 0.4,
        cpuMicrosecondsEach: 2000,
        cores: 0.2,
        rssBeforeKiB: 1000,
        rssAfterKiB: 1100,
        rssBytesEach: 512,
      },
      own: { cpuSeconds: 0.1, cpuMicrosecondsEach: 500, busiestLoop: 0.3 },
    };
    expect(cutDown(reportOf({}, [load]))).toEqual({
      phases: {
        load: {
          perSecond: 100,
          count: 200,
          cpuMicros: 2000,
          cores: 0.2,
          rssKib: 1100,
          bytesEach: 512,
          p50Ms: 1,
          p99Ms: 4,
          loadBusy: 0.3,
        },
      },
      faults: {},
      problems: ['a problem'],
    });
  });

  it('what the server did wrong is kept in words, and what it did as it may is not', () => {
    const checked = { lost: 3, duplicates: 1, redelivered: 7, refused: { 'Quota exceeded': 2, 'Not authorized': 3 } };
    expect(cutDown(reportOf(checked)).faults).toEqual({ lost: 3, 'delivered twice': 1, refused: 5 });
  });
});

/** Three processes start and end, on a machine that is busy with other tests. */
const patienceMs = 60_000;

describe.runIf(process.platform === 'linux')('npm run bench:compare', { timeout: 2 * patienceMs }, () => {
  it.each(/** @type {const} */ (['SIGINT', 'SIGTERM']))('ends all that it has started at %s', async (signal) => {
    const place = mkdtempSync(join(tmpdir(), 'skein-compare-'));
    onTestFinished(() => rmSync(place, { recursive: true, force: true }));
    const script = fileURLToPath(new URL('../bench-compare.mjs', import.meta.url));
    const files = ['--results', join(place, 'figures.json'), '--page', join(place, 'page.md')];
    const directory = join(place, 'data');
    const choice = ['--servers', 'skein', '--rows', 'qos0-1', '--seconds', '600', '--directory', directory];
    const child = spawn(process.execPath, [script, '--no-build', ...choice, ...files], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
    }
    const isLoading = () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said}`);
      const names = descendantsOf(Number(child.pid)).map(({ line }) => line);
      return (
        ['skein.js', 'load.mjs', 'guard.mjs'].every((name) => names.some((line) => line.includes(name))) || undefined
      );
    };
    await until('a server and its load to run', isLoading, patienceMs);
    const pids = descendantsOf(Number(child.pid)).map(({ pid }) => pid);

    child.kill(signal);
    expect(await exited).toEqual([130, null]);
    expect(pids.filter(runs)).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });
});

/**
 * All that a process has started, with their command lines.
 *
 * @param {number} root
 */
function descendantsOf(root) {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const all = numbers.flatMap((name) => parseStat(read(`/proc/${name}/stat`)) ?? []);
  const pids = treeOf([root], all).filter((pid) => pid !== root);
  return pids.map((pid) => ({ pid, line: read(`/proc/${pid}/cmdline`) }));
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
