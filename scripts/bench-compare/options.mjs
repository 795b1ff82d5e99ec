// The command line of the comparison.

import { parseArgs } from 'node:util';

/** What is wrong with the command line; the message is for people. */
export class WrongOption extends Error {}

/**
 * @typedef {object} Options
 * @property {number} rounds
 * @property {number} seconds for which a stream is measured
 * @property {boolean} isQuick
 * @property {readonly string[] | undefined} rows all if undefined
 * @property {readonly string[] | undefined} servers all if undefined
 * @property {readonly string[]} nodes paths; the first one runs whatever runs on one only
 * @property {boolean} resume
 * @property {boolean} render
 * @property {boolean} build
 * @property {string | undefined} results
 * @property {string | undefined} page
 * @property {string | undefined} directory
 */

/** What `--help` says. */
export const usage = `npm run bench:compare [-- FLAGS]

Runs Skein, Mosquitto, Aedes, and Aedes with Redis in turn under the same loads, and writes docs/benchmarks.md.

  --rounds N        how often each is measured (default 3)
  --seconds S       how long a stream is measured (default 3)
  --quick           one round of one second each, smaller loads
  --rows A,B        only these loads
  --servers A,B     only these servers
  --node PATH       the Node that Skein, Aedes and the load run on; of several the first one, and Skein on each
                    (default: this one)
  --resume          goes on with what was measured before, with whatever is missing of it
  --render          measures nothing, and writes the page again
  --no-build        takes what is installed and built already
  --results FILE    where figures are kept (default .cache/bench-compare.json)
  --page FILE       where the page goes (default docs/benchmarks.md)
  --directory DIR   where servers keep what they store while they run (default .cache/bench-compare-data)
`;

/**
 * @param {readonly string[]} args
 * @param {string} thisNode
 * @returns {Options | 'help'}
 * @throws {WrongOption}
 */
export function parseOptions(args, thisNode) {
  const values = parsed(args);
  if (values.help === true) return 'help';
  const isQuick = values.quick === true;
  return {
    rounds: whole('rounds', values.rounds, isQuick ? 1 : 3),
    seconds: whole('seconds', values.seconds, isQuick ? 1 : 3),
    isQuick,
    rows: list(values.rows),
    servers: list(values.servers),
    nodes: values.node ?? [thisNode],
    resume: values.resume === true,
    render: values.render === true,
    build: values['no-build'] !== true,
    results: values.results,
    page: values.page,
    directory: values.directory,
  };
}

/**
 * Takes those that are wanted.
 *
 * @template {{ id: string }} T
 * @param {string} flag for the message
 * @param {readonly T[]} all
 * @param {readonly string[] | undefined} wanted
 * @returns {T[]} in their own order
 * @throws {WrongOption} if one is wanted that is not there
 */
export function chosen(flag, all, wanted) {
  if (wanted === undefined) return [...all];
  const ids = all.map(({ id }) => id);
  for (const id of wanted) {
    if (!ids.includes(id))
      throw new WrongOption(`--${flag} ${id}: there is none of that name; allowed: ${ids.join(', ')}`);
  }
  return all.filter(({ id }) => wanted.includes(id));
}

/** @param {readonly string[]} args */
function parsed(args) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean' },
        rows: { type: 'string' },
        servers: { type: 'string' },
        node: { type: 'string', multiple: true },
        resume: { type: 'boolean' },
        render: { type: 'boolean' },
        'no-build': { type: 'boolean' },
        results: { type: 'string' },
        page: { type: 'string' },
        directory: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new WrongOption(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} flag
 * @param {string | undefined} text
 * @param {number} otherwise
 */
function whole(flag, text, otherwise) {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new WrongOption(`--${flag} ${text}: a whole number from 1 to 1000 is needed`);
}

/** @param {string | undefined} text */
function list(text) {
  return text?.split(',').map((each) => each.trim());
}
