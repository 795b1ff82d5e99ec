// `node packages/redis/bench/queues.mjs [redis://…]`: what storing and acknowledging a message costs, in CPU time.
//
// Without a URL it starts a redis-server of its own, which writes nothing to disk. Figures are µs of CPU per message (or
// per copy, for the fan-out) of this process and of Redis, which answers one batch at a time; rates are lower bounds.
// Compare two versions in the same minutes, turn and turn about: the machine's own mood is worth a third.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { defaultLimits } from '@skein/broker';
import { openRedisStore } from '@skein/redis';
import { Redis } from 'ioredis';

/** The one on the PATH. */
const program = 'redis-server';
const payload = new Uint8Array(64).fill(120);
const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: () => () => {},
  endOfTurn: setImmediate,
};

const given = process.argv[2];
const child = given === undefined ? await startRedis() : undefined;
const url = given ?? /** @type {string} */ (child?.url);
const store = await openRedisStore({
  url,
  cluster: `bench-${process.pid}`,
  limits: { ...defaultLimits, queueMaxMessages: 100_000, queueMaxBytes: 1 << 30 },
  clock,
  random: { bytes: (length) => randomBytes(length) },
  onEvent: (event) => console.error(event),
});
const redis = new Redis(url);

const sessions = [];
for (let i = 0; i < 256; i++) {
  const { claim } = await store.sessions.acquire({
    clientId: `bench-${i}`,
    nonce: `${i}`,
    cleanStart: true,
    sessionExpirySeconds: 3600,
    will: undefined,
    username: undefined,
    owner: 'bench',
    receiveMaximum: 1024,
  });
  await store.sessions.subscribe(claim, [
    {
      topicFilter: `t/${i}`,
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      subscriptionIdentifier: undefined,
    },
    {
      topicFilter: 'all',
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      subscriptionIdentifier: undefined,
    },
  ]);
  sessions.push(claim);
}

console.log(
  `Node ${process.version}, Redis ${store.serverVersion}, durability ${store.durability}, 64-byte payloads, QoS 1`,
);
console.log('enqueue + ack                    Node µs   Redis µs   per s');
for (const batch of [1, 32, 256, 1024]) {
  for (const among of batch === 1 ? [256] : [1, 16, 256]) {
    const name = `batches of ${batch} to ${among} Session${among === 1 ? '' : 's'}`;
    await measure(name, batch, batch === 1 ? 2000 : Math.ceil(20_000 / batch), (round) => oneEach(batch, round, among));
  }
}
await measure('fan-out 1 → 100, per copy', 100, 200, () => toAll(100));
let last = { outcomes: [], items: [] };
await measure('acks while others enqueue', 256, 80, beside);

redis.disconnect();
await store.close();
child?.stop();

/**
 * @param {number} batch
 * @param {number} round
 * @param {number} among how many Sessions
 */
async function oneEach(batch, round, among) {
  const items = batchOf(batch, round, among);
  await store.queues.ack(settled(await store.queues.enqueue(items), items));
}

/** Enqueues a batch while what came before is acknowledged, as a broker does. */
async function beside(round) {
  const items = batchOf(256, round, 256);
  const acked = store.queues.ack(settled(last.outcomes, last.items));
  last = { outcomes: await store.queues.enqueue(items), items };
  await acked;
}

function batchOf(batch, round, among) {
  const items = [];
  for (let i = 0; i < batch; i++) {
    const at = (round * batch + i) % among;
    items.push(item(`t/${at}`, [at]));
  }
  return items;
}

/** @param {number} batch */
async function toAll(batch) {
  const items = [
    item(
      'all',
      Array.from({ length: batch }, (_, i) => i),
    ),
  ];
  await store.queues.ack(settled(await store.queues.enqueue(items), items));
}

/**
 * @param {string} topic
 * @param {number[]} to
 */
function item(topic, to) {
  const message = {
    topic,
    payload,
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'p',
    expiresAtMs: 0,
    frames: undefined,
  };
  const targets = to.map((at) => ({ ...sessions[at], topicFilters: [topic] }));
  return { message, targets, isRefusable: true, uid: undefined };
}

/** Acknowledgements of all that was stored, gathered by Session as the broker does. */
function settled(outcomes, items) {
  const acks = new Map();
  for (const [i, each] of outcomes.entries()) {
    for (const [n, outcome] of each.entries()) {
      if (outcome.is !== 'queued') throw new Error(`not queued but ${outcome.is}`);
      const { clientId, generation } = items[i].targets[n];
      const ack = acks.get(generation) ?? { clientId, generation, seqs: [] };
      ack.seqs.push(outcome.entry.seq);
      acks.set(generation, ack);
    }
  }
  return [...acks.values()];
}

/** Runs rounds, after some to get warm, and prints what a message cost. */
async function measure(name, messages, rounds, run) {
  for (let i = 0; i < rounds / 4; i++) await run(i);
  const redisBefore = await redisCpuUs();
  const before = process.cpuUsage();
  const startedMs = performance.now();
  for (let i = 0; i < rounds; i++) await run(i);
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(before);
  const redisUs = (await redisCpuUs()) - redisBefore;
  const count = messages * rounds;
  const columns = [(user + system) / count, redisUs / count].map((us) => us.toFixed(1).padStart(9));
  console.log(
    `${name.padEnd(32)}${columns.join('  ')}${Math.round(count / seconds)
      .toString()
      .padStart(9)}`,
  );
}

async function redisCpuUs() {
  const info = await redis.info('cpu');
  const of = (name) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]) * 1e6;
  return of('used_cpu_user') + of('used_cpu_sys');
}

async function startRedis() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {{ port: number }} */ (probe.address());
  probe.close();
  const server = spawn(program, ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const chunk of server.stdout) if (`${chunk}`.includes('Ready to accept connections')) break;
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.kill() };
}
