// Who owns which Session, and how Sessions begin and end, as pure functions over the memory state [MQTT 3.1.2.4, 3.1.4, 4.1].
//
// The Will is decided here and nowhere else, because only here is it known in one breath whether the old Network
// Connection ends, whether its Session goes on, and what the new CONNECT wants.

import type {
  Acquire,
  Acquired,
  Claim,
  EndedSession,
  Fenced,
  Release,
  Released,
  StoredSubscription,
} from '../ports.ts';
import { drop, emptyMap, put } from './collections.ts';
import { feedsOf, subscribed } from './feeds.ts';
import { comeBack, keepForOthers, leave } from './shared.ts';
import { type ConnectionKey, emptyRecord, type MemoryState, neverExpires, type SessionRecord } from './state.ts';
import { giveBack, hasten, pend, take, willsAtAcquire } from './wills.ts';

export { claimWills, doneWills, dueWills, takeWills } from './wills.ts';

/** Most entries an owned Session is reserved ahead. */
const reserveMax = 32;
/** Most Sessions that one reap lets go of. */
const reapMax = 200;

/**
 * How far seqs jump ahead when messages may have been sent of which nothing is known.
 *
 * The Packet Identifier follows from the seq, modulo 65,535, and one that a Client still knows from then must not be given
 * to another message: at QoS 2 the Client would take it for the one it has. So many messages may be unknown to a Session
 * before one of the next gets an identifier of theirs; as it were, 40,502 are sent before the identifiers are back at those
 * known before. It is the golden section of 65,535, and prime to it: however many starts follow each other like this, each
 * lands in the widest gap that those before have left. It is small enough for messages on both sides of the gap to be in
 * flight together, since seqs in flight span less than 65,534.
 */
export const seqJump: number = 25_033;

/**
 * The answer to an acquire that is a repeat, and changes nothing.
 *
 * @returns undefined if it is none
 */
export function repeated(state: MemoryState, { clientId, nonce, owner }: Acquire): Acquired | undefined {
  const present = state.sessions.get(clientId);
  return present?.acquired?.nonce === nonce && present.owner === owner ? present.acquired.answer : undefined;
}

/** @see Sessions.acquire */
export function acquire(state: MemoryState, request: Acquire, generation: string, nowMs: number): Acquired {
  const repeat = repeated(state, request);
  if (repeat !== undefined) return repeat;
  const before = state.sessionOf(request.clientId);
  const present = before !== undefined && !request.cleanStart && goesOn(before, nowMs);
  const wills = willsAtAcquire(state, request.clientId, before, present, nowMs);
  const previousOwner = before?.owner;
  const epoch = Math.max(state.epoch + 1, nowMs * 1000);
  state.epoch = epoch;

  let record = before;
  if (record === undefined || !present) {
    if (record !== undefined) end(state, record, nowMs);
    record = emptyRecord(request.clientId, generation, request.sessionExpirySeconds > 0);
    state.begin(record);
  }
  record.epoch = epoch;
  record.owner = request.owner;
  record.sessionExpirySeconds = request.sessionExpirySeconds;
  record.will = request.will;
  record.username = request.username;
  record.reserve = Math.min(request.receiveMaximum, reserveMax);
  record.sentSeq = Math.min(record.sentSeq, record.nextSeq - 1);
  record.earliestExpiryMs = 0; // entries above sentSeq may expire now: to be worked out anew
  comeBack(state, record, nowMs);
  const kept = present ? keptBy(record) : nothingKept;
  const answer: Acquired = {
    claim: { clientId: record.clientId, generation: record.generation, epoch },
    stored: record.stored,
    sessionPresent: present,
    previousOwner,
    subscriptions: kept.subscriptions,
    headSeq: record.headSeq,
    sentSeq: record.sentSeq,
    releases: kept.releases,
    inbound: kept.inbound,
    wills: wills.length === 0 ? none : wills.map((pending) => take(state, pending, nowMs)),
    feeds: kept.feeds,
  };
  record.acquired = { nonce: request.nonce, answer, wills: wills.length === 0 ? none : wills };
  return answer;
}

/** The answer stays for a repeat as long as the Network Connection: most have nothing in it, and share that. */
const none: readonly never[] = [];
const nothingKept: Kept = { subscriptions: none, releases: none, inbound: none, feeds: none };

type Kept = Pick<Acquired, 'subscriptions' | 'releases' | 'inbound' | 'feeds'>;

