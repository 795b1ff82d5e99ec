// What pieces of another store's state are in Redis: values of its hashes and scores of its sorted sets (keys.ts).

import type { QueueEntry, Route } from '@skein/broker';
import { encodeMessage } from '@skein/stored';
import type { SessionItem } from './import-source.ts';

/** What functions write before an entry's flags, as blob.ts reads it. */
const entryFormat = 16;
const flagRetain = 4;
const flagShared = 8;
/** By which a uid that was refused says why, in sixteenths of a millisecond (functions/enqueue.lua). */
const refusals = { offline: 8, full: 7, no_subscription: 4 } as const;
const perMillisecond = 16;

type Message = QueueEntry['message'];

/** Times of the source on Redis' clock. */
export class Times {
  readonly #shiftMs: number;

  /** @param shiftMs how far Redis' clock is ahead of the source's */
  constructor(shiftMs: number) {
    this.#shiftMs = shiftMs;
  }

  /** A time; 0, which is before all times or never, stays what it is. */
  at(sourceMs: number): number {
    return sourceMs === 0 ? 0 : Math.max(1, sourceMs + this.#shiftMs);
  }

  /** A message that expires when it did. */
  of(message: Message): Message {
    const { expiresAtMs } = message;
    return expiresAtMs === 0 || this.#shiftMs === 0 ? message : { ...message, expiresAtMs: this.at(expiresAtMs) };
  }
}

/** An entry as a queue holds it. */
export function entryBytes({ message, qos, retain, subscriptionIdentifiers, sharedFilter }: QueueEntry): Buffer {
  const flags = entryFormat + qos + (retain ? flagRetain : 0) + (sharedFilter === undefined ? 0 : flagShared);
  const identifiers = Buffer.from(`${(subscriptionIdentifiers ?? []).join(',')}\0`, 'latin1');
  const shared = sharedFilter === undefined ? [] : [Buffer.from(`${sharedFilter}\0`)];
  return Buffer.concat([Buffer.of(flags), identifiers, ...shared, encodeMessage(message)]);
}

/** One that was taken for other members, and until when. */
export function takenBytes(entry: QueueEntry, untilMs: number): Buffer {
  const until = Buffer.alloc(6);
  until.writeUIntLE(untilMs, 0, 6);
  return Buffer.concat([until, entryBytes(entry)]);
}

/** What of some entries came by shared filters, in runs: score and name of each (functions/held.lua). */
export function runsOf(entries: readonly QueueEntry[]): (readonly [lastSeq: number, run: string])[] {
  const runs: { first: number; last: number; qos: number; filter: string }[] = [];
  for (const { seq, qos, sharedFilter } of entries) {
    if (sharedFilter === undefined) continue;
    const run = runs.at(-1);
    if (run?.last === seq - 1 && run.qos === qos && run.filter === sharedFilter) run.last = seq;
    else runs.push({ first: seq, last: seq, qos, filter: sharedFilter });
  }
  return runs.map(({ first, last, qos, filter }) => [last, `${first} ${last} ${qos} ${filter}`]);
}

/** Where a retained message stands among those of its publisher: two numbers ahead of it. */
export function orderBytes(order: { readonly epoch: number; readonly n: number } | undefined): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleLE(order?.epoch ?? -1, 0);
  bytes.writeDoubleLE(order?.n ?? -1, 8);
  return bytes;
}

/** When a uid was had, and why it was refused if it was: its score. */
export function seenScore({ refusal }: SessionItem['seen'][number], sinceMs: number): number {
  return refusal === undefined ? sinceMs : sinceMs + refusals[refusal.is] / perMillisecond;
}

/** The routes to a Session whose Client is away. */
export function routesOf({ clientId, generation, subscriptions }: SessionItem): Route[] {
  return subscriptions.map(({ topicFilter }): Route => {
    const route = { topicFilter, clientId, generation };
    return isShared(topicFilter) ? { ...route, isStored: true, heldBy: '' } : route;
  });
}

function isShared(topicFilter: string): boolean {
  return topicFilter.startsWith('$share/') || topicFilter.startsWith('$queue/');
}
