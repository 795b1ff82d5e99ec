// Retained messages: the port over functions/retained.
//
// They lie in 64 partitions by topic, so that no key grows without bound and none is hot. A filter without wildcard
// asks one of them; one with wildcards asks all at once, each for a page, and again whoever has more.

import type { Message } from '@skein/broker';
import { decodeMessage, encodeMessage } from './blob.ts';
import { type Argument, bytesOf, listOf, textOf } from './calls.ts';
import { type PartitionKeys, partitionOf } from './keys.ts';
import type { Retained, RetainedSet } from './ports.ts';
import type { Surroundings } from './surroundings.ts';

/** Messages stored in one call. */
const messagesMax = 256;
/** Bytes of messages stored in one call, about. */
const bytesMax = 1024 * 1024;
/** What one scan of a partition may cost: places it looks at, messages, bytes of them. */
const scanSeeks = 200;
const scanMessages = 16;
const scanBytes = 64 * 1024;
/** Messages in a page. */
const pageMax = 64;
const noBytes: Buffer = Buffer.alloc(0);

/** Where the scan of one partition goes on. */
interface Scan {
  readonly keys: string[];
  readonly cursor: Buffer;
}

/** Retained messages in Redis. */
export class RedisRetained implements Retained {
  readonly #around: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** @inheritdoc */
  async set(sets: readonly RetainedSet[]): Promise<readonly boolean[]> {
    const stored: boolean[] = [];
    for (let from = 0; from < sets.length; ) {
      let to = from;
      for (let bytes = 0; to < sets.length && to - from < messagesMax && bytes < bytesMax; to++) {
        bytes += (sets[to] as RetainedSet).message.payload.length;
      }
      stored.push(...(await this.#set(sets.slice(from, to))));
      from = to;
    }
    return stored;
  }

  async #set(sets: readonly RetainedSet[]): Promise<boolean[]> {
    const { calls, keys, limits, nowMs } = this.#around;
    const numbers = sets.map(({ message }) => partitionOf(message.topic));
    const blobs = sets.map(({ message }) => (message.payload.length === 0 ? noBytes : encodeMessage(message)));
    for (const partitions of [[...new Set(numbers)], keys.partitions.map((_, partition) => partition)]) {
      const hasAll = partitions.length === keys.partitions.length;
      const named = partitions.flatMap((partition) => {
        const of = keys.partitions[partition] as PartitionKeys;
        return [...keysOf(of), of.seen];
      });
      const args = sets.flatMap(({ message: { topic, expiresAtMs }, uid = '' }, i): Argument[] => [
        partitions.indexOf(numbers[i] as number) + 1,
        topic,
        blobs[i] as Buffer,
        expiresAtMs,
        uid,
      ]);
      const reply = listOf(
        await calls.call(
          'retained_set',
          [keys.retainedCount, ...named],
          [nowMs(), limits.retainedMaxMessages, hasAll ? 1 : 0, ...args],
        ),
      );
      if (!Buffer.isBuffer(reply[0])) return reply.map((each) => each === 1);
    }
    throw new Error('retained_set asked for partitions that it had');
  }

  /** @inheritdoc */
  match(topicFilter: string): AsyncIterable<readonly Message[]> {
    const levels = topicFilter.split('/');
    return levels.includes('+') || levels.includes('#') ? this.#scan(levels) : this.#get(topicFilter);
  }

  /** @inheritdoc */
  async count(): Promise<number> {
    const reply = await this.#around.calls.command(['GET', this.#around.keys.retainedCount]);
    return reply === null ? 0 : Number(textOf(reply));
  }

  async *#get(topic: string): AsyncGenerator<readonly Message[]> {
    const { calls, keys, nowMs } = this.#around;
    const { messages, expiries } = keys.partitions[partitionOf(topic)] as PartitionKeys;
    const reply = await calls.call('retained_get', [messages, expiries], [nowMs(), topic]);
    if (reply !== null) yield [decodeMessage(bytesOf(reply))];
  }

  async *#scan(levels: readonly string[]): AsyncGenerator<readonly Message[]> {
    const { calls, keys, nowMs } = this.#around;
    let unfinished = keys.partitions.map((partition): Scan => ({ keys: keysOf(partition), cursor: noBytes }));
    while (unfinished.length > 0) {
      const replies = await Promise.all(
        unfinished.map(({ keys: named, cursor }) =>
          calls.call('retained_scan', named, [nowMs(), cursor, scanSeeks, scanMessages, scanBytes, ...levels]),
        ),
      );
      const following: Scan[] = [];
      const page: Message[] = [];
      for (const [i, reply] of replies.entries()) {
        const [cursor, ...messages] = listOf(reply).map(bytesOf);
        if (cursor !== undefined && cursor.length > 0) {
          following.push({ keys: (unfinished[i] as Scan).keys, cursor });
        }
        for (const message of messages) page.push(decodeMessage(message));
      }
      unfinished = following;
      for (let at = 0; at < page.length; at += pageMax) yield page.slice(at, at + pageMax);
    }
  }
}

function keysOf({ messages, topics, expiries }: PartitionKeys): string[] {
  return [messages, topics, expiries];
}
