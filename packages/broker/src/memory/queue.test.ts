import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { acquireOf, messageOn, subscriptionTo } from '../contract/samples.ts';
import { defaultLimits } from '../limits.ts';
import { keepMessage, type Message } from '../message.ts';
import * as queues from './queues.ts';
import * as sessions from './sessions.ts';
import { MemoryState } from './state.ts';

// What any queue must do is in contract/queues.ts; this is about memory alone.
describe('a queue', () => {
  it('takes less than 500 bytes for a message of 64', () => {
    const state = new MemoryState(defaultLimits);
    const targets = Array.from({ length: 50 }, (_, i) => {
      const { claim } = sessions.acquire(state, acquireOf(`c${i}`), `g${i}`, 0);
      sessions.subscribe(state, claim, [subscriptionTo('#')]);
      return { ...claim, topicFilters: ['#'] };
    });
    const count = 20_000;
    const before = usedBytes();
    for (let i = 0; i < count; i++) {
      // No two of them have a string in common, as if each had just been read.
      const arrived = messageOn(`dev/${i}/state`, 'x'.repeat(64), { qos: 1 });
      const target = targets[i % targets.length] as (typeof targets)[number];
      queues.enqueue(
        state,
        [{ message: keepMessage(arrived), targets: [target], isRefusable: false, uid: undefined }],
        0,
      );
    }
    expect((usedBytes() - before) / count).toBeLessThan(500);
    expect(state.sessions.get('c0')?.queue.size).toBe(count / targets.length);
  });

  it.each(['refuse', 'drop-old'] as const)('that is full is not looked through for each message: %s', (queueFull) => {
    const count = 10_000;
    const state = new MemoryState({ ...defaultLimits, queueMaxMessages: count, queueFull });
    const { claim } = sessions.acquire(state, acquireOf('c'), 'g', 0);
    sessions.subscribe(state, claim, [subscriptionTo('#')]);
    let looks = 0;
    const messageUntil = (dueMs: number): Message => ({
      ...messageOn('a', 'x', { qos: 1 }),
      get expiresAtMs() {
        looks++;
        return dueMs;
      },
    });
    const publish = (dueMs: number, nowMs: number): boolean => {
      const targets = [{ ...claim, topicFilters: ['#'] }];
      const message = messageUntil(dueMs);
      return queues.enqueue(state, [{ message, targets, isRefusable: true, uid: undefined }], nowMs)[0] !== undefined;
    };
    for (let i = 0; i < count; i++) publish(1000 + i, 0);
    // Its Client goes: whatever was reserved for it may expire now, and the time is past what has been sent.
    sessions.release(state, { claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 10 }, 0);
    looks = 0;
    for (let nowMs = 500; nowMs < 600; nowMs++) expect(publish(20_000, nowMs)).toBe(queueFull === 'drop-old');
    expect(looks).toBeLessThan(100 * 500);
    // From now on one expires at a time, and makes room for one.
    looks = 0;
    for (let nowMs = 1010; nowMs < 1110; nowMs++) expect(publish(20_000, nowMs)).toBe(true);
    expect(looks).toBeLessThan(100 * 1000);
  });
});

describe('a Session that has nothing', () => {
  it.each([0, 3600])('takes less than a KiB, whatever it may have one day (Session Expiry Interval %i)', (expiry) => {
    const state = new MemoryState(defaultLimits);
    const requests = Array.from({ length: 5000 }, (_, i) => acquireOf(`c${i}`, { sessionExpirySeconds: expiry }));
    const before = usedBytes();
    for (const request of requests) sessions.acquire(state, request, request.clientId, 0);
    expect((usedBytes() - before) / requests.length).toBeLessThan(1024);
    expect(state.sessions.size).toBe(requests.length);
  });
});

/** Bytes in use, on the heap and beside it, once everything that can go is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
