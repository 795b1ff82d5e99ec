// Commands for a store, from few names, so that they meet: three Clients, six filters, three uids.
//
// A number stands for a command, always the same: whoever draws numbers at random, and leaves some of them out to find
// out which matter, has no need to know what they mean.

import type { QoS } from '@skein/protocol';
import type { ChoiceOf, Command, MessageOf, RetainedOf, RouteOf, SubscriptionOf, TargetOf, WillOf } from './command.ts';
import { SeededRandom } from './seeded-random.ts';

/** Who may own a Session. */
export const nodes: readonly string[] = ['node-a', 'node-b'];

const clients = ['c0', 'c1', 'c2'];
const filters = ['a', 'a/+', '#', 'b', 'b/#', '+/c'];
const sharedFilters = ['$share/g/a', '$share/h/#', '$queue/#'];
const topics = ['a', 'a/c', 'b', 'b/c', '$x'];
const retainedTopics = [...topics, 'a/c/d', '/c', 'a/', '$x/c', '!'];
const matched = [...filters, '+', '+/+', '/#', '/+', '+/c/#', 'a/+/d', 'a/c', '$x', '$x/#', '$x/+', '+/+/+'];
const uids = ['u0', 'u1', 'u2'];

/** After this long, uids may be forgotten: each store remembers them for a time of its own. */
export const longMs = 301_000;

type Make = (random: SeededRandom) => Command;

/** What came long before the last acquire is hardly ever anybody's any more. */
const claim = (random: SeededRandom): number => random.pick([0, 0, 0, 1, 1, 2, 2, 3, 4, 7]);
const expiry = (random: SeededRandom): number => random.pick([0, 2, 100, 100, 0xffffffff]);
const filter = (random: SeededRandom): string => random.pick(filters);
const sharedFilter = (random: SeededRandom): string => random.pick(sharedFilters);
const anyFilter = (random: SeededRandom): string => random.pick([...filters, ...sharedFilters, ...sharedFilters]);
const uid = (random: SeededRandom): string | undefined => (random.oneIn(3) ? undefined : random.pick(uids));
const qos = (random: SeededRandom): QoS => random.pick<QoS>([0, 1, 1, 2, 2]);
const someSeqs = (random: SeededRandom): readonly number[] => some(random, 1, 4, () => 1 + random.below(9));

function message(random: SeededRandom): MessageOf {
  return {
    topic: random.pick(topics),
    tenThousands: random.below(4),
    qos: qos(random),
    retain: random.oneIn(2),
    publisher: random.pick(['c0', 'p']),
    expiresIn: random.pick([0, 0, 0, 500, 3000]),
  };
}

function atLeastOnce(random: SeededRandom): MessageOf {
  const one = message(random);
  return { ...one, qos: one.qos === 0 ? 1 : one.qos };
}

function target(random: SeededRandom): TargetOf {
  if (random.oneIn(2)) return { claim: claim(random), filters: some(random, 1, 3, filter), onlineOnly: undefined };
  return {
    claim: claim(random),
    filters: [sharedFilter(random)],
    onlineOnly: random.pick<true | undefined>([undefined, true]),
  };
}

/** No Session is named twice. */
function targets(random: SeededRandom): readonly TargetOf[] {
  const named = new Map<number, TargetOf>();
  for (const each of list(random, 0, 3, target)) named.set(each.claim, each);
  return [...named.values()];
}

function retained(random: SeededRandom): RetainedOf {
  const order = random.oneIn(2) ? { epoch: 1 + random.below(2), n: random.below(4) } : undefined;
  return { ...message(random), topic: random.pick(retainedTopics), uid: uid(random), order };
}

function will(random: SeededRandom): WillOf | undefined {
  if (random.oneIn(6)) return undefined;
  return { delay: random.pick([0, 0, 3]), text: random.pick(['one', 'two']) };
}

const subscription = (random: SeededRandom): SubscriptionOf => ({
  filter: anyFilter(random),
  qos: qos(random),
  noLocal: random.oneIn(2),
  asPublished: random.oneIn(2),
  handling: random.pick<0 | 1 | 2>([0, 0, 1, 2]),
  identifier: random.pick([undefined, 1, 1, 268_435_455, 268_435_455]),
});

const route = (random: SeededRandom): RouteOf => ({
  filter: random.pick(['a', 'b']),
  to: random.pick(['@node-a', '@node-b', 'g0', 'g1', 'm0', 'm1']),
  stored: random.oneIn(2),
  heldBy: random.pick(['', 'node-a', 'node-b']),
  marks: 1 + random.below(3),
  stale: random.oneIn(4),
});

const choice = (random: SeededRandom): ChoiceOf => ({
  uid: random.pick(['u0', 'u1']),
  filter: sharedFilter(random),
  member: random.pick(['m0', 'm1', 'm2']),
  instead: random.pick([undefined, 'm0', 'm1']),
});

const cursor = (random: SeededRandom): string => random.pick(['', '', 'x']);

