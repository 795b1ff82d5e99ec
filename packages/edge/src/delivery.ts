// A message on its way into one Client's Slab: encoded for it alone, or copied from what its receivers share.
//
// The first receiver of a message cannot know that there will be others, so it encodes straight into its Slab and
// leaves a mark. The second builds a frame, one for each layout (with properties or without, with Packet Identifier or
// without), and from then on a delivery is a copy with two patches; of a large frame only the beginning, where the
// patches are, and the rest is written from the one memory for all. What is one Client's alone (Topic Alias,
// Subscription Identifiers, a Message Expiry Interval that has run down) is encoded for it alone.

import type { Delivery, Message } from '@skein/broker';
import {
  appendFrame,
  encode,
  encodePublishFrame,
  type ProtocolVersion,
  type Publish,
  type PublishFrame,
  type PublishProperties,
  type Slab,
} from '@skein/protocol';

/** What of a Client decides how a PUBLISH is encoded for it. */
export interface DeliveryTerms {
  readonly protocolVersion: ProtocolVersion;
  /** In bytes [MQTT-3.1.2-24]. */
  readonly maximumPacketSize: number;
  /** Undefined if the Client takes none, or speaks an older version. */
  readonly aliases: OutboundAliases | undefined;
}

/**
 * The Topic Aliases that the server has set towards one Client [§3.3.2.3.4]: the first topics get them and keep them,
 * for as long as the Network Connection lasts.
 *
 * Invariant: no more than the Client's Topic Alias Maximum, and the server's own.
 */
export class OutboundAliases {
  readonly #byTopic: Map<string, number> = new Map();
  readonly #maximum: number;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** The alias of a topic; 0 if it has none. */
  get(topic: string): number {
    return this.#byTopic.get(topic) ?? 0;
  }

  /** The alias that would be next; 0 if all are given away. */
  next(): number {
    return this.#byTopic.size < this.#maximum ? this.#byTopic.size + 1 : 0;
  }

  /** Sets the {@link next} alias for a topic; the Client has been told. */
  set(topic: string): void {
    this.#byTopic.set(topic, this.#byTopic.size + 1);
  }
}

/** What `Message.frames` holds once a first receiver has encoded the message for itself. */
const encodedOnce: unknown[] = [];
Object.freeze(encodedOnce);

const noBytes = new Uint8Array(0);

/** A frame as large as this is not copied: two writes cost less than moving so much memory, and holding it twice. */
const largeFrameBytes = 32_768;

/** The packet being encoded; one for all, since encoding neither waits nor keeps it. */
const publish: Publish = {
  type: 'publish',
  topic: '',
  payload: noBytes,
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  properties: undefined,
};

/**
 * Appends a PUBLISH to a Client's Slab.
 *
 * @param nowMs the store's clock; read only if the message expires
 * @returns the rest of the packet, to be written after the Slab and shared with others, so not to be changed; mostly
 *   empty. Undefined if the packet would exceed the Client's Maximum Packet Size; the Slab is as it was [MQTT-3.1.2-25]
 */
