// Pages of retained messages for the queue of a Session: the call of functions/append.

import type { Append, Appended, QueueEntry } from '@skein/broker';
import { encodeMessage } from '@skein/stored';
import { listOf, numberOf, type Reply, textOf } from './calls.ts';
import type { Surroundings } from './surroundings.ts';

/** @see Queues.append */
export async function append({ calls, keys, nowMs }: Surroundings, page: Append): Promise<Appended> {
  const { claim, topicFilter, from, to, messages, sinceSeq } = page;
  const { clientId, generation, epoch } = claim;
  const named = [
    keys.session(clientId),
    keys.subscriptions(clientId, generation),
    keys.queue(clientId, generation),
    keys.times(clientId, generation),
    keys.cursors(clientId, generation),
  ];
  const args = [nowMs(), clientId, generation, epoch, topicFilter, from, to === undefined ? '' : `+${to}`, sinceSeq];
  return appendedOf(page, await calls.call('append', named, [...args, ...messages.map(encodeMessage)]));
}

function appendedOf({ messages }: Append, reply: Reply): Appended {
  if (Buffer.isBuffer(reply)) {
    const word = textOf(reply);
    if (word === 'FENCED') return { is: 'fenced' };
    return { is: word === 'MOVED' ? 'moved' : 'unsure' };
  }
  const [sent, granted, identifier, ...seqs] = listOf(reply);
  const identifierText = textOf(identifier);
  const subscriptionIdentifiers = identifierText === '' ? undefined : [Number(identifierText)];
  const entries: QueueEntry[] = [];
  for (const [i, message] of messages.entries()) {
    const seq = numberOf(seqs[i]);
    const qos = Math.min(message.qos, numberOf(granted)) as QueueEntry['qos'];
    if (seq > 0) entries.push({ seq, message, qos, retain: true, subscriptionIdentifiers });
  }
  return { is: 'appended', entries, sentSeq: numberOf(sent) };
}
