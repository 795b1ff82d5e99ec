// Frames on their way to a peer: one batch, written in the layout that peer.proto tells.
//
// A body is an MQTT 5.0 PUBLISH packet, so that topics, properties and payloads have one codec in the whole broker; what
// no PUBLISH can say stands in the head. Memory is kept from batch to batch: nothing is allocated for a message.

import type { PeerMessage, PeerPush } from '@skein/broker';
import { encode, type Publish, type PublishProperties, type QoS, Slab } from '@skein/protocol';
import { writeByte, writeNumber, writeText } from './heads.ts';

/** The first byte of a head: what the frame is … */
export const kind = { publish: 0, deliver: 1, push: 2, kick: 3 } as const;
/** … and what it has. */
export const flag = { expiry: 4, uid: 8, entry: 16, samePublisher: 32, member: 64 } as const;
/** The bits of the first byte that tell the kind. */
export const kindBits = 3;

/** Memory beyond this, in bytes, is not kept for the next batch. */
const keptBytes = 1_048_576;

const noPayload = new Uint8Array(0);

/** The packet that is being encoded; one for all, since encoding never waits. */
const body: Publish = {
  type: 'publish',
  topic: '',
  payload: noPayload,
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  properties: undefined,
};

/** Where a piece of a batch begins. */
export interface Place {
  readonly heads: number;
  readonly bodies: number;
}

/** Encoded frames. */
export interface Piece {
  readonly heads: Uint8Array;
  readonly bodies: Uint8Array;
}

const none: readonly number[] = [];

/** A batch that is being filled. What a method throws (RangeError: it cannot be written) leaves it as it was. */
export class Frames {
  readonly #heads: Slab = Slab.take();
  readonly #bodies: Slab = Slab.take();
  /** The numbers of the first and the last delivery in it; 0 if there is none. */
  first = 0;
  last = 0;
  /** Of the last message at QoS 0 in it: what a Client has sent stands together. */
  #publisherId: string | undefined = undefined;

  /** Its size. */
  get bytes(): number {
    return this.#heads.length + this.#bodies.length;
  }

  /** Where the next frame will begin. */
  get end(): Place {
    return { heads: this.#heads.length, bodies: this.#bodies.length };
  }

  /** Appends a QoS 0 message. */
  publish(message: PeerMessage): void {
    const { publisherId } = message.message;
    if (publisherId === this.#publisherId) {
      this.#message(kind.publish + flag.samePublisher, message);
    } else {
      this.#message(kind.publish, message);
      this.#publisherId = publisherId;
    }
  }

  /** Appends a numbered message; it must follow the one before. */
  deliver(sequence: number, message: PeerMessage): void {
    this.#message(kind.deliver, message);
    if (this.first === 0) this.first = sequence;
    this.last = sequence;
  }

  push(push: PeerPush): void {
    const { entry } = push;
    const heads = this.#heads.length;
    const bodies = this.#bodies.length;
    try {
      const hasExpiry = entry !== undefined && entry.message.expiresAtMs > 0;
      writeByte(this.#heads, kind.push + (entry === undefined ? 0 : flag.entry) + (hasExpiry ? flag.expiry : 0));
      writeText(this.#heads, push.clientId);
      writeText(this.#heads, push.generation);
      writeNumber(this.#heads, push.epoch);
      writeNumber(this.#heads, push.sentSeq);
      if (entry === undefined) return;
      const { message, subscriptionIdentifiers } = entry;
      writeNumber(this.#heads, entry.seq);
      const identifiers = subscriptionIdentifiers ?? none;
      writeByte(this.#heads, message.qos + (message.retain ? 4 : 0) + (identifiers.length > 0 ? 8 : 0));
      writeText(this.#heads, message.publisherId);
      if (hasExpiry) writeNumber(this.#heads, message.expiresAtMs);
      // Not among the properties of the body, which the publisher may have filled to the last byte that is allowed.
      if (identifiers.length > 0) writeNumber(this.#heads, identifiers.length);
      for (const identifier of identifiers) writeNumber(this.#heads, identifier);
      this.#body(message.topic, message.payload, entry.qos, entry.retain, message.properties);
    } catch (error) {
      this.#cut(heads, bodies);
      throw error;
    }
  }

  kick(clientId: string, epoch: number): void {
    const heads = this.#heads.length;
    try {
      writeByte(this.#heads, kind.kick);
      writeText(this.#heads, clientId);
      writeNumber(this.#heads, epoch);
    } catch (error) {
      this.#cut(heads, this.#bodies.length);
      throw error;
    }
  }

  /** Appends deliveries that were copied out of another batch. */
  append(first: number, last: number, piece: Piece): void {
    appendBytes(this.#heads, piece.heads);
    appendBytes(this.#bodies, piece.bodies);
    if (this.first === 0) this.first = first;
    this.last = last;
  }

  /** A copy of everything from a place on. */
  copyFrom({ heads, bodies }: Place): Piece {
    // Not slice: that of a Buffer copies nothing.
    return {
      heads: new Uint8Array(this.#heads.view().subarray(heads)),
      bodies: new Uint8Array(this.#bodies.view().subarray(bodies)),
    };
  }

  /** All of it, without a copy: good until the next call. */
  view(): Piece {
    return { heads: this.#heads.view(), bodies: this.#bodies.view() };
  }

  /** Empties it. Nobody may look at what {@link Frames.view} returned any more. */
  clear(): void {
    this.#cut(0, 0);
    this.#publisherId = undefined;
    this.first = 0;
    this.last = 0;
    if (this.#heads.buffer.length > keptBytes) Slab.give(this.#heads);
    if (this.#bodies.buffer.length > keptBytes) Slab.give(this.#bodies);
  }

  #message(kindOfFrame: number, { message, uid, member }: PeerMessage): void {
    const heads = this.#heads.length;
    const bodies = this.#bodies.length;
    try {
      const hasExpiry = message.expiresAtMs > 0;
      const flags = (hasExpiry ? flag.expiry : 0) + (uid === undefined ? 0 : flag.uid);
      writeByte(this.#heads, kindOfFrame + flags + (member === undefined ? 0 : flag.member));
      if ((kindOfFrame & flag.samePublisher) === 0) writeText(this.#heads, message.publisherId);
      if (hasExpiry) writeNumber(this.#heads, message.expiresAtMs);
      if (uid !== undefined) writeText(this.#heads, uid);
      if (member !== undefined) {
        writeText(this.#heads, member.sharedFilter);
        writeText(this.#heads, member.generation);
      }
      this.#body(message.topic, message.payload, message.qos, message.retain, message.properties);
    } catch (error) {
      this.#cut(heads, bodies);
      throw error;
    }
  }

  #body(
    topic: string,
    payload: Uint8Array,
    qos: QoS,
    retain: boolean,
    properties: PublishProperties | undefined,
  ): void {
    body.topic = topic;
    body.payload = payload;
    body.qos = qos;
    body.retain = retain;
    body.packetId = qos > 0 ? 1 : 0;
    body.properties = properties;
    encode(body, 5, this.#bodies);
    // The payload's memory is not ours to hold.
    body.payload = noPayload;
    body.properties = undefined;
  }

  #cut(heads: number, bodies: number): void {
    this.#heads.length = heads;
    this.#bodies.length = bodies;
  }
}

function appendBytes(out: Slab, bytes: Uint8Array): void {
  out.reserve(bytes.length);
  out.buffer.set(bytes, out.length);
  out.length += bytes.length;
}
