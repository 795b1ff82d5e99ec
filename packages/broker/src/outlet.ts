// One Client's way out, and the Client's way in: the seam between the broker and whatever holds the socket.

import type { ConnectProperties, Packet, ProtocolVersion } from '@skein/protocol';
import type { Delivery, Message } from './message.ts';

/** Why a Network Connection ended; each is a label of a counter, so the list is short and closed. */
export const closeReasons = [
  'client_disconnect',
  'client_disconnect_with_will',
  'connection_lost',
  'connect_refused',
  'connect_timeout',
  'keep_alive_timeout',
  'protocol_error',
  'session_taken_over',
  'slow_consumer',
  'packet_too_large',
  'store_unavailable',
  'store_full',
  'messages_missed',
  'authentication_failed',
  'fenced',
  'administrative',
  'server_shutting_down',
  'internal_error',
] as const;

/** Why a Network Connection ended. */
export type CloseReason = (typeof closeReasons)[number];

/** What the connection must know of a Client once its CONNECT is accepted. */
export interface Accepted {
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  /** What the server enforces; 0 is never [MQTT-3.1.2-22]. */
  readonly keepAliveSeconds: number;
  /** The largest packet this Client takes, in bytes [MQTT-3.1.2-24]. */
  readonly maximumPacketSize: number;
  /** How many Topic Aliases the Client lets the server set; 0 is none [MQTT-3.1.2-27]. */
  readonly topicAliasMaximum: number;
}

/**
 * One Network Connection as the broker sees it: packets out, and the pace of packets in.
 *
 * Nothing here waits or throws; after the connection has ended every call is ignored.
 */
export interface Outlet {
  /**
   * Whether more bytes wait for this Client than it should be given. While true the session sends no PUBLISH: QoS 0
   * is dropped and counted, QoS 1 and 2 stay in their queue until {@link Client.drained}.
   */
  readonly congested: boolean;

  /** Learns what CONNECT agreed; called once, just before CONNACK is sent. */
  accepted(terms: Accepted): void;

  /**
   * Sends any packet but PUBLISH. A packet the Client's version has no word for is left out; one that would exceed its
   * Maximum Packet Size goes without reasons in words, and if that does not help the connection ends [MQTT-3.1.2-24].
   */
  send(packet: Packet): void;

  /**
   * Sends a PUBLISH.
   *
   * @returns false if the packet would exceed the Client's Maximum Packet Size; nothing was sent then [MQTT-3.1.2-25]
   */
  publish(message: Message, delivery: Delivery): boolean;

  /** Stops handing packets to {@link Client.receive} until {@link Outlet.proceed}; keep alive is suspended meanwhile. */
  hold(): void;

  /** Goes on handing packets over, in a later turn. */
  proceed(): void;

  /** Sends what was written, then closes. The session has already let go: it hears no more of this connection. */
  close(reason: CloseReason): void;
}

/** What a listener knows of a connection before its first byte. */
export interface Origin {
  /** As configured, say `mqtt://127.0.0.1:1883`; a label of metrics. */
  readonly listener: string;
  readonly remoteAddress: string;
}

/** What an Authenticator is asked. */
export interface Credentials {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly origin: Origin;
  readonly properties: ConnectProperties | undefined;
}
