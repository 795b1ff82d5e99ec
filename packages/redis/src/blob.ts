// Queue entries as bytes, as functions of Redis put them together: a head that they write, and a message (@skein/stored).
//
//   entry     1 format ⋅ 16 + QoS + 4 Retain + 8 shared filter · Subscription Identifiers as '7,9' · 0 ·
//             shared filter · 0, if flagged · message
//
// The layout has a number: nodes of two versions read the same store. What reads these bytes copies none of the payload:
// it is a view of what the store answered.

import type { QueueEntry } from '@skein/broker';
import type { QoS } from '@skein/protocol';
import { decodeMessage } from '@skein/stored';

const format = 1;
const flagRetain = 4;
const flagShared = 8;

/** @throws RangeError if these are no bytes of a queue entry, or of a later format */
export function decodeEntry(seq: number, bytes: Buffer): QueueEntry {
  const head = bytes[0] ?? 0;
  if (head >> 4 !== format) throw new RangeError(`a queue entry of format ${head >> 4}: a newer node wrote it`);
  const end = endOf(bytes, 1);
  const isShared = (head & flagShared) !== 0;
  const sharedEnd = isShared ? endOf(bytes, end + 1) : end;
  const entry: QueueEntry = {
    seq,
    message: decodeMessage(bytes.subarray(sharedEnd + 1)),
    qos: (head & 3) as QoS,
    retain: (head & flagRetain) !== 0,
    subscriptionIdentifiers: identifiersOf(bytes.toString('latin1', 1, end)),
  };
  return isShared ? { ...entry, sharedFilter: bytes.toString('utf8', end + 1, sharedEnd) } : entry;
}

function endOf(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(0, from);
  if (end < 0) throw new RangeError('a queue entry is cut short');
  return end;
}

/** Subscription Identifiers, as functions write them: '7,9'. */
export function identifiersOf(text: string): readonly number[] | undefined {
  return text === '' ? undefined : text.split(',').map(Number);
}
