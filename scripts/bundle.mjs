// `node scripts/bundle.mjs`, after a compilation: the program put together, since loading its 200 modules is most of a start.
//
// All packages are inside, so that a process has each of their modules once (an error is told by its class); zod too,
// since little of it is used. Other libraries stay outside. What is imported when it is needed stays in files of its own.

import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { program } from '../packages/edge/bin/program.js';

const entry = fileURLToPath(new URL('../packages/edge/dist/main.js', import.meta.url));
const target = dirname(fileURLToPath(program));
const installed = fileURLToPath(new URL('../node_modules', import.meta.url));
/** The libraries that go inside. */
const inside = ['zod'];
const ours = /[\\/]packages[\\/]([^\\/]+)[\\/]dist[\\/]/;

/** Finds libraries, which stay outside but for those above. @type {import('rolldown').Plugin} */
const libraries = {
  name: 'libraries',
  resolveId: {
    filter: { id: /^[a-z@]/ },
    handler(name, importer) {
      const goesInside = name.startsWith('@skein/') || inside.includes(name);
      if (importer === undefined || goesInside || name.startsWith('node:')) return null;
      // The package that names it may have one of another version beside it: from here that would not be found.
      if (createRequire(importer).resolve(name) !== createRequire(entry).resolve(name)) {
        throw new Error(`${name} is one library to ${importer} and another one to ${entry}`);
      }
      return { id: name, external: true };
    },
  },
};

/** Reads our modules: what they find beside them, and what they were compiled from, stays what it was. @type {import('rolldown').Plugin} */
const modules = {
  name: 'modules',
  load: {
    filter: { id: ours },
    async handler(file) {
      const [text, map] = await Promise.all([readFile(file, 'utf8'), readFile(`${file}.map`, 'utf8')]);
      const path = relative(target, file).split(sep).join('/');
      return { code: text.replaceAll('import.meta.url', `new URL('${path}', import.meta.url).href`), map };
    },
  },
};

const begun = new Date();
const bundle = await rolldown({
  input: { main: entry },
  platform: 'node',
  plugins: [libraries, modules],
  onLog: (_, { message }) => {
    throw new Error(message);
  },
});
const { output } = await bundle.generate({
  dir: target,
  format: 'esm',
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: ({ name, moduleIds }) => `${name === 'dist' ? ours.exec(moduleIds.at(-1) ?? '')?.[1] : name}.js`,
  // What several parts of edge share, in one file instead of many small ones.
  codeSplitting: { groups: [{ name: 'edge', test: /[\\/]edge[\\/]dist[\\/]/, minShareCount: 2 }] },
  // A program that runs may load a part of the next build: then names that are there still mean the same.
  minifyInternalExports: false,
  banner: ({ moduleIds }) => licences(moduleIds),
});
await bundle.close();

await mkdir(target, { recursive: true });
const [main, ...others] = output;
for (const each of others) await write(each.fileName, each.type === 'chunk' ? each.code : each.source);
// The entry comes last, and has the time at which this began: whoever compiled meanwhile has made it old.
await write(main.fileName, main.code, begun);
const written = new Set(output.map(({ fileName }) => fileName));
const found = (await readdir(target)).filter((name) => /\.(js|map)$/.test(name));
for (const name of found) if (!written.has(name)) await rm(join(target, name), { force: true });

/**
 * The licences of the libraries inside a file, which want to be where the library is.
 *
 * @param {readonly string[]} moduleIds
 */
async function licences(moduleIds) {
  const here = inside.filter((name) => moduleIds.some((file) => file.startsWith(join(installed, name, sep))));
  const texts = here.map((name) => readFile(join(installed, name, 'LICENSE'), 'utf8'));
  return (await Promise.all(texts)).map((text, i) => `/*! ${here[i]}\n\n${text.trim()}\n*/`).join('\n');
}

/**
 * Writes a file all at once: who reads it meanwhile gets the one before.
 *
 * @param {string} name
 * @param {string | Uint8Array} content
 * @param {Date} [time] that it is to have
 */
async function write(name, content, time) {
  const file = join(target, name);
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, content);
  if (time !== undefined) await utimes(draft, time, time);
  await rename(draft, file);
}
