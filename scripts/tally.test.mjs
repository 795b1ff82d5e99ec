// What is read of a run without reading the run: its last line must not call well what was not.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('tally.mjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'tally-'));
const report = join(directory, 'report.json');

afterAll(() => rmSync(directory, { recursive: true }));

/** @param {string[]} args */
const tally = (...args) => execFileSync(process.execPath, [script, ...args], { encoding: 'utf8' });

describe('the last line of .ci/run', () => {
  it('says how many tests passed and failed', () => {
    writeFileSync(report, JSON.stringify({ numPassedTests: 41, numFailedTests: 2, numPendingTests: 3 }));
    expect(tally(report, '1')).toBe('41 passed, 2 failed\n');
  });

  it('counts a failure that was no test', () => {
    writeFileSync(report, JSON.stringify({ numPassedTests: 41, numFailedTests: 0 }));
    expect(tally(report, '1')).toBe('41 passed, 1 failed\n');
    expect(tally(report, '0')).toBe('41 passed, 0 failed\n');
  });

  it('counts a run that left no report', () => {
    expect(tally(join(directory, 'none.json'), '124')).toBe('0 passed, 1 failed\n');
  });
});
