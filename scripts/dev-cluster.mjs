// `npm run dev:cluster [-- --any-port --directory DIR]`: a cluster on this machine, by one command. Three nodes over
// one Redis, a load balancer before them, Prometheus beside them: what docker-compose.yml makes of containers, made of
// processes. Ctrl-C ends it all.
//
// HAProxy and Prometheus run from the same files as in containers if they are installed; without HAProxy a little
// balancer stands in, without Prometheus nothing does. A process that ends is started again, so that one may be killed
// to see what becomes of its Clients.

import './node-version.mjs';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { balance } from './dev-cluster/balancer.mjs';
import { Guard } from './dev-cluster/guard.mjs';
import { NotStarted, Part } from './dev-cluster/part.mjs';
import { choosePorts } from './dev-cluster/ports.mjs';
import { haproxyOf, isInstalled, nodeOf, prometheusOf, redisOf } from './dev-cluster/processes.mjs';
import { build, install, root } from './workspace.mjs';

/** @typedef {import('./dev-cluster/ports.mjs').Ports} Ports */

const parentPollMs = 200;

const { values: flags } = parseArgs({
  options: {
    'any-port': { type: 'boolean', default: false },
    directory: { type: 'string', default: join(root, '.cache/dev-cluster') },
  },
});
const directory = resolve(flags.directory);

/** @type {Map<string, Part>} */
const parts = new Map();
/** @type {Guard | undefined} */
let guard;
let isStopping = false;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => stop(0));
// npm runs us in a shell, and a signal may end the shell without reaching us. A parent that is gone is such a signal.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop(0);
}, parentPollMs).unref();

await install();
const built = await build();
if (built !== 0) process.exit(built);
try {
  const ports = await start();
  console.log(greeting(ports));
} catch (error) {
  if (!(error instanceof NotStarted)) throw error;
  if (!isStopping) console.error(error.message);
  stop(1);
}

async function start() {
  if (!isInstalled('redis-server')) {
    throw new NotStarted(
      'redis-server is not on the PATH, and a cluster keeps its state there (7.0 or later).\n' +
        'On Debian or Ubuntu: apt-get install redis-server; on macOS: brew install redis',
    );
  }
  const ports = await choosePorts(flags['any-port']);
  mkdirSync(directory, { recursive: true });
  guard = new Guard();
  await add('redis', redisOf(ports, directory));
  await Promise.all(ports.nodes.map((node) => add(node.name, nodeOf(node, ports))));
  if (isInstalled('haproxy')) {
    await add('haproxy', haproxyOf(ports));
  } else {
    await balance(
      ports.mqtt,
      ports.nodes.map(({ mqtt }) => mqtt),
    );
    await balance(
      ports.ws,
      ports.nodes.map(({ ws }) => ws),
    );
  }
  if (isInstalled('prometheus')) await add('prometheus', prometheusOf(ports, directory));
  const pids = Object.fromEntries([...parts].map(([name, part]) => [name, part.pid]));
  writeFileSync(join(directory, 'cluster.json'), `${JSON.stringify({ ports, pids }, undefined, 2)}\n`);
  return ports;
}

/**
 * Starts a process, and waits until it is ready.
 *
 * @param {string} name
 * @param {import('./dev-cluster/processes.mjs').Process} its
 */
async function add(name, its) {
  if (guard === undefined || isStopping) throw new NotStarted('it is being stopped');
  const log = join(directory, `${name}.log`);
  rmSync(log, { force: true });
  const part = new Part({ ...its, name, log }, guard, (text) => console.log(text));
  parts.set(name, part);
  await part.start();
}

/**
 * Ends everything, and then this process.
 *
 * @param {number} exitCode
 */
function stop(exitCode) {
  if (isStopping) return;
  isStopping = true;
  for (const part of parts.values()) part.release();
  void Promise.resolve(guard?.endAll()).then(() => process.exit(exitCode));
}

/** @param {Ports} ports */
function greeting({ mqtt, ws, redis, prometheus, nodes }) {
  const [first, second] = nodes;
  const shown = directory.startsWith(root) ? relative(root, directory) : directory;
  const balancer = parts.has('haproxy') ? 'HAProxy' : 'a balancer of our own: HAProxy is not installed';
  return [
    '',
    '  Three nodes of Skein over one Redis:',
    '',
    `    any node    mqtt://127.0.0.1:${mqtt}  ws://127.0.0.1:${ws}/mqtt  (${balancer})`,
    ...nodes.map(
      (node) =>
        `    ${node.name}       mqtt://127.0.0.1:${node.mqtt}  ws://127.0.0.1:${node.ws}/mqtt  ` +
        `http://127.0.0.1:${node.admin}/metrics`,
    ),
    `    Redis       redis://127.0.0.1:${redis}`,
    parts.has('prometheus')
      ? `    Prometheus  http://127.0.0.1:${prometheus}`
      : '    Prometheus  is not installed, so nothing watches: apt-get install prometheus',
    '',
    '  Try it from two other terminals:',
    '',
    `    mosquitto_sub -h 127.0.0.1 -p ${first?.mqtt} -v -t 'hello/#'`,
    `    mosquitto_pub -h 127.0.0.1 -p ${second?.mqtt} -t hello/world -m 'from another node'`,
    '',
    `  Logs, data and process ids are in ${shown}. Ctrl-C ends it all.`,
    '',
  ].join('\n');
}
