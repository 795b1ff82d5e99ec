// `node scripts/lock.mjs`: gives package-lock.json the platforms that npm left out of it.
//
// Compilers and linters come as one optional package for each platform, and all of them belong into the lock: `npm ci`
// refuses one that lacks any, on every machine. Yet `npm install` leaves out what is missing in node_modules, or in
// the registry it happened to ask. Their versions are exact and their platforms stand in their names, so what is left
// out can be said without asking anybody; only the checksum is not known, and npm takes the registry's.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

/**
 * @typedef {{ version?: string, dev?: boolean, resolved?: string, optionalDependencies?: Record<string, string> }} Entry
 */

/**
 * What the lock should hold and does not: an entry for each optional dependency that another entry names.
 *
 * @param {Record<string, Entry>} packages the entries of a lock, by path
 * @returns {Record<string, object>} the missing entries, by path
 * @throws {Error} if a missing one names no exact version
 */
export function missingPlatforms(packages) {
  const missing = /** @type {Record<string, object>} */ ({});
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (isFound(packages, path, name)) continue;
      if (!/^\d+\.\d+\.\d+/.test(version))
        throw new Error(`${path} wants ${name} ${version}, which is not one version`);
      missing[`node_modules/${name}`] = entryOf(name, version, dev === true);
    }
  }
  return missing;
}

/**
 * Whether Node would find a package from another one: beside it, or beside what holds it.
 *
 * @param {Record<string, Entry>} packages
 * @param {string} from
 * @param {string} name
 */
function isFound(packages, from, name) {
  for (let path = from; ; path = path.slice(0, path.lastIndexOf('/node_modules/'))) {
    if (packages[`${path}/node_modules/${name}`] !== undefined) return true;
    if (!path.includes('/node_modules/')) return packages[`node_modules/${name}`] !== undefined;
  }
}

/**
 * The entry as npm would have written it, field by field, but for the checksum.
 *
 * @param {string} name as `@biomejs/cli-linux-x64-musl`
 * @param {string} version
 * @param {boolean} dev
 */
function entryOf(name, version, dev) {
  const words = name.split(/[-/]/);
  const cpu = processors.filter((each) => words.includes(each));
  const os = systems.filter((each) => words.includes(each));
  const libc = words.some((word) => word.startsWith('musl')) ? ['musl'] : ['glibc'];
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(os.includes('linux') && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

const [, script] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const path = new URL('../package-lock.json', import.meta.url);
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  const missing = missingPlatforms(lock.packages);
  const entries = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(entries) }, null, 2)}\n`);
  for (const name of Object.keys(missing)) console.log(`added ${name}`);
}
