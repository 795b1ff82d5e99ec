// A schedule: who takes part, what the weather is like, and the chances of each step. All of it follows from a seed.
//
// A step is one number, and everything random in it comes from that number alone: what happens depends on the number
// and on what there is at the time. So any step can be left out and the others stay what they are, which is what makes
// a failing schedule small (shrink.ts).

import type { ProtocolVersion, QoS } from '@skein/protocol';
import { Random } from '../history/random.ts';

/** What kind of Client it is, for the whole schedule. */
export interface Kind {
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  /** Session Expiry Interval; 3.x has 0 with Clean Session, or never. */
  readonly sessionExpirySeconds: number;
  /** What it tells the server; 3.x cannot. */
  readonly receiveMaximum: number;
  /** Whether it sends Topic Aliases. */
  readonly usesAliases: boolean;
  /** A Subscription that it asks for as soon as it has connected first. */
  readonly wants: { readonly topicFilter: string; readonly qos: QoS } | undefined;
}

/** What a run needs to know. */
export interface Schedule {
  readonly seed: number;
  /** Everybody; those that take no part do nothing. */
  readonly kinds: readonly Kind[];
  readonly absent: readonly string[];
  /** Whether all packets cross the network as bytes. */
  readonly onWire: boolean;
  /** Whether calls of the store wait for their turn. */
  readonly isFar: boolean;
  /** Of one hundred calls of a store that is far, so many fail. */
  readonly failPercent: number;
  readonly steps: readonly number[];
}

/** A Session Expiry Interval that never ends [§3.1.2.11.2]. */
export const never = 0xffff_ffff;

/** What is published to. Few topics, so that Clients meet. */
export const topics: readonly string[] = ['t/a', 't/b', 'r/a', 'r/b'];
/** What is subscribed to: plain, with either wildcard, and overlapping. */
export const topicFilters: readonly string[] = ['t/a', 't/b', 't/+', 'r/#', 'r/a', '#', '+/a', 'w/#'];

const names = ['ann', 'bob', 'cyd', 'dan'] as const;

/** The schedule of a seed. */
export function scheduleOf(seed: number): Schedule {
  const random = new Random(Math.imul(seed, 0x9e37_79b1));
  const count = random.pick([2, 3, 3, 4]);
  const kinds = names.slice(0, count).map((clientId) => kindOf(clientId, random));
  const isFar = random.percent(70);
  const failPercent = random.pick([0, 0, 4, 20]);
  const onWire = random.percent(20);
  const steps = Array.from({ length: random.between(40, 90) }, () => random.below(0x7fff_ffff));
  return { seed, kinds, absent: [], onWire, isFar, failPercent: isFar ? failPercent : 0, steps };
}

function kindOf(clientId: string, random: Random): Kind {
  const protocolVersion = random.pick<ProtocolVersion>([5, 5, 5, 4, 4, 3]);
  const wants = { topicFilter: random.pick(topicFilters), qos: random.pick<QoS>([0, 1, 2, 2]) };
  return {
    clientId,
    protocolVersion,
    sessionExpirySeconds: protocolVersion === 5 ? random.pick([0, 3, 9, never, never]) : random.pick([0, never, never]),
    receiveMaximum: random.between(1, 4),
    usesAliases: protocolVersion === 5 && random.percent(25),
    wants: random.percent(75) ? wants : undefined,
  };
}
