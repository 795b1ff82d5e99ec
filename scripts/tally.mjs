// `tally.mjs REPORT CODE`: the last line of .ci/run, out of vitest's JSON report and the exit code of `npm test`.
//
// The report does not know of a check that failed, a test file that did not load, an error outside of any test, or
// a run that was cut short. So where the run failed and no test did, something else did, and counts as one.

import { existsSync, readFileSync } from 'node:fs';

const [path = '', code] = process.argv.slice(2);
const report = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { numPassedTests: 0, numFailedTests: 0 };
const failed = report.numFailedTests === 0 && code !== '0' ? 1 : report.numFailedTests;
console.log(`${report.numPassedTests} passed, ${failed} failed`);
