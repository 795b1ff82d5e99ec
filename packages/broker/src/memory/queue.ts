// One Session's queue: entries come at its end, go from anywhere, and the head follows [MQTT 4.1].
//
// rule: st is a reservation. An entry may be sent only if its seq is at most `sentSeq`. What is stored for a Session that
// is owned and nearly empty moves it ahead, so that the common case needs no second call; a read moves it over what it
// returns. What lies above has certainly not been sent, and may expire or make room.

import { bytesOf, type Message } from '../message.ts';
import type { QueueEntry } from '../ports.ts';
import type { SessionRecord, SharedEntry } from './state.ts';

/** Adds an entry at the end, and reserves it, and some after it, if its owner can send it soon. */
export function add(record: SessionRecord, entry: QueueEntry): void {
  const { message, seq } = entry;
  const size = record.queue.size + record.releases.size;
  put(record, entry);
  record.queueBytes += bytesOf(message);
  record.nextSeq++;
  if (message.expiresAtMs > 0) record.earliestExpiryMs = Math.min(record.earliestExpiryMs, message.expiresAtMs);
  if (record.owner !== undefined && size < record.reserve && seq > record.sentSeq) {
    record.sentSeq = seq + record.reserve;
  }
}

/** Puts an entry in its place, which is the end, and nothing else changes. */
export function put(record: SessionRecord, entry: QueueEntry): void {
  (record.queue as Map<number, QueueEntry>).set(entry.seq, entry);
  if (isShared(entry)) (record.shared as Map<number, SharedEntry>).set(entry.seq, entry);
}

/** Puts entries in order of seq that came in another. */
export function reorder(record: SessionRecord): void {
  const entries = [...record.queue.values()].sort((one, other) => one.seq - other.seq);
  (record.queue as Map<number, QueueEntry>).clear();
  (record.shared as Map<number, SharedEntry>).clear();
  for (const entry of entries) put(record, entry);
}

/** Takes an entry out; nothing else does. A snapshot that has still to save it does so first. */
export function remove(record: SessionRecord, entry: QueueEntry): void {
  const { seq, message } = entry;
  record.unsaved?.removing(entry);
  (record.queue as Map<number, QueueEntry>).delete(seq);
  (record.shared as Map<number, SharedEntry>).delete(seq);
  record.queueBytes -= bytesOf(message);
}

/** Moves the head over what is gone. */
export function advanceHead(record: SessionRecord): void {
  while (record.headSeq < record.nextSeq && !record.queue.has(record.headSeq) && !record.releases.has(record.headSeq)) {
    record.headSeq++;
  }
}

export function isExpired({ expiresAtMs }: Message, nowMs: number): boolean {
  return expiresAtMs > 0 && expiresAtMs <= nowMs;
}

/** Removes what has expired and certainly was not sent. @returns how many that were */
export function removeExpired(record: SessionRecord, nowMs: number): number {
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

/** Removes the oldest entry that certainly was not sent. @returns whether there was one */
export function removeOldest(record: SessionRecord): boolean {
  for (const entry of record.queue.values()) {
    if (entry.seq <= record.sentSeq) continue;
    remove(record, entry);
    return true;
  }
  return false;
}

function isShared(entry: QueueEntry): entry is SharedEntry {
  return entry.sharedFilter !== undefined;
}
