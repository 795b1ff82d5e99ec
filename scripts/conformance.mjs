// `npm run conformance`: runs the tests of the specifications and writes docs/conformance.md, statement by statement.
//
// The check reads the page without running anything: its statements, and whom they bind, must be those of the lists.

import './node-version.mjs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { specifications } from '../test/spec/statements/lists.mjs';
import { statementsIn } from '../test/spec/statements/titles.mjs';
import { build, install, root, run, tool } from './workspace.mjs';

/**
 * @typedef {import('../test/spec/statements/statement.mjs').Statement} Statement
 * @typedef {import('../test/spec/statements/lists.mjs').Specification} Specification
 * @typedef {{ file: string, title: string, passed: boolean }} Result one test that was run
 */

const page = 'docs/conformance.md';
const report = join(root, '.cache/conformance.json');

/**
 * What the page says of the statements that the lists do not.
 *
 * @returns {Promise<string[]>} findings, a line each
 */
export async function stalePage() {
  const text = await readFile(join(root, page), 'utf8').catch(() => '');
  const rows = text.split('\n').filter((line) => line.startsWith('| MQTT-'));
  const expected = specifications.flatMap(({ statements }) => statements);
  /** @type {string[]} */
  const findings = [];
  for (const [index, statement] of expected.entries()) {
    const row = rows[index] ?? '';
    const told = /(?:not testable|to come with).*(?= \|$)/.exec(row)?.[0] ?? '';
    if (row.startsWith(beginning(statement)) && told === excuse(statement)) continue;
    findings.push(`${page}: ${statement.number} is not as the list has it`);
  }
  if (rows.length > expected.length) findings.push(`${page}: has statements that the lists do not have`);
  return findings.length > 0 ? [...findings.slice(0, 5), 'run npm run conformance'] : [];
}

/**
 * The page.
 *
 * @param {readonly Result[]} results
 * @returns {string}
 */
function written(results) {
  return [
    '# Conformance',
    '',
    'Every numbered statement of MQTT 5.0 and MQTT 3.1.1, what it asks for in our words, and the tests that show that',
    'this Server does it: conversations on a socket with a real broker. Those that bind Clients alone are here so that',
    'none is missing; a test beside one says what the Server answers to a Client that does not keep it.',
    '',
    'Written by `npm run conformance`; do not edit.',
    '',
    '| | Statements | Bind a Server | Shown by tests | Failed | Not testable | To come |',
    '|---|---:|---:|---:|---:|---:|---:|',
    ...specifications.map((specification) => summary(specification, results)),
    ...specifications.flatMap((specification) => chapters(specification, results)),
    '',
  ].join('\n');
}

/**
 * @param {Specification} specification
 * @param {readonly Result[]} results
 */
function summary(specification, results) {
  const binding = specification.statements.filter(({ binds }) => binds !== 'client');
  const shown = binding
    .map((statement) => testsOf(specification, statement, results))
    .filter((found) => found.length > 0);
  const failed = shown.filter((found) => found.some(({ passed }) => !passed));
  const cells = [
    specification.name,
    specification.statements.length,
    binding.length,
    shown.length - failed.length,
    failed.length,
    binding.filter(({ untested }) => untested !== undefined).length,
    binding.filter(({ pending }) => pending !== undefined).length,
  ];
  return `| ${cells.join(' | ')} |`;
}

/**
 * @param {Specification} specification
 * @param {readonly Result[]} results
 */
function chapters(specification, results) {
  const lines = ['', `## ${specification.name}`];
  let chapter = '';
  for (const statement of specification.statements) {
    const [, major, minor] = /^MQTT-(\d+)[.-](\d+)/.exec(statement.number) ?? [];
    if (`${major}.${minor}` !== chapter) {
      chapter = `${major}.${minor}`;
      const heading = minor === '0' ? major : chapter;
      lines.push('', `### ${heading}`, '', '| Statement | Asks | Binds | Tests | Result |', '|---|---|---|---|---|');
    }
    lines.push(row(statement, testsOf(specification, statement, results)));
  }
  return lines;
}

/**
 * @param {Statement} statement
 * @param {readonly Result[]} found
 */
function row(statement, found) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { file } of found) counts.set(file, (counts.get(file) ?? 0) + 1);
  const tests = [...counts].map(([file, count]) => `${file}: ${count}`).join('<br>');
  return `${beginning(statement)} ${tests} | ${outcome(statement, found)} |`;
}

/**
 * @param {Statement} statement
 * @param {readonly Result[]} found
 */
function outcome(statement, found) {
  const failed = found.filter(({ passed }) => !passed).length;
  if (failed > 0) return `**failed**: ${failed} of ${found.length}`;
  if (found.length > 0) return 'passed';
  return excuse(statement) || (statement.binds === 'client' ? '' : '**no test**');
}

/**
 * What the lists say of a statement, as the page has it.
 *
 * @param {Statement} statement
 */
function beginning({ number, asks, binds }) {
  const whom = { server: 'Server', client: 'Client', both: 'both' }[binds];
  return `| ${number} | ${asks.replaceAll('|', '\\|')} | ${whom} |`;
}

/**
 * Why there is no test; empty where none is needed, or where there has to be one.
 *
 * @param {Statement} statement
 */
function excuse({ untested, pending }) {
  if (untested !== undefined) return `not testable: ${untested}`;
  return pending === undefined ? '' : `to come with ${pending}`;
}

/**
 * The tests whose titles name a statement; those that say that they are of another version are not counted.
 *
 * @param {Specification} specification
 * @param {Statement} statement
 * @param {readonly Result[]} results
 */
function testsOf({ prefix, others }, { number }, results) {
  return results.filter(
    ({ title }) => !others.test(title) && statementsIn(title).some(({ name }) => name === prefix + number),
  );
}

/**
 * Runs the tests.
 *
 * @returns {Promise<{ code: number, results: Result[] }>}
 */
async function test() {
  await mkdir(dirname(report), { recursive: true });
  const code = await run(
    tool('vitest', 'run', 'test/spec', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`),
  );
  /** @type {{ testResults: { name: string, assertionResults: { fullName: string, status: string }[] }[] }} */
  const { testResults } = JSON.parse(await readFile(report, 'utf8'));
  const results = testResults
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap(({ name, assertionResults }) =>
      assertionResults.map(({ fullName, status }) => ({
        file: basename(name, '.test.ts'),
        title: fullName,
        passed: status === 'passed',
      })),
    );
  return { code, results };
}

const [, script] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  await install();
  const built = await build();
  const { code, results } = await test();
  await writeFile(join(root, page), written(results));
  process.exitCode = code || built;
}
