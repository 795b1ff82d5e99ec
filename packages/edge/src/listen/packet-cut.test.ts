import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketCut } from './packet-cut.ts';

/** A packet with so many bytes behind its fixed header. */
function packetOf(remaining: number): Uint8Array {
  const lengths: number[] = [];
  let rest = remaining;
  do {
    lengths.push((rest % 128) + (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return new Uint8Array([0x30, ...lengths, ...new Uint8Array(remaining).fill(0xff)]);
}

/** What is written, in messages: each a packet, whatever the pieces. */
function messagesOf(pieces: readonly Uint8Array[]): number[] {
  const cut = new PacketCut();
  const messages: number[] = [];
  let length = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const taken = cut.take(piece, at);
      at += taken;
      length += taken;
      if (!cut.isComplete) continue;
      messages.push(length);
      length = 0;
    }
  }
  return messages;
}

describe('packets of a stream', () => {
  it('are found whatever their length, several in one piece', () => {
    const lengths = [0, 1, 127, 128, 16_383, 16_384, 70_000];
    const packets = lengths.map(packetOf);
    expect(messagesOf([new Uint8Array(packets.flatMap((packet) => [...packet]))])).toEqual(
      packets.map((packet) => packet.length),
    );
  });

  it('are found where they are written head first and the rest later', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ remaining: fc.nat(300), cutAt: fc.nat(300) }), { minLength: 1 }), (plan) => {
        const packets = plan.map(({ remaining }) => packetOf(remaining));
        const pieces = packets.flatMap((packet, i) => {
          const at = Math.max(3, (plan[i]?.cutAt ?? 0) % (packet.length + 1)); // behind the fixed header
          return [packet.subarray(0, at), packet.subarray(at)];
        });
        expect(messagesOf(pieces)).toEqual(packets.map((packet) => packet.length));
      }),
    );
  });

  it('have their fixed headers whole', () => {
    expect(() => new PacketCut().take(new Uint8Array([0x30]), 0)).toThrow(RangeError);
    expect(() => new PacketCut().take(new Uint8Array([0x30, 0x80]), 0)).toThrow(RangeError);
  });
});
