// `npm run chaos [-- count [cluster|alone]]`: 300 disasters if nothing else is said, twenty to a run. A cluster under load
// is struck by kills, pauses, cuts and restarts of Redis; a node that is alone, on its own disk, by kills. Each run names
// its seed; SKEIN_SEED makes the first one that seed again.

import './node-version.mjs';
import { installDebianPackages } from './debian-packages.mjs';
import { build, install, run, tool } from './workspace.mjs';

/** @type {Readonly<Record<string, string>>} */
const tests = { cluster: 'test/cluster/kill.test.ts', alone: 'test/embedded/kill.test.ts' };

const [count = '300', where = 'cluster'] = process.argv.slice(2);
if (!(Number.isInteger(Number(count)) && Number(count) >= 1)) {
  console.error(`chaos: ${count}: a number of disasters is needed, such as 300`);
  process.exit(64);
}
const test = tests[where];
if (test === undefined) {
  console.error(`chaos: ${where}: allowed: ${Object.keys(tests).join(', ')}`);
  process.exit(64);
}

await install();
if (where === 'cluster') installDebianPackages();
process.env.SKEIN_CHAOS = count;
process.exitCode = (await build()) || (await run(tool('vitest', 'run', test)));
