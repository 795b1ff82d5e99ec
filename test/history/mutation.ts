// Small damages to a history that was right, each of which a checker must see.
//
// Where a damage only counts under conditions, the victims are chosen with conditions of their own, read plainly off the
// events: nothing here asks the checker what it thinks.

import type { Happening, HistoryEvent } from './event.ts';
import { decodePayload, encodePayload } from './payload.ts';
import { matches } from './topic-match.ts';
import type { Invariant } from './verdict.ts';

type Of<Is extends Happening['is']> = Extract<HistoryEvent, { is: Is }>;

/** One kind of damage. */
export interface Mutation {
  readonly name: string;
  /** Any of these is a right answer. */
  readonly breaks: readonly Invariant[];
  /** The events that can be damaged so, by their places. */
  victims(events: readonly HistoryEvent[]): readonly number[];
  /** The damaged history. @param chance a number from which to choose, where there is a choice */
  apply(events: readonly HistoryEvent[], victim: number, chance: number): readonly HistoryEvent[];
}

/** A mutation that puts other events in the place of its victim. */
function replacing(
  name: string,
  breaks: readonly Invariant[],
  isVictim: (event: Of<'delivered'>, at: number, events: readonly HistoryEvent[]) => boolean,
  replace: (event: Of<'delivered'>, chance: number) => readonly HistoryEvent[],
): Mutation {
  return {
    name,
    breaks,
    victims: (events) => placesOf(events, 'delivered').filter((at) => isVictim(delivered(events, at), at, events)),
    apply: (events, victim, chance) => events.toSpliced(victim, 1, ...replace(delivered(events, victim), chance)),
  };
}

/** All kinds of damage, given a Client that is always connected and has no Subscription that matches. */
export function mutations(bystander: string): readonly Mutation[] {
  return [
    replacing('drop a delivery that had to be', ['lost'], isOwed, () => []),
    replacing(
      'deliver at QoS 2 twice',
      ['duplicated'],
      ({ qos, dup, retain }) => qos === 2 && !dup && !retain,
      (event) => [event, { ...event, packetId: 60_000 }],
    ),
    replacing(
      'flip a bit of the payload',
      ['corrupt'],
      () => true,
      (event, chance) => [flipBit(event, chance)],
    ),
    replacing(
      'deliver to somebody else',
      ['phantom'],
      () => true,
      (event) => [{ ...event, client: bystander }],
    ),
    replacing(
      'deliver a message that was never sent',
      ['phantom'],
      () => true,
      (event) => [event, { ...event, packetId: 60_000, content: { ...contentOf(event), n: 1_000_000 } }],
    ),
    {
      name: 'swap two of a stream',
      // The later one may also come before it was asked for.
      breaks: ['order', 'phantom'],
      victims: (events) => placesOf(events, 'delivered').filter((at) => nextOfStream(events, at) !== undefined),
      apply: (events, victim) => {
        const other = nextOfStream(events, victim) as number;
        const [first, second] = [delivered(events, victim), delivered(events, other)];
        // What stays is the time, and the Packet Identifier, which is not what is swapped.
        const early = { ...second, atMs: first.atMs, packetId: first.packetId };
        const late = { ...first, atMs: second.atMs, packetId: second.packetId };
        return events.with(victim, early).with(other, late);
      },
    },
    {
      name: 'claim a Session after Clean Start',
      breaks: ['session-present'],
      victims: (events) =>
        placesOf(events, 'connected').filter((at) => {
          const { client } = events[at] as Of<'connected'>;
          const connecting = events.slice(0, at).findLast((each) => each.is === 'connecting' && each.client === client);
          return (connecting as Of<'connecting'>).cleanStart;
        }),
      apply: (events, victim) => events.with(victim, { ...(events[victim] as Of<'connected'>), sessionPresent: true }),
    },
  ];
}

function placesOf(events: readonly HistoryEvent[], is: Happening['is']): readonly number[] {
  return [...events.keys()].filter((at) => events[at]?.is === is);
}

function delivered(events: readonly HistoryEvent[], at: number): Of<'delivered'> {
  return events[at] as Of<'delivered'>;
}

function contentOf({ content }: Of<'delivered'>): NonNullable<Of<'delivered'>['content']> {
  if (content === undefined) throw new Error('a history that was right has nothing corrupt');
  return content;
}

function flipBit(event: Of<'delivered'>, chance: number): HistoryEvent {
  const payload = encodePayload(contentOf(event));
  const bit = chance % (payload.length * 8);
  (payload[bit >>> 3] as number) ^= 1 << (bit & 7);
  return { ...event, content: decodePayload(payload) };
}

