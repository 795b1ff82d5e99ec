// Entries of queues, as bytes.
//
//   entry     1 flags: QoS, 4 Retain, 8 Subscription Identifiers, 16 those of the entry before it, 32 shared filter,
//             64 a message that was written before · seq · identifiers, unless the same · shared filter ·
//             how far back the message is, or the message
//
// Entries of a Session mostly have the same identifiers: they are written once, and are one list when they are read.

import type { memory } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import type { Reader, Writer } from '@skein/stored';
import { type Message, readList, readNumber, readWholeMessage, writeWholeMessage } from './parts.ts';
import type { ReadMessages, WrittenMessages } from './same-messages.ts';

type QueueEntry = memory.EntriesItem['entries'][number];

const flagRetain = 4;
const hasIdentifiers = 8;
const hasSameIdentifiers = 16;
const hasSharedFilter = 32;
const isWritten = 64;

/** Writes entries: how many, then each. */
export function writeEntries(out: Writer, entries: readonly QueueEntry[], messages: WrittenMessages | undefined): void {
  out.varint(entries.length);
  let before: QueueEntry | undefined;
  for (const entry of entries) {
    writeEntry(out, entry, before, messages);
    before = entry;
  }
}

/** Reads entries. */
export function readEntries(reader: Reader, messages: ReadMessages | undefined): QueueEntry[] {
  const entries: QueueEntry[] = [];
  for (let left = reader.varint(); left > 0; left--) entries.push(readEntry(reader, entries.at(-1), messages));
  return entries;
}

/** Writes one entry. */
export function writeEntry(
  out: Writer,
  entry: QueueEntry,
  before: QueueEntry | undefined,
  messages: WrittenMessages | undefined,
): void {
  const { message, subscriptionIdentifiers, sharedFilter } = entry;
  const isSame = areSame(subscriptionIdentifiers, before?.subscriptionIdentifiers);
  const back = messages === undefined ? 0 : messages.backTo(message);
  out.byte(
    entry.qos +
      (entry.retain ? flagRetain : 0) +
      (subscriptionIdentifiers === undefined ? 0 : isSame ? hasSameIdentifiers : hasIdentifiers) +
      (sharedFilter === undefined ? 0 : hasSharedFilter) +
      (back === 0 ? 0 : isWritten),
  );
  out.varint(entry.seq);
  if (subscriptionIdentifiers !== undefined && !isSame) {
    out.varint(subscriptionIdentifiers.length);
    for (const identifier of subscriptionIdentifiers) out.varint(identifier);
  }
  if (sharedFilter !== undefined) out.longText(sharedFilter);
  if (back === 0) writeWholeMessage(out, message);
  else out.varint(back);
}

/** Reads one entry. */
export function readEntry(
  reader: Reader,
  before: QueueEntry | undefined,
  messages: ReadMessages | undefined,
): QueueEntry {
  const flags = reader.byte();
  const seq = reader.varint();
  let subscriptionIdentifiers: readonly number[] | undefined;
  if (flags & hasIdentifiers) subscriptionIdentifiers = readList(reader, readNumber);
  else if (flags & hasSameIdentifiers) subscriptionIdentifiers = before?.subscriptionIdentifiers;
  const sharedFilter = flags & hasSharedFilter ? reader.longText() : undefined;
  const message = flags & isWritten ? readBack(reader, messages) : readNew(reader, messages);
  const qos = (flags & 3) as QoS;
  const retain = (flags & flagRetain) !== 0;
  return sharedFilter === undefined
    ? { seq, message, qos, retain, subscriptionIdentifiers }
    : { seq, message, qos, retain, subscriptionIdentifiers, sharedFilter };
}

function readNew(reader: Reader, messages: ReadMessages | undefined): Message {
  const message = readWholeMessage(reader);
  messages?.add(message);
  return message;
}

function readBack(reader: Reader, messages: ReadMessages | undefined): Message {
  const back = reader.varint();
  if (messages === undefined) throw new RangeError('an entry names a message that was written before it');
  return messages.at(back);
}

function areSame(some: readonly number[] | undefined, others: readonly number[] | undefined): boolean {
  if (some === others) return true;
  if (some === undefined || others === undefined || some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}
