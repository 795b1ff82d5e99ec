// The least of a conversation that still shows what the whole one shows.
//
// Whole connections go first, then packets, then stretches of bytes, each half as long as the one before; what is left
// is as small as this can make it, not the smallest there is.

import type { Conversation } from './conversation.ts';

/** Tries that may be made. */
const triesMax = 3000;

/** @param shows whether a conversation still shows it */
export async function minimised(
  conversation: Conversation,
  shows: (candidate: Conversation) => Promise<boolean>,
): Promise<Conversation> {
  let smallest = conversation;
  let tries = 0;

  /** Takes the smaller one if it still shows it. */
  async function take(candidate: Conversation): Promise<boolean> {
    if (candidate.lives.length === 0 || tries++ >= triesMax || !(await shows(candidate))) return false;
    smallest = candidate;
    return true;
  }

  for (let at = smallest.lives.length - 1; at >= 0; at--) {
    await take({ ...smallest, lives: smallest.lives.toSpliced(at, 1) });
  }
  for (let at = 0; at < smallest.lives.length; at++) {
    const change = (packets: readonly Uint8Array[]): Conversation => {
      const life = smallest.lives[at] as Conversation['lives'][number];
      return { ...smallest, lives: smallest.lives.with(at, { ...life, packets }) };
    };
    const packetsOf = (): readonly Uint8Array[] => (smallest.lives[at] as Conversation['lives'][number]).packets;
    for (let i = packetsOf().length - 1; i >= 0; i--) await take(change(packetsOf().toSpliced(i, 1)));
    for (let i = 0; i < packetsOf().length; i++) {
      for (let size = packetsOf()[i]?.length ?? 0; size >= 1; size >>= 1) {
        for (let from = 0; from < (packetsOf()[i]?.length ?? 0); ) {
          const packet = packetsOf()[i] as Uint8Array;
          const without = new Uint8Array(Buffer.concat([packet.subarray(0, from), packet.subarray(from + size)]));
          if (!(await take(change(packetsOf().with(i, without))))) from += size;
        }
      }
    }
  }
  return smallest;
}