function isSameMessage(one: Of<'delivered'>, other: HistoryEvent): boolean {
  return (
    (other.is === 'delivered' || other.is === 'published' || other.is === 'acknowledged') &&
    (other.is === 'delivered'
      ? other.client === one.client &&
        other.content?.publisher === one.content?.publisher &&
        other.content?.n === one.content?.n
      : other.publisher === one.content?.publisher && other.n === one.content?.n)
  );
}

/** Where the Session of a Client began in which this event is. */
function sessionBegan(events: readonly HistoryEvent[], client: string, at: number): number {
  return events.findLastIndex(
    (each, i) => i <= at && each.is === 'connected' && each.client === client && !each.sessionPresent,
  );
}

/** Whether it is the only delivery of a message that was acknowledged, at QoS 1 or 2, to a Client that had to get it. */
function isOwed(event: Of<'delivered'>, at: number, events: readonly HistoryEvent[]): boolean {
  return (
    isExpected(event, at, events) &&
    events.some((each) => each.is === 'acknowledged' && isSameMessage(event, each)) &&
    events.filter((each) => each.is === 'delivered' && isSameMessage(event, each)).length === 1
  );
}

/**
 * Whether a live message at QoS 1 or 2 was sent when its Client had subscribed in this Session, its last one, of which
 * there is no doubt, and whether the Client has not touched that Subscription since.
 */
function isExpected(event: Of<'delivered'>, at: number, events: readonly HistoryEvent[]): boolean {
  const { client, topic } = event;
  const sent = publishedAt(events, event);
  if (event.qos === 0 || event.retain || sent < 0) return false;
  const began = sessionBegan(events, client, at);
  const touched = new Map<string, number>();
  let isConnecting = false;
  for (const [i, each] of events.entries()) {
    // A Session that may have expired in between need not have got everything.
    const mayExpire = each.is === 'connecting' && each.sessionExpirySeconds > 0 && each.sessionExpirySeconds < 2 ** 31;
    if (mayExpire && each.client === client) return false;
    if (i <= began || !('client' in each) || each.client !== client) continue;
    if (isConnecting && each.is !== 'connected') return false;
    isConnecting = each.is === 'connecting';
    if (each.is === 'connected' && !each.sessionPresent) return false;
    if (each.is === 'subscribing' || each.is === 'unsubscribing') touched.set(each.topicFilter, i);
  }
  return [...touched].some(([topicFilter, asked]) => {
    if (!matches(topicFilter, topic)) return false;
    const answered = events.findIndex(
      (each, i) =>
        i > asked &&
        each.is === 'subscribed' &&
        each.client === client &&
        each.topicFilter === topicFilter &&
        each.qos !== 0,
    );
    return answered > asked && answered < sent;
  });
}

/** The next delivery on the same Network Connection in the same stream, if both are first, and it was sent by then. */
function nextOfStream(events: readonly HistoryEvent[], at: number): number | undefined {
  const one = delivered(events, at);
  // A publisher that was cut sends QoS 1 again, and that may be out of order to who had not subscribed before.
  if (!isFirst(events, at) || (one.content?.qos === 1 && !isExpected(one, at, events))) return undefined;
  for (let i = at + 1; i < events.length; i++) {
    const each = events[i] as HistoryEvent;
    if (each.is === 'connecting' && each.client === one.client) return undefined;
    if (each.is !== 'delivered' || each.client !== one.client || each.qos !== one.qos || each.topic !== one.topic)
      continue;
    if (each.content?.publisher !== one.content?.publisher || each.content?.qos !== one.content?.qos) continue;
    if (!isFirst(events, i)) continue;
    const sent = publishedAt(events, each);
    return sent < at && sent > publishedAt(events, one) ? i : undefined;
  }
  return undefined;
}

function publishedAt(events: readonly HistoryEvent[], event: Of<'delivered'>): number {
  return events.findIndex((each) => each.is === 'published' && isSameMessage(event, each));
}

/** Whether it was published by a Client, not to be retained, and is the first of its message to its Client. */
function isFirst(events: readonly HistoryEvent[], at: number): boolean {
  const event = delivered(events, at);
  const first = events.findIndex((each) => each.is === 'delivered' && isSameMessage(event, each));
  const published = events[publishedAt(events, event)];
  return first === at && published?.is === 'published' && !published.retain;
}
