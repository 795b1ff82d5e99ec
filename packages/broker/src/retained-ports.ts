// Retained messages, and how they reach the queue of a stored Session. A part of the store, and answers like the rest of
// it (ports.ts).

import type { Message } from './message.ts';
import type { Claim, Fenced, QueueEntry } from './ports.ts';

/** Where a message stands among those of its publisher: by the epoch of its connection, then by number. */
export interface PublishOrder {
  readonly epoch: number;
  /** Counts the connection's publishes; a Will comes after all, as Number.MAX_SAFE_INTEGER. */
  readonly n: number;
}

/** A message to be retained. */
export interface RetainedSet {
  readonly message: Message;
  /** Names the message if it may be published again, by whichever node. */
  readonly uid: string | undefined;
  /** Undefined for one that no Client has published. */
  readonly order: PublishOrder | undefined;
}

/** Some of the retained messages that a filter matches. */
export interface RetainedPage {
  readonly messages: readonly Message[];
  /** Where the next page begins; undefined if there is none. */
  readonly next: string | undefined;
}

/** The last message of every topic that has a retained one. */
export interface Retained {
  /**
   * Stores the last message of a topic, or removes it if the payload is empty [MQTT-3.3.1-6].
   *
   * rule: QoS 2. One whose uid was set within the horizon H is not set again: its topic may have a newer one. For a call
   * to be safe to repeat, what precedes a message with a uid in its topic has one too.
   *
   * rule: Retained. One that stands before the topic's present message in the order of the same publisher (by Client
   * Identifier) is left alone: a node that wakes late must not put an old value back. That a message was removed is
   * remembered so for a minute.
   *
   * @returns for each message, false if there are too many topics and it was not stored
   */
  set(sets: readonly RetainedSet[]): Promise<readonly boolean[]>;
  /**
   * A page of the retained messages whose topics match a filter, in an order that stays. All pages together have every
   * message that was there before the first was asked for, and still is. At most 256 messages and about 1 MiB, but one
   * at least if there is one within a bounded number of steps: a page may be empty and not the last.
   *
   * @param from '' at first, then what the page before named as `next`; it stays good through any restart of the store
   */
  page(topicFilter: string, from: string): Promise<RetainedPage>;
  count(): Promise<number>;
}

// To a stored Session, retained messages at QoS 1 and 2 go by a cursor that is stored with it: whatever happens to the
// Client, or to the node that feeds it, the rest comes when the Client is there. Sessions.subscribe sets the cursor,
// Sessions.unsubscribe drops it, Queues.append moves it, Sessions.acquire names what is left to be fed.

/** A Subscription whose retained messages have not all been queued. */
export interface Feed {
  readonly topicFilter: string;
  /** Where to go on, as {@link Retained.page} takes it. */
  readonly from: string;
}

/** A page of retained messages for the queue of a Session. */
export interface Append {
  readonly claim: Claim;
  readonly topicFilter: string;
  /** Where the cursor stands if this page is to be appended. */
  readonly from: string;
  /** Where it goes; undefined: there are no more pages. */
  readonly to: string | undefined;
  /** At QoS 1 and 2; Retain = 1 is kept, and the queue's limits do not apply [MQTT-3.3.1-8]. */
  readonly messages: readonly Message[];
  /** What was queued from here on may be newer than the page: no later than the queue's end when that was read. */
  readonly sinceSeq: number;
}

/** What became of a page. */
export type Appended =
  /** Queued, but for those whose topic has had a newer message queued since, and for the Client's own (No Local). */
  | { readonly is: 'appended'; readonly entries: readonly QueueEntry[]; readonly sentSeq: number }
  /** The cursor is elsewhere: the Subscription is gone, or was made anew, or this page was appended before. */
  | { readonly is: 'moved' }
  /** Something was queued since and is gone already: the page may be older than that, and is to be read anew. */
  | { readonly is: 'unsure' }
  | { readonly is: Fenced };
