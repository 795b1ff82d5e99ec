// Bytes in, packets out: however the network cut them, in whole packets and in order.
//
// A chunk is handed over and read where it lies; nothing is copied until it must be. What is left of it when its memory
// is wanted back goes to memory of ours: the beginning of one packet is held by itself and grows by doubling, never
// by the length that it declares, and the rest of that packet is taken from the next chunk without touching what
// follows. A packet that is refused is refused at the first byte that tells: the first one, or the Remaining Length.
//
// Memory of ours is never written over, so that the views in a packet which came out of it stay good.
//
// Invariant: heldLength > 0 means that the bytes in #held come before those of the chunk, and are not a whole packet.

import { asBytes, type Bytes, Chunk, longLived, noBytes, noChunk, uint8 } from './bytes.ts';
import { MqttError } from './error.ts';
import { admittedFirstBytes, expectConnect, refuseFirstByte, remainingLength, type Sender } from './fixed-header.ts';
import type { Packet, ProtocolVersion } from './packet.ts';
import { decodeConnect } from './packets/connect.ts';
import { decodePacket } from './packets/decode.ts';
import { ReasonCode } from './reason-code.ts';
import { TopicReader, type TopicTable } from './topic-table.ts';
import { variableByteIntegerSize } from './write.ts';

/** The least memory for a packet's beginning: enough for most whole acknowledgements. */
const heldBytesMin = 16;

/** What a {@link Decoder} must know. */
export interface DecoderOptions {
  /** Whose packets these are; one that this side may not send is a Protocol Error. */
  from: Sender;
  /** The largest packet to accept, in bytes, with its Fixed Header. */
  maximumPacketSize: number;
  /**
   * A Client says its version in the CONNECT, with which it begins; if the version is given here, the CONNECT is
   * taken to have been read before. For a Server's packets it must be given by the time they come.
   */
  protocolVersion?: ProtocolVersion | undefined;
  /** Where Topic Names are looked up that were not the last one; shared by many decoders. */
  topics?: TopicTable | undefined;
}

/** Decodes what one end of a Network Connection sends. */
export class Decoder {
  /** The largest packet to accept from now on, in bytes, with its Fixed Header. */
  maximumPacketSize: number;
  readonly #from: Sender;
  readonly #topics: TopicReader;
  #version: ProtocolVersion | undefined;
  /** Undefined until the version is agreed. */
  #admitted: Uint8Array | undefined;
  /** What is to be read lies between #at and #end. */
  #chunk: Chunk = noChunk;
  #at = 0;
  #end = 0;
  /** The chunk is memory of ours. */
  #owned = false;
  /** The chunk ends in the beginning of a packet, and there is no whole one before it. */
  #starved = false;
  /** The beginning of a packet, of which #heldLength bytes are there. */
  #held: Bytes = noBytes;
  #heldLength = 0;
  #failure: unknown = undefined;

  constructor(options: DecoderOptions) {
    this.#from = options.from;
    this.maximumPacketSize = options.maximumPacketSize;
    this.#topics = new TopicReader(options.topics);
    this.protocolVersion = options.protocolVersion;
  }

  /** The version spoken: undefined until a CONNECT has told it, even one that was refused for the rest of it. */
  get protocolVersion(): ProtocolVersion | undefined {
    return this.#version;
  }

  set protocolVersion(version: ProtocolVersion | undefined) {
    this.#version = version;
    this.#admitted = version === undefined ? undefined : admittedFirstBytes(this.#from, version);
  }

  /** Bytes that were fed and have not come out as packets. */
  get pendingBytes(): number {
    return this.#heldLength + this.#end - this.#at;
  }