/** What fills and drains queues comes most often. */
const makes: readonly (readonly [weight: number, make: Make])[] = [
  [
    4,
    (random) => ({
      is: 'acquire',
      clientId: random.pick(clients),
      node: random.below(2),
      clean: random.oneIn(3),
      expiry: expiry(random),
      will: will(random),
      receiveMaximum: random.pick([1, 3, 100]),
      repeat: random.oneIn(2),
    }),
  ],
  [1, (random) => ({ is: 'abandon', attempt: random.below(8) })],
  [
    3,
    (random) => ({
      is: 'release',
      claim: claim(random),
      expiry: expiry(random),
      will: random.pick<'publish' | 'drop'>(['publish', 'drop']),
      sent: random.below(7),
    }),
  ],
  [4, (random) => ({ is: 'subscribe', claim: claim(random), subscriptions: list(random, 1, 3, subscription) })],
  [1, (random) => ({ is: 'unsubscribe', claim: claim(random), filters: list(random, 1, 2, anyFilter) })],
  [
    14,
    (random) => ({
      is: 'enqueue',
      messages: list(random, 1, 4, () => ({
        ...atLeastOnce(random),
        refusable: random.oneIn(2),
        uid: uid(random),
        targets: targets(random),
      })),
    }),
  ],
  [3, (random) => ({ is: 'read', claim: claim(random), from: random.below(9), limit: 1 + random.below(4) })],
  [3, (random) => ({ is: 'ack', claim: claim(random), seqs: someSeqs(random) })],
  [2, (random) => ({ is: 'rec', claim: claim(random), seqs: someSeqs(random) })],
  [
    3,
    (random) => ({
      is: 'inbound',
      claim: claim(random),
      what: random.pick<'ingress' | 'done' | 'release'>(['ingress', 'ingress', 'done', 'release']),
      packetId: 1 + random.below(2),
      uid: random.below(2),
    }),
  ],
  [1, (random) => ({ is: 'ended', forget: random.oneIn(2) })],
  [1, (random) => ({ is: 'wills', done: random.oneIn(2) })],
  [2, (random) => ({ is: 'retain', messages: list(random, 1, 3, retained) })],
  [1, (random) => ({ is: 'match', filter: random.pick(matched) })],
  [1, () => ({ is: 'count' })],
  [1, (random) => ({ is: 'ends', claims: list(random, 0, 3, claim) })],
  [
    4,
    (random) => ({
      is: 'member',
      what: random.pick<'join' | 'renew' | 'bury' | 'forget' | 'miss'>(['join', 'renew', 'bury', 'forget', 'miss']),
      node: random.below(2),
      renewals: random.below(3),
    }),
  ],
  [2, (random) => ({ is: 'reap', node: random.below(2) })],
  [
    3,
    (random) => ({
      is: 'route',
      what: random.pick<'put' | 'remove' | 'away'>(['put', 'put', 'remove', 'away']),
      routes: list(random, 1, 4, route),
    }),
  ],
  [
    3,
    (random) => ({
      is: 'append',
      claim: claim(random),
      filter: filter(random),
      from: cursor(random),
      to: random.oneIn(5) ? undefined : cursor(random),
      messages: list(random, 0, 3, atLeastOnce),
      since: random.below(3),
    }),
  ],
  [2, (random) => ({ is: 'choose', choices: list(random, 1, 3, choice) })],
  [4, () => ({ is: 'left' })],
  [
    6,
    (random) => ({
      is: 'take',
      claim: claim(random),
      filters: some(random, 1, 3, sharedFilter),
      limit: 1 + random.below(3),
    }),
  ],
  [2, (random) => ({ is: 'done', every: 1 + random.below(2) })],
  [1, (random) => ({ is: 'pass', claim: claim(random), isOver: random.oneIn(2) })],
  [4, (random) => ({ is: 'advance', ms: random.pick([100, 500, 1500, 2500, 4000, 11_000, longMs]) })],
];

const weighed: readonly Make[] = makes.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));

/** The command that a number stands for: any integer does. */
export function commandOf(number: number): Command {
  const random = new SeededRandom(number);
  return random.pick(weighed)(random);
}

function list<Item>(random: SeededRandom, least: number, most: number, make: (random: SeededRandom) => Item): Item[] {
  return Array.from({ length: least + random.below(most - least + 1) }, () => make(random));
}

/** No item twice; so there may be fewer. */
function some<Item>(random: SeededRandom, least: number, most: number, make: (random: SeededRandom) => Item): Item[] {
  return [...new Set(list(random, least, most, make))];
}

/** What every run begins with, or most of what follows would be for nobody: three Clients with many Subscriptions. */
export const prologue: readonly Command[] = clients.flatMap((client, node): Command[] => [
  {
    is: 'acquire',
    clientId: client,
    node: node % 2,
    clean: true,
    expiry: 100,
    will: undefined,
    receiveMaximum: node === 0 ? 100 : node === 1 ? 1 : 3,
    repeat: false,
  },
  {
    is: 'subscribe',
    claim: 0,
    subscriptions: [...filters.slice(node), ...sharedFilters].map((each, i) => ({
      filter: each,
      qos: i % 3 === 2 ? 1 : 2,
      noLocal: false,
      asPublished: i % 2 === 0,
      handling: 0,
      identifier: i === 0 ? 1 : undefined,
    })),
  },
]);
