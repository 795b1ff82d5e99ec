// All that the memory store holds, in one place: the model of what any store holds.
//
// The functions beside this file (sessions, queues, shared, retained, routes, members) change it in one breath each. They take
// the time as an argument and randomness from their caller, so that the same calls make the same state again.

import type { Will } from '@skein/protocol';
import type { Acquired, Claim, EndedSession, EnqueueOutcome, QueueEntry, StoredSubscription } from '../ports.ts';
import { Due } from './due.ts';
import { Register } from './members.ts';
import { horizonMs, Remembered } from './remembered.ts';
import { RetainedMessages } from './retained.ts';
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
  /** Where the retained messages of a Subscription go on that have not all been queued, by Topic Filter. */
  readonly feeds: Map<string, string>;
  /** By seq, in order of seq. */
  readonly queue: Map<number, QueueEntry>;
  queueBytes: number;
  /** Those of the queue that came by a shared filter, in order of seq. */
  readonly shared: Map<number, SharedEntry>;
  /** Taken out of the queue for other members and not done with, by seq. */
  readonly taken: Map<number, TakenEntry>;
  /** When others are to have what it holds of Shared Subscriptions; undefined while they are not. */
  leftDueMs: number | undefined;
  /** Nothing in the queue expires before this; Infinity if nothing does. */
  earliestExpiryMs: number;
  /** Seqs whose PUBREC came, in the order they did; PUBREL is owed [MQTT-4.6.0-4]. */
  readonly releases: Set<number>;
  /** QoS 2 messages received and not released, by Packet Identifier. */
  readonly inbound: Map<number, { readonly uid: string; isDone: boolean }>;
  /** Uids of messages it has had, or refused for good, oldest first. */
  readonly seen: Map<string, { readonly sinceMs: number; readonly refusal: Refusal | undefined }>;
  /** The last acquire, for its repeats. */
  acquired: { readonly nonce: string; readonly answer: Acquired; readonly wills: readonly PendingWill[] } | undefined;
  /** The Will of the present Network Connection, and whose it is. */
  will: Will | undefined;
  username: string | undefined;
}

/** Why a member of a shared group does not get a message. */
export type Refusal = Extract<EnqueueOutcome, { is: 'offline' | 'full' | 'no_subscription' }>;

/** An entry that came by a shared filter. */
export interface SharedEntry extends QueueEntry {
  readonly sharedFilter: string;
}

/** One that was taken for others, and when. */
export interface TakenEntry {
  readonly entry: SharedEntry;
  takenMs: number;
}

/** A generation that is over, but for messages of Shared Subscriptions that others may have. */
export interface OverSession {
  readonly record: SessionRecord;
  /** Messages of it that will reach nobody. */
  undelivered: number;
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

/** Names one Session that may hold messages of Shared Subscriptions. */
export interface LeftKey {
  readonly clientId: string;
  readonly generation: string;
}

/** Choices remembered; more than can be under way at once. */
const choicesMax = 640_000;

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
  /** Generations that are over and hold messages of Shared Subscriptions, by generation. */
  readonly over: Map<string, OverSession> = new Map();
  /** When messages of Shared Subscriptions are to go to other members. */
  readonly left: Due<LeftKey> = new Due((key, dueMs) => this.holderOf(key)?.leftDueMs === dueMs);
  /** Who gets a message of a Shared Subscription, by its uid and the filter. */
  readonly choices: Remembered<string> = new Remembered(horizonMs, choicesMax);
  readonly retained: RetainedMessages = new RetainedMessages();
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

  /** The Session a claim speaks for, if it is still the current owner. */
  claimed(claim: Claim): SessionRecord | undefined {
    const record = this.generationOf(claim);
    return record?.epoch === claim.epoch && record.owner !== undefined ? record : undefined;
  }

  /** This generation, if it is the one that goes on. */
  generationOf({ clientId, generation }: LeftKey): SessionRecord | undefined {
    const record = this.sessions.get(clientId);
    return record?.generation === generation ? record : undefined;
  }

  /** This generation, as long as it is there, or holds something. */
  holderOf({ clientId, generation }: LeftKey): SessionRecord | undefined {
    return this.generationOf({ clientId, generation }) ?? this.over.get(generation)?.record;
  }

  /** The Will of this connection, unless it is done or cancelled. */
  pendingWillOf({ clientId, epoch }: ConnectionKey): PendingWill | undefined {
    return this.pendingWills.get(clientId)?.find((pending) => pending.epoch === epoch);
  }
}
