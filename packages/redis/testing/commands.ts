// Commands for a store, made at random from few names, so that they meet: three Clients, six filters, three uids.

import type { Message } from '@skein/broker';
import type { QoS, Will } from '@skein/protocol';
// biome-ignore lint/correctness/noUndeclaredDependencies: only tests come here, and the workspace has it for them
import fc from 'fast-check';
import type { Route, StoredSubscription } from '../src/ports.ts';

/** Who may own a Session. */
export const nodes: readonly string[] = ['node-a', 'node-b'];

const filters = ['a', 'a/+', '#', 'b', 'b/#', '+/c'];
const sharedFilters = ['$share/g/a', '$share/h/#', '$queue/#'];
const topics = ['a', 'a/c', 'b', 'b/c', '$x'];
const retainedTopics = [...topics, 'a/c/d', '/c', 'a/', '$x/c', '!'];
const matched = [...filters, '+', '+/+', '/#', '/+', '+/c/#', 'a/+/d', 'a/c', '$x', '$x/#', '$x/+', '+/+/+'];

const clientId = fc.constantFrom('c0', 'c1', 'c2');
/** Counts back from the last acquire: what came long before it is hardly ever anybody's any more. */
const claim = fc.constantFrom(0, 0, 0, 1, 1, 2, 2, 3, 4, 7);
const expiry = fc.constantFrom(0, 2, 100, 100, 0xffffffff);
const filter = fc.constantFrom(...filters);
const sharedFilter = fc.constantFrom(...sharedFilters);
const anyFilter = fc.constantFrom(...filters, ...sharedFilters, ...sharedFilters);
const uid = fc.option(fc.constantFrom('u0', 'u1', 'u2'), { nil: undefined, freq: 2 });
const qos = fc.constantFrom<QoS>(0, 1, 1, 2, 2);
const seqs = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

const subscription = fc.record({
  filter: anyFilter,
  qos,
  noLocal: fc.boolean(),
  asPublished: fc.boolean(),
  handling: fc.constantFrom<0 | 1 | 2>(0, 0, 1, 2),
  identifier: fc.option(fc.constantFrom(1, 268_435_455), { nil: undefined }),
});

const message = fc.record({
  topic: fc.constantFrom(...topics),
  tenThousands: fc.nat({ max: 3 }),
  qos,
  retain: fc.boolean(),
  publisher: fc.constantFrom('c0', 'p'),
  expiresIn: fc.constantFrom(0, 0, 0, 500, 3000),
});

const order = fc.option(fc.record({ epoch: fc.integer({ min: 1, max: 2 }), n: fc.nat({ max: 3 }) }), {
  nil: undefined,
});

const retained = fc
  .tuple(message, fc.constantFrom(...retainedTopics), uid, order)
  .map(([one, topic, named, place]) => ({ ...one, topic, uid: named, order: place }));

const target = fc.oneof(
  fc.record({
    claim,
    filters: fc.uniqueArray(filter, { minLength: 1, maxLength: 3 }),
    onlineOnly: fc.constant(undefined),
  }),
  fc.record({
    claim,
    filters: sharedFilter.map((each) => [each]),
    onlineOnly: fc.constantFrom(undefined, true),
  }),
);

const enqueued = fc
  .tuple(
    message,
    fc.record({
      refusable: fc.boolean(),
      uid,
      targets: fc.uniqueArray(target, { maxLength: 3, selector: (each) => each.claim }),
    }),
  )
  .map(([one, other]) => ({ ...one, ...other, qos: one.qos === 0 ? 1 : one.qos }));

const will = fc.option(fc.record({ delay: fc.constantFrom(0, 0, 3), text: fc.constantFrom('one', 'two') }), {
  nil: undefined,
});

function kind<Name extends string, Fields>(is: Name, fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }) {
  return fc.record({ is: fc.constant(is), ...fields }) as unknown as fc.Arbitrary<{ is: Name } & Fields>;
}

const enqueue = kind('enqueue', { messages: fc.array(enqueued, { minLength: 1, maxLength: 4 }) });
const acquire = kind('acquire', {
  clientId,
  node: fc.nat({ max: 1 }),
  clean: fc.constantFrom(false, false, true),
  expiry,
  will,
  receiveMaximum: fc.constantFrom(1, 3, 100),
  repeat: fc.boolean(),
});
const subscribe = kind('subscribe', { claim, subscriptions: fc.array(subscription, { minLength: 1, maxLength: 3 }) });
const read = kind('read', { claim, from: fc.nat({ max: 8 }), limit: fc.integer({ min: 1, max: 4 }) });

const member = fc.nat({ max: 1 });
const routed = fc.record({
  filter: fc.constantFrom('a', 'b'),
  to: fc.constantFrom('@node-a', '@node-b', 'g0', 'g1', 'm0', 'm1'),
  stored: fc.boolean(),
  heldBy: fc.constantFrom('', 'node-a', 'node-b'),
  marks: fc.integer({ min: 1, max: 3 }),
  /** A removal that was decided before the last change. */
  stale: fc.constantFrom(false, false, false, true),
});

const cursor = fc.constantFrom('', '', 'x');
const appended = message.map((one) => ({ ...one, qos: one.qos === 0 ? 1 : one.qos }) as const);
const choice = fc.record({
  uid: fc.constantFrom('u0', 'u1'),
  filter: sharedFilter,
  member: fc.constantFrom('m0', 'm1', 'm2'),
  instead: fc.constantFrom(undefined, 'm0', 'm1'),
});

/** After this long, uids may be forgotten: each store remembers them for a time of its own. */
export const longMs = 301_000;

