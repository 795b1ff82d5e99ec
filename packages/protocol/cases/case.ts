// What a row of the tables says, and short ways to say it.

import type {
  AckProperties,
  Connect,
  Packet,
  ProtocolVersion,
  Publish,
  ReasonCode,
  Sender,
  SubscriptionRequest,
} from '../src/index.ts';

/** Bytes and the packet they are, in each of some versions. */
export interface GoodCase {
  readonly title: string;
  readonly from: Sender;
  readonly versions: readonly ProtocolVersion[];
  /** In the notation of notation.ts. */
  readonly bytes: string;
  readonly packet: Packet;
  /** We would write the packet otherwise, or not at all. */
  readonly decodedOnly?: true;
}

/** Bytes that are refused. */
export interface BadCase {
  readonly title: string;
  readonly from: Sender;
  /** Undefined is the beginning of a connection, before any version is known. */
  readonly versions: readonly (ProtocolVersion | undefined)[];
  readonly bytes: string;
  readonly reasonCode: ReasonCode;
  readonly statement: string;
  /** What the decoder knows of the version afterwards, where it began without. */
  readonly learns?: ProtocolVersion;
}

/** A packet that an older version has fewer words for, or none. */
export interface SpokenCase {
  readonly title: string;
  readonly versions: readonly ProtocolVersion[];
  readonly packet: Packet;
  /** Empty if the packet is left out. */
  readonly bytes: string;
}

export const everyVersion: readonly ProtocolVersion[] = [3, 4, 5];
export const beforeFive: readonly ProtocolVersion[] = [3, 4];

/** A CONNECT that says as little as possible. */
export function connect(protocolVersion: ProtocolVersion, rest: Partial<Connect> = {}): Connect {
  return {
    type: 'connect',
    protocolVersion,
    clientId: 'lamp',
    cleanStart: true,
    keepAliveSeconds: 60,
    will: undefined,
    username: undefined,
    password: undefined,
    properties: undefined,
    ...rest,
  };
}

/** A PUBLISH of `on` to `a/b` at QoS 0. */
export function publish(rest: Partial<Publish> = {}): Publish {
  return {
    type: 'publish',
    topic: 'a/b',
    payload: Uint8Array.of(0x6f, 0x6e),
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: undefined,
    ...rest,
  };
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP for Packet Identifier 7. */
export function acknowledgement(
  type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
  reasonCode: ReasonCode = 0,
  properties: AckProperties | undefined = undefined,
): Packet {
  return { type, packetId: 7, reasonCode, properties };
}

/** A subscription to `a/b` without options. */
export function subscription(rest: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return { topicFilter: 'a/b', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0, ...rest };
}
