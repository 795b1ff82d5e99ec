// Refuses a Node that is too old, in a sentence, before anything that needs a newer one is loaded.
//
// Every script imports this first. It is written for the oldest Node that knows `node:` imports.

import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const wanted = manifest.engines.node.replace('>=', '');

if (!isAtLeast(process.versions.node.split('.').map(Number), wanted.split('.').map(Number))) {
  console.error(`Skein needs Node ${wanted} or newer; this is Node ${process.versions.node}.`);
  process.exit(1);
}

/**
 * @param {number[]} found
 * @param {number[]} wanted
 */
function isAtLeast([major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]) {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
