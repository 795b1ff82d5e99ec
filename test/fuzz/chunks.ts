// How bytes are cut on their way, and what is left of their memory afterwards.

import { SeededRandom } from '../../packages/broker/src/contract/index.ts';

/** The bytes in pieces of 1 to a few; the same bytes are always cut alike. */
export function cutUp(bytes: Uint8Array): Uint8Array[] {
  const random = new SeededRandom(digest(bytes));
  const largest = random.pick([1, 2, 3, 7, 40, 2000]);
  const chunks: Uint8Array[] = [];
  // Thousands of tiny chunks prove no more than some hundreds do.
  const atLeast = Math.ceil(bytes.length / 600);
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(atLeast, 1 + random.below(largest));
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

/** A number that bytes decide. */
function digest(bytes: Uint8Array): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) state = Math.imul(state ^ (bytes[i] as number), 0x01000193);
  return state >>> 0;
}

/** What {@link watchMemory} saw. */
export interface Memory {
  /** The largest piece of memory that was asked for, in bytes. */
  largest: number;
  /** All that was asked for. */
  total: number;
}

/** Calls `work` and counts the memory of its own that the decoder asks for meanwhile. */
export function watchMemory(work: () => void): Memory {
  const memory = { largest: 0, total: 0 };
  const { allocUnsafeSlow } = Buffer;
  Buffer.allocUnsafeSlow = (size) => {
    memory.largest = Math.max(memory.largest, size);
    memory.total += size;
    return allocUnsafeSlow(size);
  };
  try {
    work();
  } finally {
    Buffer.allocUnsafeSlow = allocUnsafeSlow;
  }
  return memory;
}
