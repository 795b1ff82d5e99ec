// CONNECT [§3.1], where a Client says which version it speaks and everything it brings.
//
// The version is told apart from the rest and as soon as it is read, because it decides in what words the Client is
// refused if the rest is bad.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { MqttError } from '../error.ts';
import { packetType } from '../fixed-header.ts';
import type { Connect, ConnectProperties, ProtocolVersion, QoS, Will } from '../packet.ts';
import { readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import type { Slab } from '../slab.ts';
import { checkTopicName } from '../topic-name.ts';
import { closeLength, openLength, writeBinaryData, writeByte, writeText, writeTwoByteInteger } from '../write.ts';

const flag = {
  reserved: 0x01,
  cleanStart: 0x02,
  will: 0x04,
  willRetain: 0x20,
  password: 0x40,
  username: 0x80,
} as const;
const willQosShift = 3;

/**
 * Decodes a CONNECT.
 *
 * @param learn is told the version to answer in as soon as it is known, also where that version is not served
 */
export function decodeConnect(
  chunk: Chunk,
  at: number,
  end: number,
  learn: (version: ProtocolVersion) => void,
): Connect {
  const cursor = new Cursor('CONNECT', chunk, at, end);
  const protocolVersion = readVersion(cursor, learn);
  const flags = readFlags(cursor, protocolVersion);
  const keepAliveSeconds = cursor.twoByteInteger('Keep Alive');
  const properties = protocolVersion === 5 ? readConnectProperties(cursor) : undefined;
  const clientId = cursor.text('Client Identifier');
  const will = (flags & flag.will) === 0 ? undefined : readWill(cursor, flags, protocolVersion);
  // In MQTT 3.1 the Remaining Length goes before these flags: what they announce may be missing [3.1 §3.1].
  const mayEnd = protocolVersion === 3;
  const hasUsername = (flags & flag.username) !== 0 && !(mayEnd && cursor.atEnd);
  const username = hasUsername ? cursor.text('User Name') : undefined;
  const hasPassword = (flags & flag.password) !== 0 && !(mayEnd && cursor.atEnd);
  const password = hasPassword ? cursor.binaryData('Password') : undefined;
  cursor.finish();
  return {
    type: 'connect',
    protocolVersion,
    clientId,
    cleanStart: (flags & flag.cleanStart) !== 0,
    keepAliveSeconds,
    will,
    username,
    password,
    properties,
  };
}

function readVersion(cursor: Cursor, learn: (version: ProtocolVersion) => void): ProtocolVersion {
  const name = cursor.text('Protocol Name');
  if (name !== 'MQTT' && name !== 'MQIsdp') {
    throw cursor.protocolError('Protocol Name is neither MQTT nor MQIsdp', 'MQTT-3.1.2-1');
  }
  const level = cursor.byte('Protocol Version');
  const served = name === 'MQTT' ? level === 4 || level === 5 : level === 3;
  if (served) {
    learn(level as ProtocolVersion);
    return level as ProtocolVersion;
  }
  // Whoever comes after 5.0 will understand 5.0's refusal; the bridges' private bit 7 belongs to 3.1 and 3.1.1.
  learn(name === 'MQIsdp' ? 3 : level > 5 && level < 0x80 ? 5 : 4);
  throw new MqttError(
    ReasonCode.unsupportedProtocolVersion,
    `CONNECT: ${name} has no Protocol Version ${level} here`,
    'MQTT-3.1.2-2',
  );
}

function readFlags(cursor: Cursor, version: ProtocolVersion): number {
  const flags = cursor.byte('Connect Flags');
  if ((flags & flag.reserved) !== 0 && version !== 3) {
    throw cursor.malformed('the reserved Connect Flag is set', 'MQTT-3.1.2-3');
  }
  const willQos = (flags >> willQosShift) & 3;
  if ((flags & flag.will) === 0) {
    if (willQos !== 0) throw cursor.malformed('Will QoS without Will Flag', 'MQTT-3.1.2-11');
    if ((flags & flag.willRetain) !== 0) throw cursor.malformed('Will Retain without Will Flag', 'MQTT-3.1.2-13');
  } else if (willQos === 3) {
    throw cursor.malformed('Will QoS 3', 'MQTT-3.1.2-12');
  }
  if (version !== 5 && (flags & flag.username) === 0 && (flags & flag.password) !== 0) {
    throw cursor.malformed('Password without User Name', '3.1.1 MQTT-3.1.2-22');
  }
  return flags;
}

function readConnectProperties(cursor: Cursor): ConnectProperties | undefined {
  const properties = readProperties(cursor, 'connect');
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw cursor.protocolError('Authentication Data without Authentication Method');
  }
  return properties;
}

function readWill(cursor: Cursor, flags: number, version: ProtocolVersion): Will {
  const properties = version === 5 ? readProperties(cursor, 'will') : undefined;
  const topic = cursor.text('Will Topic');
  checkTopicName(topic, 'CONNECT: Will Topic', 'MQTT-4.7.0-1');
  const payload = cursor.binaryData('Will Payload');
  return {
    topic,
    payload,
    qos: ((flags >> willQosShift) & 3) as QoS,
    retain: (flags & flag.willRetain) !== 0,
    properties,
  };
}

/**
 * Appends a CONNECT, in the version it names itself.
 *
 * @throws RangeError for a Password without User Name before 5.0, which cannot be said there
 */
export function encodeConnect(connect: Connect, out: Slab): void {
  const { protocolVersion, will, username, password } = connect;
  if (protocolVersion !== 5 && password !== undefined && username === undefined) {
    throw new RangeError('before MQTT 5.0 a CONNECT with a Password needs a User Name');
  }
  writeByte(out, packetType.connect << 4);
  const length = openLength(out);
  writeText(out, protocolVersion === 3 ? 'MQIsdp' : 'MQTT');
  writeByte(out, protocolVersion);
  writeByte(out, connectFlags(connect));
  writeTwoByteInteger(out, connect.keepAliveSeconds);
  if (protocolVersion === 5) writeProperties(out, 'connect', connect.properties);
  writeText(out, connect.clientId);
  if (will !== undefined) {
    if (protocolVersion === 5) writeProperties(out, 'will', will.properties);
    writeText(out, will.topic);
    writeBinaryData(out, will.payload);
  }
  if (username !== undefined) writeText(out, username);
  if (password !== undefined) writeBinaryData(out, password);
  closeLength(out, length);
}

function connectFlags({ cleanStart, will, username, password }: Connect): number {
  let flags = 0;
  if (cleanStart) flags |= flag.cleanStart;
  if (will !== undefined) flags |= flag.will | (will.qos << willQosShift) | (will.retain ? flag.willRetain : 0);
  if (password !== undefined) flags |= flag.password;
  if (username !== undefined) flags |= flag.username;
  return flags;
}
