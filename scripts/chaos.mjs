// `npm run chaos [-- count]`: a cluster under load, struck by kills, pauses, cuts and restarts of Redis, 300 if nothing
// else is said, twenty to a run. Each run names its seed; SKEIN_SEED makes the first one that seed again.

import './node-version.mjs';
import { installDebianPackages } from './debian-packages.mjs';
import { build, install, run, tool } from './workspace.mjs';

const count = Number(process.argv[2] ?? 300);
if (!Number.isInteger(count) || count < 1) {
  console.error(`chaos: ${process.argv[2]}: a number of disasters is needed, such as 300`);
  process.exit(64);
}

await install();
installDebianPackages();
process.env.SKEIN_CHAOS = String(count);
process.exitCode = (await build()) || (await run(tool('vitest', 'run', 'test/cluster/kill.test.ts')));
