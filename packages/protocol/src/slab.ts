// Memory that packets are written into, one Slab per connection that has something to send.
//
// A turn's packets for one Client go into one Slab and leave in one write. It begins with 4 KiB from a free list and
// doubles as it fills; what it outgrows goes back at once, so that a busy turn finds its larger sizes there next time.
//
// Invariant: each free list holds at most 1 MiB, five of them 5 MiB; memory beyond 64 KiB is never kept.

import { type Bytes, longLived, noBytes } from './bytes.ts';

const smallest = 4096;
const largest = 65_536;
const keptBytes = 1_048_576;

const free: Bytes[][] = [];
for (let size = smallest; size <= largest; size *= 2) free.push([]);

/** A growing piece of memory, written from its beginning. */
export class Slab {
  /** The memory; another one after {@link Slab.reserve}. */
  buffer: Bytes = noBytes;
  /** How many bytes are written; may be set back to take away what was written last. */
  length = 0;

  /** An empty Slab of 4 KiB. */
  static take(): Slab {
    const slab = new Slab();
    slab.buffer = takeMemory(smallest);
    return slab;
  }

  /**
   * Gives the memory back. Nobody may use it any more, the kernel included: a write that was not taken at once must
   * have finished. The Slab is empty afterwards, and giving it twice does no harm.
   */
  static give(slab: Slab): void {
    giveMemory(slab.buffer);
    slab.buffer = noBytes;
    slab.length = 0;
  }

  /** Makes room for `byteCount` more bytes. */
  reserve(byteCount: number): void {
    if (this.length + byteCount > this.buffer.length) this.#grow(this.length + byteCount);
  }

  /** What has been written, without a copy. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  #grow(atLeast: number): void {
    let size = Math.max(this.buffer.length, smallest);
    while (size < atLeast) size *= 2;
    const outgrown = this.buffer;
    this.buffer = takeMemory(size);
    this.buffer.set(outgrown.subarray(0, this.length));
    giveMemory(outgrown);
  }
}

function takeMemory(size: number): Bytes {
  return freeListOf(size)?.pop() ?? longLived(size);
}

function giveMemory(memory: Bytes): void {
  const list = freeListOf(memory.length);
  if (list !== undefined && list.length * memory.length < keptBytes) list.push(memory);
}

/** Sizes are powers of two, so their logarithms count the lists. */
function freeListOf(size: number): Bytes[] | undefined {
  return free[Math.clz32(smallest) - Math.clz32(size)];
}
