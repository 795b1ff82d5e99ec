// UNSUBSCRIBE and UNSUBACK [§3.10, §3.11]. Before 5.0 an UNSUBACK says only that it is done.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType } from '../fixed-header.ts';
import type { ProtocolVersion, Unsuback, Unsubscribe } from '../packet.ts';
import { readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { readReasonCode, reasonCodes } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte, writeText, writeTwoByteInteger } from '../write.ts';
import { readPacketId } from './acknowledgement.ts';

const unsubackCodes = reasonCodes(
  [
    ReasonCode.success,
    ReasonCode.noSubscriptionExisted,
    ReasonCode.unspecifiedError,
    ReasonCode.implementationSpecificError,
    ReasonCode.notAuthorized,
    ReasonCode.topicFilterInvalid,
    ReasonCode.packetIdentifierInUse,
  ],
  'MQTT-3.11.3-2',
);

/** Decodes an UNSUBSCRIBE whose Variable Header lies between `at` and `end`. */
export function decodeUnsubscribe(chunk: Chunk, at: number, end: number, version: ProtocolVersion): Unsubscribe {
  const cursor = new Cursor('UNSUBSCRIBE', chunk, at, end);
  const packetId = readPacketId(cursor, 'MQTT-2.2.1-3');
  const properties = version === 5 ? readProperties(cursor, 'unsubscribe') : undefined;
  if (cursor.atEnd) throw cursor.protocolError('no Topic Filter', 'MQTT-3.10.3-2');
  const topicFilters: string[] = [];
  while (!cursor.atEnd) topicFilters.push(cursor.text('Topic Filter'));
  return { type: 'unsubscribe', packetId, topicFilters, properties };
}

/** Appends an UNSUBSCRIBE. */
export function encodeUnsubscribe(unsubscribe: Unsubscribe, version: ProtocolVersion, out: Slab): void {
  writeByte(out, (packetType.unsubscribe << 4) | 2);
  const length = openLength(out);
  writeTwoByteInteger(out, unsubscribe.packetId);
  if (version === 5) writeProperties(out, 'unsubscribe', unsubscribe.properties);
  for (const topicFilter of unsubscribe.topicFilters) writeText(out, topicFilter);
  closeLength(out, length);
}

/** Decodes an UNSUBACK whose Variable Header lies between `at` and `end`. */
export function decodeUnsuback(chunk: Chunk, at: number, end: number, version: ProtocolVersion): Unsuback {
  const cursor = new Cursor('UNSUBACK', chunk, at, end);
  const packetId = readPacketId(cursor);
  if (version !== 5) {
    cursor.finish();
    return { type: 'unsuback', packetId, reasonCodes: [], properties: undefined };
  }
  const properties = readProperties(cursor, 'acknowledgement');
  if (cursor.atEnd) throw cursor.protocolError('no Reason Code', 'MQTT-3.11.3-2');
  const codes: ReasonCode[] = [];
  while (!cursor.atEnd) codes.push(readReasonCode(cursor, unsubackCodes));
  return { type: 'unsuback', packetId, reasonCodes: codes, properties };
}

/** Appends an UNSUBACK. */
export function encodeUnsuback(unsuback: Unsuback, version: ProtocolVersion, out: Slab): void {
  writeByte(out, packetType.unsuback << 4);
  const length = openLength(out);
  writeTwoByteInteger(out, unsuback.packetId);
  if (version === 5) {
    writeProperties(out, 'acknowledgement', unsuback.properties);
    for (const code of unsuback.reasonCodes) writeByte(out, code);
  }
  closeLength(out, length);
}
