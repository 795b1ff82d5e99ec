// What an import reads from in tests: pieces made by hand.

import type { Message, QueueEntry } from '@skein/broker';
import { ManualClock } from '@skein/broker/contract';
import type { Redis } from 'ioredis';
import type { ImportSource, SessionItem, StateItem } from '../src/import-source.ts';
import { countsOf, noCounts, sumOf } from '../src/import-source.ts';

/** What the clock of tests says at first. */
export const nowMs: number = new ManualClock().nowMs();

export function message(topic: string, text: string, of: Partial<Message> = {}): Message {
  return {
    topic,
    payload: new TextEncoder().encode(text),
    qos: 2,
    retain: false,
    properties: undefined,
    publisherId: 'publisher',
    expiresAtMs: 0,
    frames: undefined,
    ...of,
  };
}

export function entry(seq: number, of: Partial<QueueEntry> = {}): QueueEntry {
  const text = message('lamp/state', `number ${seq}`);
  return { seq, message: text, qos: 2, retain: false, subscriptionIdentifiers: undefined, ...of };
}

export const plain = { qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

export function session(clientId: string, of: Partial<SessionItem> = {}): SessionItem {
  return {
    is: 'session',
    clientId,
    generation: `generation-of-${clientId}`,
    stored: true,
    over: undefined,
    epoch: 7_000,
    owner: undefined,
    sessionExpirySeconds: 100,
    disconnectedAtMs: nowMs - 1000,
    reserve: 20,
    nextSeq: 1,
    headSeq: 1,
    sentSeq: 0,
    subscriptions: [{ ...plain, topicFilter: 'lamp/#', subscriptionIdentifier: undefined }],
    feeds: [],
    releases: [],
    inbound: [],
    seen: [],
    taken: [],
    will: undefined,
    username: undefined,
    ...of,
  };
}

/** A bit of everything, for so many Clients. */
export function much(clients: number, bytes = 100): StateItem[] {
  const sharedFilter = '$share/g/a';
  const will = { topic: 'gone', payload: Buffer.from('x'), qos: 1, retain: false, properties: undefined } as const;
  const items: StateItem[] = [{ is: 'epoch', epoch: 9_000 }];
  for (let n = 0; n < clients; n++) {
    const clientId = `client-${n}`;
    const large = message('a', 'x'.repeat(bytes), { expiresAtMs: n % 3 === 0 ? 9e12 : 0 });
    const of = session(clientId, {
      nextSeq: 40,
      headSeq: 3,
      releases: [5, 4],
      inbound: [{ packetId: 1, uid: `uid-${n}`, isDone: n % 2 === 0 }],
      seen: [{ uid: `seen-${n}`, sinceMs: 5, refusal: undefined }],
      taken: [{ entry: entry(3, { sharedFilter }), takenMs: 7 }],
    });
    items.push(of, {
      is: 'will',
      clientId,
      generation: of.generation,
      epoch: 7_000,
      will,
      username: undefined,
      dueMs: n,
      isClaimed: n % 2 === 0,
    });
    items.push({
      is: 'entries',
      generation: of.generation,
      entries: [entry(10, { message: large }), entry(11, { sharedFilter })],
    });
    items.push({ is: 'entries', generation: of.generation, entries: [entry(12), entry(14, { message: large })] });
    items.push({ is: 'retained', message: message(`a/${n}`, 'y', { retain: true }), order: undefined });
    items.push({ is: 'retained_uid', uid: `uid-${n}`, sinceMs: 5 });
  }
  return items;
}

/** A source of these pieces. */
export function sourceOf(items: readonly StateItem[], changed: Partial<ImportSource> = {}): ImportSource {
  return {
    id: 'directory-1',
    state: 'as it was',
    place: './skein-data',
    nowMs: () => Date.now(),
    items: () => items,
    counts: () => items.map(countsOf).reduce(sumOf, noCounts),
    ...changed,
  };
}

/** All that a cluster has in Redis, but for its journal, and for routes, which are new each time that they are put. */
export async function contentsOf(redis: Redis, cluster: string): Promise<Record<string, unknown>> {
  const keys = (await redis.keys(`${cluster}:*`)).filter((key) => !/:(im|meta|r[tvxl])(:|$)/.test(key)).sort();
  const contents = keys.map(async (key): Promise<readonly [string, unknown]> => {
    return [key.slice(cluster.length), await contentOf(redis, key)];
  });
  return Object.fromEntries(await Promise.all(contents));
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  if (type === 'hash') return sorted((await redis.callBuffer('HGETALL', key)) as Buffer[]);
  return type === 'zset' ? redis.call('ZRANGE', key, '0', '-1', 'WITHSCORES') : redis.get(key);
}

function sorted(flat: readonly Buffer[]): string[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => {
    return `${flat[i * 2]?.toString('hex')} ${flat[i * 2 + 1]?.toString('hex')}`;
  }).sort();
}
