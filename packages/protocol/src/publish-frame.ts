// A PUBLISH encoded once for many receivers: each gets a copy with its own flags and Packet Identifier.
//
// Whether there is a Packet Identifier decides the layout, so a message with receivers at QoS 0 and above has two
// frames in each protocol version that somebody speaks.

import { shortLived } from './bytes.ts';
import type { ProtocolVersion, Publish, QoS } from './packet.ts';
import { encodePublishHead, publishFirstByte } from './packets/publish.ts';
import { Slab } from './slab.ts';

/** An encoded PUBLISH. */
export interface PublishFrame {
  /** The whole packet; not to be written to. */
  readonly bytes: Uint8Array;
  /** Where the Packet Identifier stands in it; 0 if it was encoded at QoS 0, which has none. */
  readonly packetIdAt: number;
}

/** What differs from receiver to receiver. */
export interface PublishFlags {
  /** Above 0 where the frame has room for a Packet Identifier, else 0. */
  readonly qos: QoS;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** Where heads are put together before their size is known; empty between two calls. */
const scratch: Slab = new Slab();
const scratchKeptBytes = 65_536;

/**
 * Encodes a PUBLISH to be appended many times.
 *
 * @param publish with a QoS above 0 if the receivers' is; its flags and Packet Identifier are replaced for each
 * @throws RangeError if it cannot be written
 */
export function encodePublishFrame(publish: Publish, version: ProtocolVersion): PublishFrame {
  try {
    const packetIdAt = encodePublishHead(publish, version, scratch);
    const head = scratch.length;
    const bytes = shortLived(head + publish.payload.length);
    bytes.set(scratch.view());
    bytes.set(publish.payload, head);
    return { bytes, packetIdAt };
  } finally {
    scratch.length = 0;
    if (scratch.buffer.length > scratchKeptBytes) Slab.give(scratch);
  }
}

/**
 * Appends a frame as one receiver's packet.
 *
 * @param packetId ignored where the frame has none
 */
export function appendFrame(out: Slab, frame: PublishFrame, flags: PublishFlags, packetId: number): void {
  const { bytes, packetIdAt } = frame;
  out.reserve(bytes.length);
  const { buffer } = out;
  const at = out.length;
  buffer.set(bytes, at);
  buffer[at] = publishFirstByte(flags);
  if (packetIdAt > 0) {
    buffer[at + packetIdAt] = packetId >>> 8;
    buffer[at + packetIdAt + 1] = packetId;
  }
  out.length = at + bytes.length;
}
