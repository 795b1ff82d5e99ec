// From a PUBLISH packet to a Message: what is checked, what is taken along, what is left behind [MQTT 3.3].

import { MqttError, type Publish, type PublishProperties, ReasonCode } from '@skein/protocol';
import type { Broker } from './broker.ts';
import { keepMessage, type Message } from './message.ts';
import type { Session } from './session/session.ts';
import { exceeds, isReserved } from './topic/name.ts';

/**
 * Takes a PUBLISH: QoS 0 is passed on at once, all else goes through the lane.
 *
 * @throws MqttError if the packet breaks the protocol
 */
export function receivePublish(broker: Broker, session: Session, username: string | undefined, packet: Publish): void {
  const { qos, packetId } = packet;
  broker.counters.publishReceived[qos]++;
  const alias = packet.properties?.topicAlias;
  const topic = alias === undefined ? packet.topic : session.resolveAlias(packet.topic, alias);
  const refusal = refuse(broker, session, username, packet, topic);
  if (refusal !== undefined) {
    broker.drops.add(session.clientId, refusal === ReasonCode.notAuthorized ? 'not_authorized' : 'quota');
    if (qos > 0) session.inbound.publish(packetId, qos as 1 | 2, undefined, refusal);
    return;
  }
  const message = messageOf(packet, topic, session.clientId, broker.nowMs);
  if (qos > 0) session.inbound.publish(packetId, qos as 1 | 2, keepMessage(message));
  else if (message.retain || session.inbound.qos0Waits) session.inbound.publishQos0(keepMessage(message));
  else broker.distribution.qos0(message, broker.router.match(topic));
}

/** Why a PUBLISH is answered with a failure, though its Client stays. */
function refuse(
  { limits, ports }: Broker,
  { clientId, inbound }: Session,
  username: string | undefined,
  { properties, qos, dup }: Publish,
  topic: string,
): ReasonCode | undefined {
  if (exceeds(topic, limits)) return ReasonCode.topicNameInvalid; // well formed, but not accepted here [§4.13]
  if (isReserved(topic) || !ports.authorizer.mayPublish(clientId, username, topic)) return ReasonCode.notAuthorized;
  if ((properties?.userProperties?.length ?? 0) > limits.userPropertiesMax) return ReasonCode.quotaExceeded;
  // What was sent before at QoS 2 may be half done: it goes on.
  if (qos > 0 && ports.room?.isShort === true && !(qos === 2 && dup)) {
    if (inbound.tellsRefusals) return ReasonCode.quotaExceeded;
    // To acknowledge it would be a lie, and to wait would hold up everybody behind it.
    throw new MqttError(ReasonCode.quotaExceeded, 'the store has no room for more messages');
  }
  return undefined;
}

/**
 * The Application Message of a PUBLISH.
 *
 * @param topic the Topic Name, any alias resolved
 * @param nowMs asked only if the message can expire
 */
function messageOf(publish: Publish, topic: string, publisherId: string, nowMs: () => number): Message {
  const { properties } = publish;
  const expiry = properties?.messageExpiryInterval;
  return {
    topic,
    payload: publish.payload,
    qos: publish.qos,
    retain: publish.retain,
    properties: properties?.topicAlias === undefined ? properties : withoutAlias(properties),
    publisherId,
    expiresAtMs: expiry === undefined ? 0 : nowMs() + expiry * 1000,
    frames: undefined,
  };
}

/** A Topic Alias belongs to one Network Connection and is never passed on [§3.3.2.3.4]. */
function withoutAlias(properties: PublishProperties): PublishProperties | undefined {
  const { topicAlias: _, ...others } = properties;
  return Object.keys(others).length === 0 ? undefined : others;
}
