// An Application Message on its way from one publisher to many subscribers.

import type { PublishProperties, QoS } from '@skein/protocol';

/**
 * An Application Message as the broker holds it [§1.2, Application Message].
 *
 * One object serves all receivers and is never changed once it is published; what differs from receiver to
 * receiver is a {@link Delivery}. Its bytes may be views of a read
 * buffer, as long as it does not outlive the turn in which they arrived.
 */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** What goes to receivers unaltered; without Topic Alias, Subscription Identifiers. */
  readonly properties: PublishProperties | undefined;
  /** Client Identifier of the publisher, for No Local; empty for the broker's own. */
  readonly publisherId: string;
  /** When it expires, in milliseconds of the store's clock; 0 is never [§3.3.2.3.3]. */
  readonly expiresAtMs: number;
  /**
   * Encodings of this message that its receivers share, filled and read only by the Outlets.
   * One slot per layout; what a slot holds is the Outlets' affair.
   */
  frames: unknown[] | undefined;
}

/** What a message takes, in bytes, wherever it waits: all that its publisher had a say in, and something for the rest. */
export function bytesOf({ payload, topic, properties }: Message): number {
  let bytes = payload.length + topic.length + 100;
  if (properties === undefined) return bytes;
  bytes += properties.correlationData?.length ?? 0;
  bytes += (properties.contentType?.length ?? 0) + (properties.responseTopic?.length ?? 0);
  for (const [name, value] of properties.userProperties ?? []) bytes += name.length + value.length + 50;
  return bytes;
}

/** Payloads up to this size share memory with their neighbours: one of 64 bytes by itself takes 270. */
const smallBytes = 256;
/** So much memory they share. It stays until the last of them goes, so no message keeps more than this for itself. */
const sharedBytes = 1024;

let shared = new ArrayBuffer(sharedBytes);
let sharedAt = 0;

/** A copy of bytes that arrived in this turn and have to outlive it. */
export function keepBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length === 0 || length > smallBytes) return new Uint8Array(bytes);
  if (sharedAt + length > sharedBytes) {
    shared = new ArrayBuffer(sharedBytes);
    sharedAt = 0;
  }
  const kept = new Uint8Array(shared, sharedAt, length);
  kept.set(bytes);
  sharedAt += length;
  return kept;
}

/** A copy of a message that owns its bytes, because it outlives the turn in which they arrived. */
export function keepMessage(message: Message): Message {
  const { properties } = message;
  const correlationData = properties?.correlationData;
  return {
    topic: message.topic,
    payload: keepBytes(message.payload),
    qos: message.qos,
    retain: message.retain,
    properties:
      correlationData === undefined ? properties : { ...properties, correlationData: new Uint8Array(correlationData) },
    publisherId: message.publisherId,
    expiresAtMs: message.expiresAtMs,
    frames: undefined,
  };
}

/** How one receiver gets a message: the part of a PUBLISH packet that is not shared. */
export interface Delivery {
  readonly qos: QoS;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  readonly subscriptionIdentifiers: readonly number[] | undefined;
}
