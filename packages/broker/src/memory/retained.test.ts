import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import type { Message } from '../message.ts';
import type { RetainedSet } from '../ports.ts';
import { RetainedTree } from './retained.ts';

// What any store must do with retained messages is in contract/retained.ts; this is about memory alone.
describe('RetainedTree', () => {
  it('keeps nothing of topics whose message is gone, removed or expired', () => {
    const tree = new RetainedTree();
    const comeAndGo = (from: number): void => {
      for (let i = from; i < from + 20_000; i++) {
        tree.set(kept(`a/${i}/b`, 'x'), 1_000_000, i);
        tree.set(kept(`a/${i}/b`, ''), 1_000_000, i);
        tree.set(kept(`c/${i}/d`, 'x', { expiresAtMs: i + 1 }), 1_000_000, i);
      }
      tree.set(kept('last', ''), 0, from + 30_000);
    };
    comeAndGo(0);
    const before = usedBytes();
    comeAndGo(40_000);
    expect(usedBytes() - before).toBeLessThan(1_000_000);
    expect(tree.count).toBe(0);
  });

  it('makes no room in the tree for a message that it refuses', () => {
    const tree = new RetainedTree();
    tree.set(kept('a', 'x'), 1, 0);
    const before = usedBytes();
    let stored = 0;
    for (let i = 0; i < 20_000; i++) stored += tree.set(kept(`b/${i}/c`, 'x'), 1, 0) ? 1 : 0;
    expect(stored).toBe(0);
    expect(usedBytes() - before).toBeLessThan(1_000_000);
    expect([...tree.match('#', 0)]).toHaveLength(1);
  });

  it('forgets uids under which nobody publishes any more', () => {
    const tree = new RetainedTree();
    const minuteMs = 60_000;
    const comeAndGo = (nowMs: number): void => {
      for (let i = 0; i < 2000; i++) tree.set(kept('a', 'x', {}, `${nowMs}-${i}`), 1, nowMs);
    };
    comeAndGo(0);
    const before = usedBytes();
    for (let minute = 1; minute <= 600; minute += 6) comeAndGo(minute * minuteMs);
    expect(usedBytes() - before).toBeLessThan(2_000_000);
  });

  it('takes a topic of any depth', () => {
    const tree = new RetainedTree();
    const deep = 'a/'.repeat(30_000);
    tree.set(kept(deep, 'x'), 10, 0);
    const found = (topicFilter: string) => [...tree.match(topicFilter, 0)].filter((message) => message !== undefined);
    expect(found('#')).toHaveLength(1);
    expect(found('+/#')).toHaveLength(1);
    // It is a long way: others get their turn on it.
    expect([...tree.match('#', 0)].length).toBeGreaterThan(10);
    tree.set(kept(deep, ''), 10, 0);
    expect(found('#')).toEqual([]);
  });
});

function kept(topic: string, text: string, fields: Partial<Message> = {}, uid?: string): RetainedSet {
  return { message: messageOn(topic, text, fields), uid };
}

/** Bytes of the heap in use, once everything that can go is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
