// Rules broken on purpose: a checker that has never found anything has shown nothing.

import type { PeerInbox, Peers } from '../peer-ports.ts';
import type { Claim, Enqueue, EnqueueOutcome, NodeRoute, Route, SessionRoute, Store } from '../ports.ts';

/** A cluster in which one rule does not hold. Made anew for each simulation. */
export interface BrokenRule {
  /** The store, as each broker sees it. */
  readonly store?: (store: Store) => Store;
  /** The store itself. */
  readonly behind?: (store: Store) => Store;
  readonly peers?: (peers: Peers) => Peers;
}

/** Publishers are answered before their messages are stored; nobody repeats a call that failed. */
export function acknowledgesBeforeItStores(): BrokenRule {
  return {
    store: (store) => ({
      ...store,
      queues: {
        ...store.queues,
        enqueue: async (batch) => {
          store.queues.enqueue(batch).catch(() => {});
          return batch.map(({ targets }) => targets.map(() => ({ is: 'skipped' })));
        },
      },
    }),
  };
}

/** Whoever once owned a Session may write to it for as long as its generation lasts. */
export function knowsNoEpochs(): BrokenRule {
  const latest = new Map<string, Claim>();
  const now = (claim: Claim): Claim => {
    const last = latest.get(claim.clientId);
    return last?.generation === claim.generation ? last : claim;
  };
  return {
    store: (store) => ({
      ...store,
      sessions: {
        ...store.sessions,
        acquire: async (request) => {
          const acquired = await store.sessions.acquire(request);
          latest.set(request.clientId, acquired.claim);
          return acquired;
        },
        release: (request) => store.sessions.release({ ...request, claim: now(request.claim) }),
      },
      queues: {
        ...store.queues,
        read: (claim, fromSeq, limit) => store.queues.read(now(claim), fromSeq, limit),
        ends: (claims) => store.queues.ends(claims.map(now)),
      },
      inbound: {
        ...store.inbound,
        ingress: (received) => store.inbound.ingress(received.map((each) => ({ ...each, claim: now(each.claim) }))),
      },
    }),
  };
}

/** A removal takes a route away though it has been put anew since it was decided: it arrives behind that put. */
export function removesRoutesWhateverTheirVersion(): BrokenRule {
  const decided = new Set<string>();
  const keyOf = (route: Route): string => {
    const { node } = route as Partial<NodeRoute>;
    return `${route.topicFilter} ${node ?? (route as SessionRoute).generation}`;
  };
  return {
    behind: (store) => ({
      ...store,
      routes: {
        ...store.routes,
        removeIf: (routes) => {
          for (const route of routes) decided.add(keyOf(route));
          return store.routes.removeIf(routes);
        },
        put: async (routes) => {
          const last = await store.routes.put(routes);
          const versioned = routes.map((route, i) => ({ ...route, version: last - routes.length + 1 + i }));
          await store.routes.removeIf(versioned.filter((route) => decided.delete(keyOf(route))));
          return last;
        },
      },
    }),
  };
}

/** What a peer sends arrives twice. */
export function deliversTwice(): BrokenRule {
  const twice = <Args extends unknown[]>(call: (...args: Args) => void): ((...args: Args) => void) => {
    return (...args) => {
      call(...args);
      call(...args);
    };
  };
  return { peers: (peers) => withInbox(peers, (inbox) => ({ publish: twice((message) => inbox.publish(message)) })) };
}

/** What was handed to a way counts as taken; what has been waiting there when the next one comes is given up. */
export function countsAsDeliveredWhatWasSent(): BrokenRule {
  return {
    peers: (peers) =>
      changed(peers, {
        deliver: async (node, messages) => {
          if (peers.unreachableMs(node) > 0) peers.giveUp(node);
          void peers.deliver(node, messages);
          return true;
        },
      }),
  };
}

/** Whoever publishes a message of a Shared Subscription chooses its member anew. */
export function agreesOnNobody(): BrokenRule {
  return {
    behind: (store) => ({
      ...store,
      shared: { ...store.shared, choose: async (choices) => choices.map(({ member }) => member) },
    }),
  };
}

/** A member that has refused a message takes it when it is asked again. */
export function forgetsRefusals(): BrokenRule {
  const refusals = new Map<string, number>();
  const keyOf = ({ uid, targets }: Enqueue): string => `${targets[0]?.generation} ${uid}`;
  const renamed = (item: Enqueue): Enqueue => ({
    ...item,
    uid: item.uid && `${item.uid} ${refusals.get(keyOf(item)) ?? 0}`,
  });
  const isRefusal = (outcome: EnqueueOutcome | undefined): boolean =>
    outcome?.is === 'offline' || outcome?.is === 'full' || outcome?.is === 'no_subscription';
  return {
    behind: (store) => ({
      ...store,
      queues: {
        ...store.queues,
        enqueue: async (batch) => {
          const answers = await store.queues.enqueue(batch.map((item) => (isForMember(item) ? renamed(item) : item)));
          for (const [i, item] of batch.entries()) {
            if (isForMember(item) && isRefusal(answers[i]?.[0]))
              refusals.set(keyOf(item), (refusals.get(keyOf(item)) ?? 0) + 1);
          }
          return answers;
        },
      },
    }),
  };
}

/** What is taken for another member is not taken away: its first one gets it as well, if it comes back. */
export function givesAwayAndKeeps(): BrokenRule {
  const kept = new Set<string>();
  return {
    behind: (store) => ({
      ...store,
      shared: {
        ...store.shared,
        take: async (session, ...of) => {
          const taken = await store.shared.take(session, ...of);
          for (const { clientId, generation, sharedFilter, uid, message } of taken) {
            if (kept.has(message.topic + String(message.payload))) continue;
            kept.add(message.topic + String(message.payload));
            const targets = [{ clientId, generation, topicFilters: [sharedFilter] }];
            await store.queues.enqueue([{ message, targets, isRefusable: false, uid: `${uid} kept` }]);
          }
          return taken;
        },
      },
    }),
  };
}

function isForMember({ targets }: Enqueue): boolean {
  return targets[0]?.onlineOnly !== undefined;
}

function withInbox(peers: Peers, change: (inbox: PeerInbox) => Partial<PeerInbox>): Peers {
  return changed(peers, {
    start: (inbox) => {
      const others: PeerInbox = {
        publish: (message) => inbox.publish(message),
        deliver: (messages) => inbox.deliver(messages),
        push: (push) => inbox.push(push),
        kick: (clientId, epoch) => inbox.kick(clientId, epoch),
        look: () => inbox.look(),
        storeAnswers: () => inbox.storeAnswers(),
      };
      peers.start({ ...others, ...change(inbox) });
    },
  });
}

/** The same peers, but for some of their methods. */
export function changed(peers: Peers, methods: Partial<Peers>): Peers {
  return new Proxy(peers, {
    get: (target, name) => {
      const other = methods[name as keyof Peers];
      if (other !== undefined) return other;
      const found = Reflect.get(target, name, target) as unknown;
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}
