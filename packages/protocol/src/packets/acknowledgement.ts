// PUBACK, PUBREC, PUBREL and PUBCOMP [§3.4 to §3.7], which differ in their type and in which Reason Codes they may bear.
//
// Before 5.0 they are a Packet Identifier and no more. In 5.0 what says nothing may be left off: without a Reason Code
// it is Success, without a Property Length there are no properties.

import { type Chunk, uint16 } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType } from '../fixed-header.ts';
import type { AckProperties, ProtocolVersion, Puback, Pubcomp, Pubrec, Pubrel } from '../packet.ts';
import { isEmpty, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { type ReasonCodes, readReasonCode, reasonCodes } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte, writeTwoByteInteger } from '../write.ts';

/** One of the four packets that acknowledge a PUBLISH. */
export type Acknowledgement = Puback | Pubrec | Pubrel | Pubcomp;

interface Kind {
  readonly name: string;
  readonly firstByte: number;
  readonly reasonCodes: ReasonCodes;
}

const ofPublish: ReasonCode[] = [
  ReasonCode.success,
  ReasonCode.noMatchingSubscribers,
  ReasonCode.unspecifiedError,
  ReasonCode.implementationSpecificError,
  ReasonCode.notAuthorized,
  ReasonCode.topicNameInvalid,
  ReasonCode.packetIdentifierInUse,
  ReasonCode.quotaExceeded,
  ReasonCode.payloadFormatInvalid,
];
const ofPacketId: ReasonCode[] = [ReasonCode.success, ReasonCode.packetIdentifierNotFound];

const kinds: Record<Acknowledgement['type'], Kind> = {
  puback: { name: 'PUBACK', firstByte: packetType.puback << 4, reasonCodes: reasonCodes(ofPublish, 'MQTT-3.4.2-1') },
  pubrec: { name: 'PUBREC', firstByte: packetType.pubrec << 4, reasonCodes: reasonCodes(ofPublish, 'MQTT-3.5.2-1') },
  pubrel: {
    name: 'PUBREL',
    firstByte: (packetType.pubrel << 4) | 2,
    reasonCodes: reasonCodes(ofPacketId, 'MQTT-3.6.2-1'),
  },
  pubcomp: {
    name: 'PUBCOMP',
    firstByte: packetType.pubcomp << 4,
    reasonCodes: reasonCodes(ofPacketId, 'MQTT-3.7.2-1'),
  },
};

/** A Packet Identifier and no more. */
const shortBytes = 2;

/** Decodes the packet of that type whose Variable Header lies between `at` and `end`. */
export function decodeAcknowledgement(
  type: Acknowledgement['type'],
  chunk: Chunk,
  at: number,
  end: number,
  version: ProtocolVersion,
): Acknowledgement {
  // Nearly all are this short, and there is one for each message.
  const shortId = end - at === shortBytes ? uint16(chunk.bytes, at) : 0;
  if (shortId !== 0) return { type, packetId: shortId, reasonCode: ReasonCode.success, properties: undefined };
  const kind = kinds[type];
  const cursor = new Cursor(kind.name, chunk, at, end);
  const packetId = readPacketId(cursor);
  let reasonCode: ReasonCode = ReasonCode.success;
  let properties: AckProperties | undefined;
  if (version === 5 && !cursor.atEnd) {
    reasonCode = readReasonCode(cursor, kind.reasonCodes);
    if (!cursor.atEnd) properties = readProperties(cursor, 'acknowledgement');
  }
  cursor.finish();
  return { type, packetId, reasonCode, properties };
}

/** Reads the Packet Identifier that begins a packet. */
export function readPacketId(cursor: Cursor, statement = ''): number {
  const packetId = cursor.twoByteInteger('Packet Identifier');
  if (packetId === 0) throw cursor.protocolError('Packet Identifier is 0', statement);
  return packetId;
}

/** Appends it, in the shortest form. */
export function encodeAcknowledgement(packet: Acknowledgement, version: ProtocolVersion, out: Slab): void {
  const { packetId, reasonCode, properties } = packet;
  const { firstByte } = kinds[packet.type];
  if (version !== 5 || (reasonCode === ReasonCode.success && isEmpty(properties))) {
    writeTwoByteInteger(out, (firstByte << 8) | shortBytes);
    writeTwoByteInteger(out, packetId);
    return;
  }
  writeByte(out, firstByte);
  const length = openLength(out);
  writeTwoByteInteger(out, packetId);
  writeByte(out, reasonCode);
  if (!isEmpty(properties)) writeProperties(out, 'acknowledgement', properties);
  closeLength(out, length);
}
