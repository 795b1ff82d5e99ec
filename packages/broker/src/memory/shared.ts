// Messages of Shared Subscriptions that a Session holds and others could have, as pure functions over the memory state
// [MQTT 4.8.2].
//
// A message taken for another member leaves the queue in the same breath, so that nobody can send it here meanwhile, and
// is kept aside until somebody says that the other one has it. A Session that is over stays, with what others may have,
// until all of that is done with: nothing is lost on the way.

import type { LeftSession, SharedChoice, TakenMessage } from '../ports.ts';
import { drop, put } from './collections.ts';
import { advanceHead, remove } from './queue.ts';
import type { LeftKey, MemoryState, SessionRecord, SharedEntry } from './state.ts';

/** How long a Client may be away before others get what it has not begun. */
const awayMs = 5000;
/** How long whoever takes messages has to give them to others. */
const takenMs = 4000;
/** Most entries that are looked at to find out by which filters they came. */
const looksMax = 4096;

/** @see Shared.choose */
export function choose(state: MemoryState, choices: readonly SharedChoice[], nowMs: number): readonly string[] {
  return choices.map(({ uid, sharedFilter, member, instead }) => {
    const name = `${uid}\0${sharedFilter}`;
    const chosen = state.choices.get(name, nowMs);
    if (chosen !== undefined && chosen !== instead) return chosen;
    state.choices.set(name, member, nowMs);
    return member;
  });
}

/** @see Shared.left */
export function left(state: MemoryState, limit: number, nowMs: number): readonly LeftSession[] {
  const named = new Map<string, LeftSession & { readonly dueMs: number }>();
  while (named.size < limit) {
    const key = state.left.pop(nowMs);
    if (key === undefined) break;
    const record = state.holderOf(key);
    const dueMs = record?.leftDueMs;
    if (record === undefined || dueMs === undefined || dueMs > nowMs || named.has(key.generation)) continue;
    const sharedFilters = filtersToBeHad(record, nowMs);
    if (sharedFilters.length > 0) {
      named.set(key.generation, { ...key, isOver: isOver(record), sharedFilters, dueMs });
    } else setDue(state, record, dueOf(record, nowMs, true));
  }
  // Whoever asked may die with the answer: until somebody takes them, they are named again.
  return Array.from(named.values(), ({ dueMs, ...session }) => {
    state.left.push(dueMs, { clientId: session.clientId, generation: session.generation });
    return session;
  });
}

/** @see Shared.take */
export function take(
  state: MemoryState,
  { clientId, generation }: LeftKey,
  sharedFilters: readonly string[],
  limit: number,
  nowMs: number,
): readonly TakenMessage[] {
  const record = state.holderOf({ clientId, generation });
  if (record === undefined) return [];
  const wanted = new Set(sharedFilters);
  const found: SharedEntry[] = [];
  for (const { entry, takenMs: sinceMs } of record.taken.values()) {
    if (wanted.has(entry.sharedFilter) && sinceMs <= nowMs - takenMs) found.push(entry);
  }
  const again = found.length;
  for (const entry of record.owner === undefined ? record.shared.values() : []) {
    if (found.length - again === limit) break;
    if (wanted.has(entry.sharedFilter) && isToBeHad(record, entry)) found.push(entry);
  }
  const entries = found.sort((one, other) => one.seq - other.seq).slice(0, limit);
  for (const entry of entries) {
    if (record.shared.has(entry.seq)) remove(record, entry);
    record.taken = put(record.taken, entry.seq, { entry, takenMs: nowMs });
  }
  if (entries.length > 0) {
    advanceHead(record);
    settle(state, record, nowMs);
  }
  return entries.map(({ seq, sharedFilter, message }) => ({
    clientId,
    generation,
    sharedFilter,
    uid: `again-${generation}-${seq}`,
    message,
  }));
}

/** @see Shared.done */
export function done(
  state: MemoryState,
  taken: readonly Pick<TakenMessage, 'clientId' | 'generation' | 'uid'>[],
  nowMs: number,
): void {
  for (const { clientId, generation, uid } of taken) {
    const record = state.holderOf({ clientId, generation });
    if (record === undefined || !drop(record.taken, Number(uid.slice(uid.lastIndexOf('-') + 1)))) continue;
    settle(state, record, nowMs);
  }
}