/** What a Session kept from one Network Connection to the next. */
function keptBy(record: SessionRecord): Kept {
  return {
    subscriptions: [...record.subscriptions.values()],
    releases: [...record.releases],
    inbound: Array.from(record.inbound, ([packetId, { uid, isDone }]) => ({ packetId, uid, isDone })),
    feeds: feedsOf(record),
  };
}

/** What undoing an acquire does. */
export interface Abandoned {
  readonly claim: Claim;
  readonly sentSeq: number;
  readonly sessionExpirySeconds: number;
  /** Wills that the acquirer was to publish, and has not said to have published. */
  readonly wills: readonly ConnectionKey[];
}

/** @see Sessions.abandon */
export function abandon(state: MemoryState, clientId: string, nonce: string, nowMs: number): boolean {
  const effect = abandonable(state, clientId, nonce);
  if (effect !== undefined) abandoned(state, effect, nowMs);
  return effect !== undefined;
}

/** What there is to be undone of an acquire; undefined if it has not happened, or somebody has acquired the Session since. */
export function abandonable(state: MemoryState, clientId: string, nonce: string): Abandoned | undefined {
  const record = state.sessions.get(clientId);
  if (record?.acquired?.nonce !== nonce || record.owner === undefined) return undefined;
  const { answer, wills } = record.acquired;
  return {
    claim: answer.claim,
    sentSeq: answer.sentSeq,
    sessionExpirySeconds: record.sessionExpirySeconds,
    wills: wills.filter(({ state: is }) => is === 'claimed').map(({ epoch }) => ({ clientId, epoch })),
  };
}

/** Undoes an acquire. */
export function abandoned(state: MemoryState, effect: Abandoned, nowMs: number): void {
  const { claim, sentSeq, sessionExpirySeconds, wills } = effect;
  giveBack(state, wills, nowMs);
  release(state, { claim, sessionExpirySeconds, will: 'drop', sentSeq }, nowMs);
}

/** @see Sessions.release */
export function release(state: MemoryState, request: Release, nowMs: number): Released | Fenced {
  const record = state.claimed(request.claim);
  if (record === undefined) return 'fenced';
  const ended = !record.stored || request.sessionExpirySeconds === 0;
  const will = request.will === 'publish' ? record.will : undefined;

  record.owner = undefined;
  record.will = undefined;
  record.sessionExpirySeconds = request.sessionExpirySeconds;
  record.disconnectedAtMs = nowMs;
  record.sentSeq = Math.min(record.sentSeq, Math.max(request.sentSeq, record.headSeq - 1));
  record.earliestExpiryMs = 0;
  let willDueInMs: number | undefined;
  if (will !== undefined) {
    // A Session that ends takes its Will's delay with it [MQTT-3.1.3-9].
    const delay = ended ? 0 : Math.min(will.properties?.willDelayInterval ?? 0, request.sessionExpirySeconds);
    willDueInMs = delay * 1000;
    pend(state, record, will, nowMs + willDueInMs);
  }
  if (ended) {
    end(state, record, nowMs);
    return { ended, willDueInMs };
  }
  leave(state, record, nowMs);
  if (request.sessionExpirySeconds !== neverExpires) {
    const { clientId, epoch } = record;
    state.expiries.push(nowMs + request.sessionExpirySeconds * 1000, { clientId, epoch });
  }
  return { ended, willDueInMs };
}

/**
 * Lets go of some of a dead node's Sessions. What was let go is that node's no more, so every call may begin at the
 * front: it is asked for no cursor, and answers one only to say that there are others.
 *
 * @see Members.reap
 */
export function reap(
  state: MemoryState,
  node: string,
  nowMs: number,
): { readonly sessions: number; readonly next: number | undefined } {
  const keys = ownedBy(state, node, reapMax + 1);
  const some = keys.slice(0, reapMax);
  letGo(state, some, nowMs);
  return { sessions: some.length, next: keys.length > reapMax ? 1 : undefined };
}

/** Chooses Sessions that a node owns. */
export function ownedBy(state: MemoryState, node: string, limit: number): readonly ConnectionKey[] {
  const keys: ConnectionKey[] = [];
  for (const { clientId, epoch, owner } of state.sessions.values()) {
    if (keys.length === limit) break;
    if (owner === node) keys.push({ clientId, epoch });
  }
  return keys;
}

/** Lets go of Sessions whose node is dead, if these are still their connections. */
export function letGo(state: MemoryState, keys: readonly ConnectionKey[], nowMs: number): void {
  for (const { clientId, epoch } of keys) {
    const record = state.sessions.get(clientId);
    if (record?.epoch !== epoch) continue;
    const { generation, sessionExpirySeconds, nextSeq } = record;
    // rule: st is a reservation. Nobody can say any more what of it was sent: whatever is there may have been.
    const claim = { clientId, generation, epoch };
    release(state, { claim, sessionExpirySeconds, will: 'publish', sentSeq: nextSeq - 1 }, nowMs);
  }
}

