// Who is compared, and what each is set to. What matters for a figure is set alike; what cannot be is said in the page.
//
// The load comes from Clients of 3.1.1, which all of them know. Each server has its state in a directory of its own that
// is new for every single measurement.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeFlags } from '../../packages/edge/bin/program.js';
import { root } from '../workspace.mjs';
import { aedesProgram, aedesSettings, maxSessionDelivery } from './aedes.mjs';
import { findMosquitto, findRedis, modules, packages } from './peers.mjs';
import { acceptsClients, answersPing, freePort, Running } from './running.mjs';

const skeinProgram = join(root, 'packages/edge/bin/skein.js');
/** QoS 1 and 2 messages in flight to a Client at a time, for all that have such a limit. */
const inflight = 1000;
/** More than any load queues for a Session. */
const queued = 1_000_000;

/**
 * @typedef {object} Place where a server is started
 * @property {string} directory new, its own
 * @property {number | undefined} core
 * @property {import('../dev-cluster/guard.mjs').Guard} guard
 *
 * @typedef {object} Started
 * @property {number} port
 * @property {number[]} pids all that work for it
 * @property {() => string | undefined} ended how one of them ended by itself, if one has
 * @property {() => Promise<void>} stop
 *
 * @typedef {object} Server
 * @property {string} id
 * @property {string} title
 * @property {'skein' | 'mosquitto' | 'aedes' | 'aedes-redis'} product
 * @property {string} version
 * @property {string} settings for the page, in Markdown
 * @property {(place: Place) => Promise<Started>} start
 *
 * @typedef {{ path: string, version: string }} NodeProgram
 * @typedef {{ id: string, title: string, why: string }} Missing
 */

/**
 * All servers that can be compared here, and what is missing for the others.
 *
 * @param {readonly [NodeProgram, ...NodeProgram[]]} nodes what runs ours; the first one runs Aedes too
 * @param {string} skeinVersion
 * @returns {{ servers: Server[], missing: Missing[] }}
 */
export function catalogue(nodes, skeinVersion) {
  const [first, ...others] = nodes;
  const redis = findRedis();
  const mosquitto = findMosquitto();
  /** @type {Server[]} */
  const servers = [skein({ node: first, version: skeinVersion, store: 'memory' })];
  for (const node of others) {
    const id = `skein-node${major(node)}`;
    servers.push({ ...skein({ node, version: skeinVersion, store: 'memory' }), id });
  }
  /** @type {Missing[]} */
  const missing = [];
  for (const store of /** @type {const} */ (['everysec', 'always'])) {
    servers.push(skein({ node: first, version: skeinVersion, store }));
  }
  const noRedis = 'redis-server is not on the PATH; on Debian or Ubuntu: apt-get install redis-server';
  if (redis !== undefined) servers.push(skein({ node: first, version: skeinVersion, store: 'redis' }));
  else missing.push({ id: 'skein-redis', title: 'Skein on Redis', why: noRedis });
  if (mosquitto !== undefined) {
    servers.push(mosquittoOf(mosquitto, {}));
    servers.push(mosquittoOf(mosquitto, { keeps: true }));
    servers.push(mosquittoOf(mosquitto, { noDelay: true }));
  } else {
    const why = 'it is not installed; on Debian or Ubuntu: apt-get install mosquitto';
    missing.push({ id: 'mosquitto', title: 'Mosquitto', why });
  }
  servers.push(aedesOf(first, undefined));
  if (redis !== undefined) servers.push(aedesOf(first, redis));
  else missing.push({ id: 'aedes-redis', title: 'Aedes + Redis', why: noRedis });
  return { servers, missing };
}

/** @param {NodeProgram} node */
function major({ version }) {
  return version.split('.')[0];
}

/**
 * @param {{ node: NodeProgram, version: string, store: 'memory' | 'everysec' | 'always' | 'redis' }} what
 * @returns {Server}
 */
function skein({ node, version, store }) {
  const limits = ['--limits-outbound-inflight-max-3', `${inflight}`, '--limits-queue-max-messages', `${queued}`];
  limits.push('--limits-queue-max-bytes', '1073741824');
  const url = {
    memory: 'memory:',
    everysec: 'file:DIRECTORY',
    always: 'file:DIRECTORY',
    redis: 'redis://127.0.0.1:PORT',
  }[store];
  const durability = {
    memory: [],
    everysec: ['--durability', 'everysec'],
    always: ['--durability', 'always'],
    redis: [],
  }[store];
  const words = { memory: '`memory:`', everysec: '`file:` everysec', always: '`file:` always', redis: 'on Redis' }[
    store
  ];
  return {
    id: store === 'memory' ? 'skein' : `skein-${store}`,
    title: store === 'memory' ? `Skein, Node ${major(node)}` : `Skein ${words}`,
    product: 'skein',
    version: `${version}, on Node ${node.version}`,
    settings: `\`skein start --store ${url} ${[...durability, ...limits].join(' ')}\`${store === 'redis' ? `; ${redisWords}` : ''}`,
    start: async (place) => {
      const redis = store === 'redis' ? await startRedis(place) : undefined;
      const port = await freePort();
      const where = { memory: 'memory:', redis: `redis://127.0.0.1:${redis?.port}` };
      const target = store === 'memory' || store === 'redis' ? where[store] : `file:${join(place.directory, 'data')}`;
      const doors = ['--listen', `mqtt://127.0.0.1:${port}`, '--admin', '127.0.0.1:0', '--log-level', 'warn'];
      /** @type {[string, ...string[]]} */
      const command = [
        node.path,
        ...runtimeFlags,
        skeinProgram,
        'start',
        '--store',
        target,
        ...durability,
        ...doors,
        ...limits,
      ];
      return await started({ name: 'skein', command, port, place, redis });
    },
  };
}

