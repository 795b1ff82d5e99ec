// The state made again from all that it held, piece by piece.
//
// What can be worked out again is: when things are due, how much a queue holds, which of it came by a shared filter, and
// when the first of it expires. Entries may come in any order: a queue keeps them in order of seq. A message is as many objects as there were in the pieces: one that waits for many Sessions is kept once for
// each of them from now on.

import { bytesOf } from '../message.ts';
import type { Route } from '../ports.ts';
import { isShared } from '../topic/filter.ts';
import { include, put } from './collections.ts';
import type { EntriesItem, SessionItem, StateItem, WillItem } from './items.ts';
import { place } from './queue.ts';
import { remember } from './seen.ts';
import { comeBack } from './shared.ts';
import {
  emptyRecord,
  MemoryState,
  neverExpires,
  type QueueLimits,
  type SessionRecord,
  type SharedEntry,
} from './state.ts';
import { keyOfTopic } from './topic-order.ts';

/** A state in the making. */
export class Restoration {
  readonly #state: MemoryState;
  /** By generation. */
  readonly #sessions = new Map<string, SessionRecord>();

  constructor(limits: QueueLimits) {
    this.#state = new MemoryState(limits);
  }

  /**
   * Puts one piece in its place and keeps what it refers to.
   *
   * @throws RangeError for entries of a Session that has not come before them
   */
  add(item: StateItem): void {
    const state = this.#state;
    switch (item.is) {
      case 'entries':
        this.#fill(item);
        break;
      case 'session':
        this.#begin(item);
        break;
      case 'will':
        this.#pend(item);
        break;
      case 'ended':
        state.addEnded(item.session);
        break;
      case 'retained':
        state.retained.put(item.message, item.order);
        break;
      case 'removal': {
        const { topic, publisherId, order, sinceMs } = item;
        state.retained.removed.set(keyOfTopic(topic), { publisherId, order }, sinceMs);
        break;
      }
      case 'retained_uid':
        state.retained.seen.set(item.uid, true, item.sinceMs);
        break;
      case 'choice':
        state.choices.set(item.name, item.member, item.sinceMs);
        break;
      case 'epoch':
        state.epoch = Math.max(state.epoch, item.epoch);
        break;
      default:
        unreachable(item);
    }
  }

  /** Works out what follows from the rest, but for routes ({@link putRoutes}). Nothing may be added any more. */
  finish(nowMs: number): MemoryState {
    const state = this.#state;
    for (const record of state.over.values()) comeBack(state, record, nowMs);
    for (const record of state.sessions.values()) {
      comeBack(state, record, nowMs);
      const { clientId, epoch, owner, sessionExpirySeconds, disconnectedAtMs } = record;
      if (owner !== undefined || sessionExpirySeconds === neverExpires) continue;
      state.expiries.push(disconnectedAtMs + sessionExpirySeconds * 1000, { clientId, epoch });
    }
    state.keepUnfinished();
    this.#sessions.clear();
    return state;
  }

  #begin(item: SessionItem): void {
    const record = recordOf(item);
    this.#sessions.set(record.generation, record);
    if (record.undelivered === undefined) this.#state.begin(record);
    else this.#state.keepOver(record);
  }

  #fill({ generation, entries }: EntriesItem): void {
    const record = this.#sessions.get(generation);
    if (record === undefined) throw new RangeError(`messages of ${generation}, and no such Session`);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry === undefined) continue;
      place(record, entry);
      const { message } = entry;
      record.queueBytes += bytesOf(message);
      const { expiresAtMs } = message;
      if (expiresAtMs > 0 && expiresAtMs < record.earliestExpiryMs) record.earliestExpiryMs = expiresAtMs;
    }
  }

  #pend({ clientId, generation, epoch, will, username, dueMs, isClaimed }: WillItem): void {
    const state = isClaimed ? 'claimed' : 'waiting';
    this.#state.addWill({ clientId, generation, epoch, will, username, dueMs, state });
    this.#state.wills.push(dueMs, { clientId, epoch });
  }
}

/**
 * Puts the routes of all stored Sessions, as if each had just subscribed and its Client were away. For a state whose
 * table of routes is empty, before anybody follows it, and when nothing else is to change Subscriptions any more.
 */
export function putRoutes(state: MemoryState): void {
  for (const { clientId, generation, stored, subscriptions } of state.sessions.values()) {
    if (!stored || subscriptions.size === 0) continue;
    const routes: Route[] = [];
    for (const topicFilter of subscriptions.keys()) {
      const route = { topicFilter, clientId, generation };
      routes.push(isShared(topicFilter) ? { ...route, isStored: true, heldBy: '' } : route);
    }
    state.routes.put(routes);
  }
}

function recordOf(item: SessionItem): SessionRecord {
  const record = emptyRecord(item.clientId, item.generation, item.stored);
  record.epoch = item.epoch;
  record.owner = item.owner;
  record.sessionExpirySeconds = item.sessionExpirySeconds;
  record.disconnectedAtMs = item.disconnectedAtMs;
  record.reserve = item.reserve;
  record.nextSeq = item.nextSeq;
  record.headSeq = item.headSeq;
  record.sentSeq = item.sentSeq;
  record.will = item.will;
  record.username = item.username;
  record.undelivered = item.over?.undelivered;
  for (const seq of item.releases) record.releases = include(record.releases, seq);
  for (const subscription of item.subscriptions) {
    record.subscriptions = put(record.subscriptions, subscription.topicFilter, subscription);
  }
  for (const { topicFilter, from } of item.feeds) record.feeds = put(record.feeds, topicFilter, from);
  for (const { packetId, uid, isDone } of item.inbound) record.inbound = put(record.inbound, packetId, { uid, isDone });
  for (const { uid, sinceMs, refusal } of item.seen) record.seen = remember(record.seen, uid, { sinceMs, refusal });
  for (const { entry, takenMs } of item.taken) {
    record.taken = put(record.taken, entry.seq, { entry: entry as SharedEntry, takenMs });
  }
  return record;
}

function unreachable(item: never): never {
  throw new RangeError(`an item of an unknown kind: ${JSON.stringify(item)}`);
}
