// Messages, queue entries and Wills as bytes, in a layout with a number: nodes of two versions read the same store.
//
//   message   1 format · 1 flags: QoS, 4 Retain, 8 properties · 6 expiry in ms or 0 · text topic · text publisher ·
//             properties, if flagged · payload to the end
//   entry     1 format ⋅ 16 + QoS + 4 Retain + 8 shared filter · Subscription Identifiers as '7,9' · 0 ·
//             shared filter · 0, if flagged · message
//   will      1 format · 1 flags: QoS, 4 Retain, 8 properties, 16 user name · text topic · text user name, if flagged ·
//             properties, if flagged · payload to the end
//   text      2 length in bytes · UTF-8;   properties   1 which · those there are, in order of their bits
//
// What reads these bytes from the store copies none of the payload: it is a view of what the store answered.

import type { Message } from '@skein/broker';
import type { PublishProperties, QoS, UserProperties, Will, WillProperties } from '@skein/protocol';
import type { DueWill, QueueEntry } from './ports.ts';

const format = 1;
const flagRetain = 4;
const flagProperties = 8;
/** Of an entry. */
const flagShared = 8;
const flagUsername = 16;

type Properties = PublishProperties & WillProperties;

/** The properties, each with its bit. */
const hasPayloadFormat = 1;
const hasMessageExpiry = 2;
const hasContentType = 4;
const hasResponseTopic = 8;
const hasCorrelationData = 16;
const hasUserProperties = 32;
const hasWillDelay = 64;

/** Bytes of a message, as a queue entry and the retained messages hold it. */
export function encodeMessage(message: Message): Buffer {
  const bytes = Buffer.allocUnsafe(messageSize(message));
  writeMessage(message, bytes, 0);
  return bytes;
}

/** How many bytes a message takes. */
export function messageSize({ topic, publisherId, payload, properties }: Message): number {
  return 8 + textSize(topic) + textSize(publisherId) + propertiesSize(properties) + payload.length;
}

/** Writes the bytes of a message into others, from a place on. */
export function writeMessage(message: Message, bytes: Buffer, at: number): void {
  const { topic, publisherId, payload, properties } = message;
  const out = new Writer(bytes, at);
  out.byte(format);
  out.byte(message.qos + (message.retain ? flagRetain : 0) + (properties === undefined ? 0 : flagProperties));
  out.uint48(message.expiresAtMs);
  out.text(topic);
  out.text(publisherId);
  if (properties !== undefined) writeProperties(out, properties);
  out.data(payload);
}

