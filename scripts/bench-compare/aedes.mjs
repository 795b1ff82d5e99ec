// `node aedes.mjs MODULES PORT [REDIS-PORT]`: Aedes as a process, for the comparison. With the port of a Redis it keeps
// its state there and hands messages over through it, as several of them would that form a cluster.
//
// MODULES is the directory where it is installed: it is none of our dependencies.

import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** This program. */
export const aedesProgram = fileURLToPath(import.meta.url);

/**
 * What it is set to.
 *
 * `concurrency` is how many messages it handles at a time, 100 if nothing is said: one slow receiver holds up all others
 * then, and at 500 receivers of one message it is what limits. `queueLimit` is how many packets may come before CONNECT has
 * been answered, `maxInflightInbound` how many QoS 2 messages a publisher may have begun.
 */
export const aedesSettings = {
  concurrency: 10_000,
  queueLimit: 1000,
  maxInflightInbound: 0,
  heartbeatInterval: 60_000,
};

/** What it takes back from Redis for a Session at once: 1000 if nothing is said, and the rest is lost. */
export const maxSessionDelivery = 1_000_000;

if (process.argv[1] === aedesProgram) {
  const [modules = '', port = '', redisPort] = process.argv.slice(2);
  await serve(modules, Number(port), redisPort === undefined ? undefined : Number(redisPort));
}

/**
 * @param {string} modules
 * @param {number} port
 * @param {number | undefined} redisPort
 */
async function serve(modules, port, redisPort) {
  const require = createRequire(join(modules, 'package.json'));
  /** @param {string} name */
  const load = async (name) => await import(pathToFileURL(require.resolve(name)).href);
  const { Aedes } = await load('aedes');
  const redis = { host: '127.0.0.1', port: redisPort };
  const shared =
    redisPort === undefined
      ? {}
      : {
          persistence: (await load('aedes-persistence-redis')).default({ ...redis, maxSessionDelivery }),
          mq: (await load('mqemitter-redis')).default({ ...redis, concurrency: aedesSettings.concurrency }),
        };
  const broker = await Aedes.createBroker({ ...aedesSettings, ...shared });
  const server = createServer({ noDelay: true }, broker.handle);
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  // Nobody misses it: its state is gone with the comparison.
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(signal, () => process.exit(0));
}