/** Any command; what fills and drains queues comes most often. */
export const commands = fc.oneof(
  { weight: 4, arbitrary: acquire },
  { weight: 1, arbitrary: kind('abandon', { attempt: fc.nat({ max: 7 }) }) },
  {
    weight: 3,
    arbitrary: kind('release', {
      claim,
      expiry,
      will: fc.constantFrom<'publish' | 'drop'>('publish', 'drop'),
      sent: fc.nat({ max: 6 }),
    }),
  },
  { weight: 4, arbitrary: subscribe },
  {
    weight: 1,
    arbitrary: kind('unsubscribe', { claim, filters: fc.array(anyFilter, { minLength: 1, maxLength: 2 }) }),
  },
  { weight: 14, arbitrary: enqueue },
  { weight: 3, arbitrary: read },
  { weight: 3, arbitrary: kind('ack', { claim, seqs }) },
  { weight: 2, arbitrary: kind('rec', { claim, seqs }) },
  {
    weight: 3,
    arbitrary: kind('inbound', {
      claim,
      what: fc.constantFrom<'ingress' | 'done' | 'release'>('ingress', 'ingress', 'done', 'release'),
      packetId: fc.integer({ min: 1, max: 2 }),
      uid: fc.nat({ max: 1 }),
    }),
  },
  { weight: 1, arbitrary: kind('ended', { forget: fc.boolean() }) },
  { weight: 1, arbitrary: kind('wills', { done: fc.boolean() }) },
  { weight: 2, arbitrary: kind('retain', { messages: fc.array(retained, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: kind('match', { filter: fc.constantFrom(...matched) }) },
  { weight: 1, arbitrary: kind('count', {}) },
  { weight: 1, arbitrary: kind('ends', { claims: fc.array(claim, { maxLength: 3 }) }) },
  {
    weight: 4,
    arbitrary: kind('member', {
      what: fc.constantFrom<'join' | 'renew' | 'bury' | 'forget' | 'miss'>('join', 'renew', 'bury', 'forget', 'miss'),
      node: member,
      renewals: fc.nat({ max: 2 }),
    }),
  },
  { weight: 2, arbitrary: kind('reap', { node: member }) },
  {
    weight: 3,
    arbitrary: kind('route', {
      what: fc.constantFrom<'put' | 'remove' | 'away'>('put', 'put', 'remove', 'away'),
      routes: fc.array(routed, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: kind('append', {
      claim,
      filter,
      from: cursor,
      to: fc.option(cursor, { nil: undefined }),
      messages: fc.array(appended, { maxLength: 3 }),
      /** How many seqs were given out since the page was read. */
      since: fc.nat({ max: 2 }),
    }),
  },
  { weight: 2, arbitrary: kind('choose', { choices: fc.array(choice, { minLength: 1, maxLength: 3 }) }) },
  { weight: 4, arbitrary: kind('left', {}) },
  {
    weight: 6,
    arbitrary: kind('take', {
      claim,
      filters: fc.uniqueArray(sharedFilter, { minLength: 1, maxLength: 3 }),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: kind('done', { every: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 1, arbitrary: kind('pass', { claim, isOver: fc.boolean() }) },
  { weight: 4, arbitrary: kind('advance', { ms: fc.constantFrom(100, 500, 1500, 2500, 4000, 11_000, longMs) }) },
);

/** What every run begins with, or most of what follows would be for nobody: three Clients with many Subscriptions. */
export const prologue: readonly Command[] = (['c0', 'c1', 'c2'] as const).flatMap((client, node): Command[] => [
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

/** One command. */
export type Command = typeof commands extends fc.Arbitrary<infer Each> ? Each : never;

/** A route as a command describes it. */
export function routeOf({ filter, to, marks, stored, heldBy }: RouteOf): Route {
  if (to.startsWith('@')) return { topicFilter: filter, node: to.slice(1), marks };
  if (to.startsWith('g')) return { topicFilter: filter, clientId: `c-${to}`, generation: to };
  return { topicFilter: `$share/g/${filter}`, clientId: `c-${to}`, generation: to, isStored: stored, heldBy };
}

type RouteOf = typeof routed extends fc.Arbitrary<infer Each> ? Each : never;

/** A message as a command describes it. */
export function messageOf(of: MessageOf, nowMs: number): Message {
  return {
    topic: of.topic,
    payload: new Uint8Array(of.tenThousands * 10_000).fill(of.tenThousands),
    qos: of.qos,
    retain: of.retain,
    properties: of.expiresIn === 0 ? undefined : { contentType: 'text', userProperties: [['k', 'ü']] },
    publisherId: of.publisher,
    expiresAtMs: of.expiresIn === 0 ? 0 : nowMs + of.expiresIn,
    frames: undefined,
  };
}

/** A message as answers are compared: byte by byte, its payload would take longer than all else. */
export function shortOf({ payload, ...message }: Message): unknown {
  return { ...message, payload: `${payload.length} of ${payload[0]}`, frames: undefined };
}

type MessageOf = typeof message extends fc.Arbitrary<infer Each> ? Each : never;

/** A Subscription as a command describes it. */
export function subscriptionOf(of: SubscriptionOf): StoredSubscription {
  return {
    topicFilter: of.filter,
    qos: of.qos,
    noLocal: of.noLocal,
    retainAsPublished: of.asPublished,
    retainHandling: of.handling,
    subscriptionIdentifier: of.identifier,
  };
}

type SubscriptionOf = typeof subscription extends fc.Arbitrary<infer Each> ? Each : never;

/** A Will as a command describes it. */
export function willOf(of: { readonly delay: number; readonly text: string } | undefined): Will | undefined {
  if (of === undefined) return undefined;
  return {
    topic: 'will',
    payload: new TextEncoder().encode(of.text),
    qos: 1,
    retain: false,
    properties: of.delay === 0 ? undefined : { willDelayInterval: of.delay, contentType: 'text' },
  };
}
