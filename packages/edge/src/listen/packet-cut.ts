// Where MQTT packets end in a stream of bytes that is written piece by piece.
//
// WebSocket messages may hold packets cut anywhere [MQTT-6.0.0-2], but there are Clients that take a message for a packet:
// they decode the first one in it, and look at the others when something else arrives. So each packet becomes a message
// of its own, and one that is written in pieces as many fragments of it.

/** Follows what is written, and says where packets end. */
export class PacketCut {
  #left = 0;

  /**
   * How many bytes, from `at` on, belong to one packet.
   *
   * @throws RangeError if a fixed header was cut: packets are written from their heads on
   */
  take(bytes: Uint8Array, at: number): number {
    if (this.#left === 0) this.#left = lengthAt(bytes, at);
    const taken = Math.min(this.#left, bytes.length - at);
    this.#left -= taken;
    return taken;
  }

  /** Whether the packet taken last is complete. */
  get isComplete(): boolean {
    return this.#left === 0;
  }
}

/** Bytes of the packet that begins here, by its Remaining Length [§2.1.4]. */
function lengthAt(bytes: Uint8Array, start: number): number {
  let remaining = 0;
  for (let digit = 0; digit < 4; digit++) {
    const byte = bytes[start + 1 + digit];
    if (byte === undefined) break;
    remaining += (byte & 0x7f) * 128 ** digit;
    if (byte < 0x80) return 2 + digit + remaining;
  }
  throw new RangeError('a packet was written in pieces smaller than its fixed header');
}
