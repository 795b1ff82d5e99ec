// A Will as bytes, and whose it is, in a layout with a number (texts and properties as those of a message).
//
//   will      1 format · 1 flags: QoS, 4 Retain, 8 properties, 16 user name · text topic · text user name, if flagged ·
//             properties, if flagged · payload to the end
//
// What is read copies none of the payload, unless its Reader does: it is a view of what was read from.

import type { QoS, Will } from '@skein/protocol';
import { Reader, Writer } from './bytes.ts';
import { propertiesSize, readProperties, textSize, writeProperties } from './property-bytes.ts';

const format = 1;
const flagRetain = 4;
const flagProperties = 8;
const flagUsername = 16;

/** A Will, and whose it is. */
export interface StoredWill {
  readonly will: Will;
  readonly username: string | undefined;
}

/** Bytes of a Will and of whose it is. */
export function encodeWill(will: Will, username: string | undefined): Buffer {
  const { topic, payload, properties } = will;
  const nameSize = username === undefined ? 0 : textSize(username);
  const bytes = Buffer.allocUnsafe(2 + textSize(topic) + nameSize + propertiesSize(properties) + payload.length);
  writeWill(new Writer(bytes), will, username);
  return bytes;
}

/** Writes the bytes of a Will: its reader must be told where they end, or how long the payload is. */
export function writeWill(out: Writer, will: Will, username: string | undefined): void {
  const { properties } = will;
  out.byte(format);
  out.byte(
    will.qos +
      (will.retain ? flagRetain : 0) +
      (properties === undefined ? 0 : flagProperties) +
      (username === undefined ? 0 : flagUsername),
  );
  out.text(will.topic);
  if (username !== undefined) out.text(username);
  if (properties !== undefined) writeProperties(out, properties);
  out.data(will.payload);
}

/** @throws RangeError if these are no bytes of a Will, or of a later format */
export function decodeWill(bytes: Buffer): StoredWill {
  return readWill(new Reader(bytes, 'Will'));
}

/**
 * Reads a Will.
 *
 * @param payloadBytes how long its payload is; all that is left, if it is not told
 * @throws RangeError if these are no bytes of a Will, or of a later format
 */
export function readWill(reader: Reader, payloadBytes?: number): StoredWill {
  reader.expectFormat(format);
  const flags = reader.byte();
  const topic = reader.text();
  const username = flags & flagUsername ? reader.text() : undefined;
  const properties = flags & flagProperties ? readProperties(reader) : undefined;
  const payload = payloadBytes === undefined ? reader.rest() : reader.data(payloadBytes);
  return {
    will: { topic, payload, qos: (flags & 3) as QoS, retain: (flags & flagRetain) !== 0, properties },
    username,
  };
}
