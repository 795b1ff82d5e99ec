// All that a state holds, written out, so that two of them can be compared: everything but what follows from the rest.

import type { Will } from '@skein/protocol';
import type { RetainedMessages } from '../memory/retained.ts';
import type { ClientWills, MemoryState, SessionRecord } from '../memory/state.ts';
import type { Message } from '../message.ts';
import type { QueueEntry } from '../ports.ts';

/**
 * Writes out a state. What it returns shares nothing with the state, and stays as it is.
 *
 * @param nowMs what is not remembered any more by then is left out
 */
export function dump(state: MemoryState, nowMs: number): unknown {
  return {
    epoch: state.epoch,
    sessions: dumpSorted(state.sessions.values(), dumpSession),
    over: dumpSorted(state.over.values(), dumpSession),
    wills: dumpSorted(state.pendingWills.values(), dumpWills),
    ended: dumpSorted(state.ended.values(), ({ session }) => JSON.stringify(session)),
    retained: dumpRetained(state.retained),
    uids: dumpSorted(state.retained.seen.all(nowMs), (each) => JSON.stringify(each)),
    removals: dumpSorted(state.retained.removed.all(nowMs), (each) => JSON.stringify(each)),
    choices: dumpSorted(state.choices.all(nowMs), (each) => JSON.stringify(each)),
  };
}

function dumpSorted<Item>(items: Iterable<Item>, write: (item: Item) => string): readonly string[] {
  return Array.from(items, write).sort();
}

function dumpSession(record: SessionRecord): string {
  const { subscriptions, feeds, queue, shared, taken, releases, inbound, seen, will, ...rest } = record;
  const { leftDueMs, earliestExpiryMs, acquired, savedIn, unsaved, disconnectedAtMs, ...plain } = rest;
  return JSON.stringify({
    ...plain,
    disconnectedAtMs: record.owner === undefined ? disconnectedAtMs : 'owned',
    will: will === undefined ? 'none' : dumpWill(will),
    subscriptions: [...subscriptions.values()],
    feeds: [...feeds],
    queue: Array.from(queue.values(), dumpEntry),
    shared: [...shared.keys()],
    taken: Array.from(taken.values(), ({ entry, takenMs }) => `${dumpEntry(entry)} at ${takenMs}`).sort(),
    releases: [...releases],
    inbound: [...inbound],
    seen: [...seen],
  });
}

function dumpEntry({ message, ...entry }: QueueEntry): string {
  return `${JSON.stringify(entry)} ${dumpMessage(message)}`;
}

function dumpMessage({ payload, properties, frames, ...message }: Message): string {
  const correlationData = properties?.correlationData;
  return JSON.stringify({
    ...message,
    payload: dumpBytes(payload),
    properties,
    correlationData: correlationData === undefined ? 'none' : dumpBytes(correlationData),
  });
}

function dumpWills({ clientId, pending }: ClientWills): string {
  return JSON.stringify({ clientId, wills: pending.map((each) => ({ ...each, will: dumpWill(each.will) })) });
}

function dumpWill({ payload, ...will }: Will): string {
  return JSON.stringify({ ...will, payload: dumpBytes(payload) });
}

function dumpRetained(retained: RetainedMessages): readonly string[] {
  const all: string[] = [];
  retained.walk('', Number.POSITIVE_INFINITY, ({ message, order }) => {
    all.push(`${dumpMessage(message)} ${JSON.stringify(order)}`);
  });
  return all;
}

/** How many bytes, and what they come to. */
function dumpBytes(bytes: Uint8Array): string {
  let sum = 0;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) | 0;
  return `${bytes.length} bytes ${sum}`;
}
