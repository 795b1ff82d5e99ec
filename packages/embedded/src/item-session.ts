// A Session without its queue, as bytes.
//
// What is there only sometimes is announced by flags; what a Session has many of comes as lists.

import type { memory } from '@skein/broker';
import type { Reader, Writer } from '@skein/stored';
import { readEntry, writeEntry } from './item-entries.ts';
import {
  readFlag,
  readList,
  readMaybeWill,
  readNumber,
  readSubscription,
  writeList,
  writeMaybeWill,
  writeSubscription,
} from './parts.ts';
import type { ReadMessages, WrittenMessages } from './same-messages.ts';

type SessionItem = memory.SessionItem;
type Feed = SessionItem['feeds'][number];
type InboundMessage = SessionItem['inbound'][number];
type SeenUid = SessionItem['seen'][number];
type Taken = SessionItem['taken'][number];

const isStored = 1;
const isOver = 2;
const isOwned = 4;

/** Why a uid was refused, by number; 0 if it was not. */
const offline = 1;
const full = 2;
const noSubscription = 3;

/** Writes a Session. */
export function writeSession(out: Writer, item: SessionItem, messages: WrittenMessages | undefined): void {
  const { over, owner } = item;
  out.longText(item.clientId);
  out.longText(item.generation);
  out.byte((item.stored ? isStored : 0) + (over === undefined ? 0 : isOver) + (owner === undefined ? 0 : isOwned));
  if (over !== undefined) out.varint(over.undelivered);
  if (owner !== undefined) out.longText(owner);
  out.varint(item.epoch);
  out.varint(item.sessionExpirySeconds);
  out.varint(item.disconnectedAtMs);
  out.varint(item.reserve);
  out.varint(item.nextSeq);
  out.varint(item.headSeq);
  out.varint(item.sentSeq);
  writeMaybeWill(out, item.will, item.username);
  writeList(out, item.subscriptions, writeSubscription);
  writeList(out, item.feeds, writeFeed);
  writeList(out, item.releases, writeNumber);
  writeList(out, item.inbound, writeInbound);
  writeList(out, item.seen, writeSeen);
  out.varint(item.taken.length);
  for (const { entry, takenMs } of item.taken) {
    out.varint(takenMs);
    writeEntry(out, entry, undefined, messages);
  }
}

/** Reads a Session. */
export function readSession(reader: Reader, messages: ReadMessages | undefined): SessionItem {
  const clientId = reader.longText();
  const generation = reader.longText();
  const flags = reader.byte();
  const over = flags & isOver ? { undelivered: reader.varint() } : undefined;
  const owner = flags & isOwned ? reader.longText() : undefined;
  const epoch = reader.varint();
  const sessionExpirySeconds = reader.varint();
  const disconnectedAtMs = reader.varint();
  const reserve = reader.varint();
  const nextSeq = reader.varint();
  const headSeq = reader.varint();
  const sentSeq = reader.varint();
  const { will, username } = readMaybeWill(reader);
  return {
    is: 'session',
    clientId,
    generation,
    stored: (flags & isStored) !== 0,
    over,
    epoch,
    owner,
    sessionExpirySeconds,
    disconnectedAtMs,
    reserve,
    nextSeq,
    headSeq,
    sentSeq,
    subscriptions: readList(reader, readSubscription),
    feeds: readList(reader, readFeed),
    releases: readList(reader, readNumber),
    inbound: readList(reader, readInbound),
    seen: readList(reader, readSeen),
    taken: readList(reader, (each): Taken => {
      const takenMs = each.varint();
      return { entry: readEntry(each, undefined, messages), takenMs };
    }),
    will,
    username,
  };
}

function writeNumber(out: Writer, number: number): void {
  out.varint(number);
}

function writeFeed(out: Writer, { topicFilter, from }: Feed): void {
  out.longText(topicFilter);
  out.longText(from);
}

function readFeed(reader: Reader): Feed {
  return { topicFilter: reader.longText(), from: reader.longText() };
}

function writeInbound(out: Writer, { packetId, uid, isDone }: InboundMessage): void {
  out.uint16(packetId);
  out.longText(uid);
  out.byte(isDone ? 1 : 0);
}

function readInbound(reader: Reader): InboundMessage {
  return { packetId: reader.uint16(), uid: reader.longText(), isDone: readFlag(reader) };
}

function writeSeen(out: Writer, { uid, sinceMs, refusal }: SeenUid): void {
  out.longText(uid);
  out.varint(sinceMs);
  switch (refusal?.is) {
    case undefined:
      return out.byte(0);
    case 'offline':
      return out.byte(offline);
    case 'full':
      out.byte(full);
      return out.varint(refusal.expired);
    case 'no_subscription':
      return out.byte(noSubscription);
  }
}

function readSeen(reader: Reader): SeenUid {
  return { uid: reader.longText(), sinceMs: reader.varint(), refusal: readRefusal(reader) };
}

function readRefusal(reader: Reader): SeenUid['refusal'] {
  const refusal = reader.byte();
  switch (refusal) {
    case 0:
      return undefined;
    case offline:
      return { is: 'offline' };
    case full:
      return { is: 'full', expired: reader.varint() };
    case noSubscription:
      return { is: 'no_subscription' };
    default:
      throw new RangeError(`a refusal of kind ${refusal}: a newer version wrote it`);
  }
}