export function writeDelivery(
  out: Slab,
  message: Message,
  delivery: Delivery,
  terms: DeliveryTerms,
  nowMs: () => number,
): Uint8Array | undefined {
  const modern = terms.protocolVersion === 5;
  const topicAlias = modern && terms.aliases !== undefined ? terms.aliases.get(message.topic) : 0;
  const newAlias = modern && terms.aliases !== undefined && topicAlias === 0 ? terms.aliases.next() : 0;
  const expiry = modern && message.expiresAtMs > 0 ? remainingSeconds(message.expiresAtMs, nowMs()) : undefined;
  const own =
    topicAlias !== 0 ||
    newAlias !== 0 ||
    (modern && delivery.subscriptionIdentifiers !== undefined) ||
    expiry !== message.properties?.messageExpiryInterval;

  if (own && modern) {
    const topic = topicAlias === 0 ? message.topic : '';
    const alias = topicAlias + newAlias;
    if (writeAlone(out, message, delivery, terms, topic, ownProperties(message, delivery, alias, expiry))) {
      if (newAlias !== 0) terms.aliases?.set(message.topic);
      return noBytes;
    }
    if (alias === 0) return undefined;
    // The alias is our own idea, and takes three bytes: the message may fit without it.
    const properties = ownProperties(message, delivery, 0, expiry);
    return writeAlone(out, message, delivery, terms, message.topic, properties) ? noBytes : undefined;
  }
  if (message.frames === undefined) {
    message.frames = encodedOnce;
    const properties = modern ? message.properties : undefined;
    return writeAlone(out, message, delivery, terms, message.topic, properties) ? noBytes : undefined;
  }
  const frame = sharedFrame(message, delivery, terms.protocolVersion);
  if (frame.bytes.length > terms.maximumPacketSize) return undefined;
  if (frame.bytes.length >= largeFrameBytes) return writeBeginning(out, frame, delivery);
  appendFrame(out, frame, delivery, delivery.packetId);
  return noBytes;
}

/** Appends a frame up to the last byte that differs from receiver to receiver; returns the rest of it. */
function writeBeginning(out: Slab, { bytes, packetIdAt }: PublishFrame, delivery: Delivery): Uint8Array {
  const end = packetIdAt > 0 ? packetIdAt + 2 : 1;
  appendFrame(out, { bytes: bytes.subarray(0, end), packetIdAt }, delivery, delivery.packetId);
  return bytes.subarray(end);
}

/** Whole seconds until a message expires, at least 1 [MQTT-3.3.2-6]: what has been waited, counted in whole seconds, is off. */
function remainingSeconds(expiresAtMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1000));
}

/** The message's properties and what this receiver gets besides. */
function ownProperties(
  message: Message,
  delivery: Delivery,
  topicAlias: number,
  messageExpiryInterval: number | undefined,
): PublishProperties {
  const properties: PublishProperties = { ...message.properties };
  if (topicAlias !== 0) properties.topicAlias = topicAlias;
  if (delivery.subscriptionIdentifiers !== undefined) {
    properties.subscriptionIdentifiers = delivery.subscriptionIdentifiers;
  }
  if (messageExpiryInterval !== undefined) properties.messageExpiryInterval = messageExpiryInterval;
  return properties;
}

function writeAlone(
  out: Slab,
  message: Message,
  delivery: Delivery,
  terms: DeliveryTerms,
  topic: string,
  properties: PublishProperties | undefined,
): boolean {
  publish.topic = topic;
  publish.payload = message.payload;
  publish.qos = delivery.qos;
  publish.retain = delivery.retain;
  publish.dup = delivery.dup;
  publish.packetId = delivery.packetId;
  publish.properties = properties;
  const before = out.length;
  encode(publish, terms.protocolVersion, out);
  // It would keep the memory of a whole read alive.
  publish.payload = noBytes;
  publish.properties = undefined;
  if (out.length - before <= terms.maximumPacketSize) return true;
  out.length = before;
  return false;
}

/** The encoding that receivers of one layout share, made for the second of them. */
function sharedFrame(message: Message, delivery: Delivery, version: ProtocolVersion): PublishFrame {
  const layout = (version === 5 ? 2 : 0) + (delivery.qos > 0 ? 1 : 0);
  if (message.frames === encodedOnce || message.frames === undefined) {
    message.frames = [undefined, undefined, undefined, undefined];
  }
  const shared = message.frames[layout] as PublishFrame | undefined;
  if (shared !== undefined) return shared;
  const frame = encodePublishFrame(
    {
      type: 'publish',
      topic: message.topic,
      payload: message.payload,
      qos: delivery.qos,
      retain: false,
      dup: false,
      packetId: delivery.packetId,
      properties: version === 5 ? message.properties : undefined,
    },
    version,
  );
  message.frames[layout] = frame;
  return frame;
}
