// Where `npm run sim` begins; scripts/sim.mjs makes one file of it and runs that.

import { simulate } from './command.ts';

try {
  process.exitCode = await simulate(process.argv.slice(2), (line) => console.log(line));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  process.exitCode = 64;
}
