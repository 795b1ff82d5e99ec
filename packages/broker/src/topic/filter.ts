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
 * What is wrong with a Topic Filter, as the Reason Code for its place in the SUBACK.
 *
 * @returns undefined if nothing is
 */
export function refuseFilter(topicFilter: string, limits: Limits): ReasonCode | undefined {
  if (isShared(topicFilter)) return ReasonCode.sharedSubscriptionsNotSupported;
  if (!isWellFormed(topicFilter) || exceeds(topicFilter, limits)) return ReasonCode.topicFilterInvalid;
  return undefined;
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
  const filterLevels = topicFilter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of filterLevels.entries()) {
    if (level === '#') return true; // the parent level too [§4.7.1.2]
    if (i >= levels.length) return false;
    if (level !== '+' && level !== levels[i]) return false;
  }
  return filterLevels.length === levels.length;
}
