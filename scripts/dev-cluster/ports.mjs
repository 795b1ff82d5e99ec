// Which ports a cluster on this machine takes: the usual ones, or any that are free.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { NotStarted } from './part.mjs';

/**
 * @typedef {{ name: string, mqtt: number, ws: number, admin: number }} NodePorts
 * @typedef {object} Ports
 * @property {number} mqtt where the balancer takes MQTT, and
 * @property {number} ws MQTT over WebSocket
 * @property {number} balancer metrics of HAProxy
 * @property {number} redis
 * @property {number} prometheus
 * @property {readonly NodePorts[]} nodes
 */

/** @type {Ports} */
const usual = {
  mqtt: 1883,
  ws: 8083,
  balancer: 8404,
  redis: 6390,
  prometheus: 9090,
  nodes: [1, 2, 3].map((n) => ({ name: `node${n}`, mqtt: 1883 + n, ws: 8083 + n, admin: 8090 + n })),
};

/** Below those that a system gives to whoever asks for any: what is free here stays free until it is used. */
const lowest = 20_000;
const span = 12_000;
/** More than a cluster takes. Process ids differ, so clusters that start at once look in different places. */
const block = 20;

/**
 * Finds ports that are free.
 *
 * @param {boolean} any instead of the usual ones
 * @returns {Promise<Ports>}
 * @throws {NotStarted} if a usual one is taken
 */
export async function choosePorts(any) {
  let next = (process.pid * block) % span;
  /** @param {number} wanted */
  const take = async (wanted) => {
    if (!any) {
      const error = await refusal(wanted);
      if (error === undefined) return wanted;
      throw new NotStarted(`port ${wanted} cannot be had (${error.code}); end what has it, or take any: --any-port`);
    }
    for (;;) {
      const port = lowest + next;
      next = (next + 1) % span;
      if ((await refusal(port)) === undefined) return port;
    }
  };
  const nodes = [];
  for (const { name, mqtt, ws, admin } of usual.nodes) {
    nodes.push({ name, mqtt: await take(mqtt), ws: await take(ws), admin: await take(admin) });
  }
  return {
    mqtt: await take(usual.mqtt),
    ws: await take(usual.ws),
    balancer: await take(usual.balancer),
    redis: await take(usual.redis),
    prometheus: await take(usual.prometheus),
    nodes,
  };
}

/**
 * Why a port cannot be had; undefined if it can.
 *
 * @param {number} port
 * @returns {Promise<NodeJS.ErrnoException | undefined>}
 */
async function refusal(port) {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error);
  } finally {
    server.close();
  }
}
