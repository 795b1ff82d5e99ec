// CONNACK [§3.2]. MQTT 5.0 has twenty-two ways to answer a CONNECT, the older versions six: this is where they meet.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType } from '../fixed-header.ts';
import type { Connack, ProtocolVersion } from '../packet.ts';
import { readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { readReasonCode, reasonCodes, sayable } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte } from '../write.ts';

const connackCodes = reasonCodes(
  [
    ReasonCode.success,
    ReasonCode.unspecifiedError,
    ReasonCode.malformedPacket,
    ReasonCode.protocolError,
    ReasonCode.implementationSpecificError,
    ReasonCode.unsupportedProtocolVersion,
    ReasonCode.clientIdentifierNotValid,
    ReasonCode.badUserNameOrPassword,
    ReasonCode.notAuthorized,
    ReasonCode.serverUnavailable,
    ReasonCode.serverBusy,
    ReasonCode.banned,
    ReasonCode.badAuthenticationMethod,
    ReasonCode.topicNameInvalid,
    ReasonCode.packetTooLarge,
    ReasonCode.quotaExceeded,
    ReasonCode.payloadFormatInvalid,
    ReasonCode.retainNotSupported,
    ReasonCode.qosNotSupported,
    ReasonCode.useAnotherServer,
    ReasonCode.serverMoved,
    ReasonCode.connectionRateExceeded,
  ],
  'MQTT-3.2.2-8',
);

/** What stands for what only a DISCONNECT may say. */
const instead = new Map<ReasonCode, ReasonCode>([[ReasonCode.serverShuttingDown, ReasonCode.serverUnavailable]]);

/** The return codes of MQTT 3.1 and 3.1.1 by value, as Reason Codes [3.1.1 table 3.1]. */
const fromReturnCode: readonly ReasonCode[] = [
  ReasonCode.success,
  ReasonCode.unsupportedProtocolVersion,
  ReasonCode.clientIdentifierNotValid,
  ReasonCode.serverUnavailable,
  ReasonCode.badUserNameOrPassword,
  ReasonCode.notAuthorized,
];

/** What a 3.x Client is told: that it may try again later, unless one of the six says better. */
function toReturnCode(reasonCode: ReasonCode): number {
  switch (reasonCode) {
    case ReasonCode.success:
      return 0;
    case ReasonCode.unsupportedProtocolVersion:
      return 1;
    case ReasonCode.clientIdentifierNotValid:
      return 2;
    case ReasonCode.badUserNameOrPassword:
      return 4;
    case ReasonCode.notAuthorized:
    case ReasonCode.banned:
    case ReasonCode.badAuthenticationMethod:
      return 5;
    default:
      return 3;
  }
}

/** Decodes a CONNACK whose Variable Header lies between `at` and `end`. */
export function decodeConnack(chunk: Chunk, at: number, end: number, version: ProtocolVersion): Connack {
  const cursor = new Cursor('CONNACK', chunk, at, end);
  const flags = cursor.byte('Connect Acknowledge Flags');
  // MQTT 3.1 keeps the byte for later use.
  if (flags > 1 && version !== 3) throw cursor.malformed('reserved Connect Acknowledge Flags are set', 'MQTT-3.2.2-1');
  const sessionPresent = version !== 3 && flags === 1;
  const reasonCode = version === 5 ? readReasonCode(cursor, connackCodes) : readReturnCode(cursor);
  if (sessionPresent && reasonCode !== ReasonCode.success) {
    throw cursor.protocolError('Session Present in a refusal', 'MQTT-3.2.2-6');
  }
  const properties = version === 5 ? readProperties(cursor, 'connack') : undefined;
  cursor.finish();
  return { type: 'connack', sessionPresent, reasonCode, properties };
}

function readReturnCode(cursor: Cursor): ReasonCode {
  const code = cursor.byte('Return Code');
  const reasonCode = fromReturnCode[code];
  if (reasonCode === undefined) throw cursor.protocolError(`there is no Return Code ${code}`);
  return reasonCode;
}

/**
 * Appends a CONNACK. A refusal never says Session Present [MQTT-3.2.2-6], nor does MQTT 3.1, which has no such flag; and
 * a Reason Code that it may not bear goes as the nearest that it may [MQTT-3.2.2-8]. A 3.x CONNECT that does not conform
 * is not answered at all [3.1.1 MQTT-3.1.4-1].
 */
export function encodeConnack(connack: Connack, version: ProtocolVersion, out: Slab): void {
  const { reasonCode } = connack;
  if (version !== 5 && isNonconformity(reasonCode)) return;
  writeByte(out, packetType.connack << 4);
  const length = openLength(out);
  writeByte(out, connack.sessionPresent && reasonCode === ReasonCode.success && version !== 3 ? 1 : 0);
  writeByte(out, version === 5 ? sayable(reasonCode, connackCodes, instead) : toReturnCode(reasonCode));
  if (version === 5) writeProperties(out, 'connack', connack.properties);
  closeLength(out, length);
}

/** Whether a refusal says that the CONNECT itself was wrong. */
function isNonconformity(reasonCode: ReasonCode): boolean {
  return reasonCode === ReasonCode.malformedPacket || reasonCode === ReasonCode.protocolError;
}
