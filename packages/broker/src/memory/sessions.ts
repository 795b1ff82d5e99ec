// Who owns which Session, and how Sessions begin and end, as pure functions over the memory state [MQTT 3.1.2.4, 3.1.4, 4.1].
//
// The Will is decided here and nowhere else, because only here is it known in one breath whether the old Network
// Connection ends, whether its Session goes on, and what the new CONNECT wants.

import type {
  Acquire,
  Acquired,
  Claim,
  DueWill,
  EndedSession,
  Fenced,
  Release,
  Released,
  StoredSubscription,
} from '../ports.ts';
import { feedsOf, subscribed } from './feeds.ts';
import { comeBack, keepForOthers, leave } from './shared.ts';
import { type ConnectionKey, type MemoryState, neverExpires, type PendingWill, type SessionRecord } from './state.ts';

/** How long whoever claims a Will has to publish it. */
const claimMs = 4000;
/** Most entries an owned Session is reserved ahead. */
const reserveMax = 32;
/** Most Sessions that one reap lets go of. */
const reapMax = 200;

/** @see Sessions.acquire */
export function acquire(state: MemoryState, request: Acquire, generation: string, nowMs: number): Acquired {
  const before = state.sessions.get(request.clientId);
  if (before?.acquired?.nonce === request.nonce && before.owner === request.owner) return before.acquired.answer;
  const present = before !== undefined && !request.cleanStart && goesOn(before, nowMs);
  const wills = willsAtAcquire(state, request.clientId, before, present, nowMs);
  const previousOwner = before?.owner;
  const epoch = Math.max(state.epoch + 1, nowMs * 1000);
  state.epoch = epoch;

  let record = before;
  if (record === undefined || !present) {
    if (record !== undefined) end(state, record, nowMs);
    record = newRecord(request, generation);
    state.sessions.set(request.clientId, record);
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
  const answer: Acquired = {
    claim: { clientId: record.clientId, generation: record.generation, epoch },
    stored: record.stored,
    sessionPresent: present,
    previousOwner,
    subscriptions: [...record.subscriptions.values()],
    headSeq: record.headSeq,
    sentSeq: record.sentSeq,
    releases: [...record.releases],
    inbound: Array.from(record.inbound, ([packetId, { uid, isDone }]) => ({ packetId, uid, isDone })),
    wills: wills.map((pending) => take(state, pending, nowMs)),
    feeds: feedsOf(record),
  };
  record.acquired = { nonce: request.nonce, answer, wills };
  return answer;
}

/** @see Sessions.abandon */
export function abandon(state: MemoryState, clientId: string, nonce: string, nowMs: number): boolean {
  const record = state.sessions.get(clientId);
  if (record?.acquired?.nonce !== nonce || record.owner === undefined) return false;
  const { answer, wills } = record.acquired;
  const { claim, sentSeq } = answer;
  for (const pending of wills) {
    if (pending.state !== 'claimed') continue; // somebody has published it
    pending.state = 'waiting';
    pending.dueMs = nowMs;
    state.wills.push(nowMs, keyOf(pending));
  }
  release(state, { claim, sessionExpirySeconds: record.sessionExpirySeconds, will: 'drop', sentSeq }, nowMs);
  return true;
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
  let sessions = 0;
  for (const { clientId, generation, epoch, owner, sessionExpirySeconds, nextSeq } of state.sessions.values()) {
    if (owner !== node) continue;
    if (sessions === reapMax) return { sessions, next: 1 };
    // rule: st is a reservation. Nobody can say any more what of it was sent: whatever is there may have been.
    const claim = { clientId, generation, epoch };
    release(state, { claim, sessionExpirySeconds, will: 'publish', sentSeq: nextSeq - 1 }, nowMs);
    sessions++;
  }
  return { sessions, next: undefined };
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
    record.subscriptions.set(subscription.topicFilter, subscription);
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
    record.feeds.delete(topicFilter);
    return record.subscriptions.delete(topicFilter);
  });
}

/** @see Sessions.ended */
export function ended(state: MemoryState, limit: number, nowMs: number): readonly EndedSession[] {
  for (let steps = 0; steps < limit; steps++) {
    const expiry = state.expiries.pop(nowMs);
    if (expiry === undefined) break;
    // The Client may have come back, or its Session be over already and another one have its place.
    const record = state.awayOf(expiry);
    if (record === undefined) continue;
    end(state, record, nowMs);
  }
  const due: EndedSession[] = [];
  for (const session of state.ended.values()) {
    if (due.length === limit) break;
    due.push(session);
  }
  return due;
}

/** @see Sessions.forget */
export function forget(state: MemoryState, sessions: readonly EndedSession[]): void {
  for (const { generation } of sessions) state.ended.delete(generation);
}

