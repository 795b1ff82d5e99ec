// `npm run sim [-- --seconds 60] [--from SEED] [--processes N] [--seed SEED]`: one broker in virtual time, in as many random
// schedules as fit into a time, on all processors. The first one that fails is told as a story, and how to have it again.
//
// Node runs no TypeScript of its own accord, so test/sim is made into one file first, in .cache.

import './node-version.mjs';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { install, root, run } from './workspace.mjs';

await install();
const { rolldown } = await import('rolldown');
const source = (/** @type {string} */ name) => join(root, 'packages', name, 'src/index.ts');
const bundle = await rolldown({
  input: fileURLToPath(new URL('../test/sim/main.ts', import.meta.url)),
  platform: 'node',
  resolve: { alias: { '@skein/protocol': source('protocol'), '@skein/broker': source('broker') } },
});
const file = join(root, '.cache/sim.mjs');
await bundle.write({ file, format: 'esm', sourcemap: true });
await bundle.close();

// A schedule leaves nothing behind but garbage, so there is to be room for the garbage of many.
const command = ['--enable-source-maps', '--min-semi-space-size=16', '--max-semi-space-size=64', file];
const args = process.argv.slice(2);
const processes = Number(taken(args, '--processes') ?? availableParallelism());
if (args.includes('--seed') || !(processes > 1)) process.exitCode = await run([process.execPath, ...command, ...args]);
else process.exitCode = await runAll(Number(taken(args, '--from') ?? 1 + Math.floor(Math.random() * 1e9)));

/**
 * Each process takes its share of the seeds; the first that fails ends the others.
 *
 * @param {number} from
 */
async function runAll(from) {
  let perSecond = 0;
  const children = Array.from({ length: processes }, (_, i) => {
    const share = ['--from', String(from + i), '--every', String(processes)];
    return spawn(process.execPath, [...command, ...args, ...share], { stdio: ['ignore', 'pipe', 'inherit'] });
  });
  const codes = children.map(async (child) => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    for await (const line of createInterface({ input: child.stdout })) {
      console.log(line);
      perSecond += Number(/: (\d+)\/s/.exec(line)?.[1] ?? 0);
    }
    const code = await ended;
    if (code !== 0) for (const other of children) other.kill();
    return code;
  });
  const failed = (await Promise.all(codes)).filter((code) => code !== 0);
  console.log(`${perSecond} schedules/s by ${processes} processes`);
  return failed.length === 0 ? 0 : Number(failed[0] ?? 1);
}

/**
 * The value of an option, which is taken out of the arguments.
 *
 * @param {string[]} from
 * @param {string} name
 */
function taken(from, name) {
  const at = from.indexOf(name);
  return at === -1 ? undefined : from.splice(at, 2)[1];
}
