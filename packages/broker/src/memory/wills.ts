// Wills on their way, as pure functions over the memory state: due at a time, then claimed, then done [MQTT 3.1.2.5].
//
// Those of one Client are kept in the order of its connections, and published in that order.

import type { DueWill } from '../ports.ts';
import type { ConnectionKey, MemoryState, PendingWill, SessionRecord } from './state.ts';

/** How long whoever claims a Will has to publish it. */
const claimMs = 4000;

/** @see Wills.claim */
export function claimWills(state: MemoryState, limit: number, nowMs: number): readonly DueWill[] {
  return takeWills(state, dueWills(state, limit, nowMs), nowMs);
}

/** Chooses Wills that are due. They are not chosen again: whoever asks takes them in the same breath. */
export function dueWills(state: MemoryState, limit: number, nowMs: number): readonly ConnectionKey[] {
  const due = new Set<Readonly<PendingWill>>();
  while (due.size < limit) {
    const key = state.wills.pop(nowMs);
    if (key === undefined) break;
    const pending = state.pendingWillOf(key);
    if (pending === undefined || due.has(pending)) continue;
    // A claim that nobody has finished is void after a while: its node may be gone, or the answer lost.
    if (pending.dueMs > nowMs) continue;
    // Those of earlier connections come first, also if somebody has claimed them and not finished.
    for (const earlier of state.pendingWills.get(pending.clientId)?.pending ?? []) {
      if (earlier.epoch >= pending.epoch) break;
      if (earlier.state === 'claimed' || earlier.dueMs <= nowMs) due.add(earlier);
    }
    due.add(pending);
  }
  return Array.from(due, keyOf);
}

/** Takes Wills to be published. */
export function takeWills(state: MemoryState, keys: readonly ConnectionKey[], nowMs: number): readonly DueWill[] {
  const taken: DueWill[] = [];
  for (const key of keys) {
    const pending = willOf(state, key);
    if (pending !== undefined) taken.push(take(state, pending, nowMs));
  }
  return taken;
}

/** @see Wills.done */
export function doneWills(
  state: MemoryState,
  wills: readonly Pick<DueWill, 'clientId' | 'generation' | 'epoch'>[],
): void {
  for (const { clientId, generation, epoch } of wills) {
    const pending = willOf(state, { clientId, epoch });
    if (pending?.generation === generation) finish(state, pending);
  }
}

/**
 * What a new CONNECT does to the Wills of the connections before it [MQTT-3.1.3-9, 3.1.2.5], oldest first.
 * Those whose time has come are returned, also if somebody has claimed them and not finished: the newcomer's own
 * messages must not be overtaken by them. One that the resumed Session makes void is gone.
 */
export function willsAtAcquire(
  state: MemoryState,
  clientId: string,
  record: SessionRecord | undefined,
  present: boolean,
  nowMs: number,
): PendingWill[] {
  for (const pending of [...state.willsOf(clientId)]) {
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
  return [...state.willsOf(clientId)];
}

/** A Will is due at a time. */
export function pend(state: MemoryState, record: SessionRecord, will: PendingWill['will'], dueMs: number): void {
  const pending: PendingWill = {
    clientId: record.clientId,
    generation: record.generation,
    epoch: record.epoch,
    will,
    username: record.username,
    dueMs,
    state: 'waiting',
  };
  state.addWill(pending);
  state.wills.push(dueMs, keyOf(pending));
}

/** The generation ends: its delayed Wills are due at once [MQTT-3.1.3-9]. */
export function hasten(state: MemoryState, { clientId, generation }: SessionRecord): void {
  for (const pending of state.willsOf(clientId)) {
    if (pending.state !== 'waiting' || pending.generation !== generation || pending.dueMs === 0) continue;
    pending.dueMs = 0;
    state.wills.push(0, keyOf(pending));
  }
}

/** Whoever took Wills does not publish them: they are due again. */
export function giveBack(state: MemoryState, keys: readonly ConnectionKey[], nowMs: number): void {
  for (const key of keys) {
    const pending = willOf(state, key);
    if (pending === undefined) continue;
    pending.state = 'waiting';
    pending.dueMs = nowMs;
    state.wills.push(nowMs, key);
  }
}

/** Takes a Will to be published. */
export function take(state: MemoryState, pending: PendingWill, nowMs: number): DueWill {
  pending.state = 'claimed';
  pending.dueMs = nowMs + claimMs;
  state.wills.push(pending.dueMs, keyOf(pending));
  return pending;
}

function willOf(state: MemoryState, { clientId, epoch }: ConnectionKey): PendingWill | undefined {
  return state.willsOf(clientId).find((pending) => pending.epoch === epoch);
}

function keyOf({ clientId, epoch }: Readonly<PendingWill>): ConnectionKey {
  return { clientId, epoch };
}

function finish(state: MemoryState, pending: PendingWill): void {
  state.dropWill(pending);
  pending.state = 'over';
}
