// The fifteen Control Packets in MQTT 5.0's vocabulary, whatever version carried them [§3].
//
// Older versions say less, so their packets decode to the same shapes with the missing parts absent: no properties,
// Reason Code success. What follows from a version without being on the wire (a Session Expiry Interval from Clean
// Session, say) is answered by functions of this package, so that the broker never asks which version it speaks to.
//
// Byte fields (`payload`, `correlationData`, `authenticationData`, `password`) of a decoded packet are views of the
// chunk they arrived in: whoever keeps one past the turn copies it.

import type { ReasonCode } from './reason-code.ts';

/** 3 is MQTT 3.1 (`MQIsdp`), 4 is MQTT 3.1.1, 5 is MQTT 5.0: the byte on the wire [§3.1.2.2]. */
export type ProtocolVersion = 3 | 4 | 5;

/** Quality of Service [§4.3]. */
export type QoS = 0 | 1 | 2;

/** User Properties: name and value pairs, in order, names may repeat [MQTT-3.3.2-18]. */
export type UserProperties = readonly (readonly [name: string, value: string])[];

/** What a PUBLISH says of its Application Message, beyond topic and payload [§3.3.2.3]. */
export interface PublishProperties {
  payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  messageExpiryInterval?: number;
  topicAlias?: number;
  responseTopic?: string;
  correlationData?: Uint8Array;
  userProperties?: UserProperties;
  /** From a Server one for each matching subscription; a Client may send none [MQTT-3.3.4-6]. */
  subscriptionIdentifiers?: readonly number[];
  contentType?: string;
}

/** What a Will Message says of itself [§3.1.3.2]. */
export interface WillProperties {
  /** Seconds. */
  willDelayInterval?: number;
  payloadFormatIndicator?: 0 | 1;
  /** Seconds. */
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  userProperties?: UserProperties;
}

/** The Will Message of a CONNECT [§3.1.2.5]. */
export interface Will {
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  properties: WillProperties | undefined;
}

