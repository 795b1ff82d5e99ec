// What Clients saw, in the order in which they saw it: the vocabulary of a history.
//
// Whoever drives the Clients writes one event for each thing that a Client did or noticed. A request is written when it
// is sent and its answer when it is read, so that between the two lies all that the server can have done about it. What
// was never answered has an unknown outcome and is judged either way. All events come from one process with one
// monotonic clock; their order is their place in the history, the time is only for what expires.
//
// A Client has one Network Connection at a time: `connecting` ends the one before, and nothing that still arrives on
// that one is written down, as an application would not see it either. A Client that sends Clean Start has forgotten
// its half of the Session, so if there is no answer it sends Clean Start again.

import type { QoS } from '@skein/protocol';
import type { Content } from './payload.ts';

/** A Will Message that a CONNECT carries; it counts among the messages of its Client and is numbered with them. */
export interface PlannedWill {
  readonly n: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly delaySeconds: number;
}

/** Something that a Client did or noticed. */
export type Happening =
  /** CONNECT is sent. Clean Session of 3.x is `cleanStart`, with an expiry of 0 or never (0xFFFFFFFF). */
  | {
      readonly is: 'connecting';
      readonly client: string;
      readonly cleanStart: boolean;
      readonly sessionExpirySeconds: number;
      readonly will?: PlannedWill;
    }
  /** A CONNACK with success has come. MQTT 3.1 does not say whether there is a Session: undefined. */
  | { readonly is: 'connected'; readonly client: string; readonly sessionPresent: boolean | undefined }
  /** DISCONNECT is sent. */
  | {
      readonly is: 'disconnecting';
      readonly client: string;
      /** Reason Code 0x00: the server drops the Will Message. */
      readonly dropsWill: boolean;
      readonly sessionExpirySeconds?: number;
    }
  /** The Network Connection is over for this Client. */
  | {
      readonly is: 'disconnected';
      readonly client: string;
      /** The server is known to have read the DISCONNECT: it closed the Network Connection after it, and lives. */
      readonly orderly: boolean;
    }
  | {
      readonly is: 'subscribing';
      readonly client: string;
      readonly topicFilter: string;
      readonly qos: QoS;
      readonly noLocal: boolean;
      readonly retainAsPublished: boolean;
    }
  /** SUBACK for one Topic Filter; `qos` is what was granted, undefined if nothing was. */
  | { readonly is: 'subscribed'; readonly client: string; readonly topicFilter: string; readonly qos: QoS | undefined }
  | { readonly is: 'unsubscribing'; readonly client: string; readonly topicFilter: string }
  | { readonly is: 'unsubscribed'; readonly client: string; readonly topicFilter: string }
  /** PUBLISH is sent for the first time; sending it again is not written down. `n` counts from 1 for each publisher. */
  | {
      readonly is: 'published';
      readonly publisher: string;
      readonly n: number;
      readonly topic: string;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly expirySeconds?: number;
    }
  /**
   * The server has answered for the message: PUBACK or PUBREC below 0x80, or a PUBCOMP without a PUBREC before it. At
   * QoS 0, anything that shows that it has been read: an answer to something sent after it. The first one counts.
   */
  | { readonly is: 'acknowledged'; readonly publisher: string; readonly n: number }
  /** PUBACK or PUBREC of 0x80 or above. */
  | { readonly is: 'refused'; readonly publisher: string; readonly n: number; readonly reasonCode: number }
  /** A PUBLISH has come, repeats included; `content` is undefined if the payload is not as it was sent. */
  | {
      readonly is: 'delivered';
      readonly client: string;
      readonly content: Content | undefined;
      readonly topic: string;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly dup: boolean;
      readonly packetId: number;
    }
  /** PUBREL has come: the Packet Identifier is free for another QoS 2 message. */
  | { readonly is: 'released'; readonly client: string; readonly packetId: number };

/** A happening, and when: milliseconds of one monotonic clock, never going back. */
export type HistoryEvent = Happening & { readonly atMs: number };
