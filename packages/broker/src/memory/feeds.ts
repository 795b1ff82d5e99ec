// Retained messages on their way into the queue of a stored Session, by a cursor for each Subscription, as pure functions
// over the memory state [MQTT 3.3.1.3, 3.8.3.1].
//
// A page was read before it is appended, and both take time. What the Session was given meanwhile may be newer than what
// the page says of the same topic, and must not be followed by it.

import type { QoS } from '@skein/protocol';
import type { Append, Appended, Feed, StoredSubscription } from '../ports.ts';
import { isShared } from '../topic/filter.ts';
import { drop, put } from './collections.ts';
import { add } from './queue.ts';
import type { MemoryState, SessionRecord } from './state.ts';

/** Entries since the page was read that are looked at. */
const looksMax = 4096;

/** What a SUBSCRIBE means for the retained messages of its filter [MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11]. */
export function subscribed(record: SessionRecord, subscription: StoredSubscription, isReplaced: boolean): void {
  const { topicFilter, qos, retainHandling } = subscription;
  if (qos === 0 || retainHandling === 2 || isShared(topicFilter)) drop(record.feeds, topicFilter);
  else if (retainHandling === 0 || !isReplaced) record.feeds = put(record.feeds, topicFilter, '');
}

/** What is left to be fed. */
export function feedsOf({ feeds }: SessionRecord): Feed[] {
  return Array.from(feeds, ([topicFilter, from]) => ({ topicFilter, from }));
}

/** @see Queues.append */
export function append(state: MemoryState, page: Append): Appended {
  const { claim, topicFilter, from, to, messages, sinceSeq } = page;
  const record = state.claimed(claim);
  if (record === undefined) return { is: 'fenced' };
  const subscription = record.subscriptions.get(topicFilter);
  if (subscription === undefined || record.feeds.get(topicFilter) !== from) return { is: 'moved' };
  const newer = topicsSince(record, sinceSeq);
  if (newer === undefined) return { is: 'unsure' };

  const { qos, noLocal, subscriptionIdentifier } = subscription;
  const subscriptionIdentifiers = subscriptionIdentifier === undefined ? undefined : [subscriptionIdentifier];
  const entries = [];
  for (const message of messages) {
    if (newer.has(message.topic) || (noLocal && message.publisherId === claim.clientId)) continue; // [MQTT-3.8.3-3]
    const granted = Math.min(message.qos, qos) as QoS;
    const entry = { seq: record.nextSeq, message, qos: granted, retain: true, subscriptionIdentifiers };
    add(record, entry);
    entries.push(entry);
  }
  if (to === undefined) drop(record.feeds, topicFilter);
  else record.feeds = put(record.feeds, topicFilter, to);
  return { is: 'appended', entries, sentSeq: record.sentSeq };
}

/**
 * Topics whose retained messages are newer than the page: those on which a message with Retain was queued since. One
 * without takes the place of no retained message.
 *
 * @returns undefined if that cannot be told, because something is gone already
 */
function topicsSince({ queue, nextSeq }: SessionRecord, sinceSeq: number): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  if (nextSeq - sinceSeq > looksMax) return undefined;
  for (let seq = sinceSeq; seq < nextSeq; seq++) {
    const entry = queue.get(seq);
    if (entry === undefined) return undefined;
    if (entry.message.retain) topics.add(entry.message.topic);
  }
  return topics;
}
