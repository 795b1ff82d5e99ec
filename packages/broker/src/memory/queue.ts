// One Session's queue: entries come at its end, go from anywhere, and the head follows [MQTT 4.1].
//
// rule: st is a reservation. An entry may be sent only if its seq is at most `sentSeq`. What is stored for a Session that
// is owned and nearly empty moves it ahead, so that the common case needs no second call; a read moves it over what it
// returns. What lies above has certainly not been sent, and may expire or make room.

import { bytesOf, type Message } from '../message.ts';
import type { QueueEntry } from '../ports.ts';
import { Entries, noEntries } from './entries.ts';
import type { SessionRecord, SharedEntry } from './state.ts';

/** Adds an entry at the end, and reserves it, and some after it, if its owner can send it soon. */
export function add(record: SessionRecord, entry: QueueEntry): void {
  const { message, seq } = entry;
  const size = record.queue.size + record.releases.size;
  place(record, entry);
  record.queueBytes += bytesOf(message);
  record.nextSeq++;
  if (message.expiresAtMs > 0) record.earliestExpiryMs = Math.min(record.earliestExpiryMs, message.expiresAtMs);
  if (record.owner !== undefined && size < record.reserve && seq > record.sentSeq) {
    record.sentSeq = seq + record.reserve;
  }
}

/** Puts an entry in its place, and nothing else changes. */
export function place(record: SessionRecord, entry: QueueEntry): void {
  if (record.queue === noEntries) record.queue = new Entries();
  (record.queue as Entries<QueueEntry>).add(entry);
  if (!isShared(entry)) return;
  if (record.shared === noEntries) record.shared = new Entries();
  (record.shared as Entries<SharedEntry>).add(entry);
}

/** Takes an entry out; nothing else does. A snapshot that has still to save it does so first. */
export function remove(record: SessionRecord, entry: QueueEntry): void {
  const { seq, message } = entry;
  record.unsaved?.removing(entry);
  (record.queue as Entries<QueueEntry>).delete(seq);
  if (isShared(entry)) (record.shared as Entries<SharedEntry>).delete(seq);
  record.queueBytes -= bytesOf(message);
}

/** Moves the head over what is gone. */
export function advanceHead(record: SessionRecord): void {
  const { queue, releases } = record;
  const endSeq = queue.first(record.headSeq)?.seq ?? record.nextSeq;
  if (releases.size === 0) record.headSeq = endSeq;
  else while (record.headSeq < endSeq && !releases.has(record.headSeq)) record.headSeq++;
}

export function isExpired({ expiresAtMs }: Message, nowMs: number): boolean {
  return expiresAtMs > 0 && expiresAtMs <= nowMs;
}

/** Removes what has expired and certainly was not sent. @returns how many that were */
export function removeExpired(record: SessionRecord, nowMs: number): number {
  if (record.earliestExpiryMs > nowMs) return 0;
  let count = 0;
  for (const expired of record.queue.expired(record.sentSeq + 1, nowMs)) {
    for (const entry of expired) remove(record, entry);
    count += expired.length;
  }
  record.earliestExpiryMs = record.queue.earliestExpiryMs(record.sentSeq + 1);
  return count;
}

/** Removes the oldest entry that certainly was not sent. @returns whether there was one */
export function removeOldest(record: SessionRecord): boolean {
  const entry = record.queue.first(record.sentSeq + 1);
  if (entry !== undefined) remove(record, entry);
  return entry !== undefined;
}

function isShared(entry: QueueEntry): entry is SharedEntry {
  return entry.sharedFilter !== undefined;
}
