// `node load.mjs OPTIONS`: one run of the load generator in a process of its own, so that it can be held to a core.
//
// OPTIONS is what `runScenario` takes, as JSON. The report goes to standard output as JSON; why there is none, to standard
// error. Run `npm run build` first: this takes the load generator as it is built.

import { fileURLToPath } from 'node:url';

/** This program. */
export const loadProgram = fileURLToPath(import.meta.url);

if (process.argv[1] === loadProgram) {
  /** @type {typeof import('../../packages/bench/src/index.ts')} */
  const { runScenario } = await import(new URL('../../packages/bench/dist/index.js', import.meta.url).href);
  try {
    const report = await runScenario(JSON.parse(process.argv[2] ?? '{}'), () => undefined);
    process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}
