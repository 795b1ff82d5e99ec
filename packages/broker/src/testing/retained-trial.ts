// Retained messages in numbers, and Clients that take them.

import type { Packet, SubscriptionRequest } from '@skein/protocol';
import { messageOn } from '../contract/samples.ts';
import type { Message } from '../message.ts';
import type { BrokerTrial, TestConnection } from './broker-trial.ts';
import type { PendingCall } from './unreliable-store.ts';

/** Retained messages `many/0`, `many/1` and so on. */
export function many(count: number, fields: Partial<Message> = {}): Message[] {
  return Array.from({ length: count }, (_, i) => manyth(i, fields));
}

/** The i-th of them. */
export function manyth(i: number, fields: Partial<Message> = {}): Message {
  return messageOn(`many/${i}`, `${i}`, { retain: true, ...fields });
}

/** Whether a call of the store is one of those that feed retained messages. */
export function isFeeding({ name }: PendingCall): boolean {
  return name === 'retained.page' || name === 'queues.append' || name === 'queues.ends';
}

/** Topics in an order to be compared in. */
export function sorted(topics: Iterable<string>): string[] {
  return [...topics].sort();
}

/** Messages that the store has retained, as if they had been published. */
export async function keep({ behind }: BrokerTrial, messages: readonly Message[]): Promise<void> {
  await behind.retained.set(messages.map((message) => ({ message, uid: undefined, order: undefined })));
}

/** A SUBSCRIBE packet for one filter, by default at QoS 1. */
export function subscribe(topicFilter: string, options: Partial<SubscriptionRequest> = {}): Packet {
  const request = { topicFilter, qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return { type: 'subscribe', packetId: 1, subscriptions: [{ ...request, ...options }], properties: undefined };
}

/** Acknowledges what comes until nothing more does. @returns the topics, in order */
export function acknowledgeAll(connection: TestConnection, first: readonly string[]): Promise<string[]> {
  return acknowledgeSome(connection, first, Number.POSITIVE_INFINITY);
}

/** The same until there have been some; what came last is not acknowledged then. */
export async function acknowledgeSome(
  connection: TestConnection,
  first: readonly string[],
  enough: number,
): Promise<string[]> {
  const topics: string[] = [];
  for (let said = first; said.length > 0; ) {
    const published = said
      .map((line) => /^publish (\S+)=\S+ q(\d)(?: #(\d+))?/.exec(line))
      .filter((each) => each !== null);
    topics.push(...published.map(([, topic]) => topic as string));
    if (topics.length >= enough) break;
    const acknowledged = published.filter(([, , qos]) => qos === '1');
    said = await connection.send(
      ...acknowledged.map(
        ([, , , id]): Packet => ({ type: 'puback', packetId: Number(id), reasonCode: 0, properties: undefined }),
      ),
    );
  }
  return topics;
}
