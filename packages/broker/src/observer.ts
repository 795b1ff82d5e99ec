// What the broker lets the world see of itself: numbers read at leisure, and facts told as they happen.
//
// The path of a message only adds to plain fields of Counters; somebody else reads them when asked for metrics.
// A fact is told for what is rare enough to be a log line.

import type { ProtocolVersion, ReasonCode } from '@skein/protocol';
import type { CloseReason, Origin } from './outlet.ts';

/** Why a message did not reach a subscriber that matched it, or why a publisher's message went nowhere. */
export const dropReasons = [
  'queue_full',
  'slow_consumer',
  'expired',
  'too_large',
  'not_authorized',
  'no_subscriber',
  'quota',
  'session_ended',
  'store_refused',
  'peer_slow',
  'peer_unreachable',
  'group_offline',
  'member_gone',
] as const;

/** Why a message was dropped; each is a label of a counter. */
export type DropReason = (typeof dropReasons)[number];

/** How a Will Message ended. */
export const willOutcomes = ['published', 'cancelled', 'not_authorized'] as const;

/** How a Will Message ended; each is a label of a counter. */
export type WillOutcome = (typeof willOutcomes)[number];

/** Counts since start. Only ever added to; whoever reads them copies. */
export class Counters {
  /** PUBLISH packets taken from Clients, by QoS. */
  readonly publishReceived: [number, number, number] = [0, 0, 0];
  /** PUBLISH packets handed to Clients, by QoS, repeats included. */
  readonly publishSent: [number, number, number] = [0, 0, 0];
  /** Copies of messages accepted into the queue of a Session, for later or at once. */
  queued = 0;
  readonly dropped: Record<DropReason, number> = zeroes(dropReasons);
  /** Retained messages published at QoS 0 that could not be stored. */
  retainedNotStored = 0;
  readonly wills: Record<WillOutcome, number> = zeroes(willOutcomes);
  takeovers = 0;
  /** Calls to the store that failed or did not answer in time. */
  storeFailures = 0;
  /** Messages handed to other nodes: at QoS 0, and for their volatile Sessions at QoS 1 and 2. */
  peerPublished = 0;
  peerDelivered = 0;
  /** What was stored and passed on to the node that owns the Session. */
  peerPushed = 0;
  /** Nodes found dead whose Sessions this node let go, and how many those were. */
  nodesReaped = 0;
  sessionsReaped = 0;
}

/** How much this node has in hand, now. */
export interface Gauges {
  /** Clients connected to this node. */
  readonly connected: number;
  /** Subscriptions of the Clients connected to this node. */
  readonly subscriptions: number;
  /** Messages sent at QoS 1 and 2 and not yet acknowledged by this node's Clients. */
  readonly inflight: number;
  /** Publishes at QoS 1 and 2 whose acknowledgement waits for the store. */
  readonly unacknowledged: number;
  /** Nodes that are alive, this one too; 1 for one that is alone. */
  readonly members: number;
  /** Routes in this node's copy of the table. */
  readonly routes: number;
  /** Whether the calls of this node to the store succeed. */
  readonly storeUp: boolean;
}

/** How much the store holds, for all nodes. */
export interface StoredGauges {
  /** Sessions, their Clients connected or not. */
  readonly sessions: number;
  /** Topics that have a retained message. */
  readonly retained: number;
}

/** Something that happened, once. */
export type Fact =
  | {
      readonly is: 'client_connected';
      readonly clientId: string;
      readonly username: string | undefined;
      readonly protocolVersion: ProtocolVersion;
      readonly cleanStart: boolean;
      readonly sessionPresent: boolean;
      readonly keepAliveSeconds: number;
      readonly origin: Origin;
    }
  | {
      readonly is: 'client_refused';
      readonly clientId: string | undefined;
      readonly reasonCode: ReasonCode;
      readonly why: string;
      readonly origin: Origin;
    }
  | {
      readonly is: 'client_disconnected';
      readonly clientId: string | undefined;
      readonly reason: CloseReason;
      /** What was wrong, where the reason alone does not tell. */
      readonly why: string | undefined;
      readonly origin: Origin;
    }
  /** A stored Session is over; one that is not stored ends with its connection, and nothing is said. */
  | { readonly is: 'session_ended'; readonly clientId: string }
  | { readonly is: 'messages_dropped'; readonly clientId: string; readonly reason: DropReason; readonly count: number }
  | { readonly is: 'will_published'; readonly clientId: string; readonly topic: string }
  | { readonly is: 'store_failed'; readonly operation: string; readonly error: unknown }
  /** Calls to the store have begun to fail, or succeed again. */
  | { readonly is: 'store_away' }
  | { readonly is: 'store_back'; readonly awayMs: number }
  | { readonly is: 'node_joined'; readonly node: string; readonly address: string }
  | { readonly is: 'node_left'; readonly node: string }
  /** A node has not renewed its lease: whatever it held is released. */
  | { readonly is: 'node_dead'; readonly node: string }
  | { readonly is: 'node_reaped'; readonly node: string; readonly sessions: number }
  /** A node is alive and cannot be reached: messages for its volatile Sessions are given up, and it is told so. */
  | { readonly is: 'node_unreachable'; readonly node: string }
  /** This node may have been taken for dead: it lets all its Clients go. */
  | { readonly is: 'fenced'; readonly why: string }
  | { readonly is: 'internal_error'; readonly where: string; readonly error: unknown };

/** Hears facts. Called in the middle of work, so it returns soon and never throws. */
export interface Observer {
  observe(fact: Fact): void;
}

/** One zero for each name. */
function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
