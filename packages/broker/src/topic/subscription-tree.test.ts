import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches } from './filter.ts';
import { SubscriptionTree } from './subscription-tree.ts';

interface Entry {
  readonly name: number;
}

// Few names, so that filters and topics meet often; the empty level and one with $ among them.
const name = fc.constantFrom('a', 'b', '', '$s', 'ö');
const topics = fc.array(name, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/') || '/');
const filters = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash || levels.length === 0 ? ['#'] : [])].join('/') || '/');
const entries: readonly Entry[] = Array.from({ length: 4 }, (_, i) => ({ name: i }));

describe('SubscriptionTree', () => {
  it('agrees with the rule for single pairs, whatever comes and goes', () => {
    const step = fc.record({
      adds: fc.boolean(),
      filter: filters,
      entry: fc.constantFrom(...entries),
      topic: topics,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = new SubscriptionTree<Entry>();
        const model = new Map<string, Set<Entry>>();
        let size = 0;
        for (const { adds, filter, entry, topic } of steps) {
          const there = model.get(filter)?.has(entry) === true;
          if (adds) {
            expect(tree.add(filter, entry)).toBe(!there);
            model.set(filter, (model.get(filter) ?? new Set()).add(entry));
          } else {
            expect(tree.remove(filter, entry)).toBe(there);
            model.get(filter)?.delete(entry);
          }
          size += adds === there ? 0 : adds ? 1 : -1;
          expect(tree.size).toBe(size);
          // Once for each filter that matches and each of its entries [MQTT-3.3.4-2].
          const wanted = [...model].flatMap(([each, of]) => (matches(each, topic) ? [...of] : []));
          expect(found(tree, topic)).toEqual(wanted.map((each) => each.name).sort());
        }
        for (const [filter, of] of model) for (const entry of of) expect(tree.remove(filter, entry)).toBe(true);
        expect(tree.size).toBe(0);
        for (const { topic } of steps) expect(found(tree, topic)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it.each(['a/b', 'a/+', 'a/#'])('keeps one, a few and many entries of %s, and a few and one again', (filter) => {
    const tree = new SubscriptionTree<Entry>();
    const many = Array.from({ length: 30 }, (_, i) => ({ name: i + 100 }));
    for (const [i, entry] of many.entries()) {
      expect(tree.add(filter, entry)).toBe(true);
      expect(tree.add(filter, many[0] as Entry)).toBe(false);
      expect(found(tree, 'a/b')).toHaveLength(i + 1);
    }
    for (const [i, entry] of many.entries()) {
      expect(found(tree, 'a/b')).toEqual(many.slice(i).map(({ name: each }) => each));
      expect(tree.remove(filter, entry)).toBe(true);
      expect(tree.remove(filter, entry)).toBe(false);
    }
    expect(found(tree, 'a/b')).toEqual([]);
  });

  it('takes a topic of any depth', () => {
    const tree = new SubscriptionTree<Entry>();
    const [entry] = entries as [Entry];
    const deep = 'a/'.repeat(30_000);
    tree.add(`${deep}#`, entry);
    tree.add('+/#', entry);
    expect(found(tree, `${deep}b`)).toEqual([0, 0]);
    expect(tree.remove(`${deep}#`, entry)).toBe(true);
    expect(found(tree, `${deep}b`)).toEqual([0]);
  });

  it('keeps nothing of filters that are gone', () => {
    const tree = new SubscriptionTree<Entry>();
    const [entry, other] = entries as [Entry, Entry];
    const come = (from: number): void => {
      for (let i = from; i < from + 20_000; i++) {
        for (const filter of [`x/${i}/+/a`, `${i}/#`, `+/${i}`, `exact/${i}`]) {
          tree.add(filter, entry);
          tree.add(filter, other);
          tree.remove(filter, entry);
          tree.remove(filter, other);
        }
      }
    };
    come(0);
    const before = usedBytes();
    come(20_000);
    // One level kept of each would be twenty times as much.
    expect(usedBytes() - before).toBeLessThan(1_000_000);
    expect(tree.size).toBe(0);
  });
});

function found(tree: SubscriptionTree<Entry>, topic: string): number[] {
  const names: number[] = [];
  tree.match(topic, (entry) => names.push(entry.name));
  return names.sort();
}

/** Bytes of the heap in use, once everything that can go is gone. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
