// The queues of stored Sessions as pure functions over the memory state [MQTT 4.1, 4.3, 4.5].
//
// rule: Enqueue. What a subscriber gets is decided here, once, from the Subscriptions the Session has now: the highest
// QoS, every Subscription Identifier, Retain As Published if any asks for it. Whoever sends it later changes nothing.
//
// rule: st is a reservation. An entry may be sent only if its seq is at most `sentSeq`. An enqueue that finds the
// Session owned and nearly empty moves it ahead, so that the common case needs no second call; a read moves it over
// what it returns. What lies above has certainly not been sent, and may expire or make room.

import type { QoS } from '@skein/protocol';
import { bytesOf, type Message } from '../message.ts';
import type {
  Claim,
  Enqueue,
  EnqueueOutcome,
  EnqueueTarget,
  Fenced,
  Ingress,
  Owner,
  QueueAck,
  QueueEntry,
  QueueRead,
  StoredSubscription,
} from '../ports.ts';
import { horizonMs } from './seen-uids.ts';
import { claimed } from './sessions.ts';
import type { MemoryState, SessionRecord } from './state.ts';

/** Most seqs that one read looks at, live or not. */
const readStepsMax = 4096;
/** A read stops once it has this many bytes. */
const readBytesMax = 1024 * 1024;
/** Uids remembered for a Session; more than can be on their way to it at once. */
const seenMax = 10_000;

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
  const record = claimed(state, claim);
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
    const record = generationOf(state, clientId, generation);
    if (record === undefined) continue;
    for (const seq of seqs) {
      const entry = record.queue.get(seq);
      if (entry !== undefined) remove(record, entry);
      record.releases.delete(seq);
    }
    advanceHead(record);
  }
}

/** @see Queues.rec */
export function rec(state: MemoryState, recs: readonly QueueAck[]): void {
  for (const { clientId, generation, seqs } of recs) {
    const record = generationOf(state, clientId, generation);
    if (record === undefined) continue;
    for (const seq of seqs) {
      const entry = record.queue.get(seq);
      if (entry === undefined) continue; // a late repeat: the message is gone already
      remove(record, entry);
      record.releases.add(seq);
    }
  }
}

/** @see Queues.ends */
export function ends(state: MemoryState, claims: readonly Claim[]): readonly (number | Fenced)[] {
  return claims.map((claim) => claimed(state, claim)?.nextSeq ?? 'fenced');
}

/** @see Inbound2.ingress */
export function ingress(state: MemoryState, received: readonly Ingress[]): ('noted' | Fenced)[] {
  return received.map(({ claim, packetId, uid }) => {
    const record = claimed(state, claim);
    record?.inbound.set(packetId, { uid, isDone: false });
    return record === undefined ? 'fenced' : 'noted';
  });
}

/** @see Inbound2.done */
export function doneInbound(state: MemoryState, published: readonly Ingress[]): void {
  for (const { claim, packetId, uid } of published) {
    const message = generationOf(state, claim.clientId, claim.generation)?.inbound.get(packetId);
    if (message?.uid === uid) message.isDone = true;
  }
}

/** @see Inbound2.release */
export function releaseInbound(state: MemoryState, released: readonly Ingress[]): void {
  for (const { claim, packetId, uid } of released) {
    const inbound = generationOf(state, claim.clientId, claim.generation)?.inbound;
    if (inbound?.get(packetId)?.uid === uid) inbound.delete(packetId);
  }
}

