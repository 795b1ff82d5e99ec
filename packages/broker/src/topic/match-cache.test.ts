import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches } from './filter.ts';
import { MatchCache } from './match-cache.ts';

describe('what a topic matched', () => {
  it('is kept while filters change that do not match it', () => {
    const cache = new MatchCache<string>();
    cache.set('a/b', 'found', 1);
    cache.changed('a/c');
    for (let i = 0; i < 5; i++) cache.changed(`a/c/${i}/+`);
    expect(cache.get('a/b')).toBe('found');
    cache.changed('a/+');
    expect(cache.get('a/b')).toBeUndefined();
  });

  it('is gone when a filter changes that spells it', () => {
    const cache = new MatchCache<string>();
    cache.set('a/b', 'found', 1);
    cache.set('a', 'kept', 1);
    cache.changed('a/b');
    expect(cache.get('a/b')).toBeUndefined();
    expect(cache.get('a')).toBe('kept');
  });

  it('is not trusted when more filters have changed than are remembered, the one that matches among them', () => {
    const cache = new MatchCache<string>();
    cache.set('a/b', 'found', 1);
    cache.changed('#');
    for (let i = 0; i < 1000; i++) {
      cache.changed(`x/${i}/+`);
      expect(cache.get('a/b')).toBeUndefined();
    }
  });

  it('survives any number of changes if it is asked for between them', () => {
    const cache = new MatchCache<string>();
    cache.set('a/b', 'found', 1);
    for (let i = 0; i < 4000; i++) {
      cache.changed(`x/${i}/+`);
      expect(cache.get('a/b')).toBe('found');
    }
  });

  it('is never believed when it is wrong, however many filters change between two questions', () => {
    const filters = ['a/b', 'a', '+/b', 'a/+', '#', 'x/+', 'y/#', '+', 'a/#', '$s/#', '$s/+'];
    const topics = ['a/b', 'a', 'x/y', 'y', '$s/a'];
    const step = fc.record({
      changed: fc.array(fc.constantFrom(...filters), { maxLength: 20 }),
      topic: fc.constantFrom(...topics),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new MatchCache<string>();
        const there = new Set<string>();
        for (const { changed, topic } of steps) {
          for (const filter of changed) {
            if (!there.delete(filter)) there.add(filter);
            cache.changed(filter);
          }
          const found = [...there]
            .filter((filter) => matches(filter, topic))
            .sort()
            .join(' ');
          expect(cache.get(topic) ?? found).toBe(found);
          cache.set(topic, found, 1);
        }
      }),
    );
  });

  it('is let go of in time, though nobody asks for it, because it holds on to what it found', async () => {
    const cache = new MatchCache<object>();
    let found: object | undefined = { a: 'Session' };
    const reference = new WeakRef(found);
    cache.set('a/b', found, 1);
    found = undefined;
    for (let i = 0; i < 5000; i++) cache.changed('a/+');
    await new Promise((resolve) => setImmediate(resolve)); // what a turn has seen, it keeps to its end
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(reference.deref()).toBeUndefined();
  });

  it('is bounded by what it finds', () => {
    const cache = new MatchCache<string>();
    cache.set('first', 'found', 400_000);
    cache.set('second', 'found', 400_000);
    cache.set('third', 'found', 1);
    expect(cache.get('first')).toBeUndefined();
    expect(cache.get('third')).toBe('found');
  });

  it('is bounded by the length of the topics that are asked for', () => {
    const cache = new MatchCache<string>();
    const long = 'x'.repeat(60_000);
    const topicOf = (i: number): string => `${i}/${long}`;
    for (let i = 0; i < 1000; i++) cache.set(topicOf(i), 'found', 0);
    const kept = Array.from({ length: 1000 }, (_, i) => topicOf(i)).filter((topic) => cache.get(topic) !== undefined);
    expect(kept.length * long.length).toBeLessThan(20_000_000);
    expect(cache.get(topicOf(999))).toBe('found');
  });
});