  /** Hands over bytes. They are not copied: before their memory is used again, {@link Decoder.settle} must be called. */
  feed(chunk: Uint8Array): void {
    if (this.#failure !== undefined || chunk.length === 0) return;
    if (this.#at < this.#end) {
      this.settle();
      if (this.#at < this.#end) {
        this.#append(chunk);
        return;
      }
    }
    this.#chunk = new Chunk(asBytes(chunk));
    this.#at = 0;
    this.#end = chunk.length;
    this.#owned = false;
    this.#starved = false;
  }

  /**
   * Takes the next packet. Its byte fields are views of the memory that was fed.
   *
   * @returns undefined if more bytes are needed
   * @throws MqttError if the other side broke the protocol; every later call throws the same
   */
  next(): Packet | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#heldLength > 0 ? this.#nextHeld() : this.#nextOfChunk();
    } catch (error) {
      this.#failure = error;
      this.#dropChunk();
      this.#dropHeld();
      throw error;
    }
  }

  /** Copies what has not been taken, so that the memory of the chunk may be used again. Cheap if all was taken. */
  settle(): void {
    if (this.#at === this.#end) {
      this.#dropChunk();
    } else if (this.#starved) {
      this.#hold(this.#end - this.#at, 0);
      this.#dropChunk();
    } else if (!this.#owned) {
      this.#own(0);
    }
  }

  #nextOfChunk(): Packet | undefined {
    const at = this.#at;
    const available = this.#end - at;
    if (available === 0) return undefined;
    const size = this.#packetSize(this.#chunk.bytes, at, this.#end);
    if (size === 0 || size > available) {
      this.#starved = true;
      return undefined;
    }
    this.#at = at + size;
    return this.#decode(this.#chunk, at, at + size);
  }

  #nextHeld(): Packet | undefined {
    let size = this.#packetSize(this.#held, 0, this.#heldLength);
    while (size === 0) {
      if (this.#at === this.#end) return undefined;
      this.#hold(1, 0);
      size = this.#packetSize(this.#held, 0, this.#heldLength);
    }
    this.#hold(Math.min(size - this.#heldLength, this.#end - this.#at), size);
    if (this.#heldLength < size) return undefined;
    const packet = new Chunk(this.#held);
    this.#dropHeld();
    return this.#decode(packet, 0, size);
  }

  /**
   * The size of the packet that begins at `at`, once its Fixed Header is there; 0 before.
   *
   * @throws MqttError if such a packet is refused whatever its body
   */
  #packetSize(bytes: Bytes, at: number, end: number): number {
    if (this.#admitted === undefined) this.#refuseUnlessFirst(bytes, at, end);
    else if (this.#admitted[uint8(bytes, at)] !== 1) throw this.#refuse(uint8(bytes, at));
    const remaining = remainingLength(bytes, at + 1, end);
    if (remaining < 0) return 0;
    const size = 1 + variableByteIntegerSize(remaining) + remaining;
    if (size <= this.maximumPacketSize) return size;
    throw new MqttError(
      ReasonCode.packetTooLarge,
      `a packet of ${size} bytes, where ${this.maximumPacketSize} are the most`,
      this.#from === 'client' ? 'MQTT-3.2.2-15' : 'MQTT-3.1.2-24',
    );
  }

  #refuseUnlessFirst(bytes: Bytes, at: number, end: number): void {
    if (this.#from === 'server') throw new TypeError("a server's packets need the protocol version of its client");
    expectConnect(bytes, at, end);
  }

  #refuse(first: number): MqttError {
    return refuseFirstByte(this.#from, this.#version as ProtocolVersion, first);
  }

  #decode(chunk: Chunk, start: number, end: number): Packet {
    const { bytes } = chunk;
    let at = start + 2;
    while (uint8(bytes, at - 1) >= 0x80) at++;
    if (this.#version !== undefined) {
      return decodePacket(uint8(bytes, start), chunk, at, end, this.#version, this.#from, this.#topics);
    }
    return decodeConnect(chunk, at, end, (version) => {
      this.protocolVersion = version;
    });
  }

  /** Moves `count` bytes from the chunk to what is held; `size` is the packet's if known, and then the most needed. */
  #hold(count: number, size: number): void {
    const length = this.#heldLength + count;
    if (length > this.#held.length) {
      const doubled = Math.max(length, this.#held.length * 2, heldBytesMin);
      const grown = longLived(size > 0 ? Math.min(doubled, Math.max(size, length)) : doubled);
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(this.#chunk.bytes.subarray(this.#at, this.#at + count), this.#heldLength);
    this.#heldLength = length;
    this.#at += count;
  }

  /** Copies what is left of the chunk to memory of ours, with room for `more` bytes. */
  #own(more: number): void {
    const length = this.#end - this.#at;
    const own = longLived(length + more);
    own.set(this.#chunk.bytes.subarray(this.#at, this.#end));
    this.#chunk = new Chunk(own);
    this.#at = 0;
    this.#end = length;
    this.#owned = true;
  }

  /** Adds a chunk to packets that nobody has taken yet. */
  #append(chunk: Uint8Array): void {
    if (chunk.length > this.#chunk.bytes.length - this.#end) this.#own(Math.max(chunk.length, this.#end - this.#at));
    this.#chunk.bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #dropChunk(): void {
    this.#chunk = noChunk;
    this.#at = 0;
    this.#end = 0;
    this.#owned = false;
    this.#starved = false;
  }

  #dropHeld(): void {
    this.#held = noBytes;
    this.#heldLength = 0;
  }
}
