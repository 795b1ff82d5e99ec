// `node packages/cluster/bench/hop.mjs`: what a QoS 0 message from one node to another costs, in CPU time of both.
//
// Two processes; 64-byte payloads without properties, 100 topics and 100 publishers. As many messages are sent in a
// turn as the column says. Figures are µs of CPU per message, whole process, kernel included.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bindPeers } from '@skein/cluster';
import { TopicTable } from '@skein/protocol';

const payload = new Uint8Array(64).fill(120);
const topics = Array.from({ length: 100 }, (_, i) => `building/4/room/${i}/temperature`);
const publishers = Array.from({ length: 100 }, (_, i) => `sensor-${i}`);
const messages = topics.map((topic, i) => ({
  message: {
    topic,
    payload,
    qos: /** @type {0} */ (0),
    retain: false,
    properties: undefined,
    publisherId: publishers[i] ?? '',
    expiresAtMs: 0,
    frames: undefined,
  },
  uid: undefined,
}));

/** How many messages go before the sender waits for an acknowledgement. */
const checkEvery = 32_768;

/** @type {import('@skein/broker').Clock} */
const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  endOfTurn: (task) => {
    setImmediate(task);
  },
};

/** @param {string} node @param {number} port */
const memberOf = (node, port) => ({ node, nodeId: node, address: `127.0.0.1:${port}`, secret: `of ${node}` });

if (process.send === undefined) await sender();
else await receiver();

async function sender() {
  const child = fork(fileURLToPath(import.meta.url));
  const [{ port }] = await once(child, 'message');
  const bound = await bindPeers({ host: '127.0.0.1', port: 0, onEvent: () => {} });
  const peers = bound.peers({ self: memberOf('sender', bound.port), clock });
  peers.start(inbox(() => {}));
  peers.meet([memberOf('receiver', port)]);
  await peers.deliver('receiver', [/** @type {any} */ (messages[0])]);

  console.log(`Node ${process.version}, QoS 0, 64-byte payloads`);
  console.log('per turn   sender µs   receiver µs   both µs        per s');
  for (const batch of [1, 16, 256, 1024]) {
    const count = { 1: 20_000, 16: 200_000 }[batch] ?? 1_500_000;
    const rounds = [];
    for (let round = 0; round < 4; round++) rounds.push(await measure(batch, count));
    // The first round warms up.
    const [best] = rounds.slice(1).sort((a, b) => a.sender + a.receiver - b.sender - b.receiver);
    if (best === undefined) continue;
    const { sender: ours, receiver: theirs, seconds } = best;
    const columns = [ours, theirs, ours + theirs].map((cpu) => (cpu / count).toFixed(2));
    const perSecond = Math.round(count / seconds).toLocaleString('en');
    console.log(
      `${String(batch).padStart(8)}${columns[0]?.padStart(12)}${columns[1]?.padStart(14)}${columns[2]?.padStart(10)}${perSecond.padStart(13)}`,
    );
  }
  child.disconnect();
  await bound.close();

  /** @param {number} batch @param {number} count */
  async function measure(batch, count) {
    child.send('start');
    await once(child, 'message');
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    for (let sent = 0; sent < count; ) {
      const end = Math.min(count, sent + batch);
      for (; sent < end; sent++) {
        if (!peers.publish('receiver', /** @type {any} */ (messages[sent % messages.length]))) {
          throw new Error('a message was dropped');
        }
      }
      // Now and then we wait until all have come, so that none is dropped.
      if (sent % checkEvery < batch) await peers.deliver('receiver', [/** @type {any} */ (messages[0])]);
      else await new Promise((resolve) => setImmediate(resolve));
    }
    await peers.deliver('receiver', [/** @type {any} */ (messages[0])]);
    const seconds = (performance.now() - startMs) / 1000;
    const used = process.cpuUsage(cpu);
    child.send('stop');
    const [theirs] = await once(child, 'message');
    if (theirs.heard !== count) throw new Error(`${count} were sent, and ${theirs.heard} came`);
    return { sender: used.user + used.system, receiver: theirs.cpu, seconds };
  }
}

async function receiver() {
  let heard = 0;
  let cpu = process.cpuUsage();
  const bound = await bindPeers({ host: '127.0.0.1', port: 0, onEvent: () => {} });
  const peers = bound.peers({ self: memberOf('receiver', bound.port), clock, topics: new TopicTable() });
  peers.start(
    inbox(() => {
      heard += 1;
    }),
  );
  process.on('message', (word) => {
    if (word === 'start') {
      heard = 0;
      cpu = process.cpuUsage();
      process.send?.('started');
    } else {
      const { user, system } = process.cpuUsage(cpu);
      process.send?.({ heard, cpu: user + system });
    }
  });
  process.on('disconnect', () => bound.close());
  process.send?.({ port: bound.port });
}

/** @param {() => void} publish */
function inbox(publish) {
  return {
    publish,
    deliver: () => {},
    push: () => {},
    kick: () => {},
    look: () => {},
    storeAnswers: () => true,
  };
}
