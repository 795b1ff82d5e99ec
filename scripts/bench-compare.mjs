// `npm run bench:compare [-- FLAGS]`: Skein beside Mosquitto, Aedes, and Aedes with Redis, each on one core, under the
// same loads, in turn; `--help` tells the flags. The figures go to .cache/bench-compare.json after each measurement, and
// docs/benchmarks.md is written from them after each round.
//
// Everything runs on loopback and ends by itself; Ctrl-C ends it all, and `--resume` goes on from there.

import './node-version.mjs';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import {
  connectionsPossible,
  fileSystemOf,
  nodeVersion,
  productVersion,
  thisMachine,
} from './bench-compare/machine.mjs';
import { measure, whyNot } from './bench-compare/measuring.mjs';
import { chosen, parseOptions, usage, WrongOption } from './bench-compare/options.mjs';
import { interleaved, remaining } from './bench-compare/order.mjs';
import { page } from './bench-compare/page.mjs';
import { installPackages } from './bench-compare/peers.mjs';
import { areAlike, readResults, together, writeResults } from './bench-compare/results.mjs';
import { rowsOf, serversOf } from './bench-compare/rows.mjs';
import { canPin } from './bench-compare/running.mjs';
import { catalogue } from './bench-compare/servers.mjs';
import { figure } from './bench-compare/statistics.mjs';
import { Guard } from './dev-cluster/guard.mjs';
import { build, install, root } from './workspace.mjs';

/**
 * @typedef {import('./bench-compare/options.mjs').Options} Options
 * @typedef {import('./bench-compare/results.mjs').Results} Results
 * @typedef {import('./bench-compare/measuring.mjs').Run} Run
 */

const parentPollMs = 200;
/** As many Clients as one machine is asked to hold; fewer where descriptors are short. */
const connectionsWanted = 10_000;
const cores = { server: 1, load: 0 };

/** @type {Guard | undefined} */
let guard;
let isStopping = false;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => stop(130));
// npm runs us in a shell, and a signal may end the shell without reaching us. A parent that is gone is such a signal.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop(130);
}, parentPollMs).unref();

try {
  const options = parseOptions(process.argv.slice(2), process.execPath);
  if (options === 'help') process.stdout.write(usage);
  else await compare(options);
} catch (error) {
  if (!(error instanceof WrongOption)) throw error;
  console.error(`bench:compare: ${error.message}`);
  process.exitCode = 64;
} finally {
  if (!isStopping) await end();
}

