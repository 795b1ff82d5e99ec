// Retained messages in order of their topics, read in pages [MQTT 3.3.1.3].
//
// A page is found anew from where the one before it ended, by a key of that order: nothing is kept from one to the next,
// so a walk may take days and outlive any restart, and whatever comes or goes meanwhile disturbs nobody.

import { bytesOf, type Message } from '../message.ts';
import type { PublishOrder, RetainedPage, RetainedSet } from '../ports.ts';
import { OrderedMap } from './ordered-map.ts';
import { horizonMs, Remembered } from './remembered.ts';
import { KeyFilter, keyOfTopic } from './topic-order.ts';

/** What a page may hold, and how many keys may be looked at for it, a long one for several: a millisecond or two. */
const pageMessages = 256;
const pageBytes = 1024 * 1024;
const pageLooks = 1024;
const lookUnits = 256;
/** Expired messages removed by one call. */
const expireMax = 16;
/** Uids remembered for all topics together; more than can be on their way at once. */
const seenMax = 640_000;
/** rule: Retained. How long, and of how many topics, it is remembered by whom their message was removed. */
const removedMs = 60_000;
const removedMax = 100_000;

/** A message and where it stands among those of its publisher. */
export interface KeptMessage {
  readonly message: Message;
  readonly order: PublishOrder | undefined;
  /** The last snapshot that has it, or that it came after. */
  savedIn: number;
}

/** Whose removal of a topic's message is remembered. */
export interface Removal {
  readonly publisherId: string;
  readonly order: PublishOrder;
}

interface Watch {
  retained(kept: KeptMessage): void;
}

/** The last retained message of every topic that has one. */
export class RetainedMessages {
  readonly #kept = new OrderedMap<KeptMessage>();
  /** Keys of messages that expire, each behind its time. */
  readonly #expiries = new OrderedMap<string>();
  /** Uids of messages that were set. */
  readonly seen: Remembered<true> = new Remembered(horizonMs, seenMax);
  /** By the keys of their topics. */
  readonly removed: Remembered<Removal> = new Remembered(removedMs, removedMax);
  /** Whose snapshot is under way, and the number of the last one. */
  #watch: Watch | undefined = undefined;
  #snapshots = 0;

  get count(): number {
    return this.#kept.size;
  }

  /**
   * Stores a message in place of the last one of its topic; an empty payload removes it [MQTT-3.3.1-6, MQTT-3.3.1-7].
   * One whose uid was set before is left alone [rule: QoS 2], as is one that its publisher has sent before the present
   * one [rule: Retained].
   *
   * @returns false if `max` topics have a message already and this one has not
   */
  set(set: RetainedSet, max: number, nowMs: number): boolean {
    this.#expire(nowMs);
    const { uid } = set;
    if (uid !== undefined && this.seen.get(uid, nowMs)) return true;
    const isStored = this.#set(set, max, nowMs);
    if (isStored && uid !== undefined) this.seen.set(uid, true, nowMs);
    return isStored;
  }

  #set({ message, order }: RetainedSet, max: number, nowMs: number): boolean {
    const key = keyOfTopic(message.topic);
    const before = this.#kept.get(key);
    if (this.#isOld(message, order, key, before, nowMs)) return true;
    if (message.payload.length === 0) {
      if (before !== undefined) this.#remove(key, before);
      if (order !== undefined) this.removed.set(key, { publisherId: message.publisherId, order }, nowMs);
      return true;
    }
    if (before === undefined && this.#kept.size >= max) return false;
    if (before === undefined) this.removed.forget(key);
    this.#put(key, message, order, before);
    return true;
  }

  /** Puts a message in its place, whatever was there and whatever is remembered. */
  put(message: Message, order: PublishOrder | undefined): void {
    const key = keyOfTopic(message.topic);
    this.#put(key, message, order, this.#kept.get(key));
  }

  #put(key: string, message: Message, order: PublishOrder | undefined, before: KeptMessage | undefined): void {
    if (before !== undefined) this.#leave(key, before);
    this.#kept.set(key, { message, order, savedIn: this.#snapshots });
    if (message.expiresAtMs > 0) this.#expiries.set(expiryOf(key, message), key);
  }

