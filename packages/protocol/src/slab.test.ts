import { describe, expect, it } from 'vitest';
import { Slab } from './slab.ts';
import { writeBytes } from './write.ts';

describe('a Slab', () => {
  it('begins empty, with 4 KiB', () => {
    const slab = Slab.take();
    expect(slab.length).toBe(0);
    expect(slab.view().length).toBe(0);
    expect(slab.buffer.length).toBe(4096);
  });

  it('grows by doubling and keeps what was written', () => {
    const slab = Slab.take();
    for (let i = 0; i < 100; i++) writeBytes(slab, new Uint8Array(1000).fill(i));
    expect(slab.buffer.length).toBe(131_072);
    expect(slab.length).toBe(100_000);
    for (let i = 0; i < 100; i++)
      expect(slab.view().subarray(i * 1000, i * 1000 + 1000)).toEqual(Buffer.alloc(1000, i));
  });

  it('makes room for any number of bytes at once', () => {
    const slab = Slab.take();
    slab.reserve(4096);
    expect(slab.buffer.length).toBe(4096);
    slab.reserve(1_000_000);
    expect(slab.buffer.length).toBe(1_048_576);
  });

  it('shows what it holds without a copy', () => {
    const slab = Slab.take();
    writeBytes(slab, Uint8Array.of(1, 2, 3));
    expect(slab.view().buffer).toBe(slab.buffer.buffer);
    slab.length = 2;
    expect(slab.view()).toEqual(Buffer.of(1, 2));
  });

  it('gives its memory to the next one', () => {
    const slab = Slab.take();
    const memory = slab.buffer;
    Slab.give(slab);
    expect(slab.length).toBe(0);
    expect(slab.buffer.length).toBe(0);
    expect(Slab.take().buffer).toBe(memory);
  });

  it('gives the memory that it outgrows to the next one, and finds larger memory there', () => {
    const slab = Slab.take();
    const small = slab.buffer;
    slab.reserve(5000);
    const large = slab.buffer;
    expect(Slab.take().buffer).toBe(small);
    Slab.give(slab);
    const other = Slab.take();
    other.reserve(5000);
    expect(other.buffer).toBe(large);
  });

  it('never shares memory with another, even if it was given twice', () => {
    const slab = Slab.take();
    Slab.give(slab);
    Slab.give(slab);
    expect(Slab.take().buffer).not.toBe(Slab.take().buffer);
  });

  it('can be used again after it was given', () => {
    const slab = Slab.take();
    Slab.give(slab);
    writeBytes(slab, Uint8Array.of(7));
    expect(slab.view()).toEqual(Buffer.of(7));
  });

  it('leaves at most 1 MiB of each size behind, and none that is larger than 64 KiB', () => {
    const slabs = Array.from({ length: 1000 }, () => Slab.take());
    const memories = new Set(slabs.map((slab) => slab.buffer));
    for (const slab of slabs) Slab.give(slab);
    const again = Array.from({ length: 1000 }, () => Slab.take());
    expect(again.filter((slab) => memories.has(slab.buffer)).length).toBe(256);

    const largest = Slab.take();
    largest.reserve(65_536);
    const kept = largest.buffer;
    Slab.give(largest);
    largest.reserve(65_536);
    expect(largest.buffer).toBe(kept);

    const large = Slab.take();
    large.reserve(65_537);
    const memory = large.buffer;
    Slab.give(large);
    const next = Slab.take();
    next.reserve(65_537);
    expect(next.buffer).not.toBe(memory);
  });
});
