// `node deploy/image.mjs DIRECTORY`: puts what runs, and nothing else, into a directory, for an image.
//
// Of each package goes what its package.json names in `files`: what npm would publish. Of node_modules goes all, so it
// is pruned before (`npm prune --omit=dev`); links in it lead to packages, which keep their places beside it.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error('usage: node deploy/image.mjs DIRECTORY');

mkdirSync(target, { recursive: true });
copy('package.json');
copy('LICENSE');
copy('node_modules');
cpSync(join(root, 'deploy/probe.mjs'), join(target, 'probe.mjs'));
for (const name of readdirSync(join(root, 'packages'))) {
  const directory = join('packages', name);
  if (!existsSync(join(root, directory, 'package.json'))) continue;
  const { files = [] } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8'));
  copy(join(directory, 'package.json'));
  // A dependency of which two packages need different versions stands beside the package.
  for (const each of [...files, 'node_modules']) {
    if (existsSync(join(root, directory, each))) copy(join(directory, each));
  }
}

/** @param {string} path from the clone's root, and in the target the same */
function copy(path) {
  cpSync(join(root, path), join(/** @type {string} */ (target), path), {
    recursive: true,
    verbatimSymlinks: true,
    // Maps and declarations are for those who build, and notes of an incremental build for nobody.
    filter: (source) => !/\.(map|d\.ts|d\.mts|d\.cts|tsbuildinfo)$/.test(source),
  });
}
