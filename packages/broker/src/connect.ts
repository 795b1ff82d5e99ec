// What a CONNECT asks for, and what the server grants of it [MQTT 3.1, 3.2].

import {
  type Connack,
  type ConnackProperties,
  type Connect,
  MqttError,
  ReasonCode,
  sessionExpirySeconds,
  type Will,
} from '@skein/protocol';
import type { Limits } from './limits.ts';
import type { Policy } from './policy.ts';
import type { Acquire, Random } from './ports.ts';
import { hasWildcard } from './topic/filter.ts';
import { exceeds, isReserved, utf8Length } from './topic/name.ts';

/** What holds for one Network Connection, agreed from both sides. */
export interface Terms {
  readonly clientId: string;
  /** Whether the server made the Client Identifier up [MQTT-3.1.3-7]. */
  readonly isAssigned: boolean;
  readonly keepAliveSeconds: number;
  readonly sessionExpirySeconds: number;
  /** Largest packet the Client takes, in bytes. */
  readonly maximumPacketSize: number;
  /** Messages at QoS 1 and 2 in flight to the Client. */
  readonly outboundInflightMax: number;
  /** The same from the Client. */
  readonly inboundInflightMax: number;
  /** Topic Aliases towards the Client. */
  readonly topicAliasMaximum: number;
  /** Whether the Client wants reasons in words [MQTT-3.1.2-29]. */
  readonly wantsReasons: boolean;
}

/** The largest packet there is: four bytes of Remaining Length, and the fixed header [§2.1.4]. */
const largestPacket = 268_435_460;

/**
 * Works out the terms of a connection.
 *
 * @throws MqttError with the Reason Code to refuse the CONNECT with
 */
export function negotiate(connect: Connect, limits: Limits, random: Random): Terms {
  const { properties, protocolVersion } = connect;
  const clientId = connect.clientId === '' ? assignClientId(connect, random) : connect.clientId;
  if (utf8Length(clientId) > limits.clientIdBytesMax) {
    throw new MqttError(
      ReasonCode.clientIdentifierNotValid,
      `the Client Identifier exceeds ${limits.clientIdBytesMax} bytes`,
      'MQTT-3.1.3-8',
    );
  }
  if (connect.will !== undefined) checkWill(connect.will, limits);
  const is5 = protocolVersion === 5;
  const receiveMaximum = properties?.receiveMaximum ?? 65_535;
  return {
    clientId,
    isAssigned: connect.clientId === '',
    keepAliveSeconds: keepAliveOf(connect, limits),
    sessionExpirySeconds: Math.min(sessionExpirySeconds(connect), limits.sessionExpiryMaxSeconds),
    maximumPacketSize: properties?.maximumPacketSize ?? largestPacket,
    outboundInflightMax: is5 ? Math.min(receiveMaximum, limits.outboundInflightMax) : limits.outboundInflightMax3,
    inboundInflightMax: is5 ? limits.receiveMaximum : limits.inboundInflightMax3,
    topicAliasMaximum: Math.min(properties?.topicAliasMaximum ?? 0, limits.topicAliasMaximum),
    wantsReasons: properties?.requestProblemInformation !== 0,
  };
}

/** What the store is asked for on behalf of a CONNECT. */
export function acquisition(connect: Connect, terms: Terms, by: Pick<Acquire, 'owner' | 'nonce'>): Acquire {
  return {
    clientId: terms.clientId,
    cleanStart: connect.cleanStart,
    sessionExpirySeconds: terms.sessionExpirySeconds,
    will: connect.will,
    username: connect.username,
    ...by,
    receiveMaximum: terms.outboundInflightMax,
  };
}

/** What CONNACK tells of the server. */
export interface ConnackSurroundings {
  readonly limits: Limits;
  readonly policy: Policy;
}

/** CONNACK for an accepted CONNECT: what differs from what was asked, and what the server can and cannot do. */
export function connack(
  connect: Connect,
  terms: Terms,
  sessionPresent: boolean,
  { limits, policy }: ConnackSurroundings,
  authenticationData?: Uint8Array,
): Connack {
  const properties: ConnackProperties = {
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maximumPacketSize,
    topicAliasMaximum: limits.topicAliasMaximum,
  };
  if (terms.isAssigned) properties.assignedClientIdentifier = terms.clientId; // [MQTT-3.2.2-16]
  if (terms.keepAliveSeconds !== connect.keepAliveSeconds) properties.serverKeepAlive = terms.keepAliveSeconds; // [MQTT-3.2.2-21]
  if (terms.sessionExpirySeconds !== sessionExpirySeconds(connect)) {
    properties.sessionExpiryInterval = terms.sessionExpirySeconds; // [§3.2.2.3.2]
  }
  const method = connect.properties?.authenticationMethod;
  if (method !== undefined) properties.authenticationMethod = method; // [MQTT-4.12.0-5]
  if (authenticationData !== undefined) properties.authenticationData = authenticationData;
  if (connect.properties?.requestResponseInformation === 1) {
    // [MQTT-3.1.2-28]
    const information = responseInformation(policy.responseInformation, terms.clientId, limits);
    if (information !== undefined) properties.responseInformation = information;
  }
  return { type: 'connack', sessionPresent, reasonCode: ReasonCode.success, properties };
}

