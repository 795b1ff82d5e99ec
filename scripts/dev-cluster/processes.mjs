// What the cluster consists of: the command line of each process, and how to know that it is ready.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { root } from '../workspace.mjs';

/**
 * @typedef {import('./ports.mjs').Ports} Ports
 * @typedef {import('./ports.mjs').NodePorts} NodePorts
 * @typedef {Pick<import('./part.mjs').What, 'command' | 'isReady' | 'env'>} Process
 */

const askMs = 2000;
const skein = join(root, 'packages/edge/bin/skein.js');
const configurations = join(root, 'deploy');

/** @param {'redis-server' | 'haproxy' | 'prometheus'} program */
export function isInstalled(program) {
  return spawnSync(program, [program === 'haproxy' ? '-v' : '--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Redis, with a log of what it does: what is acknowledged survives its end.
 *
 * @param {Ports} ports
 * @param {string} directory
 * @returns {Process}
 */
export function redisOf({ redis }, directory) {
  const data = join(directory, 'redis');
  mkdirSync(data, { recursive: true });
  const place = ['--port', `${redis}`, '--bind', '127.0.0.1', '--dir', data];
  const keeps = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', '', '--maxmemory-policy', 'noeviction'];
  return { command: ['redis-server', ...place, ...keeps], isReady: () => answersPing(redis) };
}

/**
 * @param {NodePorts} node
 * @param {Ports} ports
 * @returns {Process}
 */
export function nodeOf({ name, mqtt, ws, admin }, { redis }) {
  const self = ['--cluster', 'dev', '--node-id', name, '--store', `redis://127.0.0.1:${redis}`];
  const doors = ['--listen', `mqtt://127.0.0.1:${mqtt}`, '--listen', `ws://127.0.0.1:${ws}/mqtt`];
  return {
    command: [process.execPath, skein, 'start', ...self, ...doors, '--admin', `127.0.0.1:${admin}`],
    isReady: () => saysYes(`http://127.0.0.1:${admin}/readyz`),
  };
}

/**
 * HAProxy. Its file takes places from the environment.
 *
 * @param {Ports} ports
 * @returns {Process}
 */
export function haproxyOf({ mqtt, ws, balancer, nodes }) {
  /** @type {Record<string, string>} */
  const env = { LB_HOST: '127.0.0.1', LB_MQTT: `${mqtt}`, LB_WS: `${ws}`, LB_METRICS: `${balancer}` };
  for (const [index, node] of nodes.entries()) {
    const prefix = `NODE${index + 1}`;
    env[prefix] = '127.0.0.1';
    env[`${prefix}_MQTT`] = `${node.mqtt}`;
    env[`${prefix}_WS`] = `${node.ws}`;
    env[`${prefix}_ADMIN`] = `${node.admin}`;
  }
  return {
    command: ['haproxy', '-db', '-f', join(configurations, 'haproxy/haproxy.cfg')],
    env,
    isReady: () => saysYes(`http://127.0.0.1:${balancer}/metrics`),
  };
}

/**
 * Prometheus. Its file names containers, so a copy names our ports.
 *
 * @param {Ports} ports
 * @param {string} directory
 * @returns {Process}
 */
export function prometheusOf({ prometheus, balancer, nodes }, directory) {
  const own = join(directory, 'prometheus');
  mkdirSync(own, { recursive: true });
  let text = readFileSync(join(configurations, 'prometheus/prometheus.yml'), 'utf8');
  for (const { name, admin } of nodes) text = text.replaceAll(`${name}:8080`, `127.0.0.1:${admin}`);
  writeFileSync(join(own, 'prometheus.yml'), text.replaceAll('haproxy:8404', `127.0.0.1:${balancer}`));
  copyFileSync(join(configurations, 'prometheus/rules.yml'), join(own, 'rules.yml'));
  const place = [`--web.listen-address=127.0.0.1:${prometheus}`, `--storage.tsdb.path=${join(own, 'data')}`];
  return {
    command: ['prometheus', `--config.file=${join(own, 'prometheus.yml')}`, ...place],
    isReady: () => saysYes(`http://127.0.0.1:${prometheus}/-/ready`),
  };
}

/** @param {string} url */
async function saysYes(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(askMs) });
  await answer.arrayBuffer();
  return answer.ok;
}

/**
 * Whether a Redis answers; one that still reads what it has kept says that instead.
 *
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function answersPing(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(askMs, () => socket.destroy());
    socket.once('error', reject);
    socket.once('close', () => resolve(false));
    socket.once('data', (answer) => {
      resolve(answer.toString('latin1').startsWith('+PONG'));
      socket.destroy();
    });
    socket.write('PING\r\n');
  });
}
