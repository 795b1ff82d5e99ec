import { defaultLimits, memory } from '@skein/broker';
import { expect, it } from 'vitest';
const { sessions, queues, shared } = memory;
const n = 1_000_000;
let nonces = 0;
const acquire = (state: memory.MemoryState, clientId: string, nowMs: number, f = {}) => sessions.acquire(state, { clientId, nonce: `n${nonces++}`, cleanStart: false, sessionExpirySeconds: 3600, will: undefined, username: undefined, owner: 'n', receiveMaximum: 10, ...f }, `g-${clientId}-${nonces}`, nowMs);
const msg = (f = {}) => ({ topic: 'a', payload: Buffer.alloc(10), qos: 1 as const, retain: false, properties: undefined, publisherId: 'p', expiresAtMs: 0, frames: undefined, ...f });
function make(queueFull: 'drop-new' | 'drop-old' | 'refuse', max: number, filter = 'a') {
  const state = new memory.MemoryState({ ...defaultLimits, queueMaxMessages: max, queueMaxBytes: 1e12, queueFull });
  const { claim } = acquire(state, 's', 1000);
  sessions.subscribe(state, claim, [{ topicFilter: filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionIdentifier: undefined }]);
  sessions.release(state, { claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, 1000);
  const target = { clientId: 's', generation: claim.generation, topicFilters: [filter] };
  const put = (f = {}, nowMs = 1000, uid?: string) => queues.enqueue(state, [{ message: msg(f), targets: [target], isRefusable: true, uid }], nowMs);
  return { state, put, claim };
}
function time(label: string, count: number, run: (i: number) => void) {
  let max = 0; const t0 = performance.now();
  for (let i = 0; i < count; i++) { const t = performance.now(); run(i); max = Math.max(max, performance.now() - t); }
  console.log(`${label}: mean ${((performance.now() - t0) / count).toFixed(4)} ms, max ${max.toFixed(1)} ms`);
}
it('perf', { timeout: 300_000 }, () => {
  { const q = make('drop-new', 2 * n); time('grow a queue to a million', n + 100_000, () => q.put()); }
  { const q = make('drop-old', n); for (let i = 0; i < n; i++) q.put(); time('drop-old at a million, 1st 1000', 1000, () => q.put()); for (let i = 0; i < 60; i++) time(`drop-old ${i}`, 1, () => q.put()); }
  { const q = make('drop-old', 300_000); for (let i = 0; i < 300_000; i++) q.put(); time('drop-old at 300k, 200k more (sampled)', 100_000, () => q.put()); }
  { const q = make('drop-old', 10_000); for (let i = 0; i < 10_000; i++) q.put(); time('drop-old at 10k, 30k more', 30_000, () => q.put()); }
  { const q = make('refuse', n); for (let i = 0; i < n; i++) q.put(); time('refuse at a million full', 20, () => q.put()); }
  { const q = make('refuse', 1000); for (let i = 0; i < 1000; i++) q.put(); time('refuse at 1000 (default)', 2000, () => q.put()); }
  { const q = make('drop-new', n); for (let i = 0; i < n; i++) q.put({ expiresAtMs: 100_000 + i }); time('drop-new full of a million with expiry', 20, (i) => q.put({ expiresAtMs: 9e9 }, 100_001 + i * 2)); }
  { const q = make('drop-new', n); for (let i = 0; i < 20_000; i++) q.put({}, 1000, `u${i}`); time('seen full: QoS 2 uid', 20_000, (i) => q.put({}, 1000, `v${i}`)); }
  { const q = make('drop-new', n, '$share/g/a'); for (let i = 0; i < 500_000; i++) q.put();
    time('take 256 of 500k', 1900, () => shared.take(q.state, { clientId: 's', generation: q.claim.generation }, ['$share/g/a'], 256, 100_000)); }
  { const q = make('drop-new', 2*n, '$share/g/a'); for (let i = 0; i < 500_000; i++) q.put(); time('expire a session that shares, 500k', 1, () => sessions.expire(q.state, [{ clientId: 's', epoch: q.claim.epoch }], 9e9)); }
  { const state = new memory.MemoryState(defaultLimits); const claims: any[] = [];
    for (let i = 0; i < 100_000; i++) claims.push(acquire(state, `c${i}`, 1000).claim);
    let at = 0; const rel = () => { const c = claims[at]; sessions.release(state, { claim: c, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, 2000 + at); claims[at] = acquire(state, `c${at}`, 2000 + at).claim; at = (at + 1) % 100_000; };
    time('release+acquire of 100k', 250_000, rel);
    for (const c of claims) sessions.release(state, { claim: c, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, 3000);
    for (let i = 0; i < 100_000; i++) claims[i] = acquire(state, `c${i}`, 4000).claim;
    for (const c of claims) sessions.release(state, { claim: c, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, 3000);
    at = 0; time('release+acquire of 100k away', 150_000, () => { claims[at] = acquire(state, `c${at}`, 5000 + at).claim; sessions.release(state, { claim: claims[at], sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, 5000); at = (at + 1) % 100_000; });
  }
  { // fan-out to 100k during a snapshot
    const state = new memory.MemoryState(defaultLimits); const targets: any[] = [];
    for (let i = 0; i < 100_000; i++) { const { claim } = acquire(state, `c${i}`, 1000); sessions.subscribe(state, claim, [{ topicFilter: 'a', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionIdentifier: undefined }]); targets.push({ clientId: `c${i}`, generation: claim.generation, topicFilters: ['a'] }); }
    time('fan-out to 100k', 3, () => queues.enqueue(state, [{ message: msg(), targets, isRefusable: false, uid: undefined }], 1000));
    let c = 0; const snap = new memory.Snapshot(state, () => { c++; });
    time('fan-out to 100k, snapshot under way (nothing encoded)', 1, () => queues.enqueue(state, [{ message: msg(), targets, isRefusable: false, uid: undefined }], 1000));
    snap.end(); expect(c).toBeGreaterThan(0);
  }
});
