// Whether the program that was put together is that of the modules it was put together from.
//
// The compiler makes a file of every module in `dist`; loading some 200 of them takes longer than all else at a start.
// So `npm run build` puts them together, in `dist/program`. Whoever only compiles (`tsc -b`) leaves there what was: what
// the compiler noted down is then newer, and the modules themselves are loaded. What is published has both from one build.

import { readdirSync, statSync } from 'node:fs';

/** The entry of the program that was put together. */
export const program = new URL('../dist/program/main.js', import.meta.url);

/**
 * What the runtime is started with, as far as whoever starts it can: nothing of it can be set later. Newer ones let the
 * young generation grow to 32 MiB, twice; after a storm of connections that is a third of what an idle one takes, and
 * messages cost the same with half of it.
 */
export const runtimeFlags = ['--max-semi-space-size=16'];

const neighbours = new URL('../../', import.meta.url);

/**
 * Looks at the times of some ten files, in a fraction of a millisecond.
 *
 * @param {URL} entry what was put together; its time is when that began
 * @param {URL} packages the directory of all packages, each with its `dist`
 * @returns {boolean} false if it is not there, or if a package was compiled since
 */
export function isCurrent(entry = program, packages = neighbours) {
  const madeMs = writtenMs(entry);
  if (madeMs === undefined) return false;
  return readdirSync(packages).every((name) => {
    const compiledMs = writtenMs(new URL(`${name}/dist/.tsbuildinfo`, packages));
    return compiledMs === undefined || compiledMs <= madeMs;
  });
}

/** @param {URL} file */
function writtenMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
