// What was promised to a shared group, and whether its members got it [§4.8.2].
//
// A group is owed a message if a stored Session was a member before the message came, and still is when all is over. It
// need not be that one which gets it. At QoS 2 the message goes to one member, whatever happens to that one; a stored one
// that was sent it gets it to the end. A volatile member takes what it had with it if its node dies: where there were any,
// nobody can say what was lost by right.

import { isShared } from '../topic/filter.ts';
import type { History, Life, Published } from './history.ts';

/** Topics that nobody subscribes to but for a group. */
export const sharedTopics = 's/';
/** How all members of the group spell its filter. */
export const sharedFilter = '$share/g/s/#';

/**
 * What is wrong with what the group got, in words.
 *
 * @param mayLose whether it has volatile members
 * @param countedGone how many QoS 2 messages were counted as lost with a member that may have had them
 */
export function faultsOfGroup({ published, lives }: History, mayLose: boolean, countedGone: number): string[] {
  const sent = byText(lives, ({ sent: all }) => all);
  const delivered = byText(lives, ({ delivered: all }) => all);
  const members = lives.filter(({ windows }) => windows.some(({ topicFilter }) => isShared(topicFilter)));
  const faults: string[] = [];
  let gone = 0;
  for (const message of published.values()) {
    const { text, topic, qos } = message;
    if (!topic.startsWith(sharedTopics)) continue;
    const sentTo = sent.get(text) ?? [];
    const deliveredTo = delivered.get(text) ?? [];
    if (qos !== 1 && sentTo.length > 1) {
      faults.push(`${text} went to ${sentTo.map(({ clientId }) => clientId).join(' and ')}, members of one group`);
    }
    const [begun] = qos === 2 ? sentTo : [];
    if (begun?.isStored && !begun.isOver && deliveredTo.length === 0) {
      faults.push(`${begun.clientId}: ${text} was begun and never completed`);
    }
    if (mayLose || !isOwed(message, members)) continue;
    if (qos === 2 && lives.some(({ isStored, endedAt }) => isStored && mayHaveHad(message, endedAt))) continue;
    const isThere = qos === 2 ? sentTo.length > 0 : deliveredTo.length > 0;
    if (!isThere && qos === 2 && gone++ < countedGone) continue; // [MQTT-4.8.2-5]
    if (!isThere) faults.push(`${text} was acknowledged and no member of the group has got it`);
  }
  return faults;
}

/** Whether a Session that ended then may have been given a message before. */
function mayHaveHad({ receivedAt = 0 }: Published, endedAt: number): boolean {
  return endedAt >= receivedAt && endedAt < Number.POSITIVE_INFINITY;
}

function isOwed({ qos, receivedAt, acknowledgedAt }: Published, members: readonly Life[]): boolean {
  if (qos === 0 || receivedAt === undefined || acknowledgedAt === undefined) return false;
  return members.some(
    ({ isOver, windows }) =>
      !isOver &&
      windows.some(
        ({ topicFilter, from, until }) =>
          isShared(topicFilter) && receivedAt > from && until === Number.POSITIVE_INFINITY,
      ),
  );
}

/** Who had each message, by its text. That one had it twice is found elsewhere. */
function byText(
  lives: readonly Life[],
  of: (life: Life) => readonly { readonly text: string }[],
): ReadonlyMap<string, readonly Life[]> {
  const found = new Map<string, Life[]>();
  for (const life of lives) {
    for (const { text } of of(life)) {
      const others = found.get(text);
      if (others === undefined) found.set(text, [life]);
      else if (!others.includes(life)) others.push(life);
    }
  }
  return found;
}