/**
 * @param {{ file: string, version: string }} program
 * @param {{ keeps?: boolean, noDelay?: boolean }} options
 * @returns {Server}
 */
function mosquittoOf({ file, version }, { keeps = false, noDelay = false }) {
  const lines = [
    'allow_anonymous true',
    `max_inflight_messages ${inflight}`,
    'max_queued_messages 0',
    'log_dest none',
    ...(keeps ? ['persistence true'] : ['persistence false']),
    ...(noDelay ? ['set_tcp_nodelay true'] : []),
  ];
  const words = noDelay ? ' with TCP_NODELAY' : keeps ? ' with persistence' : '';
  return {
    id: `mosquitto${noDelay ? '-nodelay' : keeps ? '-keeps' : ''}`,
    title: `Mosquitto${words}`,
    product: 'mosquitto',
    version,
    settings: `\`${lines.join('`, `')}\``,
    start: async (place) => {
      const port = await freePort();
      const configuration = join(place.directory, 'mosquitto.conf');
      // Started by root it becomes another user, who could not write here; where there is none to become, it says so.
      const own = process.getuid?.() === 0 ? ['user root'] : [];
      const where = [`listener ${port} 127.0.0.1`, `persistence_location ${place.directory}/`, ...own];
      writeFileSync(configuration, `${[...where, ...lines].join('\n')}\n`);
      return await started({ name: 'mosquitto', command: [file, '-c', configuration], port, place, redis: undefined });
    },
  };
}

/**
 * @param {NodeProgram} node
 * @param {string | undefined} redisVersion undefined keeps its state in memory
 * @returns {Server}
 */
function aedesOf(node, redisVersion) {
  const settings = Object.entries(aedesSettings).map(([key, value]) => `\`${key}: ${value}\``);
  const onRedis = redisVersion !== undefined;
  const parts = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return {
    id: onRedis ? 'aedes-redis' : 'aedes',
    title: onRedis ? 'Aedes + Redis' : 'Aedes',
    product: onRedis ? 'aedes-redis' : 'aedes',
    version: `${onRedis ? `${parts.join(', ')}, Redis ${redisVersion}` : packages.aedes}, on Node ${node.version}`,
    settings: `${settings.join(', ')}${onRedis ? `, \`maxSessionDelivery: ${maxSessionDelivery}\`; ${redisWords}` : ''}`,
    start: async (place) => {
      const redis = onRedis ? await startRedis(place) : undefined;
      const port = await freePort();
      /** @type {[string, ...string[]]} */
      const command = [node.path, aedesProgram, modules, `${port}`, ...(redis === undefined ? [] : [`${redis.port}`])];
      return await started({ name: 'aedes', command, port, place, redis });
    },
  };
}

const redisWords = 'redis-server on the same core, `appendonly yes`, `appendfsync everysec`, `save ""`';

/** @param {Place} place */
async function startRedis({ directory, core, guard }) {
  const port = await freePort();
  const data = join(directory, 'redis');
  mkdirSync(data);
  const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', data, '--loglevel', 'warning'];
  const keeps = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '', '--maxmemory-policy', 'noeviction'];
  const process = new Running(
    {
      name: 'redis-server',
      command: ['redis-server', ...where, ...keeps],
      log: join(directory, 'redis.log'),
      directory,
      core,
      isReady: () => answersPing(port),
    },
    guard,
  );
  await process.ready();
  return { port, process };
}

/**
 * Starts a server, and waits until it accepts Clients.
 *
 * @param {object} what
 * @param {string} what.name
 * @param {readonly [string, ...string[]]} what.command
 * @param {number} what.port
 * @param {Place} what.place
 * @param {{ process: Running } | undefined} what.redis that it keeps its state in
 * @returns {Promise<Started>}
 */
async function started({ name, command, port, place: { directory, core, guard }, redis }) {
  const log = join(directory, `${name}.log`);
  const own = { name, command, log, directory, core, isReady: () => acceptsClients(port) };
  const server = new Running(own, guard);
  const all = [server, ...(redis === undefined ? [] : [redis.process])];
  const stop = async () => {
    for (const each of all) await each.stop();
  };
  try {
    await server.ready();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    pids: all.map(({ pid }) => pid),
    ended: () => all.find(({ ended }) => ended !== undefined)?.ended,
    stop,
  };
}
