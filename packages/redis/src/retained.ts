// Retained messages: the port over functions/retained and functions/retained-page.
//
// They lie in 64 partitions by topic, so that no key grows without bound and none is hot. A filter without wildcard
// asks one of them. One with wildcards goes through them in their order: a call names all that are left, and takes as
// much as a page holds, so that neither many matches nor few cost a call for each partition.

import type { Message, Retained, RetainedPage, RetainedSet } from '@skein/broker';
import { decodeMessage, encodeMessage } from '@skein/stored';
import { type Argument, bytesOf, listOf, numberOf, type Reply, textOf } from './calls.ts';
import { type PartitionKeys, partitionOf } from './keys.ts';
import { cursorOf, withFed } from './retained-cursor.ts';
import type { Surroundings } from './surroundings.ts';

/** What a value has before the message: epoch and number. */
const orderBytes = 16;
/** Messages stored in one call. */
const messagesMax = 256;
/** Bytes of messages stored in one call, about. */
const bytesMax = 1024 * 1024;
/** What a page holds: messages, and bytes of them, about. */
const pageMessages = 256;
const pageBytes = 1024 * 1024;
/** Places that one call looks at: a millisecond or two. */
const pageSeeks = 200;
/** Calls that one page may take before it is empty. */
const pageCalls = 8;

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
    const blobs = sets.map(({ message }) => {
      return message.payload.length === 0 ? message.publisherId : encodeMessage(message);
    });
    for (const partitions of [[...new Set(numbers)], keys.partitions.map((_, partition) => partition)]) {
      const hasAll = partitions.length === keys.partitions.length;
      const named = partitions.flatMap((partition) => {
        const { messages, topics, expiries, seen, removals } = keys.partitions[partition] as PartitionKeys;
        return [messages, topics, expiries, seen, removals];
      });
      const args = sets.flatMap(({ message: { topic, payload, expiresAtMs }, uid = '', order }, i): Argument[] => [
        partitions.indexOf(numbers[i] as number) + 1,
        fieldOf(topic),
        blobs[i] as Argument,
        payload.length === 0 ? -1 : expiresAtMs,
        uid,
        order?.epoch ?? -1,
        order?.n ?? -1,
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
  async page(topicFilter: string, from: string): Promise<RetainedPage> {
    const levels = topicFilter.split('/');
    const isScan = levels.includes('+') || levels.includes('#');
    const { fed, place } = cursorOf(from);
    const page = isScan ? await this.#scan(levels, place) : await this.#get(topicFilter);
    if (fed === '') return page;
    return {
      messages: page.messages.filter(({ topic }) => fieldOf(topic) >= fed),
      next: page.next === undefined ? undefined : withFed(fed, page.next),
    };
  }

  /** @inheritdoc */
  async count(): Promise<number> {
    const reply = await this.#around.calls.command(['GET', this.#around.keys.retainedCount]);
    return reply === null ? 0 : Number(textOf(reply));
  }

  async #get(topic: string): Promise<RetainedPage> {
    const { calls, keys, nowMs } = this.#around;
    const { messages } = keys.partitions[partitionOf(topic)] as PartitionKeys;
    const reply = await calls.call('retained_get', [messages], [nowMs(), fieldOf(topic)]);
    return { messages: reply === null ? [] : [messageOf(reply)], next: undefined };
  }

  async #scan(levels: readonly string[], from: string): Promise<RetainedPage> {
    const { calls, keys, nowMs } = this.#around;
    let { partition, place } = placeOf(from);
    for (let call = 1; partition < keys.partitions.length; call++) {
      const named = keys.partitions.slice(partition).flatMap(({ messages, topics }) => [messages, topics]);
      const limits = [pageSeeks, pageMessages, pageBytes];
      const reply = listOf(await calls.call('retained_page', named, [nowMs(), place, ...limits, ...levels]));
      const [through, next, ...messages] = reply;
      partition += numberOf(through);
      place = partition < keys.partitions.length ? textOf(next) : '';
      if (messages.length > 0 || call === pageCalls) {
        const isLast = partition === keys.partitions.length;
        return {
          messages: messages.map(messageOf),
          next: isLast ? undefined : `${partition} ${place}`,
        };
      }
    }
    return { messages: [], next: undefined };
  }
}

/** A topic as functions name it: so that it sorts before the topics below it, and these before its next sibling. */
export function fieldOf(topic: string): string {
  return topic.replaceAll('/', '\0');
}

/** A message, behind where it stands among those of its publisher. */
function messageOf(value: Reply): Message {
  return decodeMessage(bytesOf(value).subarray(orderBytes));
}

/** Where a page begins: a partition, and a place in its order. */
function placeOf(from: string): { partition: number; place: string } {
  const end = from.indexOf(' ');
  return end < 0 ? { partition: 0, place: '' } : { partition: Number(from.slice(0, end)), place: from.slice(end + 1) };
}