/** @throws RangeError if these are no bytes of a message, or of a later format */
export function decodeMessage(bytes: Buffer): Message {
  const reader = new Reader(bytes, 'message');
  reader.expectFormat(format);
  const flags = reader.byte();
  const expiresAtMs = reader.uint48();
  const topic = reader.text();
  const publisherId = reader.text();
  const properties = flags & flagProperties ? readProperties(reader) : undefined;
  const payload = reader.rest();
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

/** @throws RangeError if these are no bytes of a queue entry, or of a later format */
export function decodeEntry(seq: number, bytes: Buffer): QueueEntry {
  const head = bytes[0] ?? 0;
  if (head >> 4 !== format) throw new RangeError(`a queue entry of format ${head >> 4}: a newer node wrote it`);
  const end = endOf(bytes, 1);
  const isShared = (head & flagShared) !== 0;
  const sharedEnd = isShared ? endOf(bytes, end + 1) : end;
  const entry: QueueEntry = {
    seq,
    message: decodeMessage(bytes.subarray(sharedEnd + 1)),
    qos: (head & 3) as QoS,
    retain: (head & flagRetain) !== 0,
    subscriptionIdentifiers: identifiersOf(bytes.toString('latin1', 1, end)),
  };
  return isShared ? { ...entry, sharedFilter: bytes.toString('utf8', end + 1, sharedEnd) } : entry;
}

function endOf(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw new RangeError('a queue entry is cut short');
  return end;
}

/** Subscription Identifiers, as functions write them: '7,9'. */
export function identifiersOf(text: string): readonly number[] | undefined {
  return text === '' ? undefined : text.split(',').map(Number);
}

/** Bytes of a Will and of whose it is. */
export function encodeWill(will: Will, username: string | undefined): Buffer {
  const { topic, payload, properties } = will;
  const nameSize = username === undefined ? 0 : textSize(username);
  const size = 2 + textSize(topic) + nameSize + propertiesSize(properties) + payload.length;
  const out = new Writer(Buffer.allocUnsafe(size), 0);
  out.byte(format);
  out.byte(
    will.qos +
      (will.retain ? flagRetain : 0) +
      (properties === undefined ? 0 : flagProperties) +
      (username === undefined ? 0 : flagUsername),
  );
  out.text(topic);
  if (username !== undefined) out.text(username);
  if (properties !== undefined) writeProperties(out, properties);
  out.data(payload);
  return out.buffer;
}

/** @throws RangeError if these are no bytes of a Will, or of a later format */
export function decodeWill(bytes: Buffer): Pick<DueWill, 'will' | 'username'> {
  const reader = new Reader(bytes, 'Will');
  reader.expectFormat(format);
  const flags = reader.byte();
  const topic = reader.text();
  const username = flags & flagUsername ? reader.text() : undefined;
  const properties = flags & flagProperties ? readProperties(reader) : undefined;
  const will = {
    topic,
    payload: reader.rest(),
    qos: (flags & 3) as QoS,
    retain: (flags & flagRetain) !== 0,
    properties,
  };
  return { will, username };
}

function writeProperties(out: Writer, properties: Properties): void {
  const { correlationData, userProperties } = properties;
  out.byte(
    (properties.payloadFormatIndicator === undefined ? 0 : hasPayloadFormat) +
      (properties.messageExpiryInterval === undefined ? 0 : hasMessageExpiry) +
      (properties.contentType === undefined ? 0 : hasContentType) +
      (properties.responseTopic === undefined ? 0 : hasResponseTopic) +
      (correlationData === undefined ? 0 : hasCorrelationData) +
      (userProperties === undefined ? 0 : hasUserProperties) +
      (properties.willDelayInterval === undefined ? 0 : hasWillDelay),
  );
  if (properties.payloadFormatIndicator !== undefined) out.byte(properties.payloadFormatIndicator);
  if (properties.messageExpiryInterval !== undefined) out.uint32(properties.messageExpiryInterval);
  if (properties.contentType !== undefined) out.text(properties.contentType);
  if (properties.responseTopic !== undefined) out.text(properties.responseTopic);
  if (correlationData !== undefined) {
    out.uint16(correlationData.length);
    out.data(correlationData);
  }
  if (userProperties !== undefined) {
    out.uint16(userProperties.length);
    for (const [name, value] of userProperties) {
      out.text(name);
      out.text(value);
    }
  }
  if (properties.willDelayInterval !== undefined) out.uint32(properties.willDelayInterval);
}

function readProperties(reader: Reader): Properties {
  const has = reader.byte();
  const properties: Properties = {};
  if (has & hasPayloadFormat) properties.payloadFormatIndicator = reader.byte() as 0 | 1;
  if (has & hasMessageExpiry) properties.messageExpiryInterval = reader.uint32();
  if (has & hasContentType) properties.contentType = reader.text();
  if (has & hasResponseTopic) properties.responseTopic = reader.text();
  if (has & hasCorrelationData) properties.correlationData = reader.data(reader.uint16());
  if (has & hasUserProperties) {
    const count = reader.uint16();
    const pairs: UserProperties = Array.from({ length: count }, () => [reader.text(), reader.text()] as const);
    properties.userProperties = pairs;
  }
  if (has & hasWillDelay) properties.willDelayInterval = reader.uint32();
  return properties;
}

function textSize(text: string): number {
  return 2 + Buffer.byteLength(text);
}

function propertiesSize(properties: Properties | undefined): number {
  if (properties === undefined) return 0;
  let size = 1;
  if (properties.payloadFormatIndicator !== undefined) size += 1;
  if (properties.messageExpiryInterval !== undefined) size += 4;
  if (properties.contentType !== undefined) size += textSize(properties.contentType);
  if (properties.responseTopic !== undefined) size += textSize(properties.responseTopic);
  if (properties.correlationData !== undefined) size += 2 + properties.correlationData.length;
  if (properties.userProperties !== undefined) {
    size += 2;
    for (const [name, value] of properties.userProperties) size += textSize(name) + textSize(value);
  }
  if (properties.willDelayInterval !== undefined) size += 4;
  return size;
}

/** Texts up to this length are written by ourselves: leaving JavaScript costs more. */
const shortText = 64;

class Writer {
  readonly buffer: Buffer;
  #at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.#at = at;
  }

  byte(value: number): void {
    this.buffer[this.#at++] = value;
  }

  uint16(value: number): void {
    this.#at = this.buffer.writeUInt16BE(value, this.#at);
  }

  uint32(value: number): void {
    this.#at = this.buffer.writeUInt32BE(value, this.#at);
  }

  uint48(value: number): void {
    this.uint16(Math.floor(value / 0x1_0000_0000));
    this.uint32(value % 0x1_0000_0000);
  }

  text(text: string): void {
    const size = this.#short(text) ?? this.buffer.write(text, this.#at + 2);
    this.uint16(size);
    this.#at += size;
  }

  data(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Writes a short text of ASCII characters. @returns its size, undefined if it is none */
  #short(text: string): number | undefined {
    const { length } = text;
    if (length > shortText) return undefined;
    const { buffer } = this;
    const start = this.#at + 2;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return undefined;
      buffer[start + i] = unit;
    }
    return length;
  }
}

class Reader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  expectFormat(expected: number): void {
    const found = this.byte();
    if (found !== expected) throw new RangeError(`a ${this.#what} of format ${found}: a newer node wrote it`);
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  uint48(): number {
    return this.#bytes.readUIntBE(this.#take(6), 6);
  }

  text(): string {
    const size = this.uint16();
    const at = this.#take(size);
    return this.#bytes.toString('utf8', at, at + size);
  }

  data(size: number): Uint8Array {
    const at = this.#take(size);
    return this.#view(at, at + size);
  }

  rest(): Uint8Array {
    return this.#view(this.#at, this.#bytes.length);
  }

  #view(at: number, end: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, end - at);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#bytes.length) throw new RangeError(`a ${this.#what} is cut short`);
    this.#at = at + size;
    return at;
  }
}