/** CONNECT's properties [§3.1.2.11]. */
export interface ConnectProperties {
  /** Seconds; 0xFFFFFFFF never expires. */
  sessionExpiryInterval?: number;
  receiveMaximum?: number;
  /** Bytes. */
  maximumPacketSize?: number;
  topicAliasMaximum?: number;
  requestResponseInformation?: 0 | 1;
  requestProblemInformation?: 0 | 1;
  userProperties?: UserProperties;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

/** The Client's opening word [§3.1]. */
export interface Connect {
  type: 'connect';
  protocolVersion: ProtocolVersion;
  clientId: string;
  /** Clean Session in 3.1 and 3.1.1. */
  cleanStart: boolean;
  keepAliveSeconds: number;
  will: Will | undefined;
  username: string | undefined;
  password: Uint8Array | undefined;
  properties: ConnectProperties | undefined;
}

/** CONNACK's properties [§3.2.2.3]. */
export interface ConnackProperties {
  /** Seconds. */
  sessionExpiryInterval?: number;
  receiveMaximum?: number;
  maximumQos?: 0 | 1;
  retainAvailable?: 0 | 1;
  /** Bytes. */
  maximumPacketSize?: number;
  assignedClientIdentifier?: string;
  topicAliasMaximum?: number;
  reasonString?: string;
  userProperties?: UserProperties;
  wildcardSubscriptionAvailable?: 0 | 1;
  subscriptionIdentifiersAvailable?: 0 | 1;
  sharedSubscriptionAvailable?: 0 | 1;
  /** Seconds. */
  serverKeepAlive?: number;
  responseInformation?: string;
  serverReference?: string;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
}

/** The Server's answer to CONNECT [§3.2]. */
export interface Connack {
  type: 'connack';
  sessionPresent: boolean;
  reasonCode: ReasonCode;
  properties: ConnackProperties | undefined;
}

/** An Application Message on its way, in either direction [§3.3]. */
export interface Publish {
  type: 'publish';
  /** Empty only when a Topic Alias stands for it. */
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  /** 0 at QoS 0, which has none. */
  packetId: number;
  properties: PublishProperties | undefined;
}

/** The properties of all acknowledgements [§3.4.2.2]. */
export interface AckProperties {
  reasonString?: string;
  userProperties?: UserProperties;
}

/** Answers a PUBLISH at QoS 1 [§3.4]. */
export interface Puback {
  type: 'puback';
  packetId: number;
  reasonCode: ReasonCode;
  properties: AckProperties | undefined;
}

/** Answers a PUBLISH at QoS 2: received [§3.5]. */
export interface Pubrec {
  type: 'pubrec';
  packetId: number;
  reasonCode: ReasonCode;
  properties: AckProperties | undefined;
}

/** Answers a PUBREC: released [§3.6]. */
export interface Pubrel {
  type: 'pubrel';
  packetId: number;
  reasonCode: ReasonCode;
  properties: AckProperties | undefined;
}

/** Answers a PUBREL: complete [§3.7]. */
export interface Pubcomp {
  type: 'pubcomp';
  packetId: number;
  reasonCode: ReasonCode;
  properties: AckProperties | undefined;
}

/** One Topic Filter of a SUBSCRIBE and its Subscription Options [§3.8.3.1]. */
export interface SubscriptionRequest {
  topicFilter: string;
  qos: QoS;
  noLocal: boolean;
  retainAsPublished: boolean;
  /** 0 send retained messages, 1 only if the subscription is new, 2 do not. */
  retainHandling: 0 | 1 | 2;
}

/** SUBSCRIBE's properties [§3.8.2.1]. */
export interface SubscribeProperties {
  subscriptionIdentifier?: number;
  userProperties?: UserProperties;
}

/** Asks for one subscription or more [§3.8]. */
export interface Subscribe {
  type: 'subscribe';
  packetId: number;
  subscriptions: readonly SubscriptionRequest[];
  properties: SubscribeProperties | undefined;
}

/** Answers a SUBSCRIBE, with a Reason Code for each Topic Filter in turn [§3.9]. */
export interface Suback {
  type: 'suback';
  packetId: number;
  reasonCodes: readonly ReasonCode[];
  properties: AckProperties | undefined;
}

/** UNSUBSCRIBE's properties [§3.10.2.1]. */
export interface UnsubscribeProperties {
  userProperties?: UserProperties;
}

/** Ends one subscription or more [§3.10]. */
export interface Unsubscribe {
  type: 'unsubscribe';
  packetId: number;
  topicFilters: readonly string[];
  properties: UnsubscribeProperties | undefined;
}

/** Answers an UNSUBSCRIBE, with a Reason Code for each Topic Filter in turn [§3.11]. */
export interface Unsuback {
  type: 'unsuback';
  packetId: number;
  /** Not on the wire before 5.0, and then decoded as empty. */
  reasonCodes: readonly ReasonCode[];
  properties: AckProperties | undefined;
}

/** Asks whether the Server is there [§3.12]. */
export interface Pingreq {
  type: 'pingreq';
}

/** It is [§3.13]. */
export interface Pingresp {
  type: 'pingresp';
}

/** DISCONNECT's properties [§3.14.2.2]. */
export interface DisconnectProperties {
  /** Seconds; a Client's only [MQTT-3.14.2-2]. */
  sessionExpiryInterval?: number;
  reasonString?: string;
  userProperties?: UserProperties;
  serverReference?: string;
}

/** The last packet of a Network Connection, from either end; before 5.0 only from the Client [§3.14]. */
export interface Disconnect {
  type: 'disconnect';
  reasonCode: ReasonCode;
  properties: DisconnectProperties | undefined;
}

/** AUTH's properties [§3.15.2.2]. */
export interface AuthProperties {
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  reasonString?: string;
  userProperties?: UserProperties;
}

/** A step of enhanced authentication; MQTT 5.0 only [§3.15, §4.12]. */
export interface Auth {
  type: 'auth';
  reasonCode: ReasonCode;
  properties: AuthProperties | undefined;
}

/** Any MQTT Control Packet [§2.1.2]. */
export type Packet =
  | Connect
  | Connack
  | Publish
  | Puback
  | Pubrec
  | Pubrel
  | Pubcomp
  | Subscribe
  | Suback
  | Unsubscribe
  | Unsuback
  | Pingreq
  | Pingresp
  | Disconnect
  | Auth;
