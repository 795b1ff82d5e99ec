// SUBSCRIBE and SUBACK [§3.8, §3.9].
//
// Whether a Topic Filter is a good one is for the broker to say, which answers each on its own in the SUBACK.

import type { Chunk } from '../bytes.ts';
import { Cursor } from '../cursor.ts';
import { packetType } from '../fixed-header.ts';
import type { ProtocolVersion, QoS, Suback, Subscribe, SubscriptionRequest } from '../packet.ts';
import { readProperties, writeProperties } from '../properties.ts';
import { ReasonCode } from '../reason-code.ts';
import { readReasonCode, reasonCodes } from '../reason-codes.ts';
import type { Slab } from '../slab.ts';
import { closeLength, openLength, writeByte, writeText, writeTwoByteInteger } from '../write.ts';
import { readPacketId } from './acknowledgement.ts';

const granted = [ReasonCode.grantedQos0, ReasonCode.grantedQos1, ReasonCode.grantedQos2];

const subackCodes = reasonCodes(
  [
    ...granted,
    ReasonCode.unspecifiedError,
    ReasonCode.implementationSpecificError,
    ReasonCode.notAuthorized,
    ReasonCode.topicFilterInvalid,
    ReasonCode.packetIdentifierInUse,
    ReasonCode.quotaExceeded,
    ReasonCode.sharedSubscriptionsNotSupported,
    ReasonCode.subscriptionIdentifiersNotSupported,
    ReasonCode.wildcardSubscriptionsNotSupported,
  ],
  'MQTT-3.9.3-2',
);

/** Before 5.0 a failure is 0x80 and no more. */
const returnCodes = reasonCodes([...granted, ReasonCode.unspecifiedError], '3.1.1 MQTT-3.9.3-2');

/** Decodes a SUBSCRIBE whose Variable Header lies between `at` and `end`. */
export function decodeSubscribe(chunk: Chunk, at: number, end: number, version: ProtocolVersion): Subscribe {
  const cursor = new Cursor('SUBSCRIBE', chunk, at, end);
  const packetId = readPacketId(cursor, 'MQTT-2.2.1-3');
  const properties = version === 5 ? readProperties(cursor, 'subscribe') : undefined;
  if (cursor.atEnd) throw cursor.protocolError('no Topic Filter', 'MQTT-3.8.3-2');
  const subscriptions: SubscriptionRequest[] = [];
  while (!cursor.atEnd) subscriptions.push(readSubscription(cursor, version));
  return { type: 'subscribe', packetId, subscriptions, properties };
}

function readSubscription(cursor: Cursor, version: ProtocolVersion): SubscriptionRequest {
  const topicFilter = cursor.text('Topic Filter');
  const options = cursor.byte('Subscription Options');
  const qos = options & 3;
  if (qos === 3) throw cursor.protocolError('Maximum QoS 3', version === 5 ? '' : '3.1.1 MQTT-3-8.3-4');
  if (version !== 5) {
    // MQTT 3.1 does not use the upper bits, 3.1.1 wants them 0.
    if (version === 4 && options > 2) throw cursor.malformed('reserved bits are set', '3.1.1 MQTT-3-8.3-4');
    return { topicFilter, qos: qos as QoS, noLocal: false, retainAsPublished: false, retainHandling: 0 };
  }
  if (options >= 0x40) throw cursor.malformed('reserved Subscription Options are set', 'MQTT-3.8.3-5');
  const retainHandling = options >> 4;
  if (retainHandling === 3) throw cursor.protocolError('Retain Handling 3');
  return {
    topicFilter,
    qos: qos as QoS,
    noLocal: (options & 0x04) !== 0,
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

/** Appends a SUBSCRIBE; before 5.0 the Subscription Options are the QoS and no more. */
export function encodeSubscribe(subscribe: Subscribe, version: ProtocolVersion, out: Slab): void {
  writeByte(out, (packetType.subscribe << 4) | 2);
  const length = openLength(out);
  writeTwoByteInteger(out, subscribe.packetId);
  if (version === 5) writeProperties(out, 'subscribe', subscribe.properties);
  for (const subscription of subscribe.subscriptions) {
    writeText(out, subscription.topicFilter);
    writeByte(out, version === 5 ? subscriptionOptions(subscription) : subscription.qos);
  }
  closeLength(out, length);
}

function subscriptionOptions({ qos, noLocal, retainAsPublished, retainHandling }: SubscriptionRequest): number {
  return qos | (noLocal ? 0x04 : 0) | (retainAsPublished ? 0x08 : 0) | (retainHandling << 4);
}

/** Decodes a SUBACK whose Variable Header lies between `at` and `end`. */
export function decodeSuback(chunk: Chunk, at: number, end: number, version: ProtocolVersion): Suback {
  const cursor = new Cursor('SUBACK', chunk, at, end);
  const packetId = readPacketId(cursor);
  const properties = version === 5 ? readProperties(cursor, 'acknowledgement') : undefined;
  if (cursor.atEnd) throw cursor.protocolError('no Reason Code', 'MQTT-3.9.3-2');
  const codes: ReasonCode[] = [];
  while (!cursor.atEnd) codes.push(readReasonCode(cursor, version === 5 ? subackCodes : returnCodes));
  return { type: 'suback', packetId, reasonCodes: codes, properties };
}

/** Appends a SUBACK. */
export function encodeSuback(suback: Suback, version: ProtocolVersion, out: Slab): void {
  writeByte(out, packetType.suback << 4);
  const length = openLength(out);
  writeTwoByteInteger(out, suback.packetId);
  if (version === 5) writeProperties(out, 'acknowledgement', suback.properties);
  for (const code of suback.reasonCodes) {
    writeByte(out, version !== 5 && code > ReasonCode.unspecifiedError ? ReasonCode.unspecifiedError : code);
  }
  closeLength(out, length);
}
