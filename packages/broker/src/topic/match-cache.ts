// What topics matched when they were last asked for, and whether that still holds.
//
// A filter without a wildcard that comes or goes takes its own topic out. One with a wildcard may concern any topic, and
// to look through all of them for each would make a storm of Subscriptions as dear as the cache is large. So the last
// such filters are kept in a ring, numbered: a topic that is asked for is compared with those that have come since it
// was last found good. If there are too many, it is matched anew, which costs about as much as a handful of comparisons.
//
// What has gone stale is still held until then, and holds on to Sessions that are gone; so everything is forgotten now
// and then, which is cheaper than remembering what was used when.

import { hasWildcard, matches } from './filter.ts';

/** Topics kept, and what they weigh together: a target, and what {@link weighsOne} units of a topic take, about 100 bytes. */
const topicsMax = 65_536;
const weightMax = 500_000;
const weighsOne = 32;
/** Changed filters that a topic is compared with, rather than matched anew. */
const comparedMax = 8;
/** Changed filters after which everything is forgotten. */
const changesMax = 4096;

interface Kept<Match> {
  readonly match: Match;
  readonly weight: number;
  /** How many filters had changed when it was last known to hold. */
  asOf: number;
}

/** Matches by topic. */
export class MatchCache<Match> {
  #kept = new Map<string, Kept<Match>>();
  #weight = 0;
  readonly #ring: string[] = new Array(comparedMax).fill('');
  #changes = 0;
  #forgottenAt = 0;

  /** What a topic matches, if that is known. */
  get(topic: string): Match | undefined {
    const kept = this.#kept.get(topic);
    if (kept === undefined) return undefined;
    return kept.asOf === this.#changes || this.#holds(topic, kept) ? kept.match : undefined;
  }

  /** @param targets how much there is in it */
  set(topic: string, match: Match, targets: number): void {
    if (this.#kept.size >= topicsMax || this.#weight > weightMax) this.#forget();
    const weight = targets + Math.floor(topic.length / weighsOne);
    this.#weight += weight - (this.#kept.get(topic)?.weight ?? 0);
    this.#kept.set(topic, { match, weight, asOf: this.#changes });
  }

  /** A filter came, changed or went. */
  changed(topicFilter: string): void {
    if (!hasWildcard(topicFilter)) {
      this.#weight -= this.#kept.get(topicFilter)?.weight ?? 0;
      this.#kept.delete(topicFilter);
      return;
    }
    this.#ring[this.#changes % comparedMax] = topicFilter;
    this.#changes++;
    if (this.#changes - this.#forgottenAt >= changesMax && this.#kept.size > 0) this.#forget();
  }

  #holds(topic: string, kept: Kept<Match>): boolean {
    if (this.#changes - kept.asOf > comparedMax) return false;
    for (let at = kept.asOf; at < this.#changes; at++) {
      if (matches(this.#ring[at % comparedMax] as string, topic)) return false;
    }
    kept.asOf = this.#changes;
    return true;
  }

  #forget(): void {
    this.#kept = new Map();
    this.#weight = 0;
    this.#forgottenAt = this.#changes;
  }
}