/** Why a Client is not let in. */
export interface Refusal {
  readonly reasonCode: ReasonCode;
  /** Told to the Client in words, and to the log. */
  readonly why: string;
  /** Another server to use [§4.11]. */
  readonly serverReference?: string;
  /** The last word of an Authentication Method. */
  readonly authenticationData?: Uint8Array | undefined;
}

/** CONNACK for a CONNECT that is refused. @param method the Authentication Method, if it had one and there is such a one */
export function refusingConnack(refusal: Refusal, method: string | undefined): Connack {
  const { reasonCode, why, serverReference, authenticationData } = refusal;
  const properties: ConnackProperties = { reasonString: why };
  if (serverReference !== undefined && isRedirection(reasonCode)) properties.serverReference = serverReference;
  if (method !== undefined) properties.authenticationMethod = method;
  if (method !== undefined && authenticationData !== undefined) properties.authenticationData = authenticationData;
  return { type: 'connack', sessionPresent: false, reasonCode, properties };
}

/** Whether a Reason Code is one of the two that a Server Reference goes with [§4.11]. */
export function isRedirection(reasonCode: ReasonCode): boolean {
  return reasonCode === ReasonCode.useAnotherServer || reasonCode === ReasonCode.serverMoved;
}

/** A Client Identifier out of these can neither widen a filter, nor reach another level or another tree. */
const plainClientId = /^[A-Za-z0-9._:@~=-]+$/;

/** The Response Information for one Client; undefined if there is none, or none that would be its own alone. */
function responseInformation(pattern: string | undefined, clientId: string, limits: Limits): string | undefined {
  if (pattern?.includes('%c') !== true) return pattern;
  if (!plainClientId.test(clientId)) return undefined;
  const information = pattern.replaceAll('%c', () => clientId);
  return exceeds(information, limits) ? undefined : information;
}

/** A Client Identifier for a Client without one, where its version allows that [MQTT-3.1.3-6, 3.1.1 MQTT-3.1.3-8]. */
function assignClientId(connect: Connect, random: Random): string {
  if (connect.protocolVersion === 3 || (connect.protocolVersion === 4 && !connect.cleanStart)) {
    throw new MqttError(
      ReasonCode.clientIdentifierNotValid,
      'an empty Client Identifier needs MQTT 3.1.1 with Clean Session 1, or MQTT 5.0',
      '3.1.1 MQTT-3.1.3-8',
    );
  }
  return `skein-${Array.from(random.bytes(10), (byte) => byte.toString(36).padStart(2, '0')).join('')}`;
}

function checkWill(will: Will, limits: Limits): void {
  if (exceeds(will.topic, limits)) {
    const { topicBytesMax, topicLevelsMax } = limits;
    throw new MqttError(
      ReasonCode.topicNameInvalid,
      `the Will Topic exceeds ${topicBytesMax} bytes or ${topicLevelsMax} levels`,
    );
  }
  if (will.topic === '' || hasWildcard(will.topic)) {
    throw new MqttError(ReasonCode.topicNameInvalid, 'the Will Topic is not a Topic Name', 'MQTT-3.3.2-2');
  }
  if (isReserved(will.topic)) {
    throw new MqttError(ReasonCode.notAuthorized, 'the Will Topic belongs to the server');
  }
  if (will.payload.length > limits.willMaxBytes) {
    throw new MqttError(ReasonCode.quotaExceeded, `the Will Payload exceeds ${limits.willMaxBytes} bytes`);
  }
  if ((will.properties?.userProperties?.length ?? 0) > limits.userPropertiesMax) {
    throw new MqttError(ReasonCode.quotaExceeded, `the Will has more than ${limits.userPropertiesMax} User Properties`);
  }
}

/** A CONNECT that owns its bytes, copied if it has any: they are views of a read buffer, and connecting takes longer than a turn. */
export function ownConnect(connect: Connect): Connect {
  const { password, will, properties } = connect;
  const data = properties?.authenticationData;
  if (password === undefined && will === undefined && data === undefined) return connect;
  return {
    ...connect,
    password: password === undefined ? undefined : new Uint8Array(password),
    will: will === undefined ? undefined : ownWill(will),
    properties: data === undefined ? properties : { ...properties, authenticationData: new Uint8Array(data) },
  };
}

/** A copy of a Will whose bytes were views of the packet. */
function ownWill(will: Will): Will {
  const { payload, properties } = will;
  const correlationData = properties?.correlationData;
  return {
    ...will,
    payload: new Uint8Array(payload),
    properties:
      correlationData === undefined ? properties : { ...properties, correlationData: new Uint8Array(correlationData) },
  };
}

function keepAliveOf({ keepAliveSeconds }: Connect, { keepAliveMaxSeconds }: Limits): number {
  if (keepAliveMaxSeconds === 0) return keepAliveSeconds;
  return keepAliveSeconds === 0 ? keepAliveMaxSeconds : Math.min(keepAliveSeconds, keepAliveMaxSeconds);
}
