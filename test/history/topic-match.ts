// Whether a Topic Filter matches a Topic Name [MQTT 4.7], level by level as the specification tells it.
//
// Plain on purpose, and nothing of the broker's: its tree and its cache are what this is to catch.

/** Whether a Topic Filter names a group that shares what follows the name [§4.8.2]. */
export function isShared(topicFilter: string): boolean {
  return /^\$(share\/[^/]+|queue)\/./.test(topicFilter);
}

/** The filter that is matched: of a shared one, what follows the name. */
export function matchedPart(topicFilter: string): string {
  return isShared(topicFilter) ? topicFilter.replace(/^\$(share\/[^/]+|queue)\//, '') : topicFilter;
}

/** Whether a Topic Filter, not a shared one, matches a Topic Name. */
export function matches(topicFilter: string, topic: string): boolean {
  const wanted = topicFilter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return false; // [MQTT-4.7.2-1]
  for (const [i, level] of wanted.entries()) {
    // The multi-level wildcard includes the parent level [MQTT-4.7.1-2].
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
