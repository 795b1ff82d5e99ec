// A call from the journal, made again on the state: what it changed then it changes now.

import { memory } from '@skein/broker';
import type { Call } from './call.ts';

/**
 * Makes a call again.
 *
 * @param state as it was before the call
 * @param nowMs when it was made first
 */
export function apply(state: memory.MemoryState, call: Call, nowMs: number): void {
  const { sessions, queues, feeds, inbound, shared } = memory;
  switch (call.is) {
    case 'limits':
      state.limits = call.limits;
      return;
    case 'restart':
      return sessions.restart(state, nowMs);
    case 'skip_ahead':
      return sessions.skipAhead(state, call.by);
    case 'acquire':
      state.epoch = Math.max(state.epoch, call.lastEpoch);
      sessions.acquire(state, call.request, call.generation, nowMs);
      return;
    case 'abandoned':
      return sessions.abandoned(state, call.effect, nowMs);
    case 'release':
      sessions.release(state, call.request, nowMs);
      return;
    case 'subscribe':
      sessions.subscribe(state, call.claim, call.subscriptions);
      return;
    case 'unsubscribe':
      sessions.unsubscribe(state, call.claim, call.topicFilters);
      return;
    case 'expire':
      return sessions.expire(state, call.keys, nowMs);
    case 'forget':
      return sessions.forget(
        state,
        call.generations.map((generation) => ({ generation })),
      );
    case 'let_go':
      return sessions.letGo(state, call.keys, nowMs);
    case 'enqueue':
      queues.enqueue(state, call.batch, nowMs);
      return;
    case 'read':
      queues.read(state, call.claim, call.fromSeq, call.limit, nowMs);
      return;
    case 'ack':
      return queues.ack(state, call.acks);
    case 'rec':
      return queues.rec(state, call.recs);
    case 'append':
      feeds.append(state, call.page);
      return;
    case 'ingress':
      inbound.ingress(state, call.received);
      return;
    case 'inbound_done':
      return inbound.done(state, call.published);
    case 'inbound_release':
      return inbound.release(state, call.released);
    case 'retain':
      for (const set of call.sets) state.retained.set(set, state.limits.retainedMaxMessages, nowMs);
      return;
    case 'take_wills':
      sessions.takeWills(state, call.keys, nowMs);
      return;
    case 'wills_done':
      // By their names alone, as messages that were taken are.
      return sessions.doneWills(state, call.wills as Parameters<typeof sessions.doneWills>[1]);
    case 'choose':
      shared.choose(state, call.choices, nowMs);
      return;
    case 'take':
      shared.take(state, call.session, call.sharedFilters, call.limit, nowMs);
      return;
    case 'taken_done':
      return shared.done(state, call.taken as Parameters<typeof shared.done>[1], nowMs);
    case 'pass':
      return shared.pass(state, call.session, nowMs);
    default:
      return call satisfies never;
  }
}
