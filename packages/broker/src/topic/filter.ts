// Topic Filters: which are well formed, and which names they match [MQTT 4.7].

import { ReasonCode } from '@skein/protocol';
import type { Limits } from '../limits.ts';
import { exceeds } from './name.ts';

const slash = 0x2f;

/** Whether a Topic Filter has a wildcard; if not, it matches the one Topic Name that is spelt alike [MQTT-4.7.3-4]. */
export function hasWildcard(topicFilter: string): boolean {
  return topicFilter.includes('+') || topicFilter.includes('#');
}

/** Whether a Topic Filter names a group of subscribers that share its messages [§4.8.2]. */
export function isShared(topicFilter: string): boolean {
  return topicFilter.startsWith('$share/') || topicFilter.startsWith('$queue/');
}

/**
 * The filter that a group shares: what follows `$share/name/`, or `$queue/`, where the group has no name of its own.
 *
 * @returns undefined if there is none, or the name is none [MQTT-4.8.2-1, MQTT-4.8.2-2]; a filter without a group as it is
 */
export function sharedPart(topicFilter: string): string | undefined {
  if (!isShared(topicFilter)) return topicFilter;
  if (topicFilter.startsWith('$queue/')) return topicFilter.slice(7) || undefined;
  const at = topicFilter.indexOf('/', 7);
  if (at <= 7 || hasWildcard(topicFilter.slice(7, at))) return undefined;
  return topicFilter.slice(at + 1) || undefined;
}

/**
 * What is wrong with a Topic Filter, as the Reason Code for its place in the SUBACK.
 *
 * @returns undefined if nothing is
 */
export function refuseFilter(topicFilter: string, limits: Limits): ReasonCode | undefined {
  const filter = sharedPart(topicFilter);
  if (filter === undefined || !isWellFormed(filter)) return ReasonCode.topicFilterInvalid;
  return exceeds(topicFilter, limits) ? ReasonCode.topicFilterInvalid : undefined;
}

/** Whether each wildcard of a filter stands alone in its level, and `#` in the last [MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.3-1]. */
export function isWellFormed(topicFilter: string): boolean {
  const length = topicFilter.length;
  if (length === 0) return false;
  for (let i = 0; i < length; i++) {
    const unit = topicFilter.charCodeAt(i);
    if (unit !== 0x23 && unit !== 0x2b) continue;
    if (i > 0 && topicFilter.charCodeAt(i - 1) !== slash) return false;
    if (i + 1 < length && (unit === 0x23 || topicFilter.charCodeAt(i + 1) !== slash)) return false;
  }
  return true;
}

/**
 * Whether a Topic Filter matches a Topic Name.
 *
 * The plain form of the rule, for a single pair; {@link SubscriptionTree} answers it for many filters at once.
 */
export function matches(topicFilter: string, topic: string): boolean {
  // A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
  if (topic.charCodeAt(0) === 0x24 && topicFilter.charCodeAt(0) !== 0x24) return false;
  const filterEnd = topicFilter.length;
  const topicEnd = topic.length;
  let f = 0;
  let t = 0;
  for (;;) {
    const unit = topicFilter.charCodeAt(f);
    if (unit === 0x23) return true;
    if (unit === 0x2b) {
      f++;
      while (t < topicEnd && topic.charCodeAt(t) !== slash) t++;
    } else {
      while (f < filterEnd && topicFilter.charCodeAt(f) !== slash) {
        if (topicFilter.charCodeAt(f++) !== topic.charCodeAt(t++)) return false;
      }
    }
    // The filter's level is over: so must be the topic's.
    if (f === filterEnd) return t === topicEnd;
    if (t === topicEnd) return f + 2 === filterEnd && topicFilter.charCodeAt(f + 1) === 0x23; // the parent level too [§4.7.1.2]
    if (topic.charCodeAt(t) !== slash) return false;
    f++;
    t++;
  }
}
