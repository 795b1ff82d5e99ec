import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { acquireOf, messageOn, subscriptionTo } from '../contract/samples.ts';
import { defaultLimits } from '../limits.ts';
import { keepMessage } from '../message.ts';
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
    const count = 50_000;
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