  /** Whether a message stands before what its publisher has done with the topic last. */
  #isOld(
    { publisherId }: Message,
    order: PublishOrder | undefined,
    key: string,
    before: KeptMessage | undefined,
    nowMs: number,
  ): boolean {
    if (order === undefined) return false;
    if (before !== undefined) {
      return before.message.publisherId === publisherId && before.order !== undefined && precedes(order, before.order);
    }
    const removal = this.removed.get(key, nowMs);
    return removal?.publisherId === publisherId && precedes(order, removal.order);
  }

  /** @see Retained.page */
  page(topicFilter: string, from: string, nowMs: number): RetainedPage {
    const filter = new KeyFilter(topicFilter);
    const position = this.#kept.seek(from === '' ? filter.first : from);
    const messages: Message[] = [];
    let bytes = 0;
    for (let looks = 0; ; ) {
      const { key, value } = position;
      if (key === undefined || value === undefined) return { messages, next: undefined };
      if (looks >= pageLooks || messages.length === pageMessages || bytes >= pageBytes) return { messages, next: key };
      looks += 1 + Math.trunc(key.length / lookUnits);
      const { matches, goOn } = filter.compare(key);
      if (matches && !isExpired(value.message, nowMs)) {
        messages.push(value.message);
        bytes += bytesOf(value.message);
      }
      if (goOn === 'nowhere') return { messages, next: undefined };
      if (goOn === 'next') position.next();
      else position.seek(goOn.from);
    }
  }

  #remove(key: string, kept: KeptMessage): void {
    this.#leave(key, kept);
    this.#kept.delete(key);
  }

  /** A message is about to lose its place; a snapshot that has still to save it does so first. */
  #leave(key: string, kept: KeptMessage): void {
    this.#watch?.retained(kept);
    if (kept.message.expiresAtMs > 0) this.#expiries.delete(expiryOf(key, kept.message));
  }

  /** From now on the watch is told of each message that is about to go, or to be replaced. */
  beginWatch(watch: Watch, snapshots: number): void {
    this.#watch = watch;
    this.#snapshots = snapshots;
  }

  endWatch(): void {
    this.#watch = undefined;
  }

  /**
   * Shows the next messages in order of their topics, expired ones too.
   *
   * @param from '' at first, then what was returned; it stays good whatever comes or goes
   * @returns where to go on; undefined behind the last one
   */
  walk(from: string, count: number, each: (kept: KeptMessage) => void): string | undefined {
    const position = this.#kept.seek(from);
    for (let i = 0; i < count; i++) {
      if (position.value === undefined) return undefined;
      each(position.value);
      position.next();
    }
    return position.key;
  }

  /** Removes what has expired, a bounded number at each call. */
  #expire(nowMs: number): void {
    for (let steps = 0; steps < expireMax && this.#expiries.size > 0; steps++) {
      const key = this.#expiries.seek('').value;
      const kept = key === undefined ? undefined : this.#kept.get(key);
      if (key === undefined || kept === undefined || !isExpired(kept.message, nowMs)) return;
      this.#remove(key, kept);
    }
  }
}

function precedes(one: PublishOrder, other: PublishOrder): boolean {
  return one.epoch < other.epoch || (one.epoch === other.epoch && one.n < other.n);
}

function isExpired({ expiresAtMs }: Message, nowMs: number): boolean {
  return expiresAtMs > 0 && expiresAtMs <= nowMs;
}

/** A time in milliseconds has 13 digits until the year 2286, and no more than 16. */
function expiryOf(key: string, { expiresAtMs }: Message): string {
  return `${expiresAtMs.toString().padStart(16, '0')}${key}`;
}
