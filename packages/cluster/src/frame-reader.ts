// Frames that have come from a peer: each handed to the inbox as it is read, deliveries those that follow one another
// together.
//
// A delivery with a number that has been taken is read and passed over: the sender sends again what it has not seen
// acknowledged, and that may have arrived.

import type { Message, PeerInbox, PeerMessage, PeerPush } from '@skein/broker';
import { Decoder, MqttError, type Publish, type QoS, type TopicTable } from '@skein/protocol';
import { flag, kind, kindBits } from './frames.ts';
import type { Batch } from './generated/peer.ts';
import { HeadReader } from './heads.ts';
import { Texts } from './texts.ts';

/** The largest packet there is [§2.1.4]. */
const packetMaxBytes = 268_435_460;

/** What a peer sent is no batch, or one that cannot follow the one before. */
export class MalformedBatch extends Error {
  override readonly name = 'MalformedBatch';
}

/** What a node has handed over, on whatever stream. */
export interface Taken {
  /** The highest number of a delivery that the inbox has had from it, or need not have. */
  taken: number;
}

/** Reads the batches of one stream. */
export class FrameReader {
  readonly #inbox: PeerInbox;
  readonly #bodies: Decoder;
  readonly #texts = new Texts();
  /** Of the last message at QoS 0 in this batch. */
  #publisherId = '';
  /** Deliveries that have been read and not yet handed over. */
  #deliveries: PeerMessage[] = [];

  /** @param topics where Topic Names are looked up, best shared with everything else that reads them */
  constructor(inbox: PeerInbox, topics: TopicTable | undefined) {
    this.#inbox = inbox;
    this.#bodies = new Decoder({ from: 'server', maximumPacketSize: packetMaxBytes, protocolVersion: 5, topics });
  }

  /**
   * Hands everything in a batch to the inbox.
   *
   * @throws MalformedBatch if it cannot be read, or if deliveries between it and the one before are missing; what came
   *   before the fault may have been handed over
   */
  read(batch: Batch, sender: Taken): void {
    if (batch.look) this.#inbox.look();
    sender.taken = Math.max(sender.taken, batch.floor - 1);
    const heads = new HeadReader(batch.heads, this.#texts);
    this.#publisherId = '';
    this.#bodies.feed(batch.bodies);
    let sequence = batch.first;
    try {
      while (!heads.atEnd) {
        const head = heads.byte();
        if ((head & kindBits) !== kind.deliver) {
          this.#handOver(sender);
          this.#pass(head, heads);
        } else {
          this.#deliver(sequence, this.#message(head, heads), sender);
          sequence += 1;
        }
      }
      if (this.#bodies.pendingBytes > 0) throw new MalformedBatch('there are bodies without a head');
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof MqttError)) throw error;
      throw new MalformedBatch(error.message, { cause: error });
    }
    this.#handOver(sender);
  }

  #deliver(sequence: number, message: PeerMessage, sender: Taken): void {
    const next = sender.taken + this.#deliveries.length + 1;
    if (sequence === 0 || sequence > next) throw new MalformedBatch(`delivery ${sequence} came instead of ${next}`);
    if (sequence === next) this.#deliveries.push(message);
  }

  #handOver(sender: Taken): void {
    if (this.#deliveries.length === 0) return;
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    this.#inbox.deliver(deliveries);
    sender.taken += deliveries.length;
  }

  #pass(head: number, heads: HeadReader): void {
    switch (head & kindBits) {
      case kind.publish:
        this.#inbox.publish(this.#message(head, heads));
        return;
      case kind.push:
        this.#inbox.push(this.#push(head, heads));
        return;
      default:
        this.#inbox.kick(heads.text(), heads.number());
    }
  }

  #message(head: number, heads: HeadReader): PeerMessage {
    const publisherId = head & flag.samePublisher ? this.#publisherId : heads.text();
    if ((head & kindBits) === kind.publish) this.#publisherId = publisherId;
    const expiresAtMs = head & flag.expiry ? heads.number() : 0;
    const uid = head & flag.uid ? heads.text() : undefined;
    const member = head & flag.member ? { sharedFilter: heads.text(), generation: heads.text() } : undefined;
    const { topic, payload, qos, retain, properties } = this.#body();
    const message = { topic, payload, qos, retain, properties, publisherId, expiresAtMs, frames: undefined };
    return member === undefined ? { message, uid } : { message, uid, member };
  }

  #push(head: number, heads: HeadReader): PeerPush {
    const clientId = heads.text();
    const generation = heads.text();
    const epoch = heads.number();
    const sentSeq = heads.number();
    const entry = head & flag.entry ? this.#entry(head, heads) : undefined;
    return { clientId, generation, epoch, entry, sentSeq };
  }

  #entry(head: number, heads: HeadReader): NonNullable<PeerPush['entry']> {
    const seq = heads.number();
    const flags = heads.byte();
    const publisherId = heads.text();
    const expiresAtMs = head & flag.expiry ? heads.number() : 0;
    const subscriptionIdentifiers = flags & 8 ? this.#identifiers(heads) : undefined;
    const { topic, payload, qos, retain, properties } = this.#body();
    const message: Message = {
      topic,
      payload,
      qos: (flags & 3) as QoS,
      retain: (flags & 4) !== 0,
      properties,
      publisherId,
      expiresAtMs,
      frames: undefined,
    };
    return { seq, message, qos, retain, subscriptionIdentifiers };
  }

  #identifiers(heads: HeadReader): number[] {
    const identifiers: number[] = [];
    for (let left = heads.number(); left > 0; left--) identifiers.push(heads.number());
    return identifiers;
  }

  #body(): Publish {
    const packet = this.#bodies.next();
    if (packet?.type === 'publish') return packet;
    throw new MalformedBatch(packet === undefined ? 'a body is missing' : `a body is a ${packet.type}`);
  }
}
