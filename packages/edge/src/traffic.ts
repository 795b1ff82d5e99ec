// What has passed through one listener, in plain numbers: added to on the way of every packet, read when asked for.

import { type CloseReason, closeReasons } from '@skein/broker';
import type { Packet, ProtocolVersion, ReasonCode } from '@skein/protocol';

/** The types of Control Packets, as labels of counters. */
export const packetTypes: readonly Packet['type'][] = [
  'connect',
  'connack',
  'publish',
  'puback',
  'pubrec',
  'pubrel',
  'pubcomp',
  'subscribe',
  'suback',
  'unsubscribe',
  'unsuback',
  'pingreq',
  'pingresp',
  'disconnect',
  'auth',
];

/** Counts of one listener since start; only {@link Traffic.connected} and {@link Traffic.congested} also fall. */
export class Traffic {
  /** As configured; the `listener` label. */
  readonly listener: string;
  /** Network Connections accepted. */
  opened = 0;
  /** Network Connections refused because there were too many. */
  rejected = 0;
  /** Network Connections refused because the node was about to stop, or to begin anew. */
  rejectedUnready = 0;
  /** Network Connections that could not be accepted. */
  failed = 0;
  readonly closed: Record<CloseReason, number> = zeroes(closeReasons);
  bytesReceived = 0;
  bytesSent = 0;
  /** PUBLISH packets apart from the others: they are the ones that come by the million. */
  publishReceived = 0;
  publishSent = 0;
  /** All other packets. */
  readonly received: Record<Packet['type'], number> = zeroes(packetTypes);
  readonly sent: Record<Packet['type'], number> = zeroes(packetTypes);
  /** CONNACK packets by Reason Code. */
  readonly connackSent: Map<ReasonCode, number> = new Map();

  /** Clients connected now, by protocol version. */
  readonly connected: Record<ProtocolVersion, number> = { 3: 0, 4: 0, 5: 0 };
  /** Connections that have more bytes waiting than they should be given. */
  congested = 0;

  constructor(listener: string) {
    this.listener = listener;
  }

  /** Counts a CONNACK sent. */
  countConnack(reasonCode: ReasonCode): void {
    this.connackSent.set(reasonCode, (this.connackSent.get(reasonCode) ?? 0) + 1);
  }
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
