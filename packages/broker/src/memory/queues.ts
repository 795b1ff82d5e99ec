// The queues of stored Sessions as pure functions over the memory state [MQTT 4.1, 4.3, 4.5].
//
// rule: Enqueue. What a subscriber gets is decided here, once, from the Subscriptions the Session has now: the highest
// QoS, every Subscription Identifier, Retain As Published if any asks for it. Whoever sends it later changes nothing.

import type { QoS } from '@skein/protocol';
import { bytesOf, type Message } from '../message.ts';
import type {
  Claim,
  Enqueue,
  EnqueueOutcome,
  EnqueueTarget,
  Fenced,
  Owner,
  QueueAck,
  QueueEntry,
  QueueRead,
  StoredSubscription,
} from '../ports.ts';
import { isShared } from '../topic/filter.ts';
import { drop, include } from './collections.ts';
import { add, advanceHead, isExpired, remove, removeExpired, removeOldest } from './queue.ts';
import { remember } from './seen.ts';
import { leave } from './shared.ts';
import type { MemoryState, Refusal, SessionRecord } from './state.ts';

/** Most seqs that one read looks at, live or not. */
const readStepsMax = 4096;
/** A read stops once it has this many bytes. */
const readBytesMax = 1024 * 1024;

/** @see Queues.enqueue */
export function enqueue(
  state: MemoryState,
  batch: readonly Enqueue[],
  nowMs: number,
): readonly (readonly EnqueueOutcome[] | undefined)[] {
  return batch.map((item) => {
    const { targets, isRefusable } = item;
    if (
      isRefusable &&
      state.limits.queueFull === 'refuse' &&
      targets.some((target) => wouldOverflow(state, item, target, nowMs))
    ) {
      return undefined;
    }
    return targets.map((target) => enqueueOne(state, item, target, nowMs));
  });
}

/** @see Queues.read */
export function read(
  state: MemoryState,
  claim: Claim,
  fromSeq: number,
  limit: number,
  nowMs: number,
): QueueRead | Fenced {
  const record = state.claimed(claim);
  if (record === undefined) return 'fenced';
  const entries: QueueEntry[] = [];
  const releases: number[] = [];
  let expired = 0;
  let bytes = 0;
  let seq = Math.max(fromSeq, record.headSeq);
  const stopSeq = Math.min(record.nextSeq, seq + readStepsMax);
  for (; seq < stopSeq && entries.length < limit && bytes < readBytesMax; seq++) {
    const entry = record.queue.get(seq);
    if (entry === undefined) {
      if (record.releases.has(seq)) releases.push(seq);
      continue;
    }
    if (seq > record.sentSeq && isExpired(entry.message, nowMs)) {
      remove(record, entry);
      expired++;
      continue;
    }
    entries.push(entry);
    bytes += bytesOf(entry.message);
  }
  record.sentSeq = Math.max(record.sentSeq, entries.at(-1)?.seq ?? 0);
  advanceHead(record);
  return { entries, nextSeq: seq, endSeq: record.nextSeq, expired, releases };
}

/** @see Queues.ack */
export function ack(state: MemoryState, acks: readonly QueueAck[]): void {
  for (const { clientId, generation, seqs } of acks) {
    const record = state.generationOf({ clientId, generation });
    if (record === undefined) continue;
    for (const seq of seqs) {
      const entry = record.queue.get(seq);
      if (entry !== undefined) remove(record, entry);
      drop(record.releases, seq);
    }
    advanceHead(record);
  }
}

/** @see Queues.rec */
export function rec(state: MemoryState, recs: readonly QueueAck[]): void {
  for (const { clientId, generation, seqs } of recs) {
    const record = state.generationOf({ clientId, generation });
    if (record === undefined) continue;
    for (const seq of seqs) {
      const entry = record.queue.get(seq);
      if (entry === undefined) continue; // a late repeat: the message is gone already
      remove(record, entry);
      record.releases = include(record.releases, seq);
    }
  }
}

/** @see Queues.ends */
export function ends(state: MemoryState, claims: readonly Claim[]): readonly (number | Fenced)[] {
  return claims.map((claim) => state.claimed(claim)?.nextSeq ?? 'fenced');
}

function enqueueOne(
  state: MemoryState,
  { message, uid }: Enqueue,
  target: EnqueueTarget,
  nowMs: number,
): EnqueueOutcome {
  const record = state.generationOf(target);
  if (record === undefined) return { is: 'no_session' };
  const seen = uid === undefined ? undefined : record.seen.get(uid);
  if (seen !== undefined) return seen.refusal ?? { is: 'duplicate', owner: ownerOf(record) };
  const subscriptions = subscriptionsOf(record, target.topicFilters);
  if (subscriptions.length === 0) return refuse(state, record, uid, target, nowMs, { is: 'no_subscription' });
  const wanted = subscriptions.filter(({ noLocal }) => !(noLocal && message.publisherId === record.clientId));
  if (wanted.length === 0) return { is: 'skipped' }; // [MQTT-3.8.3-3]
  if (target.onlineOnly === true && record.owner === undefined)
    return refuse(state, record, uid, target, nowMs, { is: 'offline' });

  const entry = entryOf(record, message, wanted, target);
  if (entry.qos === 0) {
    see(state, record, uid, nowMs, undefined);
    return { is: 'qos0', entry, owner: ownerOf(record) };
  }
  const expired = isFull(state, record, message) ? removeExpired(record, nowMs) : 0;
  let dropped = 0;
  while (isFull(state, record, message)) {
    const mayDrop = state.limits.queueFull === 'drop-old' && target.onlineOnly !== true && mayFit(state, message);
    const makesRoom = mayDrop && removeOldest(record);
    if (!makesRoom) return refuse(state, record, uid, target, nowMs, { is: 'full', expired });
    dropped++;
  }
  if (expired + dropped > 0) advanceHead(record);
  see(state, record, uid, nowMs, undefined);
  add(record, entry);
  if (entry.sharedFilter !== undefined) leave(state, record, nowMs);
  return { is: 'queued', entry, owner: ownerOf(record), sentSeq: record.sentSeq, dropped, expired };
}