/** @see Wills.claim */
export function claimWills(state: MemoryState, limit: number, nowMs: number): readonly DueWill[] {
  const due = new Set<DueWill>();
  while (due.size < limit) {
    const key = state.wills.pop(nowMs);
    if (key === undefined) break;
    const pending = state.pendingWillOf(key);
    if (pending === undefined) continue;
    // A claim that nobody has finished is void after a while: its node may be gone, or the answer lost.
    if (pending.dueMs > nowMs) continue;
    // Those of earlier connections come first, also if somebody has claimed them and not finished.
    for (const earlier of state.pendingWills.get(pending.clientId) ?? []) {
      if (earlier.epoch >= pending.epoch) break;
      if (earlier.state === 'claimed' || earlier.dueMs <= nowMs) due.add(take(state, earlier, nowMs));
    }
    due.add(take(state, pending, nowMs));
  }
  return [...due];
}

/** @see Wills.done */
export function doneWills(state: MemoryState, wills: readonly DueWill[]): void {
  for (const { clientId, generation, epoch } of wills) {
    for (const pending of state.pendingWills.get(clientId) ?? []) {
      if (pending.generation === generation && pending.epoch === epoch) finish(state, pending);
    }
  }
}

function newRecord(request: Acquire, generation: string): SessionRecord {
  return {
    clientId: request.clientId,
    generation,
    stored: request.sessionExpirySeconds > 0,
    epoch: 0,
    owner: undefined,
    sessionExpirySeconds: 0,
    disconnectedAtMs: 0,
    reserve: 0,
    nextSeq: 1,
    headSeq: 1,
    sentSeq: 0,
    subscriptions: new Map(),
    feeds: new Map(),
    queue: new Map(),
    queueBytes: 0,
    shared: new Map(),
    taken: new Map(),
    leftDueMs: undefined,
    earliestExpiryMs: Number.POSITIVE_INFINITY,
    releases: new Set(),
    inbound: new Map(),
    seen: new Map(),
    acquired: undefined,
    will: undefined,
    username: undefined,
  };
}

/** Whether a Session is there to be resumed, though the sweep that ends Sessions may not have come by yet. */
function goesOn(record: SessionRecord, nowMs: number): boolean {
  if (record.owner !== undefined) return record.sessionExpirySeconds > 0;
  return (
    record.sessionExpirySeconds === neverExpires || nowMs < record.disconnectedAtMs + record.sessionExpirySeconds * 1000
  );
}

/**
 * What a new CONNECT does to the Wills of the connections before it [MQTT-3.1.3-9, 3.1.2.5], oldest first.
 * Those whose time has come are returned, also if somebody has claimed them and not finished: the newcomer's own
 * messages must not be overtaken by them. One that the resumed Session makes void is gone.
 */
function willsAtAcquire(
  state: MemoryState,
  clientId: string,
  record: SessionRecord | undefined,
  present: boolean,
  nowMs: number,
): PendingWill[] {
  for (const pending of [...(state.pendingWills.get(clientId) ?? [])]) {
    if (pending.state !== 'waiting' || pending.dueMs <= nowMs) continue;
    if (present) finish(state, pending);
    else pending.dueMs = nowMs;
  }
  if (record?.owner !== undefined && record.will !== undefined) {
    // The old Network Connection ends by this very call. Its Will waits for nobody if it has no delay, or if
    // the Session ends with the connection; else the Client is back before the delay began.
    const delayed = (record.will.properties?.willDelayInterval ?? 0) > 0;
    if (!delayed || !present) pend(state, record, record.will, nowMs);
  }
  return [...(state.pendingWills.get(clientId) ?? [])];
}

function pend(state: MemoryState, record: SessionRecord, will: PendingWill['will'], dueMs: number): void {
  const pending: PendingWill = {
    clientId: record.clientId,
    generation: record.generation,
    epoch: record.epoch,
    will,
    username: record.username,
    dueMs,
    state: 'waiting',
  };
  const others = state.pendingWills.get(record.clientId);
  if (others === undefined) state.pendingWills.set(record.clientId, [pending]);
  else others.push(pending);
  state.wills.push(dueMs, keyOf(pending));
}

function keyOf({ clientId, epoch }: PendingWill): ConnectionKey {
  return { clientId, epoch };
}

function take(state: MemoryState, pending: PendingWill, nowMs: number): DueWill {
  pending.state = 'claimed';
  pending.dueMs = nowMs + claimMs;
  state.wills.push(pending.dueMs, keyOf(pending));
  return pending;
}

function finish(state: MemoryState, pending: PendingWill): void {
  pending.state = 'over';
  const others = (state.pendingWills.get(pending.clientId) ?? []).filter((other) => other !== pending);
  if (others.length === 0) state.pendingWills.delete(pending.clientId);
  else state.pendingWills.set(pending.clientId, others);
}

/** Ends a generation. What it left elsewhere is dismantled later; a delayed Will is due at once [MQTT-3.1.3-9]. */
function end(state: MemoryState, record: SessionRecord, nowMs: number): void {
  state.sessions.delete(record.clientId);
  for (const pending of state.pendingWills.get(record.clientId) ?? []) {
    if (pending.state !== 'waiting' || pending.generation !== record.generation || pending.dueMs === 0) continue;
    pending.dueMs = 0;
    state.wills.push(0, keyOf(pending));
  }
  if (!record.stored || keepForOthers(state, record, nowMs)) return;
  state.ended.set(record.generation, {
    clientId: record.clientId,
    generation: record.generation,
    topicFilters: [...record.subscriptions.keys()],
    undelivered: record.queue.size,
  });
}