/** Lets go of all Sessions that are owned, whatever node's, as when its death is found out: a new life begins. */
export function restart(state: MemoryState, nowMs: number): void {
  for (const record of state.sessions.values()) {
    if (record.owner === undefined) continue;
    record.acquired = undefined; // nobody is left who could repeat it
    letGo(state, [record], nowMs);
  }
  state.keepUnfinished();
}

/**
 * Lets the seqs of all stored Sessions jump ahead; see {@link seqJump}. Packet Identifiers that Clients have used are
 * forgotten: one that was released since would swallow the next message under it.
 */
export function skipAhead(state: MemoryState, by: number): void {
  for (const { clientId, stored } of state.sessions.values()) {
    const record = stored ? state.sessionOf(clientId) : undefined;
    if (record === undefined) continue;
    record.inbound = emptyMap();
    record.nextSeq += by;
    if (record.queue.size + record.releases.size === 0) record.headSeq = record.nextSeq;
  }
}

/** @see Sessions.subscribe */
export function subscribe(
  state: MemoryState,
  claim: Claim,
  subscriptions: readonly StoredSubscription[],
): readonly boolean[] | Fenced {
  const record = state.claimed(claim);
  if (record === undefined) return 'fenced';
  return subscriptions.map((subscription) => {
    const replaced = record.subscriptions.has(subscription.topicFilter);
    record.subscriptions = put(record.subscriptions, subscription.topicFilter, subscription);
    subscribed(record, subscription, replaced);
    return replaced;
  });
}

/** @see Sessions.unsubscribe */
export function unsubscribe(
  state: MemoryState,
  claim: Claim,
  topicFilters: readonly string[],
): readonly boolean[] | Fenced {
  const record = state.claimed(claim);
  if (record === undefined) return 'fenced';
  return topicFilters.map((topicFilter) => {
    drop(record.feeds, topicFilter);
    return drop(record.subscriptions, topicFilter);
  });
}

/** @see Sessions.ended */
export function ended(state: MemoryState, limit: number, nowMs: number): readonly EndedSession[] {
  expire(state, expired(state, limit, nowMs), nowMs);
  return endedUntilNow(state, limit);
}

/** Names generations to be dismantled; ends none. */
export function endedUntilNow(state: MemoryState, limit: number): readonly EndedSession[] {
  const due: EndedSession[] = [];
  for (const { session } of state.ended.values()) {
    if (due.length === limit) break;
    due.push(session);
  }
  return due;
}

/** Chooses Sessions whose expiry has passed. They are not chosen again: whoever asks ends them in the same breath. */
export function expired(state: MemoryState, limit: number, nowMs: number): readonly ConnectionKey[] {
  const keys: ConnectionKey[] = [];
  for (let steps = 0; steps < limit; steps++) {
    const key = state.expiries.pop(nowMs);
    if (key === undefined) break;
    // The Client may have come back, or its Session be over already and another one have its place.
    if (state.isAway(key)) keys.push(key);
  }
  return keys;
}

/** Ends Sessions, if these were the last connections of their Clients. */
export function expire(state: MemoryState, keys: readonly ConnectionKey[], nowMs: number): void {
  for (const key of keys) {
    const record = state.awayOf(key);
    if (record !== undefined) end(state, record, nowMs);
  }
}

/** @see Sessions.forget */
export function forget(state: MemoryState, sessions: readonly Pick<EndedSession, 'generation'>[]): void {
  for (const { generation } of sessions) state.dropEnded(generation);
}

/** Whether a Session is there to be resumed, though the sweep that ends Sessions may not have come by yet. */
function goesOn(record: SessionRecord, nowMs: number): boolean {
  if (record.owner !== undefined) return record.sessionExpirySeconds > 0;
  return (
    record.sessionExpirySeconds === neverExpires || nowMs < record.disconnectedAtMs + record.sessionExpirySeconds * 1000
  );
}

/** Ends a generation. What it left elsewhere is dismantled later; a delayed Will is due at once [MQTT-3.1.3-9]. */
function end(state: MemoryState, record: SessionRecord, nowMs: number): void {
  state.drop(record);
  hasten(state, record);
  if (!record.stored || keepForOthers(state, record, nowMs)) return;
  state.addEnded({
    clientId: record.clientId,
    generation: record.generation,
    topicFilters: [...record.subscriptions.keys()],
    undelivered: record.queue.size,
  });
}
