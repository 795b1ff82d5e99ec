// Rules broken on purpose: a simulator that has never found anything has shown nothing.
//
// Each breaks one promise in the way a broker might, at one of its borders: towards the store, or towards the Client.

import type { Packet } from '@skein/protocol';
import type { Store } from '../../packages/broker/src/index.ts';
import { acknowledgesBeforeItStores, knowsNoEpochs } from '../../packages/broker/src/testing/broken-rules.ts';
import { never } from './schedule.ts';

/** A broker in which one rule does not hold. Made anew for each run. */
export interface BrokenRule {
  /** The store, as the broker sees it. */
  readonly store?: (store: Store) => Store;
  /** What the broker says on a Network Connection, as it comes out. */
  readonly says?: (packet: Packet, connection: number) => Packet;
  /** What a Client says on a Network Connection, as it comes in. */
  readonly takes?: (packet: Packet, connection: number) => Packet;
  /** Whether each PUBLISH overtakes the one before it. */
  readonly overtakes?: boolean;
}

/** A rule to be broken, and what shows it. */
export interface NamedRule {
  readonly name: string;
  readonly make: () => BrokenRule;
  /** In so many schedules, from seed 1, it must be found. */
  readonly withinSeeds: number;
  /** What is said of it. */
  readonly shows: RegExp;
}

/** All of them. */
export const brokenRules: readonly NamedRule[] = [
  {
    name: 'acknowledges-before-it-stores',
    make: acknowledgesBeforeItStores,
    withinSeeds: 50,
    shows: /acknowledged, and never came|passed|will/,
  },
  { name: 'knows-no-epochs', make: knowsNoEpochs, withinSeeds: 100, shows: /taken_over|will|duplicated|lost/ },
  { name: 'forgets-inbound-qos2', make: forgetsInboundQos2, withinSeeds: 300, shows: /duplicated/ },
  { name: 'forgets-pubrec', make: forgetsPubrec, withinSeeds: 800, shows: /duplicated/ },
  { name: 'packet-ids-by-connection', make: packetIdsByConnection, withinSeeds: 50, shows: /duplicated|corrupt/ },
  { name: 'fires-wills-twice', make: firesWillsTwice, withinSeeds: 800, shows: /duplicated/ },
  { name: 'retains-after-routes', make: retainsAfterRoutes, withinSeeds: 3000, shows: /retained/ },
  { name: 'unsubscribes-in-words', make: unsubscribesInWords, withinSeeds: 300, shows: /phantom/ },
  { name: 'suback-before-it-is-done', make: subscribesLate, withinSeeds: 400, shows: /lost|refuses/ },
  { name: 'keeps-session-on-clean-start', make: keepsSessionOnCleanStart, withinSeeds: 300, shows: /phantom/ },
  { name: 'never-expires-sessions', make: neverExpires, withinSeeds: 1500, shows: /session-present/ },
  { name: 'forgets-dup', make: forgetsDup, withinSeeds: 50, shows: /DUP|duplicated/ },
  { name: 'overtakes', make: () => ({ overtakes: true }), withinSeeds: 100, shows: /order/ },
  { name: 'ignores-receive-maximum', make: ignoresReceiveMaximum, withinSeeds: 100, shows: /in flight/ },
  { name: 'releases-in-words', make: releasesInWords, withinSeeds: 5000, shows: /lost/ },
];

/** Packet Identifiers of QoS 2 messages are not known any more after a reconnect, and a repeat is a new message. */
function forgetsInboundQos2(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      sessions: {
        ...store.sessions,
        acquire: async (request) => ({ ...(await store.sessions.acquire(request)), inbound: [] }),
      },
    }),
  };
}

/** PUBREC of a subscriber is not noted: its message is sent again to a Client that may have released it. */
function forgetsPubrec(): BrokenRule {
  return { store: (store) => ({ ...store, queues: { ...store.queues, rec: async () => {} } }) };
}

