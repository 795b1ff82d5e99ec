// The memory store: the model of all stores behind the ports that any store has.
//
// Brokers of one process may share it as they would share a store far away: one clock for all, and each its own name.
//
// The work is done at the call, in one breath; the answer comes later, as it would from far away. Whoever forgets to
// await one, or counts on its order among other answers, is caught here and not first in production. Where there is an
// event loop that others wait for, an enqueue for very many Sessions is done in slices (slices.ts).

import type { Clock, Enqueue, EnqueueOutcome, Random, Store } from '../ports.ts';
import * as feeds from './feeds.ts';
import * as inbound from './inbound2.ts';
import * as queues from './queues.ts';
import * as sessions from './sessions.ts';
import * as shared from './shared.ts';
import { isLong, Line, SlicedEnqueue } from './slices.ts';
import { MemoryState, type QueueLimits } from './state.ts';

/**
 * A store in this process's memory. Nothing of it survives the process.
 *
 * @param state what it holds at first; nothing unless given
 * @param othersTurn resolves when others have had their turn of the event loop; if it is not given, nothing is cut
 */
export function memoryStore(
  clock: Clock,
  random: Random,
  limits: QueueLimits,
  state: MemoryState = new MemoryState(limits),
  othersTurn?: () => Promise<void>,
): Store {
  const generation = (): string => hexOf(random.bytes(6));
  const line = new Line();
  const enqueueSliced = async (
    batch: readonly Enqueue[],
  ): Promise<readonly (readonly EnqueueOutcome[] | undefined)[]> => {
    const sliced = new SlicedEnqueue(state, batch);
    for (sliced.step(clock.nowMs()); !sliced.isOver; sliced.step(clock.nowMs())) await othersTurn?.();
    return sliced.outcomes;
  };
  return {
    sessions: {
      acquire: async (request) => sessions.acquire(state, request, generation(), clock.nowMs()),
      abandon: async (clientId, nonce) => sessions.abandon(state, clientId, nonce, clock.nowMs()),
      release: async (request) => sessions.release(state, request, clock.nowMs()),
      subscribe: async (claim, subscriptions) => sessions.subscribe(state, claim, subscriptions),
      unsubscribe: async (claim, topicFilters) => sessions.unsubscribe(state, claim, topicFilters),
      ended: async (limit) => sessions.ended(state, limit, clock.nowMs()),
      forget: async (ended) => sessions.forget(state, ended),
      count: async () => state.sessions.size,
    },
    queues: {
      enqueue: async (batch) => {
        const isCut = othersTurn !== undefined && (line.isBusy || isLong(state, batch));
        if (isCut) return line.behindOthers(() => enqueueSliced(batch));
        return queues.enqueue(state, batch, clock.nowMs());
      },
      read: async (claim, fromSeq, limit) => queues.read(state, claim, fromSeq, limit, clock.nowMs()),
      ack: async (acks) => queues.ack(state, acks),
      rec: async (recs) => queues.rec(state, recs),
      ends: async (claims) => queues.ends(state, claims),
      append: async (page) => feeds.append(state, page),
    },
    inbound: {
      ingress: async (received) => inbound.ingress(state, received),
      done: async (published) => inbound.done(state, published),
      release: async (released) => inbound.release(state, released),
    },
    retained: {
      set: async (sets) =>
        sets.map((each) => state.retained.set(each, state.limits.retainedMaxMessages, clock.nowMs())),
      page: async (topicFilter, from) => state.retained.page(topicFilter, from, clock.nowMs()),
      count: async () => state.retained.count,
    },
    routes: {
      put: async (routes) => state.routes.put(routes),
      removeIf: async (routes) => state.routes.removeIf(routes),
      awayIf: async (routes) => state.routes.awayIf(routes),
      version: async () => state.routes.version,
      follow: async (changed) => state.routes.follow(changed),
    },
    wills: {
      claim: async (limit) => sessions.claimWills(state, limit, clock.nowMs()),
      done: async (wills) => sessions.doneWills(state, wills),
    },
    members: {
      join: async (self) => state.register.join(self),
      renew: async (node) => state.register.renew(node),
      bury: async (node, renewals) => state.register.bury(node, renewals),
      reap: async (node) => sessions.reap(state, node, clock.nowMs()),
      forget: async (node) => state.register.forget(node),
      miss: async (node) => state.register.miss(node),
    },
    shared: {
      choose: async (choices) => shared.choose(state, choices, clock.nowMs()),
      left: async (limit) => shared.left(state, limit, clock.nowMs()),
      take: async (session, filters, limit) => shared.take(state, session, filters, limit, clock.nowMs()),
      done: async (taken) => shared.done(state, taken, clock.nowMs()),
      pass: async (session) => shared.pass(state, session, clock.nowMs()),
    },
  };
}

function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += (byte < 16 ? '0' : '') + byte.toString(16);
  return hex;
}
