// What the history's checker does not ask: that the last message of a topic is the one retained, and that everybody who
// has subscribed to it has got it, be it as a retained copy or live [MQTT 3.3.1.3].
//
// It is asked at the end, when nothing is under way. A Subscription counts if it asked for retained messages and its
// Network Connection lived on; between "stored" and "passed on" no new subscriber may fall.

import type { Content } from '../history/payload.ts';
import { matches } from '../history/topic-match.ts';
import type { ModelClient } from './client.ts';
import { type Entry, keyOf, type Ledger } from './ledger.ts';

/** What is wrong with retained messages, in words. @param stored what a new subscriber gets in the end, by topic */
export function faultsOfRetained(
  ledger: Ledger,
  stored: ReadonlyMap<string, Content | undefined>,
  clients: readonly ModelClient[],
): readonly string[] {
  const faults: string[] = [];
  for (const [topic, published] of ledger.retained()) {
    const content = stored.get(topic);
    const last = content && ledger.find(content);
    const answered = published.filter((entry) => entry.qos > 0 && entry.answeredAt !== undefined);
    if (last === undefined) {
      if (answered.length > 0) faults.push(`retained: ${topic} has none, though ${named(answered)} were acknowledged`);
      continue;
    }
    const newer = answered.filter(({ sentAt }) => sentAt > (last.answeredAt ?? Number.POSITIVE_INFINITY));
    if (newer.length > 0) faults.push(`retained: ${topic} has ${keyOf(last)}, and ${named(newer)} came after it`);
    if (last.qos === 0 || last.answeredAt === undefined) continue;
    for (const client of clients) {
      // One at QoS 0 that could not be stored may have come after it, and then whoever has that one is better off.
      const hasNewer = published.some((entry) => entry.sentAt > last.sentAt && client.receiving.has(entry));
      if (!hasNewer && isMissing(client, last)) faults.push(missing(client, last));
    }
  }
  return faults;
}

function isMissing({ receiving, subscribing, kind }: ModelClient, last: Entry): boolean {
  if (receiving.has(last)) return false;
  for (const { topicFilter, qos, noLocal, retainHandling } of subscribing.held) {
    const isOwn = noLocal && last.publisher === kind.clientId;
    if (qos > 0 && retainHandling === 0 && !isOwn && matches(topicFilter, last.topic)) return true;
  }
  return false;
}

function missing({ kind }: ModelClient, last: Entry): string {
  return `retained: ${kind.clientId} has subscribed to ${last.topic}, and never got ${keyOf(last)}`;
}

function named(entries: readonly Entry[]): string {
  return entries.map(keyOf).join(', ');
}
