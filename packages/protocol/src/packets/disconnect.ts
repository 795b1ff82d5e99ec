// DISCONNECT [§3.14]. Before 5.0 it is a Client's word only, and means that all is well.
//
// So whatever else is to be said to or by a 3.x peer is left out: closing the Network Connection without a DISCONNECT
// says to a Client that it was refused, and to a Server that the Will Message is due.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType, type Sender } from '../fixed-header.ts';
import type { Disconnect, DisconnectProperties, ProtocolVersion } from '../packet.ts';
import { isEmpty, readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { type ReasonCodes, readReasonCode, reasonCodes, sayable } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte } from '../write.ts';

const eitherCodes = [
  ReasonCode.normalDisconnection,
  ReasonCode.unspecifiedError,
  ReasonCode.malformedPacket,
  ReasonCode.protocolError,
  ReasonCode.implementationSpecificError,
  ReasonCode.badAuthenticationMethod,
  ReasonCode.topicNameInvalid,
  ReasonCode.receiveMaximumExceeded,
  ReasonCode.topicAliasInvalid,
  ReasonCode.packetTooLarge,
  ReasonCode.messageRateTooHigh,
  ReasonCode.quotaExceeded,
  ReasonCode.administrativeAction,
  ReasonCode.payloadFormatInvalid,
];

const serverCodes = [
  ReasonCode.notAuthorized,
  ReasonCode.serverBusy,
  ReasonCode.serverShuttingDown,
  ReasonCode.keepAliveTimeout,
  ReasonCode.sessionTakenOver,
  ReasonCode.topicFilterInvalid,
  ReasonCode.retainNotSupported,
  ReasonCode.qosNotSupported,
  ReasonCode.useAnotherServer,
  ReasonCode.serverMoved,
  ReasonCode.sharedSubscriptionsNotSupported,
  ReasonCode.connectionRateExceeded,
  ReasonCode.maximumConnectTime,
  ReasonCode.subscriptionIdentifiersNotSupported,
  ReasonCode.wildcardSubscriptionsNotSupported,
];

/** Table 3-10, with Bad authentication method, which only table 2-6 gives to DISCONNECT. */
const disconnectCodes: Record<Sender, ReasonCodes> = {
  client: reasonCodes([...eitherCodes, ReasonCode.disconnectWithWillMessage], 'MQTT-3.14.2-1'),
  server: reasonCodes([...eitherCodes, ...serverCodes], 'MQTT-3.14.2-1'),
};

/** What a peer may be told at all, and what stands for what only a CONNACK may say. */
const writtenCodes = reasonCodes(
  [...eitherCodes, ...serverCodes, ReasonCode.disconnectWithWillMessage],
  'MQTT-3.14.2-1',
);
const instead = new Map<ReasonCode, ReasonCode>([
  [ReasonCode.serverUnavailable, ReasonCode.serverBusy],
  [ReasonCode.banned, ReasonCode.notAuthorized],
  [ReasonCode.badUserNameOrPassword, ReasonCode.notAuthorized],
]);

/** Decodes a DISCONNECT whose Variable Header, which may be missing, lies between `at` and `end`. */
export function decodeDisconnect(
  chunk: Chunk,
  at: number,
  end: number,
  version: ProtocolVersion,
  sender: Sender,
): Disconnect {
  const cursor = new Cursor('DISCONNECT', chunk, at, end);
  let reasonCode: ReasonCode = ReasonCode.normalDisconnection;
  let properties: DisconnectProperties | undefined;
  if (version === 5 && !cursor.atEnd) {
    reasonCode = readReasonCode(cursor, disconnectCodes[sender]);
    if (!cursor.atEnd) properties = readProperties(cursor, 'disconnect');
    if (sender === 'server' && properties?.sessionExpiryInterval !== undefined) {
      throw cursor.protocolError('Session Expiry Interval from a server', 'MQTT-3.14.2-2');
    }
  }
  cursor.finish();
  return { type: 'disconnect', reasonCode, properties };
}

/**
 * Appends a DISCONNECT, in the shortest form; before 5.0 only if it says that all is well.
 * A Reason Code that it may not bear goes as the nearest that it may [MQTT-3.14.2-1].
 */
export function encodeDisconnect(disconnect: Disconnect, version: ProtocolVersion, out: Slab): void {
  const { reasonCode, properties } = disconnect;
  if (version !== 5 && reasonCode !== ReasonCode.normalDisconnection) return;
  writeByte(out, packetType.disconnect << 4);
  const length = openLength(out);
  if (version === 5 && !(reasonCode === ReasonCode.normalDisconnection && isEmpty(properties))) {
    writeByte(out, sayable(reasonCode, writtenCodes, instead));
    if (!isEmpty(properties)) writeProperties(out, 'disconnect', properties);
  }
  closeLength(out, length);
}
