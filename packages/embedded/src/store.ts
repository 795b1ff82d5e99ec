// The ports over a state that has a journal.
//
// A call changes the state in one breath, as in the memory store, and in the same breath goes into the journal with the
// time and the randomness it was given. Its answer is given when the journal is stored in its class, and so is every
// other one: what it tells may rest on calls whose record is still on its way to the disk.
//
// What changes nothing is not recorded. Where a call chooses among what is due, its choice is recorded, not the call.

import {
  type Clock,
  type Enqueue,
  type EnqueueOutcome,
  type Limits,
  type Message,
  memory,
  type Random,
  type Store,
  StoreUnavailable,
} from '@skein/broker';
import { type Call, encodeCall } from './call.ts';
import { changing, leavesNoTrace } from './changing.ts';
import { EnqueuesSliced } from './enqueue-sliced.ts';
import type { Journal } from './journal.ts';

/** What the ports lead to. */
export interface StoreParts {
  readonly state: memory.MemoryState;
  readonly journal: Journal;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Random;
  readonly limits: Limits;
  /** Called after a call that may have been recorded. */
  readonly recorded: () => void;
  /** Called when the state has changed and that cannot be recorded. */
  readonly failed: (error: unknown) => void;
  /** Whether the store is about to close, and nothing may change any more. */
  readonly isClosing: () => boolean;
}

const generationBytes = 6;
/** A record of messages is about as large at most, but for one that is larger. */
const portionBytes = 1024 * 1024;
/** Most Sessions that one reap lets go of. */
const reapMax = 200;