/** @param {Options} options */
async function compare(options) {
  const file = resolve(options.results ?? join(root, '.cache/bench-compare.json'));
  const target = resolve(options.page ?? join(root, 'docs/benchmarks.md'));
  if (options.render) {
    const results = readResults(file);
    if (results === undefined) throw new WrongOption(`--render: there are no figures in ${file}; run it without first`);
    writePage(target, results);
    return;
  }
  if (options.build) {
    await install();
    const built = await build();
    if (built !== 0) process.exit(built);
  }

  const place = resolve(options.directory ?? join(root, '.cache/bench-compare-data'));
  mkdirSync(place, { recursive: true });
  const directory = mkdtempSync(join(place, 'servers-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  guard = new Guard();
  const planned = await plan(options, directory, guard);
  const before = options.resume ? readResults(file) : undefined;
  if (before !== undefined && !areAlike(before, planned.results)) {
    throw new WrongOption(
      `--resume: what is in ${file} was measured with another version, size or machine; begin anew without it`,
    );
  }
  const results = before === undefined ? planned.results : together(before, planned.results);
  const steps = remaining(planned.steps, results.runs);
  console.log(`${steps.length} measurements of ${planned.servers.size} servers; figures go to ${relative('.', file)}`);
  for (const [index, step] of steps.entries()) {
    const server = planned.servers.get(step.server);
    const row = planned.rows.get(step.row);
    if (server === undefined || row === undefined) throw new Error(`${step.server}, ${step.row}: not in the plan`);
    const pinned = results.cores ?? { server: undefined, load: undefined };
    const { node } = planned;
    const run = await measure({ step, server, load: row.load, node, cores: pinned, directory, guard });
    if (isStopping) return;
    results.runs.push(run);
    writeResults(file, results);
    console.log(`${index + 1}/${steps.length} ${step.row}, ${server.title}: ${told(run, row)}`);
    if (steps[index + 1]?.round !== step.round) writePage(target, results);
  }
  if (steps.length === 0) writePage(target, results);
}

/**
 * What is to be measured here: who can be started, under which loads, in which order.
 *
 * @param {Options} options
 * @param {string} directory
 * @param {Guard} guard
 */
async function plan(options, directory, guard) {
  const nodes = options.nodes.map((path) => ({ path, version: versionOf(path) }));
  const [first, ...others] = nodes;
  if (first === undefined) throw new WrongOption('--node: a path is needed');
  const { servers, missing } = catalogue([first, ...others], productVersion());
  const size = {
    seconds: options.seconds,
    isQuick: options.isQuick,
    connections: connectionsPossible(connectionsWanted),
  };
  const rows = chosen('rows', rowsOf(size), options.rows);
  const wanted = chosen('servers', [...servers, ...missing], options.servers);
  const leftOut = wanted.flatMap((each) => ('why' in each ? [each] : []));
  /** @type {import('./bench-compare/servers.mjs').Server[]} */
  const able = [];
  for (const server of wanted) {
    if (isStopping) break;
    if ('why' in server || !rows.some((row) => serversOf(row, servers).includes(server.id))) continue;
    const { id, title, product } = server;
    const isThere = !product.startsWith('aedes') || (await installPackages());
    const why = isThere ? await whyNot(server, directory, guard) : 'npm could not install it';
    if (why === undefined) able.push(server);
    else leftOut.push({ id, title, why });
  }
  for (const { title, why } of leftOut) console.error(`Left out: ${title}: ${why}`);
  /** @type {Results} */
  const results = {
    format: 1,
    date: new Date().toISOString(),
    machine: { ...thisMachine(), fileSystem: fileSystemOf(directory) },
    loadNode: first.version,
    cores: availableParallelism() > 1 && canPin(cores.server) && canPin(cores.load) ? cores : null,
    size,
    loads: Object.fromEntries(rows.map(({ id, load }) => [id, load])),
    command: commandOf(options, nodes),
    servers: able.map(({ id, title, product, version, settings }) => ({ id, title, product, version, settings })),
    missing: leftOut,
    runs: [],
  };
  const steps = interleaved({
    rounds: options.rounds,
    rows: rows.map((row) => ({ id: row.id, servers: serversOf(row, able) })),
  });
  return {
    results,
    steps,
    node: first.path,
    servers: new Map(able.map((server) => [server.id, server])),
    rows: new Map(rows.map((row) => [row.id, row])),
  };
}

/**
 * How to measure the same again, elsewhere: a Node is named by its version, not by where it is here.
 *
 * @param {Options} options
 * @param {readonly { version: string }[]} nodes
 */
function commandOf(options, nodes) {
  const { rounds, seconds, isQuick, rows, servers } = options;
  const size = [...(isQuick ? ['--quick'] : []), '--rounds', `${rounds}`, '--seconds', `${seconds}`];
  const choice = [...(rows ? ['--rows', rows.join(',')] : []), ...(servers ? ['--servers', servers.join(',')] : [])];
  const isUsual = options.nodes.length === 1 && options.nodes[0] === process.execPath;
  const named = isUsual ? [] : nodes.flatMap(({ version }) => ['--node', `NODE-${version.split('.')[0]}`]);
  return [...size, ...choice, ...named];
}

/** @param {string} path */
function versionOf(path) {
  try {
    return nodeVersion(path);
  } catch {
    throw new WrongOption(`--node ${path}: there is no Node`);
  }
}

/**
 * @param {string} target
 * @param {Results} results
 */
function writePage(target, results) {
  writeFileSync(target, page(results, rowsOf(results.size)));
  console.log(`Written: ${relative('.', target)}`);
}

/**
 * What came of a run, in a line.
 *
 * @param {Run} run
 * @param {import('./bench-compare/rows.mjs').Row} row
 */
function told({ phases, faults, failure }, { lines }) {
  if (failure !== undefined) return failure;
  const figures = lines.flatMap(({ phase }) => {
    const measured = phases[phase];
    return measured === undefined ? [] : [`${phase} ${figure(measured.cpuMicros)} µs, ${figure(measured.perSecond)}/s`];
  });
  return [...figures, ...Object.entries(faults).map(([words, count]) => `${count} ${words}`)].join(' · ');
}

/**
 * Ends everything, and then this process.
 *
 * @param {number} exitCode
 */
function stop(exitCode) {
  if (isStopping) return;
  isStopping = true;
  void end().then(() => process.exit(exitCode));
}

/** Ends all that was started. */
async function end() {
  const last = guard;
  guard = undefined;
  await last?.endAll();
}
