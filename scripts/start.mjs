// `npm start [-- flags]`: from a fresh clone to a running broker; the flags are those of `skein start`.

import './node-version.mjs';
import { join } from 'node:path';
import { runtimeFlags } from '../packages/edge/bin/program.js';
import { build, install, root, run } from './workspace.mjs';

const skein = join(root, 'packages/edge/bin/skein.js');
const parentPollMs = 200;

// npm runs us in a shell, and a SIGTERM ends the shell without reaching us: then the broker would go on, holding its
// port, with nobody to stop it. A parent that is gone is a SIGTERM that got lost.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === parent) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}, parentPollMs);
watch.unref();
process.once('SIGTERM', () => clearInterval(watch));

await install();
const built = await build();
process.exitCode =
  built === 0 ? await run([process.execPath, ...runtimeFlags, skein, 'start', ...process.argv.slice(2)]) : built;