/** @see Shared.pass */
export function pass(state: MemoryState, session: LeftKey & Pick<LeftSession, 'isOver'>, nowMs: number): void {
  const record = state.holderOf(session);
  if (record === undefined) return;
  if (record.undelivered === undefined) {
    if (record.leftDueMs !== undefined) setDue(state, record, nowMs + awayMs);
    return;
  }
  // It has ended since it was named: others may have now what only those who were there could have then.
  if (!session.isOver) return;
  record.undelivered += record.shared.size;
  for (const entry of record.shared.values()) remove(record, entry);
  for (const [seq, { takenMs: sinceMs }] of record.taken) {
    if (sinceMs > nowMs - takenMs) continue; // somebody is about to give it to others
    record.undelivered++;
    drop(record.taken, seq);
  }
  settle(state, record, nowMs);
}

/** A shared message was queued, or a Network Connection has ended: when others may have what is there. */
export function leave(state: MemoryState, record: SessionRecord, nowMs: number): void {
  if (record.owner !== undefined || record.shared.size === 0 || record.leftDueMs !== undefined) return;
  setDue(state, record, dueOf(record, nowMs));
}

/** A Client is back: what was not taken is its own again. */
export function comeBack(state: MemoryState, record: SessionRecord, nowMs: number): void {
  setDue(state, record, dueOf(record, nowMs));
}

/**
 * Ends what a Session holds: what others may have stays for them.
 *
 * @returns false if that is nothing, and the generation may be dismantled
 */
export function keepForOthers(state: MemoryState, record: SessionRecord, nowMs: number): boolean {
  if (record.shared.size + record.taken.size === 0) return false;
  let undelivered = 0;
  for (const entry of record.queue.values()) {
    const shared = record.shared.get(entry.seq);
    if (shared !== undefined && isToBeHad(record, shared)) continue;
    remove(record, entry);
    undelivered++;
  }
  record.owner = undefined;
  record.undelivered = undelivered;
  state.keepOver(record);
  settle(state, record, nowMs);
  return true;
}

/** Not begun, or begun at QoS 1; one begun at QoS 2 is this Session's alone [MQTT-4.8.2-4, MQTT-4.8.2-5]. */
function isToBeHad({ sentSeq }: SessionRecord, { qos, seq }: SharedEntry): boolean {
  return qos === 1 || seq > sentSeq;
}

/** The filters by which something came that is to be had now. */
function filtersToBeHad(record: SessionRecord, nowMs: number): string[] {
  const filters = new Set<string>();
  for (const { entry, takenMs: sinceMs } of record.taken.values()) {
    if (sinceMs <= nowMs - takenMs) filters.add(entry.sharedFilter);
  }
  const isLeft = isOver(record) || isAway(record, nowMs);
  let looks = 0;
  for (const entry of isLeft ? record.shared.values() : []) {
    if (isToBeHad(record, entry)) filters.add(entry.sharedFilter);
    if (++looks === looksMax) break;
  }
  return [...filters].sort();
}

function isOver({ undelivered }: SessionRecord): boolean {
  return undelivered !== undefined;
}

function isAway({ owner, disconnectedAtMs }: SessionRecord, nowMs: number): boolean {
  return owner === undefined && nowMs >= disconnectedAtMs + awayMs;
}

/** Something was taken, or is done with: a Session that is over goes with the last of it. */
function settle(state: MemoryState, record: SessionRecord, nowMs: number): void {
  const { clientId, generation, shared, taken, undelivered } = record;
  if (undelivered === undefined || shared.size + taken.size > 0) {
    setDue(state, record, dueOf(record, nowMs));
    return;
  }
  state.dropOver(record);
  state.addEnded({ clientId, generation, topicFilters: [...record.subscriptions.keys()], undelivered });
}

/**
 * When something may be had: of the queue once the Client has been away long enough, or at once if the Session is over;
 * of what was taken, when its taker's time is up.
 *
 * @param isLater whether what is to be had by now does not count: there was nothing
 */
function dueOf(record: SessionRecord, nowMs: number, isLater = false): number | undefined {
  const times: number[] = [];
  if (record.shared.size > 0 && record.owner === undefined) {
    times.push(isOver(record) ? nowMs : Math.max(nowMs, record.disconnectedAtMs + awayMs));
  }
  let takenDueMs = Number.POSITIVE_INFINITY;
  for (const { takenMs: sinceMs } of record.taken.values()) takenDueMs = Math.min(takenDueMs, sinceMs + takenMs);
  if (record.taken.size > 0) times.push(takenDueMs);
  const counting = isLater ? times.filter((dueMs) => dueMs > nowMs) : times;
  return counting.length === 0 ? undefined : Math.min(...counting);
}

function setDue(state: MemoryState, record: SessionRecord, dueMs: number | undefined): void {
  if (record.leftDueMs === dueMs) return;
  record.leftDueMs = dueMs;
  if (dueMs !== undefined) state.left.push(dueMs, { clientId: record.clientId, generation: record.generation });
}