/** What the subscriber gets, by the Subscriptions that want it. */
function entryOf(
  record: SessionRecord,
  message: Message,
  wanted: readonly StoredSubscription[],
  { topicFilters }: EnqueueTarget,
): QueueEntry {
  const qos = Math.min(message.qos, Math.max(...wanted.map((subscription) => subscription.qos))) as QoS;
  const entry: QueueEntry = {
    seq: qos === 0 ? 0 : record.nextSeq,
    message,
    qos,
    retain: message.retain && wanted.some(({ retainAsPublished }) => retainAsPublished),
    subscriptionIdentifiers: identifiersOf(wanted),
  };
  const [sharedFilter] = topicFilters;
  if (qos === 0 || topicFilters.length !== 1 || sharedFilter === undefined || !isShared(sharedFilter)) return entry;
  return { ...entry, sharedFilter };
}

function ownerOf({ owner, epoch }: SessionRecord): Owner | undefined {
  return owner === undefined ? undefined : { node: owner, epoch };
}

/**
 * rule: Shared groups. Another member gets the message that this one refuses: under its uid, whoever comes late must not
 * find this one willing.
 */
function refuse(
  state: MemoryState,
  record: SessionRecord,
  uid: string | undefined,
  { onlineOnly }: EnqueueTarget,
  nowMs: number,
  refusal: Refusal,
): Refusal {
  if (onlineOnly === true) see(state, record, uid, nowMs, refusal.is === 'full' ? { ...refusal, expired: 0 } : refusal);
  return refusal;
}

/** Remembers a uid, and why its message was refused if it was, as long as anybody may publish it again. */
function see(
  state: MemoryState,
  record: SessionRecord,
  uid: string | undefined,
  sinceMs: number,
  refusal: Refusal | undefined,
): void {
  if (uid === undefined) return;
  const seen = remember(record.seen, uid, { sinceMs, refusal });
  seen.forget(sinceMs, state.unfinished);
  record.seen = seen;
}

/** Those of the filters that matched which the Session still has. */
function subscriptionsOf(record: SessionRecord, topicFilters: readonly string[]): StoredSubscription[] {
  const subscriptions: StoredSubscription[] = [];
  for (const topicFilter of topicFilters) {
    const subscription = record.subscriptions.get(topicFilter);
    if (subscription !== undefined) subscriptions.push(subscription);
  }
  return subscriptions;
}

/** The Subscription Identifiers of all Subscriptions that match [MQTT-3.3.4-3, MQTT-3.3.4-4]. */
function identifiersOf(subscriptions: readonly StoredSubscription[]): readonly number[] | undefined {
  const identifiers: number[] = [];
  for (const { subscriptionIdentifier } of subscriptions) {
    if (subscriptionIdentifier !== undefined) identifiers.push(subscriptionIdentifier);
  }
  return identifiers.length === 0 ? undefined : identifiers;
}

/** Whether a message would find the queue full and be refused for it; expired entries make room first. */
export function wouldOverflow(
  state: MemoryState,
  { message, uid }: Enqueue,
  target: EnqueueTarget,
  nowMs: number,
): boolean {
  if (target.onlineOnly === true) return false; // another member may have it
  const record = state.generationOf(target);
  if (record === undefined || !isFull(state, record, message)) return false;
  if (uid !== undefined && record.seen.has(uid)) return false;
  const granted = subscriptionsOf(record, target.topicFilters).some(
    ({ qos, noLocal }) => qos > 0 && !(noLocal && message.publisherId === record.clientId),
  );
  if (!granted) return false;
  return record.earliestExpiryMs > nowMs || !mayMakeRoom(state, record, message, nowMs);
}

/** Whether a queue has room for a message without what has expired and certainly was not sent; takes nothing out. */
function mayMakeRoom({ limits }: MemoryState, record: SessionRecord, message: Message, nowMs: number): boolean {
  const { queue, sentSeq } = record;
  let count = queue.size;
  let bytes = record.queueBytes + bytesOf(message);
  for (const expired of queue.expired(sentSeq + 1, nowMs)) {
    count -= expired.length;
    for (const entry of expired) bytes -= bytesOf(entry.message);
    if (count < limits.queueMaxMessages && bytes <= limits.queueMaxBytes) return true;
  }
  record.earliestExpiryMs = queue.earliestExpiryMs(sentSeq + 1);
  return false;
}

/** Whether there is room for a message in an empty queue: if not, nothing is dropped for it. */
function mayFit({ limits }: MemoryState, message: Message): boolean {
  return bytesOf(message) <= limits.queueMaxBytes;
}

function isFull(state: MemoryState, record: SessionRecord, message: Message): boolean {
  return (
    record.queue.size >= state.limits.queueMaxMessages ||
    record.queueBytes + bytesOf(message) > state.limits.queueMaxBytes
  );
}
