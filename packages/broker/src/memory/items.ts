// All that a store holds, piece by piece: what a snapshot is made of, and what is carried from one kind of store to another.
//
// A piece names its Session by Client Identifier or generation, and stands for itself: pieces may come in any order, but
// for a Session, which comes before its entries. What can be worked out again is not among them: when things are due,
// routes (they follow from the Subscriptions), what an acquire answered, how nodes stand to each other.

import type { Will } from '@skein/protocol';
import type { Message } from '../message.ts';
import type { EndedSession, Feed, InboundMessage, PublishOrder, QueueEntry, StoredSubscription } from '../ports.ts';
import type { Refusal } from './state.ts';

/** One Session, without its queue. Times in milliseconds of the store's clock. */
export interface SessionItem {
  readonly is: 'session';
  readonly clientId: string;
  readonly generation: string;
  /** Whether its state outlives its Network Connection. */
  readonly stored: boolean;
  /** Whether its generation is over, and kept for members of shared groups that may have what it holds. */
  readonly over: { readonly undelivered: number } | undefined;
  readonly epoch: number;
  /** The node that holds the Client; undefined while it is away. */
  readonly owner: string | undefined;
  readonly sessionExpirySeconds: number;
  /** When its last Network Connection ended; means nothing while owned. */
  readonly disconnectedAtMs: number;
  readonly reserve: number;
  readonly nextSeq: number;
  readonly headSeq: number;
  readonly sentSeq: number;
  readonly subscriptions: readonly StoredSubscription[];
  readonly feeds: readonly Feed[];
  /** In the order in which their PUBRECs came. */
  readonly releases: readonly number[];
  readonly inbound: readonly InboundMessage[];
  /** Oldest first. */
  readonly seen: readonly SeenUid[];
  /** Taken out of the queue for other members and not done with, in order of seq. */
  readonly taken: readonly { readonly entry: QueueEntry; readonly takenMs: number }[];
  /** The Will of the present Network Connection, and whose it is. */
  readonly will: Will | undefined;
  readonly username: string | undefined;
}

/** A uid that a Session has had, or refused. */
export interface SeenUid {
  readonly uid: string;
  readonly sinceMs: number;
  readonly refusal: Refusal | undefined;
}

/** Some of what a Session has queued, in order of seq. */
export interface EntriesItem {
  readonly is: 'entries';
  readonly generation: string;
  readonly entries: readonly QueueEntry[];
}

/** A Will that waits, or whose publication nobody has reported. Those of one Client come oldest first. */
export interface WillItem {
  readonly is: 'will';
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
  readonly will: Will;
  readonly username: string | undefined;
  readonly dueMs: number;
  readonly isClaimed: boolean;
}

/** A generation to be dismantled. */
export interface EndedItem {
  readonly is: 'ended';
  readonly session: EndedSession;
}

/** A retained message. */
export interface RetainedItem {
  readonly is: 'retained';
  readonly message: Message;
  readonly order: PublishOrder | undefined;
}

/** Whose removal of a topic's retained message is remembered. */
export interface RemovalItem {
  readonly is: 'removal';
  readonly topic: string;
  readonly publisherId: string;
  readonly order: PublishOrder;
  readonly sinceMs: number;
}

/** The uid of a retained message that was set. */
export interface RetainedUidItem {
  readonly is: 'retained_uid';
  readonly uid: string;
  readonly sinceMs: number;
}

/** Who gets a message of a shared group. */
export interface ChoiceItem {
  readonly is: 'choice';
  /** Its uid, U+0000, the shared filter. */
  readonly name: string;
  readonly member: string;
  readonly sinceMs: number;
}

/** The last epoch given out. */
export interface EpochItem {
  readonly is: 'epoch';
  readonly epoch: number;
}

/** A piece of what a store holds. */
export type StateItem =
  | SessionItem
  | EntriesItem
  | WillItem
  | EndedItem
  | RetainedItem
  | RemovalItem
  | RetainedUidItem
  | ChoiceItem
  | EpochItem;
