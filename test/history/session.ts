// One Session, as its Client can know it: its Topic Filters, what it has got, and what it must still get.
//
// It ends where the server forgets it, and with it all that it remembers here. Nothing is kept for each message but a
// bit: what is owed is only what was acknowledged and has not come yet.

import { Bits } from './bits.ts';
import { Holding } from './holding.ts';
import { matchedPart, matches } from './topic-match.ts';

const none: readonly Holding[] = [];

/** What is known of a Session. */
export class Session {
  readonly client: string;
  /** The place of the CONNECT that began it. */
  readonly beganAt: number;
  /** It may be older than it seems, and have Subscriptions that are not known here. */
  readonly isDoubtful: boolean;
  /** The place of the last CONNACK, Infinity while the Client is away: what QoS 0 counts on. */
  connectedSince: number = Number.POSITIVE_INFINITY;
  /** Messages that the application has got; copies of retained ones do not count. */
  readonly seen: Bits = new Bits();
  /** Those of them that came with Retain set, and may have been copies after all. */
  readonly copies: Set<number> = new Set();
  /** Messages at QoS 1 and 2 that must still come. */
  readonly owed: Set<number> = new Set();
  /** Messages at QoS 0 that should still come. */
  readonly owedQos0: Set<number> = new Set();
  /** QoS 2 messages received and not yet released, by Packet Identifier [MQTT-4.3.3-10]. */
  readonly unreleased: Map<number, number> = new Map();
  /** The latest message delivered of each stream, at each QoS. */
  readonly latest: Map<number, number> = new Map();
  readonly #holdings = new Map<string, Holding>();
  /** Holdings by topic, as long as no filter is new. */
  readonly #matching = new Map<number, readonly Holding[]>();

  constructor(client: string, beganAt: number, isDoubtful: boolean) {
    this.client = client;
    this.beganAt = beganAt;
    this.isDoubtful = isDoubtful;
  }

  find(topicFilter: string): Holding | undefined {
    return this.#holdings.get(topicFilter);
  }

  /** The holding of a Topic Filter, made if there is none. */
  holding(topicFilter: string): Holding {
    const known = this.#holdings.get(topicFilter);
    if (known !== undefined) return known;
    const holding = new Holding(this, topicFilter);
    this.#holdings.set(topicFilter, holding);
    this.#matching.clear();
    return holding;
  }

  /** The holdings whose filter matches a topic. */
  matching(topicNumber: number, topic: string): readonly Holding[] {
    const known = this.#matching.get(topicNumber);
    if (known !== undefined) return known;
    const found = [...this.#holdings.values()].filter(({ topicFilter }) => matches(matchedPart(topicFilter), topic));
    const kept = found.length === 0 ? none : found;
    this.#matching.set(topicNumber, kept);
    return kept;
  }
}

/** The key of a stream at the QoS of its delivery, in {@link Session.latest}. */
export function streamKey(stream: number, qos: number): number {
  return stream * 4 + qos;
}
