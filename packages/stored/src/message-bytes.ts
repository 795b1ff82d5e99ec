// An Application Message as bytes, in a layout with a number: what one version wrote another reads.
//
//   message   1 format · 1 flags: QoS, 4 Retain, 8 properties · 6 expiry in ms or 0 · text topic · text publisher ·
//             properties, if flagged · payload to the end
//   text      2 length in bytes · UTF-8;   properties   1 which · those there are, in order of their bits
//
// What is read copies none of the payload, unless its Reader does: it is a view of what was read from.

import type { Message } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import { Reader, Writer } from './bytes.ts';
import { propertiesSize, readProperties, textSize, writeProperties } from './property-bytes.ts';

const format = 1;
const flagRetain = 4;
const flagProperties = 8;

/** Bytes of a message. */
export function encodeMessage(message: Message): Buffer {
  const bytes = Buffer.allocUnsafe(messageSize(message));
  writeMessage(new Writer(bytes), message);
  return bytes;
}

/** How many bytes a message takes. */
export function messageSize({ topic, publisherId, payload, properties }: Message): number {
  return 8 + textSize(topic) + textSize(publisherId) + propertiesSize(properties) + payload.length;
}

/** Writes the bytes of a message: its reader must be told where they end, or how long the payload is. */
export function writeMessage(out: Writer, message: Message): void {
  const { properties } = message;
  out.byte(format);
  out.byte(message.qos + (message.retain ? flagRetain : 0) + (properties === undefined ? 0 : flagProperties));
  out.uint48(message.expiresAtMs);
  out.text(message.topic);
  out.text(message.publisherId);
  if (properties !== undefined) writeProperties(out, properties);
  out.data(message.payload);
}

/** @throws RangeError if these are no bytes of a message, or of a later format */
export function decodeMessage(bytes: Buffer): Message {
  return readMessage(new Reader(bytes, 'message'));
}

/**
 * Reads a message.
 *
 * @param payloadBytes how long its payload is; all that is left, if it is not told
 * @throws RangeError if these are no bytes of a message, or of a later format
 */
export function readMessage(reader: Reader, payloadBytes?: number): Message {
  reader.expectFormat(format);
  const flags = reader.byte();
  const expiresAtMs = reader.uint48();
  const topic = reader.text();
  const publisherId = reader.text();
  const properties = flags & flagProperties ? readProperties(reader) : undefined;
  const payload = payloadBytes === undefined ? reader.rest() : reader.data(payloadBytes);
  return {
    topic,
    payload,
    qos: (flags & 3) as QoS,
    retain: (flags & flagRetain) !== 0,
    properties,
    publisherId,
    expiresAtMs,
    frames: undefined,
  };
}
