import { describe, expect, it } from 'vitest';
import { asBytes, Chunk } from './bytes.ts';
import { TopicReader, TopicTable } from './topic-table.ts';

/** A topic somewhere in a chunk. */
function placed(topic: string, offset = 3): [chunk: Chunk, at: number, end: number] {
  const bytes = new TextEncoder().encode(topic);
  const memory = new Uint8Array(offset + bytes.length).fill(0x2f);
  memory.set(bytes, offset);
  return [new Chunk(asBytes(memory)), offset, memory.length];
}

describe('a table of Topic Names', () => {
  it('gives the same topic for the same bytes, wherever they lie', () => {
    const table = new TopicTable();
    for (const topic of ['a', 'a/b', 'a/b/c', 'site/berlin/hall/7', 'zü/💡']) {
      const first = table.find(...placed(topic, 0));
      expect(first.name).toBe(topic);
      for (const offset of [1, 2, 5]) expect(table.find(...placed(topic, offset))).toBe(first);
    }
  });

  it('is no larger than it was made: a newer topic takes the slot of an older one', () => {
    const table = new TopicTable({ slots: 1 });
    const first = table.find(...placed('a'));
    expect(table.find(...placed('b')).name).toBe('b');
    const again = table.find(...placed('a'));
    expect(again.name).toBe('a');
    expect(again).not.toBe(first);
  });

  it('spreads topics that differ only at their end, whatever the seed', () => {
    for (const seed of [0, 1, 0xffff_ffff, 0x1234_5678]) {
      const table = new TopicTable({ slots: 4096, seed });
      const topics = Array.from({ length: 1000 }, (_, i) => `site/berlin/hall/${i}`);
      const kept = topics.map((topic) => table.find(...placed(topic)));
      const found = topics.filter((topic, i) => table.find(...placed(topic)) === kept[i]);
      // Thrown at random into 4096 slots, 1000 topics leave some 780 where no later one fell.
      expect(found.length).toBeGreaterThan(700);
    }
  });

  it('does not keep long topics', () => {
    const table = new TopicTable();
    const long = 'x'.repeat(257);
    expect(table.find(...placed(long)).name).toBe(long);
    expect(table.find(...placed(long))).not.toBe(table.find(...placed(long)));
  });
});

describe('the topics of a connection', () => {
  it('are read from the table, and the last one without it', () => {
    const reader = new TopicReader(new TopicTable());
    for (const topic of ['a/b', 'a/b', 'a/c', 'a/b', 'x'.repeat(300), 'x'.repeat(300), 'a/b']) {
      expect(reader.read(...placed(topic))).toBe(topic);
    }
  });

  it('do not depend on the memory they came in', () => {
    const reader = new TopicReader(undefined);
    const [chunk, at, end] = placed('a/b');
    expect(reader.read(chunk, at, end)).toBe('a/b');
    chunk.bytes[at] = 0x62;
    expect(reader.read(chunk, at, end)).toBe('b/b');
    expect(reader.read(...placed('a/b'))).toBe('a/b');
  });
});
