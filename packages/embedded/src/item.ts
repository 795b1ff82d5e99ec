// Pieces of the state, as a snapshot holds them.
//
//   item      1 kind · what the kind says
//
// As with calls, an item says itself where it ends, and kinds and layouts are a contract with the files that are there.

import type { memory } from '@skein/broker';
import type { Reader, Writer } from '@skein/stored';
import { readEntries, writeEntries } from './item-entries.ts';
import { readSession, writeSession } from './item-session.ts';
import {
  readFlag,
  readList,
  readMaybeOrder,
  readOrder,
  readText,
  readWholeMessage,
  readWholeWill,
  writeList,
  writeMaybeOrder,
  writeOrder,
  writeText,
  writeWholeMessage,
  writeWholeWill,
} from './parts.ts';
import type { ReadMessages, WrittenMessages } from './same-messages.ts';

/** When a snapshot was taken, in milliseconds of the store's clock: time goes on from there. */
export interface TimeItem {
  readonly is: 'time';
  readonly nowMs: number;
}

/** What a snapshot holds: pieces of the state, and the time. */
export type SnapshotItem = memory.StateItem | TimeItem;

const kinds = {
  session: 1,
  entries: 2,
  will: 3,
  ended: 4,
  retained: 5,
  removal: 6,
  retained_uid: 7,
  choice: 8,
  epoch: 9,
  time: 10,
} as const satisfies Record<SnapshotItem['is'], number>;

/**
 * Writes a piece of the state.
 *
 * @param messages given if a message that several queues hold is to be written once: the same for all items of a file
 * @throws RangeError if a number is none that can be written
 */
export function encodeItem(out: Writer, item: SnapshotItem, messages?: WrittenMessages): void {
  out.byte(kinds[item.is]);
  switch (item.is) {
    case 'session':
      return writeSession(out, item, messages);
    case 'entries':
      out.longText(item.generation);
      return writeEntries(out, item.entries, messages);
    case 'will':
      out.longText(item.clientId);
      out.longText(item.generation);
      out.varint(item.epoch);
      out.varint(item.dueMs);
      out.byte(item.isClaimed ? 1 : 0);
      return writeWholeWill(out, item.will, item.username);
    case 'ended':
      out.longText(item.session.clientId);
      out.longText(item.session.generation);
      out.varint(item.session.undelivered);
      return writeList(out, item.session.topicFilters, writeText);
    case 'retained':
      writeMaybeOrder(out, item.order);
      return writeWholeMessage(out, item.message);
    case 'removal':
      out.longText(item.topic);
      out.longText(item.publisherId);
      writeOrder(out, item.order);
      return out.varint(item.sinceMs);
    case 'retained_uid':
      out.longText(item.uid);
      return out.varint(item.sinceMs);
    case 'choice':
      out.longText(item.name);
      out.longText(item.member);
      return out.varint(item.sinceMs);
    case 'time':
      return out.uint48(item.nowMs);
    case 'epoch':
      return out.varint(item.epoch);
    default:
      return item satisfies never;
  }
}

/**
 * Reads a piece of the state.
 *
 * @param reader one with Texts if the piece is to be kept: its messages then do not hold on to the bytes
 * @param messages given if it was when the file was written: the same for all items of the file, in their order
 * @throws RangeError if there is none, or of a kind that is not known
 */
export function decodeItem(reader: Reader, messages?: ReadMessages): SnapshotItem {
  const kind = reader.byte();
  switch (kind) {
    case kinds.session:
      return readSession(reader, messages);
    case kinds.entries:
      return { is: 'entries', generation: reader.longText(), entries: readEntries(reader, messages) };
    case kinds.will: {
      const clientId = reader.longText();
      const generation = reader.longText();
      const epoch = reader.varint();
      const dueMs = reader.varint();
      const isClaimed = readFlag(reader);
      return { is: 'will', clientId, generation, epoch, ...readWholeWill(reader), dueMs, isClaimed };
    }
    case kinds.ended: {
      const clientId = reader.longText();
      const generation = reader.longText();
      const undelivered = reader.varint();
      const topicFilters = readList(reader, readText);
      return { is: 'ended', session: { clientId, generation, undelivered, topicFilters } };
    }
    case kinds.retained: {
      const order = readMaybeOrder(reader);
      return { is: 'retained', message: readWholeMessage(reader), order };
    }
    case kinds.removal: {
      const topic = reader.longText();
      const publisherId = reader.longText();
      return { is: 'removal', topic, publisherId, order: readOrder(reader), sinceMs: reader.varint() };
    }
    case kinds.retained_uid:
      return { is: 'retained_uid', uid: reader.longText(), sinceMs: reader.varint() };
    case kinds.choice:
      return { is: 'choice', name: reader.longText(), member: reader.longText(), sinceMs: reader.varint() };
    case kinds.time:
      return { is: 'time', nowMs: reader.uint48() };
    case kinds.epoch:
      return { is: 'epoch', epoch: reader.varint() };
    default:
      throw new RangeError(`a piece of the state of kind ${kind}: a newer version wrote it`);
  }
}
