// The arrows between packages: who may import whom, and where each outside library has its one home.
//
// Arrows point inwards only. The compiler keeps much of this by itself (a package sees only what its tsconfig.json
// references), but it does not mind `node:fs` in the broker, a second home for a library, or a path that climbs into
// a neighbour. What is found is named by file and line; nothing found is an empty list.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, relative, resolve, sep } from 'node:path';
import { parseSync, Visitor } from 'rolldown/utils';

/**
 * The house. `imports` are the packages a package may import; a pure one has no I/O, so no outside library and no
 * module of Node. One that `carries` others is put together with all that it imports, and looks for their libraries from
 * where it is: it declares them, in the same version, and leaves them to their home all the same.
 *
 * @type {Record<string, { imports: string[], pure?: boolean, carries?: boolean }>}
 */
const house = {
  protocol: { imports: [], pure: true },
  broker: { imports: ['protocol'], pure: true },
  stored: { imports: ['broker', 'protocol'] },
  embedded: { imports: ['stored', 'broker', 'protocol'] },
  redis: { imports: ['stored', 'broker', 'protocol'] },
  cluster: { imports: ['broker', 'protocol'] },
  edge: { imports: ['bench', 'embedded', 'redis', 'cluster', 'broker', 'protocol'], carries: true },
  dashboard: { imports: [] },
  bench: { imports: ['protocol'] },
};

const scope = '@skein/';

/**
 * @typedef {{ file: string, line: number, message: string }} Finding
 * @typedef {{ name: string, path: string, file: string, source: string, specifier: string, at: number }} Import
 */

/**
 * Everything under `packages/` that points the wrong way.
 *
 * @param {string} directory what holds `packages/`
 * @returns {Finding[]} files named from that directory
 */
export function arrows(directory) {
  const root = resolve(directory);
  const found = /** @type {Finding[]} */ ([]);
  /** Which package declares an outside library. */
  const homes = /** @type {Map<string, string>} */ (new Map());

  for (const name of subdirectories(join(root, 'packages'))) {
    const path = join(root, 'packages', name);
    const manifestPath = join(path, 'package.json');
    if (!existsSync(manifestPath)) continue;
    const manifestFile = relative(root, manifestPath);
    const manifestText = readFileSync(manifestPath, 'utf8');
    const rules = house[name];
    if (rules === undefined) {
      found.push({ file: manifestFile, line: 1, message: `package ${name} has no place in scripts/arrows.mjs yet` });
      continue;
    }

    const declared = JSON.parse(manifestText).dependencies ?? {};
    const carried = rules.carries ? librariesBehind(root, name) : new Map();
    for (const [library, { version, home }] of carried) {
      if (declared[library] === version) continue;
      const message = `does not name ${library} ${version} of packages/${home}, which is put together with it`;
      found.push({ file: manifestFile, line: 1, message });
    }
    const dependencies = Object.keys(declared).filter((each) => !carried.has(each));
    for (const dependency of dependencies) {
      const message = wrongDependency(dependency, name, homes);
      const line = lineOf(manifestText, manifestText.indexOf(`"${dependency}"`));
      if (message !== undefined) found.push({ file: manifestFile, line, message });
    }
    found.push(...wrongReferences(root, name, dependencies));

    for (const sourcePath of [...files(join(path, 'src')), ...files(join(path, 'bin'))]) {
      const source = readFileSync(sourcePath, 'utf8');
      const file = relative(root, sourcePath);
      for (const { specifier, at } of importsOf(file, source)) {
        const message = wrongImport({ name, path, file: sourcePath, source, specifier, at }, dependencies);
        if (message !== undefined) found.push({ file, line: lineOf(source, at), message });
      }
    }
  }
  return found;
}

/**
 * The outside libraries of all packages that one depends on, however many arrows away.
 *
 * @param {string} root
 * @param {string} name
 * @returns {Map<string, { version: string, home: string }>}
 */
function librariesBehind(root, name) {
  /** @param {string} of */
  const dependenciesOf = (of) => {
    const manifest = join(root, 'packages', of, 'package.json');
    const { dependencies = {} } = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : {};
    return /** @type {[string, string][]} */ (Object.entries(dependencies));
  };
  const found = new Map();
  const reached = new Set([name]);
  for (const each of reached) {
    if (house[each]?.pure) continue; // has none, or is told so itself
    for (const [dependency, version] of dependenciesOf(each)) {
      if (dependency.startsWith(scope)) reached.add(dependency.slice(scope.length));
      else if (each !== name) found.set(dependency, { version, home: each });
    }
  }
  return found;
}

/**
 * @param {string} dependency
 * @param {string} name the package that declares it
 * @param {Map<string, string>} homes learns where an outside library lives
 */
