import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import type { Message } from '../message.ts';
import type { RetainedSet } from '../ports.ts';
import { RetainedMessages } from './retained.ts';

// What any store must do with retained messages is in contract/retained.ts; this is about memory alone.
describe('RetainedMessages', () => {
  it('keeps nothing of topics whose message is gone, removed or expired', () => {
    const retained = new RetainedMessages();
    const comeAndGo = (from: number): void => {
      for (let i = from; i < from + 20_000; i++) {
        retained.set(kept(`a/${i}/b`, 'x'), 1_000_000, i);
        retained.set(kept(`a/${i}/b`, ''), 1_000_000, i);
        retained.set(kept(`c/${i}/d`, 'x', { expiresAtMs: i + 1 }), 1_000_000, i);
        retained.set(kept('e', 'x', { expiresAtMs: 1_000_000 + i }), 1_000_000, i);
      }
      retained.set(kept('last', ''), 0, from + 2_000_000);
      retained.set(kept('last', ''), 0, from + 2_000_000);
    };
    comeAndGo(0);
    const before = usedBytes();
    comeAndGo(40_000);
    expect(usedBytes() - before).toBeLessThan(1_000_000);
    expect(retained.count).toBe(0);
  });

  it('makes no room for a message that it refuses', () => {
    const retained = new RetainedMessages();
    retained.set(kept('a', 'x'), 1, 0);
    const before = usedBytes();
    let stored = 0;
    for (let i = 0; i < 20_000; i++) stored += retained.set(kept(`b/${i}/c`, 'x'), 1, 0) ? 1 : 0;
    expect(stored).toBe(0);
    expect(usedBytes() - before).toBeLessThan(1_000_000);
    expect(retained.page('#', '', 0).messages).toHaveLength(1);
  });

  it('forgets uids under which nobody publishes any more, and removals that nobody is late for', () => {
    const retained = new RetainedMessages();
    const minuteMs = 60_000;
    const comeAndGo = (nowMs: number): void => {
      for (let i = 0; i < 2000; i++) {
        const n = nowMs + i;
        retained.set({ ...kept('a', 'x'), uid: `${n}` }, 1, nowMs);
        retained.set({ ...kept(`gone/${n}`, ''), order: { epoch: 1, n } }, 1, nowMs);
      }
    };
    for (let minute = 0; minute < 20; minute++) comeAndGo(minute * 6 * minuteMs);
    const before = usedBytes();
    for (let minute = 20; minute < 80; minute++) comeAndGo(minute * 6 * minuteMs);
    expect(usedBytes() - before).toBeLessThan(5_000_000);
  });

  it('takes a topic of any depth', () => {
    const retained = new RetainedMessages();
    const deep = 'a/'.repeat(30_000);
    retained.set(kept(deep, 'x'), 10, 0);
    for (const filter of ['#', '+/#', 'a/+/a/#', deep]) {
      expect(retained.page(filter, '', 0).messages).toHaveLength(1);
    }
    retained.set(kept(deep, ''), 10, 0);
    expect(retained.page('#', '', 0)).toEqual({ messages: [], next: undefined });
  });

  it('looks at no more keys for a page than it may, and goes on from there', () => {
    const retained = new RetainedMessages();
    const count = 5000;
    for (let i = 0; i < count; i++) retained.set(kept(`dev/${i}/state`, 'x'), count, 0);
    let pages = 0;
    for (let from: string | undefined = ''; from !== undefined; pages++) {
      const page = retained.page('dev/+/alarm', from, 0);
      expect(page.messages).toEqual([]);
      from = page.next;
    }
    expect(pages).toBeGreaterThan(4);
    expect(pages).toBeLessThan(20);
  });
});

function kept(topic: string, text: string, fields: Partial<Message> = {}): RetainedSet {
  return { message: messageOn(topic, text, fields), uid: undefined, order: undefined };
}

/** Bytes of the heap in use, once everything that can go is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
