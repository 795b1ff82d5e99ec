// `npm test [-- arguments of vitest]`: installs and builds what is missing, checks, then runs every test.
//
// A build or check that failed does not keep the tests from running: whoever reads the outcome wants all of it.
// `--no-check` leaves the check out. The exit code is 0 only if all is well.

import './node-version.mjs';
import { join } from 'node:path';
import { installDebianPackages } from './debian-packages.mjs';
import { build, install, root, run, tool } from './workspace.mjs';

const args = process.argv.slice(2);
const checks = !args.includes('--no-check');

await install();
installDebianPackages();

const built = await build();
const checked = checks ? await run([process.execPath, join(root, 'scripts/check.mjs')]) : 0;
const tested = await run(tool('vitest', 'run', ...args.filter((arg) => arg !== '--no-check')));
if (built !== 0 || checked !== 0)
  console.error('The build or the check failed; what was found stands above the tests.');
process.exitCode = tested || checked || built;