function wrongDependency(dependency, name, homes) {
  const rules = /** @type {{ imports: string[], pure?: boolean }} */ (house[name]);
  if (dependency.startsWith(scope)) {
    if (rules.imports.includes(dependency.slice(scope.length))) return undefined;
    return `depends on ${dependency}; ${allowance(name)}`;
  }
  if (rules.pure) return `depends on ${dependency}; ${name} is pure and has no outside library`;
  const home = homes.get(dependency);
  if (home !== undefined) return `depends on ${dependency}, which has its home in packages/${home}`;
  homes.set(dependency, name);
  return undefined;
}

/**
 * Dependencies and project references must name the same packages, and a pure package must see no ambient types:
 * without them `process`, `console` and `setTimeout` do not compile there.
 *
 * @param {string} root
 * @param {string} name
 * @param {string[]} dependencies
 * @returns {Finding[]}
 */
function wrongReferences(root, name, dependencies) {
  const path = join(root, 'packages', name, 'tsconfig.json');
  const file = relative(root, path);
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  const config = JSON.parse(text);
  const references = /** @type {{ path: string }[]} */ (config.references ?? []).map(({ path: to }) => to);
  const found = /** @type {Finding[]} */ ([]);
  for (const dependency of dependencies.filter((each) => each.startsWith(scope))) {
    const wanted = `../${dependency.slice(scope.length)}`;
    if (references.includes(wanted)) continue;
    found.push({ file, line: 1, message: `has no reference to ${wanted}, but package.json depends on ${dependency}` });
  }
  for (const reference of references) {
    if (dependencies.includes(reference.replace('../', scope))) continue;
    const line = lineOf(text, text.indexOf(`"${reference}"`));
    found.push({ file, line, message: `references ${reference}, but package.json does not depend on it` });
  }
  const types = config.compilerOptions?.types;
  if (house[name]?.pure && !(Array.isArray(types) && types.length === 0)) {
    found.push({ file, line: 1, message: `${name} is pure, so compilerOptions.types must be []` });
  }
  return found;
}

/**
 * @param {Import} found
 * @param {string[]} dependencies what the package's package.json declares
 * @returns {string | undefined} what is wrong with it
 */
function wrongImport({ name, path, file, source, specifier, at }, dependencies) {
  const rules = /** @type {{ imports: string[], pure?: boolean }} */ (house[name]);
  if (specifier === '') {
    return `imports a computed name, which cannot be checked: ${source.slice(at, source.indexOf('\n', at)).trim()}`;
  }
  if (specifier.startsWith('.')) {
    const target = resolve(file, '..', specifier);
    return target.startsWith(path + sep) ? undefined : `imports ${specifier}, which lies outside of packages/${name}`;
  }
  if (specifier.startsWith(scope)) {
    const [, neighbour = '', ...inside] = specifier.split('/');
    if (!rules.imports.includes(neighbour)) return `imports ${specifier}; ${allowance(name)}`;
    // What every adapter of the broker's ports must do is a suite for tests, behind a door of its own.
    if (specifier === `${scope}broker/contract` && file.endsWith('.test.ts')) return undefined;
    if (inside.length > 0) return `imports ${specifier}; a package has one door, ${scope}${neighbour}`;
    return dependencies.includes(specifier) ? undefined : `imports ${specifier}, which package.json does not name`;
  }
  // Tests may use what the workspace has for tests.
  if (file.endsWith('.test.ts')) return undefined;
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) {
    return rules.pure ? `imports ${specifier}; ${name} is pure and reaches the world through ports` : undefined;
  }
  if (rules.pure) return `imports ${specifier}; ${name} is pure and has no outside library`;
  const library = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return dependencies.includes(library) ? undefined : `imports ${library}, which package.json does not name`;
}

/** @param {string} name */
function allowance(name) {
  const allowed = house[name]?.imports ?? [];
  return `${name} may import ${allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`}`;
}

/**
 * Every module a file names, in types too. A name that is computed is given as the empty string.
 *
 * @param {string} file
 * @param {string} source
 * @returns {{ specifier: string, at: number }[]}
 */
function importsOf(file, source) {
  const { program, errors } = parseSync(file, source);
  // A file that does not parse is the compiler's to report.
  if (errors.length > 0) return [];
  const found = /** @type {{ specifier: string, at: number }[]} */ ([]);
  /** @param {{ start: number, source: { type: string, value?: unknown } | null }} node */
  const see = ({ start, source: from }) => {
    if (from === null) return;
    found.push({ specifier: typeof from.value === 'string' ? from.value : '', at: start });
  };
  new Visitor({
    ImportDeclaration: see,
    ExportNamedDeclaration: see,
    ExportAllDeclaration: see,
    ImportExpression: see,
    TSImportType: see,
  }).visit(program);
  return found;
}

/**
 * @param {string} directory
 * @returns {string[]} the paths of the sources in it, at any depth
 */
function files(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[cm]?[jt]s$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

/** @param {string} directory */
function subdirectories(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * @param {string} text
 * @param {number} at
 */
function lineOf(text, at) {
  return text.slice(0, at).split('\n').length;
}
