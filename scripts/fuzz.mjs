// `npm run fuzz [-- --minutes 60 --seed N]`: the fuzzer for as long as is wanted, an hour if nothing else is said.
//
// What breaks a rule is printed with the seed and the least that shows it, and goes into test/fuzz/corpus with all that
// is new. The same seed tries the same, as long as neither the product nor the corpus has changed.

import './node-version.mjs';
import { parseArgs } from 'node:util';
import { install, run, tool } from './workspace.mjs';

/** @param {string} complaint @returns {never} */
function refuse(complaint) {
  console.error(`fuzz: ${complaint}`);
  process.exit(64);
}

function asked() {
  try {
    return parseArgs({ options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string' } } }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const { minutes, seed } = asked();
if (!(Number(minutes) > 0)) refuse(`--minutes ${minutes}: a number above 0 is needed, such as 60`);
if (seed !== undefined && !Number.isSafeInteger(Number(seed))) refuse(`--seed ${seed}: a whole number is needed`);

await install();
process.env.SKEIN_FUZZ_MINUTES = minutes;
if (seed !== undefined) process.env.SEED = seed;
process.exitCode = await run(tool('vitest', 'run', 'test/fuzz/fuzz.test.ts'));
