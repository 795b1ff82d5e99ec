// A command for a store, in plain words, and what it speaks of as a store is given it.

import type { QoS, Will } from '@skein/protocol';
import type { Message } from '../message.ts';
import type { Route, StoredSubscription } from '../ports.ts';

export interface MessageOf {
  readonly topic: string;
  readonly tenThousands: number;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly publisher: string;
  readonly expiresIn: number;
}

export interface RetainedOf extends MessageOf {
  readonly uid: string | undefined;
  readonly order: { readonly epoch: number; readonly n: number } | undefined;
}

export interface EnqueuedOf extends MessageOf {
  readonly refusable: boolean;
  readonly uid: string | undefined;
  readonly targets: readonly TargetOf[];
}

export interface TargetOf {
  readonly claim: number;
  readonly filters: readonly string[];
  readonly onlineOnly: true | undefined;
}

export interface SubscriptionOf {
  readonly filter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly asPublished: boolean;
  readonly handling: 0 | 1 | 2;
  readonly identifier: number | undefined;
}

export interface RouteOf {
  readonly filter: string;
  readonly to: string;
  readonly stored: boolean;
  readonly heldBy: string;
  readonly marks: number;
  /** A removal that was decided before the last change. */
  readonly stale: boolean;
}

export interface WillOf {
  readonly delay: number;
  readonly text: string;
}

export interface ChoiceOf {
  readonly uid: string;
  readonly filter: string;
  readonly member: string;
  readonly instead: string | undefined;
}

/** One command. A claim counts back from the last acquire. */
export type Command =
  | {
      readonly is: 'acquire';
      readonly clientId: string;
      readonly node: number;
      readonly clean: boolean;
      readonly expiry: number;
      readonly will: WillOf | undefined;
      readonly receiveMaximum: number;
      readonly repeat: boolean;
    }
  | { readonly is: 'abandon'; readonly attempt: number }
  | {
      readonly is: 'release';
      readonly claim: number;
      readonly expiry: number;
      readonly will: 'publish' | 'drop';
      readonly sent: number;
    }
  | { readonly is: 'subscribe'; readonly claim: number; readonly subscriptions: readonly SubscriptionOf[] }
  | { readonly is: 'unsubscribe'; readonly claim: number; readonly filters: readonly string[] }
  | { readonly is: 'enqueue'; readonly messages: readonly EnqueuedOf[] }
  | { readonly is: 'read'; readonly claim: number; readonly from: number; readonly limit: number }
  | { readonly is: 'ack' | 'rec'; readonly claim: number; readonly seqs: readonly number[] }
  | {
      readonly is: 'inbound';
      readonly claim: number;
      readonly what: 'ingress' | 'done' | 'release';
      readonly packetId: number;
      readonly uid: number;
    }
  | { readonly is: 'ended'; readonly forget: boolean }
  | { readonly is: 'wills'; readonly done: boolean }
  | { readonly is: 'retain'; readonly messages: readonly RetainedOf[] }
  | { readonly is: 'match'; readonly filter: string }
  | { readonly is: 'count' }
  | { readonly is: 'ends'; readonly claims: readonly number[] }
  | {
      readonly is: 'member';
      readonly what: 'join' | 'renew' | 'bury' | 'forget' | 'miss';
      readonly node: number;
      readonly renewals: number;
    }
  | { readonly is: 'reap'; readonly node: number }
  | { readonly is: 'route'; readonly what: 'put' | 'remove' | 'away'; readonly routes: readonly RouteOf[] }
  | {
      readonly is: 'append';
      readonly claim: number;
      readonly filter: string;
      readonly from: string;
      readonly to: string | undefined;
      readonly messages: readonly MessageOf[];
      /** How many seqs were given out since the page was read. */
      readonly since: number;
    }
  | { readonly is: 'choose'; readonly choices: readonly ChoiceOf[] }
  | { readonly is: 'left' }
  | { readonly is: 'take'; readonly claim: number; readonly filters: readonly string[]; readonly limit: number }
  | { readonly is: 'done'; readonly every: number }
  | { readonly is: 'pass'; readonly claim: number; readonly isOver: boolean }
  | { readonly is: 'advance'; readonly ms: number };

/** A route as a command describes it. */
export function routeOf({ filter: of, to, marks, stored, heldBy }: RouteOf): Route {
  if (to.startsWith('@')) return { topicFilter: of, node: to.slice(1), marks };
  if (to.startsWith('g')) return { topicFilter: of, clientId: `c-${to}`, generation: to };
  return { topicFilter: `$share/g/${of}`, clientId: `c-${to}`, generation: to, isStored: stored, heldBy };
}

/** A message as a command describes it. */
export function messageOf(of: MessageOf, nowMs: number): Message {
  return {
    topic: of.topic,
    payload: new Uint8Array(of.tenThousands * 10_000).fill(of.tenThousands),
    qos: of.qos,
    retain: of.retain,
    properties: of.expiresIn === 0 ? undefined : { contentType: 'text', userProperties: [['k', 'ü']] },
    publisherId: of.publisher,
    expiresAtMs: of.expiresIn === 0 ? 0 : nowMs + of.expiresIn,
    frames: undefined,
  };
}

/** A message as answers are compared: byte by byte, its payload would take longer than all else. */
export function shortOf({ payload, ...rest }: Message): unknown {
  return { ...rest, payload: `${payload.length} of ${payload[0]}`, frames: undefined };
}

/** A Subscription as a command describes it. */
export function subscriptionOf(of: SubscriptionOf): StoredSubscription {
  return {
    topicFilter: of.filter,
    qos: of.qos,
    noLocal: of.noLocal,
    retainAsPublished: of.asPublished,
    retainHandling: of.handling,
    subscriptionIdentifier: of.identifier,
  };
}

/** A Will as a command describes it. */
export function willOf(of: WillOf | undefined): Will | undefined {
  if (of === undefined) return undefined;
  return {
    topic: 'will',
    payload: Uint8Array.from(of.text, (character) => character.charCodeAt(0)),
    qos: 1,
    retain: false,
    properties: of.delay === 0 ? undefined : { willDelayInterval: of.delay, contentType: 'text' },
  };
}
