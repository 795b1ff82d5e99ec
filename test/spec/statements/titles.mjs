// Which statements the titles of tests name.
//
// `[MQTT-3.1.4-3]` is a statement of 5.0, `[3.1.1 MQTT-3.1.4-2]` one of 3.1.1, each in brackets of its own. A title may
// stand anywhere in a test file, in a table of cases as well; a comment is none.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A number as appendix B prints it; one of 3.1.1 is misprinted there. */
const number = /((?:3\.1\.1 )?)(MQTT-\d+[.-]\d+\.\d+-\d+)/g;

/**
 * A statement named in a text.
 *
 * @typedef {object} Named
 * @property {string} name with its prefix: `3.1.1 MQTT-3.1.4-2`
 * @property {boolean} alone whether it has brackets of its own
 */

/**
 * A statement named in a file.
 *
 * @typedef {{ file: string, line: number, named: Named }} Found
 */

/**
 * The statements that a text names, in order.
 *
 * @param {string} text
 * @returns {Named[]}
 */
export function statementsIn(text) {
  return [...text.matchAll(number)].map((match) => ({
    name: match[0],
    alone: text[match.index - 1] === '[' && text[match.index + match[0].length] === ']',
  }));
}

/**
 * The statements that the titles in test files name.
 *
 * @param {readonly string[]} directories below the root
 * @returns {Found[]}
 */
export function titles(directories) {
  return found(filesIn(directories, '.test.ts'), withoutComment);
}

/**
 * The statements that code names anywhere, in comments as well.
 *
 * @param {readonly string[]} directories below the root
 * @returns {Found[]}
 */
export function citations(directories) {
  return found(filesIn(directories, '.ts'), (line) => line);
}

/**
 * @param {readonly string[]} paths
 * @param {(line: string) => string} look what of a line is looked at
 * @returns {Found[]}
 */
function found(paths, look) {
  return paths.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((text, index) =>
        statementsIn(look(text)).map((named) => ({ file: relative(root, path), line: index + 1, named })),
      ),
  );
}

/**
 * @param {readonly string[]} directories
 * @param {string} ending
 */
function filesIn(directories, ending) {
  return directories.flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(ending) && !/\b(?:node_modules|dist)\b/.test(name))
      .map((name) => join(root, directory, name)),
  );
}

/** @param {string} line */
function withoutComment(line) {
  return /^\s*(\/\/|\/?\*)/.test(line) ? '' : line.replace(/\s\/\/ .*$/, '');
}