function enqueueOne(
  state: MemoryState,
  { message, uid }: Enqueue,
  target: EnqueueTarget,
  nowMs: number,
): EnqueueOutcome {
  const record = generationOf(state, target.clientId, target.generation);
  if (record === undefined) return { is: 'no_session' };
  if (uid !== undefined && record.seen.has(uid)) return { is: 'duplicate', owner: ownerOf(record) };
  const subscriptions = subscriptionsOf(record, target.topicFilters);
  if (subscriptions.length === 0) return { is: 'no_subscription' };
  const wanted = subscriptions.filter(({ noLocal }) => !(noLocal && message.publisherId === record.clientId));
  if (wanted.length === 0) return { is: 'skipped' }; // [MQTT-3.8.3-3]

  const qos = Math.min(message.qos, Math.max(...wanted.map((subscription) => subscription.qos))) as QoS;
  const entry: QueueEntry = {
    seq: qos === 0 ? 0 : record.nextSeq,
    message,
    qos,
    retain: target.retained === true || (message.retain && wanted.some(({ retainAsPublished }) => retainAsPublished)),
    subscriptionIdentifiers: identifiersOf(wanted),
  };
  if (qos === 0) {
    if (uid !== undefined) see(record, uid, nowMs);
    return { is: 'qos0', entry, owner: ownerOf(record) };
  }

  const expired = isFull(state, record, message) ? removeExpired(record, nowMs) : 0;
  let dropped = 0;
  if (target.retained !== true) {
    while (isFull(state, record, message)) {
      if (state.limits.queueFull !== 'drop-old' || !removeOldest(record)) return { is: 'full', expired };
      dropped++;
    }
  }
  if (expired + dropped > 0) advanceHead(record);
  if (uid !== undefined) see(record, uid, nowMs);
  const size = record.queue.size + record.releases.size;
  record.queue.set(entry.seq, entry);
  record.queueBytes += bytesOf(message);
  record.nextSeq++;
  if (message.expiresAtMs > 0) record.earliestExpiryMs = Math.min(record.earliestExpiryMs, message.expiresAtMs);
  if (record.owner !== undefined && size < record.reserve && entry.seq > record.sentSeq) {
    record.sentSeq = entry.seq + record.reserve;
  }
  return { is: 'queued', entry, owner: ownerOf(record), sentSeq: record.sentSeq, dropped, expired };
}

function ownerOf({ owner, epoch }: SessionRecord): Owner | undefined {
  return owner === undefined ? undefined : { node: owner, epoch };
}

/** Remembers a uid as long as anybody may publish it again. */
function see(record: SessionRecord, uid: string, nowMs: number): void {
  record.seen.set(uid, nowMs);
  for (const [oldest, seenMs] of record.seen) {
    if (seenMs > nowMs - horizonMs && record.seen.size <= seenMax) break;
    record.seen.delete(oldest);
  }
}

function generationOf(state: MemoryState, clientId: string, generation: string): SessionRecord | undefined {
  const record = state.sessions.get(clientId);
  return record?.generation === generation ? record : undefined;
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
function wouldOverflow(state: MemoryState, { message, uid }: Enqueue, target: EnqueueTarget, nowMs: number): boolean {
  if (target.retained === true) return false;
  const record = generationOf(state, target.clientId, target.generation);
  if (record === undefined || !isFull(state, record, message)) return false;
  if (uid !== undefined && record.seen.has(uid)) return false;
  const granted = subscriptionsOf(record, target.topicFilters).some(
    ({ qos, noLocal }) => qos > 0 && !(noLocal && message.publisherId === record.clientId),
  );
  if (!granted) return false;
  let count = 0;
  let bytes = bytesOf(message);
  for (const entry of record.queue.values()) {
    if (entry.seq > record.sentSeq && isExpired(entry.message, nowMs)) continue;
    count++;
    bytes += bytesOf(entry.message);
  }
  return count >= state.limits.queueMaxMessages || bytes > state.limits.queueMaxBytes;
}

function isFull(state: MemoryState, record: SessionRecord, message: Message): boolean {
  return (
    record.queue.size >= state.limits.queueMaxMessages ||
    record.queueBytes + bytesOf(message) > state.limits.queueMaxBytes
  );
}

function isExpired(message: Message, nowMs: number): boolean {
  return message.expiresAtMs > 0 && message.expiresAtMs <= nowMs;
}

/** Removes what has expired and certainly was not sent. */
function removeExpired(record: SessionRecord, nowMs: number): number {
  if (record.earliestExpiryMs > nowMs) return 0;
  let expired = 0;
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const entry of record.queue.values()) {
    const { expiresAtMs } = entry.message;
    if (expiresAtMs === 0) continue;
    if (entry.seq > record.sentSeq && expiresAtMs <= nowMs) {
      remove(record, entry);
      expired++;
    } else if (expiresAtMs > nowMs) {
      earliestMs = Math.min(earliestMs, expiresAtMs);
    }
  }
  record.earliestExpiryMs = earliestMs;
  return expired;
}

/** Removes the oldest entry that certainly was not sent. */
function removeOldest(record: SessionRecord): boolean {
  for (const entry of record.queue.values()) {
    if (entry.seq <= record.sentSeq) continue;
    remove(record, entry);
    return true;
  }
  return false;
}

function remove(record: SessionRecord, entry: QueueEntry): void {
  record.queue.delete(entry.seq);
  record.queueBytes -= bytesOf(entry.message);
}

function advanceHead(record: SessionRecord): void {
  while (record.headSeq < record.nextSeq && !record.queue.has(record.headSeq) && !record.releases.has(record.headSeq)) {
    record.headSeq++;
  }
}