/** The ports over a state that was read back, or is new. */
export function portsOf({ state, journal, clock, random, limits, recorded, failed, isClosing }: StoreParts): Store {
  const { sessions, queues, feeds, inbound, shared } = memory;

  const append = (call: Call, nowMs: number): void => journal.append((out) => encodeCall(out, call, nowMs));

  /** Records what has happened. If that cannot be done, what is in memory is no more what the next start will find. */
  const record = (call: Call, nowMs: number): void => {
    try {
      append(call, nowMs);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) failed(error);
      throw error;
    }
  };

  /** rule: Stored before told. */
  const told = async <Answer>(answer: Answer): Promise<Answer> => {
    // Here, where a call is over: a snapshot that began in the middle of one would have half of it twice.
    recorded();
    const storing = journal.stored();
    if (storing !== undefined) await storing;
    return answer;
  };

  /** The time of a call that may change something; what could not be written down must not happen. */
  const begin = (): number => {
    if (isClosing()) throw new StoreUnavailable('the store is closing');
    if (journal.isStuck) throw new StoreUnavailable('the data directory cannot be written to');
    return clock.nowMs();
  };

  const recordEnqueue = (changed: readonly Enqueue[], nowMs: number): void => {
    for (const part of portionsOf(changed)) record({ is: 'enqueue', batch: part }, nowMs);
  };

  const enqueuesSliced = new EnqueuesSliced({
    state,
    limits,
    begin,
    record: recordEnqueue,
    recorded,
    stored: () => journal.stored(),
  });

  /** Batches that were enqueued, and not answered in time: whoever asks again with the same one gets its answer. */
  const inDoubt = new WeakMap<readonly Enqueue[], readonly (readonly EnqueueOutcome[] | undefined)[]>();

  /** Acquires that were undone, and nobody could be told in time. */
  const abandonedInDoubt = new Set<string>();

  return {
    room: {
      get isShort(): boolean {
        return journal.isShort;
      },
    },
    sessions: {
      acquire: async (request) => {
        const nowMs = begin();
        const generation = Buffer.from(random.bytes(generationBytes)).toString('hex');
        const repeated = sessions.repeated(state, request);
        if (repeated !== undefined) return told(repeated);
        const { epoch } = state; // calls that leave no trace have moved it too
        const isTraceless = leavesNoTrace(state, request);
        // Recorded first: what cannot be written down (a user name may have any length) must not happen.
        if (!isTraceless) append({ is: 'acquire', request, generation, lastEpoch: epoch }, nowMs);
        const answer = sessions.acquire(state, request, generation, nowMs);
        if (isTraceless) return answer;
        return told(answer);
      },
      abandon: async (clientId, nonce) => {
        const nowMs = begin();
        if (abandonedInDoubt.has(nonce)) {
          await told(true);
          return abandonedInDoubt.delete(nonce);
        }
        const effect = sessions.abandonable(state, clientId, nonce);
        if (effect === undefined) return told(false);
        sessions.abandoned(state, effect, nowMs);
        record({ is: 'abandoned', effect }, nowMs);
        try {
          return await told(true);
        } catch (error) {
          abandonedInDoubt.add(nonce);
          throw error;
        }
      },
      release: async (request) => {
        const nowMs = begin();
        const session = state.claimed(request.claim);
        const isTraceless = session !== undefined && !session.stored && session.will === undefined;
        const answer = sessions.release(state, request, nowMs);
        if (isTraceless) return answer;
        if (answer !== 'fenced') record({ is: 'release', request }, nowMs);
        return told(answer);
      },
      subscribe: async (claim, subscriptions) => {
        const nowMs = begin();
        const answer = sessions.subscribe(state, claim, subscriptions);
        if (answer !== 'fenced') record({ is: 'subscribe', claim, subscriptions }, nowMs);
        return told(answer);
      },
      unsubscribe: async (claim, topicFilters) => {
        const nowMs = begin();
        const answer = sessions.unsubscribe(state, claim, topicFilters);
        if (answer !== 'fenced') record({ is: 'unsubscribe', claim, topicFilters }, nowMs);
        return told(answer);
      },
      ended: async (limit) => {
        const nowMs = begin();
        const keys = sessions.expired(state, limit, nowMs);
        if (keys.length > 0) {
          sessions.expire(state, keys, nowMs);
          record({ is: 'expire', keys }, nowMs);
        }
        return told(sessions.endedUntilNow(state, limit));
      },
      forget: async (ended) => {
        const nowMs = begin();
        sessions.forget(state, ended);
        if (ended.length > 0) record({ is: 'forget', generations: ended.map(({ generation }) => generation) }, nowMs);
        return told(undefined);
      },
      count: async () => state.sessions.size,
    },
    queues: {
      enqueue: async (batch) => {
        const before = inDoubt.get(batch);
        if (before !== undefined) return told(before);
        let outcomes: readonly (readonly EnqueueOutcome[] | undefined)[];
        if (enqueuesSliced.takes(batch)) {
          outcomes = await enqueuesSliced.enqueue(batch);
        } else {
          const nowMs = begin();
          outcomes = queues.enqueue(state, batch, nowMs);
          recordEnqueue(changing(batch, outcomes, limits), nowMs);
        }
        try {
          return await told(outcomes);
        } catch (error) {
          inDoubt.set(batch, outcomes);
          throw error;
        }
      },
      read: async (claim, fromSeq, limit) => {
        const nowMs = begin();
        const session = state.claimed(claim);
        const { headSeq, sentSeq } = session ?? {};
        const answer = queues.read(state, claim, fromSeq, limit, nowMs);
        const isMoved = session !== undefined && (session.headSeq !== headSeq || session.sentSeq !== sentSeq);
        if (isMoved || (answer !== 'fenced' && answer.expired > 0)) {
          record({ is: 'read', claim, fromSeq, limit }, nowMs);
        }
        return told(answer);
      },
      ack: async (acks) => {
        const nowMs = begin();
        queues.ack(state, acks);
        record({ is: 'ack', acks }, nowMs);
        return told(undefined);
      },
      rec: async (recs) => {
        const nowMs = begin();
        queues.rec(state, recs);
        record({ is: 'rec', recs }, nowMs);
        return told(undefined);
      },
      ends: async (claims) => told(queues.ends(state, claims)),
      append: async (page) => {
        const nowMs = begin();
        const answer = feeds.append(state, page);
        if (answer.is === 'appended') record({ is: 'append', page }, nowMs);
        return told(answer);
      },
    },
    inbound: {
      ingress: async (received) => {
        const nowMs = begin();
        const answers = inbound.ingress(state, received);
        const noted = received.filter((_, i) => answers[i] === 'noted');
        if (noted.length > 0) record({ is: 'ingress', received: noted }, nowMs);
        return told(answers);
      },
      done: async (published) => {
        const nowMs = begin();
        inbound.done(state, published);
        record({ is: 'inbound_done', published }, nowMs);
        return told(undefined);
      },
      release: async (released) => {
        const nowMs = begin();
        inbound.release(state, released);
        record({ is: 'inbound_release', released }, nowMs);
        return told(undefined);
      },
    },
    retained: {
      set: async (sets) => {
        const nowMs = begin();
        // A removal makes room; nothing else is taken while there is little.
        const taken = journal.isShort ? sets.filter(({ message }) => message.payload.length === 0) : sets;
        const stored = new Set(taken.filter((each) => state.retained.set(each, limits.retainedMaxMessages, nowMs)));
        // Those that were refused too: each has cleared away some of what had expired.
        for (const part of portionsOf(taken)) record({ is: 'retain', sets: part }, nowMs);
        return told(sets.map((each) => stored.has(each)));
      },
      page: async (topicFilter, from) => told(state.retained.page(topicFilter, from, clock.nowMs())),
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
      claim: async (limit) => {
        const nowMs = begin();
        const keys = sessions.dueWills(state, limit, nowMs);
        if (keys.length === 0) return told([]);
        const wills = sessions.takeWills(state, keys, nowMs);
        record({ is: 'take_wills', keys }, nowMs);
        return told(wills);
      },
      done: async (wills) => {
        const nowMs = begin();
        sessions.doneWills(state, wills);
        record({ is: 'wills_done', wills }, nowMs);
        return told(undefined);
      },
    },
    // A node that is alone: what it says of itself, nobody else hears, and it ends with it.
    members: {
      join: async (self) => state.register.join(self),
      renew: async (node) => state.register.renew(node),
      bury: async (node, renewals) => state.register.bury(node, renewals),
      reap: async (node) => {
        const nowMs = begin();
        const owned = sessions.ownedBy(state, node, reapMax + 1);
        const keys = owned.slice(0, reapMax);
        sessions.letGo(state, keys, nowMs);
        if (keys.length > 0) record({ is: 'let_go', keys }, nowMs);
        return told({ sessions: keys.length, next: owned.length > reapMax ? 1 : undefined });
      },
      forget: async (node) => state.register.forget(node),
      miss: async (node) => state.register.miss(node),
    },
    shared: {
      choose: async (choices) => {
        const nowMs = begin();
        const answers = shared.choose(state, choices, nowMs);
        record({ is: 'choose', choices }, nowMs);
        return told(answers);
      },
      // When they are to be looked at again is worked out at a start; nothing else is changed.
      left: async (limit) => told(shared.left(state, limit, clock.nowMs())),
      take: async (session, sharedFilters, limit) => {
        const nowMs = begin();
        const taken = shared.take(state, session, sharedFilters, limit, nowMs);
        if (taken.length > 0) record({ is: 'take', session, sharedFilters, limit }, nowMs);
        return told(taken);
      },
      done: async (taken) => {
        const nowMs = begin();
        shared.done(state, taken, nowMs);
        record({ is: 'taken_done', taken }, nowMs);
        return told(undefined);
      },
      pass: async (session) => {
        const nowMs = begin();
        shared.pass(state, session, nowMs);
        record({ is: 'pass', session }, nowMs);
        return told(undefined);
      },
    },
  };
}

/** What goes into one record, so that none becomes larger than what can be read back, or than is good for anybody. */
function* portionsOf<Item extends { readonly message: Message }>(items: readonly Item[]): Generator<readonly Item[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < items.length; i++) {
    bytes += memory.bytesOf((items[i] as Item).message);
    if (bytes < portionBytes && i < items.length - 1) continue;
    yield i + 1 - from === items.length ? items : items.slice(from, i + 1);
    from = i + 1;
    bytes = 0;
  }
}