/** Packet Identifiers are counted anew on each Network Connection, so a repeat is not known by its own. */
function packetIdsByConnection(): BrokenRule {
  const byConnection = new Map<number, { last: number; out: Map<number, number>; back: Map<number, number> }>();
  const idsOf = (connection: number) => {
    let ids = byConnection.get(connection);
    if (ids === undefined) {
      ids = { last: 200, out: new Map(), back: new Map() };
      byConnection.set(connection, ids);
    }
    return ids;
  };
  return {
    says: (packet, connection) => {
      if ((packet.type !== 'publish' || packet.qos === 0) && packet.type !== 'pubrel') return packet;
      const ids = idsOf(connection);
      let packetId = packet.type === 'pubrel' ? ids.out.get(packet.packetId) : undefined;
      packetId ??= ids.last += 1 + (connection % 7);
      ids.out.set(packet.packetId, packetId);
      ids.back.set(packetId, packet.packetId);
      return { ...packet, packetId };
    },
    takes: (packet, connection) => {
      if (packet.type !== 'puback' && packet.type !== 'pubrec' && packet.type !== 'pubcomp') return packet;
      return { ...packet, packetId: idsOf(connection).back.get(packet.packetId) ?? packet.packetId };
    },
  };
}

/** Each Will that is due is claimed a second time, as if another connection had left it. */
function firesWillsTwice(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      wills: {
        ...store.wills,
        claim: async (limit) => {
          const due = await store.wills.claim(limit);
          return [...due, ...due.map((will) => ({ ...will, epoch: will.epoch + 0.5 }))];
        },
      },
    }),
  };
}

/** A retained message is stored some time after it was passed on, not before. */
function retainsAfterRoutes(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      retained: {
        ...store.retained,
        set: async (sets) => {
          store.retained.set(sets).catch(() => {});
          return sets.map(() => true);
        },
      },
    }),
  };
}

/** UNSUBSCRIBE is answered, and the store is not told. */
function unsubscribesInWords(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      sessions: { ...store.sessions, unsubscribe: async (_, topicFilters) => topicFilters.map(() => true) },
      routes: { ...store.routes, removeIf: async () => {} },
    }),
  };
}

/** SUBSCRIBE is answered, and its routes are stored later, or never. */
function subscribesLate(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      routes: {
        ...store.routes,
        put: async (routes) => {
          store.routes.put(routes).catch(() => {});
          return 0;
        },
      },
    }),
  };
}

/** Clean Start answers that there is no Session, and leaves its queue and its Subscriptions. */
function keepsSessionOnCleanStart(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      sessions: {
        ...store.sessions,
        acquire: async (request) => {
          const acquired = await store.sessions.acquire({ ...request, cleanStart: false });
          return request.cleanStart ? { ...acquired, sessionPresent: false } : acquired;
        },
      },
    }),
  };
}

/** A Session that is left stays for ever. */
function neverExpires(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      sessions: {
        ...store.sessions,
        release: (request) => {
          const { sessionExpirySeconds } = request;
          return store.sessions.release({
            ...request,
            sessionExpirySeconds: sessionExpirySeconds === 0 ? 0 : never,
          });
        },
      },
    }),
  };
}

/** What is sent again looks as if it were sent for the first time. */
function forgetsDup(): BrokenRule {
  return { says: (packet) => (packet.type === 'publish' ? { ...packet, dup: false } : packet) };
}

/** The broker never learns how much a Client takes at once. */
function ignoresReceiveMaximum(): BrokenRule {
  return {
    takes: (packet) => {
      if (packet.type !== 'connect' || packet.properties === undefined) return packet;
      return { ...packet, properties: { ...packet.properties, receiveMaximum: 100 } };
    },
  };
}

/** PUBCOMP is sent and the Packet Identifier stays in use: the next message under it passes for a repeat. */
function releasesInWords(): BrokenRule {
  return { store: (store) => ({ ...store, inbound: { ...store.inbound, release: async () => {} } }) };
}
