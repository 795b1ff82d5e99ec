// Requests as a test would write them: what matters is said, the rest is ordinary.

import type { Will } from '@skein/protocol';
import type { Message } from '../message.ts';
import type { Member } from '../peer-ports.ts';
import type { Acquire, StoredSubscription } from '../ports.ts';

/** The node that the suites acquire Sessions for. */
export const thisNode = 'node-a';

let nonces = 0;

/** An acquire that resumes, or makes a stored Session that lives for an hour; another attempt each time. */
export function acquireOf(clientId: string, fields: Partial<Acquire> = {}): Acquire {
  return {
    clientId,
    nonce: `nonce-${nonces++}`,
    cleanStart: false,
    sessionExpirySeconds: 3600,
    will: undefined,
    username: undefined,
    owner: thisNode,
    receiveMaximum: 100,
    ...fields,
  };
}

/** A QoS 1 message that bears its text as payload. */
export function messageOn(topic: string, text = 'hello', fields: Partial<Message> = {}): Message {
  return {
    topic,
    payload: bytesOf(text),
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'publisher',
    expiresAtMs: 0,
    frames: undefined,
    ...fields,
  };
}

/** A Subscription at QoS 2 without options. */
export function subscriptionTo(topicFilter: string, fields: Partial<StoredSubscription> = {}): StoredSubscription {
  return {
    topicFilter,
    qos: 2,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    subscriptionIdentifier: undefined,
    ...fields,
  };
}

/** A Will Message, due at once unless a delay is given. */
export function willOn(topic: string, delaySeconds = 0, text = 'gone'): Will {
  return {
    topic,
    payload: bytesOf(text),
    qos: 1,
    retain: false,
    properties: delaySeconds === 0 ? undefined : { willDelayInterval: delaySeconds },
  };
}

/** A node by its name alone; the start of it that is meant can be another word than `1`. */
export function memberOf(nodeId: string, start = '1'): Member {
  return {
    node: `${nodeId}:${start}`,
    nodeId,
    address: `${nodeId}.example:7000`,
    secret: `secret of ${nodeId} ${start}`,
  };
}

/** The bytes of an ASCII text. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The ASCII text of a message's payload. */
export function textOf({ payload }: Pick<Message, 'payload'>): string {
  return String.fromCharCode(...payload);
}
