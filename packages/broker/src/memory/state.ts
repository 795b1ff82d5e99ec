// All that the memory store holds, in one place: the model of what any store holds.
//
// The functions beside this file (sessions, queues, retained, routes, members) change it in one breath each. They take
// the time as an argument and randomness from their caller, so that the same calls make the same state again.

import type { Will } from '@skein/protocol';
import type { Acquired, EndedSession, QueueEntry, StoredSubscription } from '../ports.ts';
import { Due } from './due.ts';
import { Register } from './members.ts';
import { RetainedTree } from './retained.ts';
import { RouteTable } from './routes.ts';

/** The Session Expiry Interval that never passes [§3.1.2.11.2]. */
export const neverExpires = 0xffffffff;

/** One Client Identifier's Session. */
export interface SessionRecord {
  readonly clientId: string;
  readonly generation: string;
  /** Whether its state outlives its Network Connection, fixed for the generation. */
  readonly stored: boolean;
  epoch: number;
  /** The node that holds the Client; undefined while it is away. */
  owner: string | undefined;
  sessionExpirySeconds: number;
  /** When its last Network Connection ended; means nothing while owned. */
  disconnectedAtMs: number;
  /** How far ahead an enqueue reserves: R = min(Receive Maximum, 32). */
  reserve: number;
  /** The next message gets this seq. */
  nextSeq: number;
  /** No live entry lies below. */
  headSeq: number;
  /** Entries up to here may have been sent. */
  sentSeq: number;
  readonly subscriptions: Map<string, StoredSubscription>;
  /** By seq, in order of seq. */
  readonly queue: Map<number, QueueEntry>;
  queueBytes: number;
  /** Nothing in the queue expires before this; Infinity if nothing does. */
  earliestExpiryMs: number;
  /** Seqs whose PUBREC came, in the order they did; PUBREL is owed [MQTT-4.6.0-4]. */
  readonly releases: Set<number>;
  /** QoS 2 messages received and not released, by Packet Identifier. */
  readonly inbound: Map<number, { readonly uid: string; isDone: boolean }>;
  /** Uids of messages it has had, oldest first, and when. */
  readonly seen: Map<string, number>;
  /** The last acquire, for its repeats. */
  acquired: { readonly nonce: string; readonly answer: Acquired; readonly wills: readonly PendingWill[] } | undefined;
  /** The Will of the present Network Connection, and whose it is. */
  will: Will | undefined;
  username: string | undefined;
}

/** A Will on its way: due at a time, then claimed, then done. */
export interface PendingWill {
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
  readonly will: Will;
  readonly username: string | undefined;
  dueMs: number;
  /** A claimed one is offered again after a while, unless it is done by then. */
  state: 'waiting' | 'claimed' | 'over';
}

/** What the queues of Sessions may hold. */
export interface QueueLimits {
  readonly queueMaxMessages: number;
  readonly queueMaxBytes: number;
  readonly queueFull: 'drop-new' | 'drop-old' | 'refuse';
  readonly retainedMaxMessages: number;
}

/** Names one Network Connection; an epoch is never given out twice. */
export interface ConnectionKey {
  readonly clientId: string;
  readonly epoch: number;
}

/** Everything there is. */
export class MemoryState {
  readonly sessions: Map<string, SessionRecord> = new Map();
  /** Ends of Sessions whose Client is away; one counts only if that is still the last connection. */
  readonly expiries: Due<ConnectionKey> = new Due((key) => this.awayOf(key) !== undefined);
  /** When Wills are due, or their claims void. */
  readonly wills: Due<ConnectionKey> = new Due((key, dueMs) => this.pendingWillOf(key)?.dueMs === dueMs);
  /** Wills that are neither done nor cancelled, by Client Identifier, oldest first. */
  readonly pendingWills: Map<string, PendingWill[]> = new Map();
  /** Generations to be dismantled, by generation. */
  readonly ended: Map<string, EndedSession> = new Map();
  readonly retained: RetainedTree = new RetainedTree();
  readonly routes: RouteTable = new RouteTable();
  readonly register: Register = new Register();
  readonly limits: QueueLimits;
  /** The last epoch given out: none is ever given twice, not even to a Session made anew within a millisecond. */
  epoch = 0;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  /** The Session whose Client went away with this connection and has not come back. */
  awayOf({ clientId, epoch }: ConnectionKey): SessionRecord | undefined {
    const record = this.sessions.get(clientId);
    return record?.epoch === epoch && record.owner === undefined ? record : undefined;
  }

  /** The Will of this connection, unless it is done or cancelled. */
  pendingWillOf({ clientId, epoch }: ConnectionKey): PendingWill | undefined {
    return this.pendingWills.get(clientId)?.find((pending) => pending.epoch === epoch);
  }
}
