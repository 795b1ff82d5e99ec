// Packets as a test says them: only what matters to the story, the rest as most Clients have it.

import type {
  Connect,
  ConnectProperties,
  ProtocolVersion,
  Publish,
  PublishProperties,
  QoS,
  SubscriptionRequest,
  WillProperties,
} from '@skein/protocol';
import { fresh } from './fresh.ts';
import { bytes } from './payload.ts';

/** A Will Message, with the payload as text or bytes. */
export interface WillOptions {
  topic: string;
  payload?: string | Uint8Array;
  qos?: QoS;
  retain?: boolean;
  properties?: WillProperties;
}

/** What a test says of a CONNECT. */
export interface ConnectOptions {
  /** Default 5. */
  version?: ProtocolVersion;
  /** Default one that nobody else has. */
  clientId?: string;
  /** Clean Session in 3.1 and 3.1.1. Default true. */
  cleanStart?: boolean;
  /** Default 0: none. */
  keepAliveSeconds?: number;
  will?: WillOptions;
  username?: string;
  password?: string;
  properties?: ConnectProperties;
}

/** What a test says of a PUBLISH. */
export interface PublishOptions {
  topic: string;
  payload?: string | Uint8Array;
  qos?: QoS;
  retain?: boolean;
  dup?: boolean;
  /** Default the next one that this Client has not used. */
  packetId?: number;
  properties?: PublishProperties;
}

/** One Topic Filter and its options. */
export interface SubscriptionOptions {
  topicFilter: string;
  /** Default 0. */
  qos?: QoS;
  noLocal?: boolean;
  retainAsPublished?: boolean;
  retainHandling?: 0 | 1 | 2;
}

/** What a test says of a SUBSCRIBE: the options of all its Topic Filters, and its own. */
export interface SubscribeOptions extends Omit<SubscriptionOptions, 'topicFilter'> {
  subscriptionIdentifier?: number;
  packetId?: number;
}

/** Builds a CONNECT. */
export function connectPacket(options: ConnectOptions = {}): Connect {
  const { will } = options;
  return {
    type: 'connect',
    protocolVersion: options.version ?? 5,
    clientId: options.clientId ?? fresh('client'),
    cleanStart: options.cleanStart ?? true,
    keepAliveSeconds: options.keepAliveSeconds ?? 0,
    will: will && {
      topic: will.topic,
      payload: payloadOf(will.payload ?? 'gone'),
      qos: will.qos ?? 0,
      retain: will.retain ?? false,
      properties: will.properties,
    },
    username: options.username,
    password: options.password === undefined ? undefined : bytes(options.password),
    properties: options.properties,
  };
}

/** Builds a PUBLISH. */
export function publishPacket(options: PublishOptions): Publish {
  return {
    type: 'publish',
    topic: options.topic,
    payload: payloadOf(options.payload ?? ''),
    qos: options.qos ?? 0,
    retain: options.retain ?? false,
    dup: options.dup ?? false,
    packetId: options.packetId ?? 0,
    properties: options.properties,
  };
}

/** Builds one line of a SUBSCRIBE. */
export function subscriptionRequest(request: SubscriptionOptions): SubscriptionRequest {
  return {
    topicFilter: request.topicFilter,
    qos: request.qos ?? 0,
    noLocal: request.noLocal ?? false,
    retainAsPublished: request.retainAsPublished ?? false,
    retainHandling: request.retainHandling ?? 0,
  };
}

function payloadOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? bytes(payload) : payload;
}
