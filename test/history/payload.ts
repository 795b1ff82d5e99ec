// A payload that knows what it is, so that whoever receives it can tell whether it is what was sent.
//
//   4 CRC-32 of all that follows · 4 n · 1 QoS · 1 length of publisher · 2 length of topic · publisher · topic · filling

import { crc32 } from 'node:zlib';
import type { QoS } from '@skein/protocol';

/** What a payload says of its message. */
export interface Content {
  readonly publisher: string;
  /** Counts the publisher's messages, from 1. */
  readonly n: number;
  /** As published. */
  readonly qos: QoS;
  readonly topic: string;
}

const headBytes = 12;

/**
 * Writes a payload.
 *
 * @param sizeBytes how long it should be; if what must be in it is longer, as long as that
 * @throws RangeError if the publisher's name is longer than 255 bytes, or the topic than 65,535
 */
export function encodePayload({ publisher, n, qos, topic }: Content, sizeBytes = 0): Uint8Array {
  const publisherBytes = Buffer.byteLength(publisher);
  const topicBytes = Buffer.byteLength(topic);
  const filledFrom = headBytes + publisherBytes + topicBytes;
  const payload = Buffer.allocUnsafe(Math.max(sizeBytes, filledFrom));
  payload.writeUInt32BE(n, 4);
  payload.writeUInt8(qos, 8);
  payload.writeUInt8(publisherBytes, 9);
  payload.writeUInt16BE(topicBytes, 10);
  payload.write(publisher, headBytes);
  payload.write(topic, headBytes + publisherBytes);
  payload.fill(n & 0xff, filledFrom);
  payload.writeUInt32BE(crc32(payload.subarray(4)), 0);
  return payload;
}

/** Reads a payload. @returns undefined if any bit of it is not as it was written */
export function decodePayload(bytes: Uint8Array): Content | undefined {
  const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (payload.length < headBytes || crc32(payload.subarray(4)) !== payload.readUInt32BE(0)) return undefined;
  const topicFrom = headBytes + payload.readUInt8(9);
  return {
    publisher: payload.toString('utf8', headBytes, topicFrom),
    n: payload.readUInt32BE(4),
    qos: payload.readUInt8(8) as QoS,
    topic: payload.toString('utf8', topicFrom, topicFrom + payload.readUInt16BE(10)),
  };
}
