// What an import reads from, and how much of each thing there is in it.

import type { memory } from '@skein/broker';

export type StateItem = memory.StateItem;
export type SessionItem = Extract<StateItem, { is: 'session' }>;
export type EntriesItem = Extract<StateItem, { is: 'entries' }>;
export type WillItem = Extract<StateItem, { is: 'will' }>;
export type EndedItem = Extract<StateItem, { is: 'ended' }>;
export type RetainedItem = Extract<StateItem, { is: 'retained' }>;
export type RemovalItem = Extract<StateItem, { is: 'removal' }>;
export type ChoiceItem = Extract<StateItem, { is: 'choice' }>;

/** How many there are of what Clients would miss. */
export interface Counts {
  readonly sessions: number;
  readonly subscriptions: number;
  /** In queues, and on their way from one member of a shared group to another. */
  readonly messages: number;
  /** PUBRELs owed. */
  readonly releases: number;
  /** QoS 2 messages that Clients have sent and not released. */
  readonly inbound: number;
  readonly retained: number;
  readonly wills: number;
}

/** The same by name, in the order in which people are told. */
export const countNames: readonly (keyof Counts)[] = [
  'sessions',
  'subscriptions',
  'messages',
  'releases',
  'inbound',
  'retained',
  'wills',
];

export const noCounts: Counts = {
  sessions: 0,
  subscriptions: 0,
  messages: 0,
  releases: 0,
  inbound: 0,
  retained: 0,
  wills: 0,
};

/** What another store held when it was stopped. No Session in it is owned by a node. */
export interface ImportSource {
  /** Names it for ever: nothing else has this name. */
  readonly id: string;
  /** Names what it holds: the same again as long as nothing has changed there. */
  readonly state: string;
  /** Where it is, for people. */
  readonly place: string;
  /** What its clock says, in milliseconds since 1970: its times are by that clock. */
  nowMs(): number;
  /** All that it holds, in the same order every time. */
  items(): Iterable<StateItem>;
  /** How much that is, counted without looking at {@link items}. */
  counts(): Counts;
}

/** What one piece adds to the counts. */
export function countsOf(item: StateItem): Partial<Counts> {
  switch (item.is) {
    case 'session':
      return {
        sessions: item.over === undefined ? 1 : 0,
        subscriptions: item.subscriptions.length,
        messages: item.taken.length,
        releases: item.releases.length,
        inbound: item.inbound.length,
      };
    case 'entries':
      return { messages: item.entries.length };
    case 'retained':
      return { retained: 1 };
    case 'will':
      return { wills: 1 };
    default:
      return {};
  }
}

/** Two counts together. */
export function sumOf(one: Counts, other: Partial<Counts>): Counts {
  const sum = { ...one };
  for (const name of countNames) sum[name] += other[name] ?? 0;
  return sum;
}
