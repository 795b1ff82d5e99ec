// `node --expose-gc scripts/bench-match.mjs [filters…]`: what matching costs, at so many Topic Filters.
//
// Four filters in five name one topic, the others have a `+` or end with `#`. A cold match is that of a topic nobody has
// asked for yet; a cached one was asked for before. Bytes are of filter and Subscription, with all that finds them.
// Run `npm run build` first: this takes the broker as it is built.

import { Router } from '../packages/broker/dist/router.js';

const counts = process.argv.slice(2).map(Number);
for (const count of counts.length > 0 ? counts : [100_000, 1_000_000]) measure(count);

/** @param {number} count how many filters */
function measure(count) {
  const router = new Router('node');
  const filters = Array.from({ length: count }, (_, i) => Buffer.from(filterOf(i)));
  const sessions = Array.from({ length: Math.ceil(count / 10) }, (_, i) => ({
    clientId: `client-${i}`,
    stored: false,
    subscriptions: new Map(),
  }));
  collect();
  const before = process.memoryUsage().heapUsed;
  let start = cpuNs();
  for (let i = 0; i < count; i++) {
    const session = /** @type {any} */ (sessions[Math.floor(i / 10)]);
    // A filter comes out of a packet: a string of its own.
    const topicFilter = String(filters[i]);
    /** @type {any} */
    const subscription = {
      topicFilter,
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
      subscriptionIdentifier: undefined,
      session,
    };
    session.subscriptions.set(topicFilter, subscription);
    router.subscribe(subscription, undefined);
  }
  const addNs = (cpuNs() - start) / count;
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / count;

  const topics = Array.from({ length: 20_000 }, (_, i) => topicOf(Math.floor((i * count) / 20_000)));
  let found = 0;
  for (let i = 0; i < 100_000; i++) router.match(`warm/${i}/up/device`);
  let coldNs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    // As new strings, as they come out of packets.
    const anew = topics.map((topic) => Buffer.from(topic).toString());
    for (let i = 0; i < 70_000; i++) router.match(`forgotten/${round}/${i}`);
    start = cpuNs();
    for (const topic of anew) found += router.match(topic).any.length;
    coldNs = Math.min(coldNs, (cpuNs() - start) / topics.length);
  }
  const rounds = 1000;
  const hot = topics.slice(0, 1000);
  start = cpuNs();
  for (let round = 0; round < rounds; round++) for (const topic of hot) found += router.match(topic).any.length;
  const cachedNs = (cpuNs() - start) / hot.length / rounds;

  // Subscriptions come and go while topics are published: what is kept of the others must stay.
  start = cpuNs();
  const storm = 20_000;
  for (let i = 0; i < storm; i++) {
    const topicFilter = `storm/${i}/+/state`;
    const subscription = /** @type {any} */ ({ topicFilter, qos: 1, noLocal: false, session: sessions[0] });
    router.subscribe(subscription, undefined);
    found += router.match(topics[i % topics.length] ?? '').any.length;
    router.unsubscribe(subscription);
  }
  const stormNs = (cpuNs() - start) / storm;
  const line = [
    `${count} filters`,
    `cold ${(coldNs / 1000).toFixed(2)} µs`,
    `cached ${cachedNs.toFixed(0)} ns`,
    `${bytes.toFixed(0)} bytes each`,
    `subscribe ${(addNs / 1000).toFixed(2)} µs`,
    `in a storm ${(stormNs / 1000).toFixed(2)} µs`,
    `(${(found / (5 * topics.length + hot.length * rounds + storm)).toFixed(2)} found)`,
  ];
  console.log(line.join(' · '));
  // Held to the end, lest what they took be counted off.
  if (filters.length < sessions.length) throw new Error('ten filters a Session');
}

/** All that can go, goes: a first collection may leave what only weak references hold. */
function collect() {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
}

/** CPU time of this thread's process so far, in nanoseconds: other work on the machine does not count. */
function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** @param {number} i */
function filterOf(i) {
  if (i % 20 === 0) return `site/${i % 1000}/device/${i}/#`;
  if (i % 20 <= 3) return `site/+/device/${i}/temperature`;
  return `site/${i % 1000}/device/${i}/temperature`;
}

/** @param {number} i */
function topicOf(i) {
  return `site/${i % 1000}/device/${i}/temperature`;
}
