// One call of enqueue: which messages and Sessions it carries, and how it says so.
//
// What is a number goes into one word, the plan, in the layout that functions/enqueue.lua describes: every word costs
// both sides half a microsecond. A Topic Filter is a word once, however many messages it matched.

import type { Enqueue, EnqueueTarget, Message } from '@skein/broker';
import { messageSize, Writer, writeMessage } from '@skein/stored';
import type { Calls } from './calls.ts';
import type { Frame } from './frame.ts';
import type { Keys } from './keys.ts';
import { Plan } from './plan.ts';
import { type KeyLetter, keyBytes, SessionKeys } from './session-keys.ts';
import type { StoreLimits } from './surroundings.ts';

/** Sessions in one call: 10 µs each is what Redis may be kept from everybody else. */
const sessionsMax = 200;
/** Messages for Sessions in one call. */
const copiesMax = 1000;
/** Bytes of messages in one call, stored once for each Session that gets them. */
const bytesMax = 1024 * 1024;
/** Bytes of a message beside its payload, about. */
const messageBytes = 100;

/** A message, and by number the Sessions that it is for. */
interface Carried {
  readonly item: Enqueue;
  readonly sessions: readonly number[];
}

/** Messages and Sessions that one call of enqueue carries. */
export class EnqueueCall {
  readonly batch: Carried[] = [];
  /** Whether a message expires, so that the queues' times are needed. */
  hasExpiry = false;
  #hasUid = false;
  /** Whether a message comes by a shared filter, so that it has to be named as such. */
  hasShared = false;
  readonly #sessions: EnqueueTarget[] = [];
  /** By generation; where two Sessions should have the same name for theirs, by Client Identifier and generation. */
  readonly #numbers = new Map<string, number>();
  readonly #filters = new Map<string, number>();
  readonly #plan = new Plan();
  #copies = 0;
  #bytes = 0;

  /** The calls that a batch takes, in order; a message is never split, since it may be refused as a whole. */
  static *split(batch: readonly Enqueue[]): Generator<EnqueueCall> {
    let call = new EnqueueCall();
    for (const item of batch) {
      if (call.#isFullFor(item)) {
        yield call;
        call = new EnqueueCall();
      }
      call.#add(item);
    }
    if (call.batch.length > 0) yield call;
  }

  /** How many Sessions there are. */
  get sessionCount(): number {
    return this.#sessions.length;
  }

  /** Writes the call. @param withTimes whether it names the queues' times */
  frame(calls: Calls, keys: Keys, limits: StoreLimits, nowMs: number, withTimes: boolean): Frame {
    const letters: KeyLetter[] = ['u', 'q'];
    if (withTimes) letters.push('t');
    if (this.#hasUid) letters.push('d');
    if (this.hasShared) letters.push('h');
    const sessionKeys = new SessionKeys(keys, letters, this.hasShared);
    const keyCount = this.#sessions.length * sessionKeys.count;
    const bytes = keyCount * keyBytes + this.batch.length * messageBytes + this.#bytes;
    const frame = calls.begin('enqueue', keyCount, bytes);
    for (const { clientId, generation } of this.#sessions) sessionKeys.write(frame, clientId, generation);
    frame.number(nowMs);
    frame.number(limits.queueMaxMessages);
    frame.number(limits.queueMaxBytes);
    frame.text(limits.queueFull);
    frame.number(withTimes ? 1 : 0);
    frame.number(this.#hasUid ? 1 : 0);
    frame.number(this.hasShared ? 1 : 0);
    frame.number(this.#filters.size);
    frame.data(this.#plan.written);
    for (const filter of this.#filters.keys()) frame.text(filter);
    for (const { item } of this.batch) {
      if (item.targets.length === 0) continue;
      addMessage(frame, item.message);
      if (this.#hasUid) frame.text(item.uid ?? '');
    }
    return frame;
  }

  #isFullFor({ message, targets }: Enqueue): boolean {
    if (this.batch.length === 0) return false;
    const bytes = message.payload.length * Math.max(1, targets.length);
    return (
      this.#sessions.length + this.#newAmong(targets) > sessionsMax ||
      this.#copies + targets.length > copiesMax ||
      this.#bytes + bytes > bytesMax
    );
  }

  #newAmong(targets: Enqueue['targets']): number {
    if (this.#sessions.length + targets.length <= sessionsMax) return targets.length;
    return targets.filter((target) => this.#known(target) === undefined).length;
  }

  #add(item: Enqueue): void {
    const { message, targets, isRefusable, uid } = item;
    const sessions = targets.map((target) => this.#numberOf(target));
    this.batch.push({ item, sessions });
    this.#copies += targets.length;
    this.#bytes += message.payload.length * Math.max(1, targets.length);
    if (targets.length === 0) return;
    const plan = this.#plan;
    plan.uint8(message.qos + (message.retain ? 4 : 0) + (isRefusable ? 8 : 0));
    plan.uint48(message.expiresAtMs);
    plan.uint32(targets.length);
    for (let i = 0; i < targets.length; i++) {
      const target = targets[i] as EnqueueTarget;
      const { topicFilters } = target;
      const isShared = sharedFilterOf(target) !== undefined;
      if (isShared) this.hasShared = true;
      plan.uint32((sessions[i] as number) + 1);
      plan.uint8(
        (isShared ? 1 : 0) + (target.clientId === message.publisherId ? 2 : 0) + (target.onlineOnly === true ? 4 : 0),
      );
      plan.uint32(topicFilters.length);
      for (const topicFilter of topicFilters) plan.uint32(this.#filterNumber(topicFilter));
      if (topicFilters.length === 0) plan.uint32(0);
    }
    if (message.expiresAtMs > 0) this.hasExpiry = true;
    if (uid !== undefined) this.#hasUid = true;
  }

  #numberOf(target: EnqueueTarget): number {
    const known = this.#known(target);
    if (known !== undefined) return known;
    const number = this.#sessions.length;
    const { generation } = target;
    this.#numbers.set(this.#numbers.has(generation) ? nameOf(target) : generation, number);
    this.#sessions.push(target);
    return number;
  }

  #known(target: EnqueueTarget): number | undefined {
    const number = this.#numbers.get(target.generation);
    if (number === undefined || this.#sessions[number]?.clientId === target.clientId) return number;
    return this.#numbers.get(nameOf(target));
  }

  /** Counts from 1. */
  #filterNumber(topicFilter: string): number {
    const known = this.#filters.get(topicFilter);
    if (known !== undefined) return known;
    const number = this.#filters.size + 1;
    this.#filters.set(topicFilter, number);
    return number;
  }
}

/** The shared filter by which a message comes to a Session; undefined if it comes by none. */
export function sharedFilterOf({ topicFilters }: EnqueueTarget): string | undefined {
  const [filter] = topicFilters;
  // `$`: most filters are told apart by their first character.
  if (filter?.charCodeAt(0) !== 0x24 || topicFilters.length !== 1) return undefined;
  return filter.startsWith('$share/') || filter.startsWith('$queue/') ? filter : undefined;
}

function addMessage(frame: Frame, message: Message): void {
  const at = frame.reserve(messageSize(message));
  writeMessage(new Writer(frame.bytes, at), message);
}

function nameOf({ clientId, generation }: EnqueueTarget): string {
  return `${clientId}\0${generation}`;
}
