// What metrics are made of: where the numbers are, and the form in which they are named.

import type { Counters, Gauges, StoredGauges } from '@skein/broker';
import type { EmbeddedGauges } from '@skein/embedded';
import type { OfferedDurability } from './config/durability.ts';
import type { EdgeState } from './edge-state.ts';
import type { PeerEventCounts } from './meeting.ts';
import type { Traffic } from './traffic.ts';

/** Where the numbers are. */
export interface Measured {
  readonly version: string;
  readonly traffics: readonly Traffic[];
  readonly counters: () => Counters;
  readonly connectionsMax: number;
  /** Undefined while the node does not serve. */
  readonly gauges: () => Gauges | undefined;
  /** Asks the store; undefined while the node does not serve. */
  readonly stored: () => Promise<StoredGauges | undefined>;
  readonly store: () => { readonly kind: 'memory' | 'embedded' | 'redis'; readonly durability: OfferedDurability };
  /** Of the data directory; undefined if there is none. */
  readonly disk: () => EmbeddedGauges | undefined;
  /** How often the node was fenced. */
  readonly timesFenced: () => number;
  /** What happened to the ways to its peers; undefined for a node that is alone. */
  readonly peerEvents: () => PeerEventCounts | undefined;
  readonly state: () => EdgeState;
}

/** What is looked up once for each scrape, since looking takes time. */
export interface Looked {
  readonly counters: Counters;
  readonly gauges: Gauges;
  /** Undefined if the store does not answer in time; its metrics are then absent, not 0. */
  readonly stored: StoredGauges | undefined;
}

/** One value of a metric: labels, and the number now. */
export type Sample = readonly [labels: Record<string, string>, value: number];

/** Names a metric and says how its values are read at each scrape. */
export type Add = (name: string, help: string, labelNames: readonly string[], read: () => readonly Sample[]) => void;
