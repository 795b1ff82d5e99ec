// PUBLISH [§3.3], the packet that everything else is for.
//
// Decoding it is the hot path of the broker: bytes are read where they lie, and a Cursor is made only for properties.
// Encoding writes everything but the payload first, since a frame and a connection's Slab want that part alike.

import { type Chunk, uint16 } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { MqttError } from '../error.ts';
import { packetType, type Sender } from '../fixed-header.ts';
import type { ProtocolVersion, Publish, PublishProperties, QoS } from '../packet.ts';
import { readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import type { Slab } from '../slab.ts';
import type { TopicReader } from '../topic-table.ts';
import { closeLength, openLength, writeByte, writeBytes, writeText, writeTwoByteInteger } from '../write.ts';

const noPayload = new Uint8Array(0);

/**
 * Decodes a PUBLISH.
 *
 * @param at where the Variable Header begins
 * @param end where the packet ends
 */
export function decodePublish(
  first: number,
  chunk: Chunk,
  at: number,
  end: number,
  version: ProtocolVersion,
  sender: Sender,
  topics: TopicReader,
): Publish {
  const { bytes } = chunk;
  const qos = ((first >> 1) & 3) as QoS;
  const topicAt = at + 2;
  if (topicAt > end) throw cutOff('Topic Name');
  let position = topicAt + uint16(bytes, at);
  if (position > end) throw cutOff('Topic Name');
  const topic = position === topicAt ? '' : topics.read(chunk, topicAt, position);
  let packetId = 0;
  if (qos > 0) {
    if (position + 2 > end) throw cutOff('Packet Identifier');
    packetId = uint16(bytes, position);
    position += 2;
    if (packetId === 0) throw refuse('Packet Identifier is 0', sender === 'client' ? 'MQTT-2.2.1-3' : 'MQTT-2.2.1-4');
  }
  let properties: PublishProperties | undefined;
  if (version === 5) {
    if (position < end && bytes[position] === 0) {
      position++;
    } else {
      const cursor = new Cursor('PUBLISH', chunk, position, end);
      properties = readProperties(cursor, 'publish');
      position = cursor.at;
      if (properties?.subscriptionIdentifiers !== undefined && sender === 'client') {
        throw refuse('Subscription Identifier from a client', 'MQTT-3.3.4-6');
      }
    }
  }
  // A Topic Alias may stand for the topic [§3.3.2.1]; before 5.0 nothing may.
  if (topic === '' && properties?.topicAlias === undefined) throw refuse('Topic Name is empty', 'MQTT-4.7.3-1');
  return {
    type: 'publish',
    topic,
    payload: position === end ? noPayload : chunk.view(position, end),
    qos,
    retain: (first & 1) !== 0,
    dup: (first & 8) !== 0,
    packetId,
    properties,
  };
}

/** The first byte of a PUBLISH. */
export function publishFirstByte(flags: { qos: QoS; retain: boolean; dup: boolean }): number {
  return (packetType.publish << 4) | (flags.dup ? 8 : 0) | (flags.qos << 1) | (flags.retain ? 1 : 0);
}

/**
 * Appends a PUBLISH up to where its payload begins.
 *
 * @returns where its Packet Identifier stands, counted from where it began; 0 at QoS 0
 */
export function encodePublishHead(publish: Publish, version: ProtocolVersion, out: Slab): number {
  const start = out.length;
  writeByte(out, publishFirstByte(publish));
  const length = openLength(out);
  writeTopic(out, publish.topic);
  const topicEnd = out.length;
  if (publish.qos > 0) writeTwoByteInteger(out, publish.packetId);
  if (version === 5) writeProperties(out, 'publish', publish.properties);
  const written = out.length;
  closeLength(out, length, publish.payload.length);
  return publish.qos > 0 ? topicEnd + (out.length - written) - start : 0;
}

/** Appends a PUBLISH. */
export function encodePublish(publish: Publish, version: ProtocolVersion, out: Slab): void {
  encodePublishHead(publish, version, out);
  writeBytes(out, publish.payload);
}

/**
 * The Topic Name encoded last, if it came twice running, with its length before it: one message goes to many receivers
 * and one publisher mostly has one topic, and copying takes a quarter off the whole packet's encoding.
 */
let repeated: { topic: string; bytes: Uint8Array } = { topic: '', bytes: new Uint8Array(2) };
let previousTopic = '';
const repeatedTopicMax = 256;

function writeTopic(out: Slab, topic: string): void {
  if (topic === repeated.topic) {
    writeBytes(out, repeated.bytes);
    return;
  }
  const at = out.length;
  writeText(out, topic);
  if (topic === previousTopic) repeated = { topic, bytes: new Uint8Array(out.buffer.subarray(at, out.length)) };
  previousTopic = topic.length <= repeatedTopicMax ? topic : '';
}

function cutOff(field: string): MqttError {
  return new MqttError(ReasonCode.malformedPacket, `PUBLISH: ${field} runs past the end`);
}

function refuse(what: string, statement: string): MqttError {
  return new MqttError(ReasonCode.protocolError, `PUBLISH: ${what}`, statement);
}
