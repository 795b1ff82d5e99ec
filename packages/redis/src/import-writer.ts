// Pieces of another store's state, as the calls that write them (functions/import.lua).
//
// Calls are gathered, so that many leave together; each is of a bounded size, and may be made again. Nothing is known to
// be stored before they have been sent. The routes of a Session follow from its Subscriptions.

import type { Route } from '@skein/broker';
import { encodeMessage, encodeWill } from '@skein/stored';
import type { Argument, Calls } from './calls.ts';
import type { Frame } from './frame.ts';
import { entryBytes, orderBytes, routesOf, runsOf, seenScore, type Times, takenBytes } from './import-bytes.ts';
import type {
  ChoiceItem,
  EndedItem,
  EntriesItem,
  RemovalItem,
  RetainedItem,
  SessionItem,
  StateItem,
  WillItem,
} from './import-source.ts';
import { type Keys, type PartitionKeys, partitionOf } from './keys.ts';
import type { FunctionName } from './library.ts';
import { awayMs } from './looks.ts';
import { fieldOf } from './retained.ts';
import { cursorFromTopic } from './retained-cursor.ts';
import { bearsOf, nameOf } from './route-replica.ts';
import { optionsOf } from './sessions.ts';
import { takenMs } from './shared.ts';

/** Pairs in one call that adds some, and entries in one that adds to a queue. */
const pairsMax = 1000;
const entriesMax = 250;
/** Bytes in one call, about. */
const bytesMax = 1024 * 1024;
/** Calls, and bytes of them, that are sent together. */
const gatheredMax = 500;
const gatheredBytesMax = 1024 * 1024;
const routesMax = 500;

/** What is remembered of a Session for the sake of its entries, and to count it. */
export interface WrittenSession {
  readonly clientId: string;
  readonly isOver: boolean;
  /** When others may have what it holds of Shared Subscriptions, by Redis' clock. */
  readonly leftMs: number;
  /** Messages that were lost with it. */
  readonly lost: number;
}

/** What is added to a hash or a sorted set: a field and its value, or a score and its member. */
type Pair = readonly [Argument, Argument];

/** Writes pieces. */
export class ImportWriter {
  readonly #calls: Calls;
  readonly #keys: Keys;
  readonly #times: Times;
  readonly #run: string;
  #frames: Frame[] = [];
  #bytes = 0;
  #routes: Route[] = [];
  #retained = new Map<PartitionKeys, Argument[]>();
  /** By generation. */
  readonly sessions: Map<string, WrittenSession> = new Map();

  /** @param run the run that the journal is to be of, whenever something is written */
  constructor(calls: Calls, keys: Keys, times: Times, run: string) {
    this.#calls = calls;
    this.#keys = keys;
    this.#times = times;
    this.#run = run;
  }

  /** Whether so much is gathered that it should be sent. */
  get isFull(): boolean {
    return this.#frames.length >= gatheredMax || this.#bytes >= gatheredBytesMax;
  }

  /** Sends what is gathered. @throws StoreUnavailable, FunctionFailed if it is not known to be stored */
  async send(): Promise<void> {
    for (const [partition, args] of this.#retained) this.#retainedCalls(partition, args);
    for (let at = 0; at < this.#routes.length; at += routesMax) {
      const { routes, routesVersion, routesChecksum, routesLog } = this.#keys;
      const words = this.#routes.slice(at, at + routesMax).flatMap((route) => [nameOf(route), bearsOf(route)]);
      this.#call('import_routes', [routes, routesVersion, routesChecksum, routesLog], [0, 0, ...words]);
    }
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#routes = [];
    this.#retained = new Map();
    await Promise.all(frames.map((frame) => this.#calls.send(frame)));
  }

  /** Remembers of a piece that was written by an earlier run what others need. */
  pass(item: StateItem): void {
    if (item.is === 'session') this.sessions.set(item.generation, this.#written(item));
  }

  /** Gathers what writes a piece. */
  add(item: Exclude<StateItem, { is: 'retained_uid' }>): void {
    this.pass(item);
    switch (item.is) {
      case 'session':
        return this.#session(item);
      case 'entries':
        return this.#entries(item);
      case 'will':
        return this.#will(item);
      case 'ended':
        return this.#ended(item);
      case 'retained':
        return this.#retainedMessage(item);
      case 'removal':
        return this.#removal(item);
      case 'choice':
        return this.#choice(item);
      case 'epoch':
        return this.#call(
          'import_epochs',
          this.#keys.buckets.map(({ bucket }) => bucket),
          [item.epoch],
        );
    }
  }

  /** Gathers what makes all partitions remember uids of retained messages: whose topic it was nobody knows. */
  addUids(uids: Iterable<readonly [uid: string, sinceMs: number]>): void {
    const pairs = Array.from(uids, ([uid, sinceMs]): Pair => [this.#times.at(sinceMs), uid]);
    for (const { seen } of this.#keys.partitions) this.#add([[seen, 'z', pairs]]);
  }

  #written({ clientId, over, disconnectedAtMs }: SessionItem): WrittenSession {
    const leftMs = over === undefined ? this.#times.at(disconnectedAtMs) + awayMs : 0;
    return { clientId, isOver: over !== undefined, leftMs, lost: over?.undelivered ?? 0 };
  }

  #session(item: SessionItem): void {
    const { clientId, generation, over } = item;
    if (item.owner !== undefined || !item.stored) throw new Error(`the Session of ${clientId} was not let go`);
    this.#begin(clientId, generation, [
      item.epoch,
      item.sessionExpirySeconds,
      this.#times.at(item.disconnectedAtMs),
      item.nextSeq,
      item.headSeq,
      item.sentSeq,
      item.releases.length,
      item.reserve,
      over === undefined ? 'here' : 'over',
    ]);
    if (over !== undefined) this.#lose(clientId, generation, over.undelivered);
    const { left } = this.#keys.bucketOf(clientId);
    const [u, , r, , i, d, , y, c] = this.#keys.generation(clientId, generation) as unknown as Generation;
    const taken = item.taken.map(({ entry, takenMs: sinceMs }) => ({
      entry,
      untilMs: this.#times.at(sinceMs) + takenMs,
    }));
    this.#add([
      [u, 'h', item.subscriptions.map((each) => [each.topicFilter, optionsOf(each)])],
      [c, 'h', item.feeds.map(({ topicFilter, from }) => [topicFilter, cursorFromTopic(from)])],
      [r, 'z', item.releases.map((seq, n) => [n + 1, seq])],
      [i, 'h', item.inbound.map(({ packetId, uid, isDone }) => [packetId, `${isDone ? 1 : 0}${uid}`])],
      [d, 'z', item.seen.map((each) => [seenScore(each, this.#times.at(each.sinceMs)), each.uid])],
      [y, 'h', taken.map(({ entry, untilMs }) => [entry.seq, takenBytes(this.#shifted(entry), untilMs)])],
      [left, 'l', taken.map(({ untilMs }) => [untilMs, `${generation}\0${clientId}`])],
    ]);
    if (over === undefined) this.#routes.push(...routesOf(item));
  }

  #entries({ generation, entries }: EntriesItem): void {
    const of = this.sessions.get(generation);
    if (of === undefined) throw new Error(`entries of the generation ${generation} came before its Session`);
    const { clientId, leftMs } = of;
    const keys = this.#keys;
    let args: Argument[] = [];
    let bytes = 0;
    const call = (): void => {
      const named = [keys.session(clientId), keys.queue(clientId, generation), keys.times(clientId, generation)];
      if (args.length > 0) this.#call('import_entries', named, [generation, ...args]);
      args = [];
      bytes = 0;
    };
    for (const each of entries) {
      const entry = this.#shifted(each);
      const written = entryBytes(entry);
      args.push(entry.seq, written, entry.message.expiresAtMs);
      bytes += written.length;
      if (args.length >= 3 * entriesMax || bytes >= bytesMax) call();
    }
    call();
    const runs = runsOf(entries);
    if (runs.length === 0) return;
    this.#add([
      [keys.held(clientId, generation), 'z', runs],
      [keys.bucketOf(clientId).left, 'l', [[leftMs, `${generation}\0${clientId}`]]],
    ]);
  }

  #will({ clientId, generation, epoch, will, username, dueMs, isClaimed }: WillItem): void {
    const { willsDue, willsClaimed, wills } = this.#keys.bucketOf(clientId);
    const args = [clientId, generation, epoch, this.#times.at(dueMs), isClaimed ? 1 : 0, encodeWill(will, username)];
    this.#call('import_wills', [this.#keys.session(clientId), willsDue, willsClaimed, wills], args);
  }

  #ended({ session: { clientId, generation, undelivered, topicFilters } }: EndedItem): void {
    this.#begin(clientId, generation, [0, 0, 0, 1, 1, 0, 0, 0, 'ended']);
    this.#lose(clientId, generation, undelivered);
    // By what options it had them nobody asks any more.
    const pairs = topicFilters.map((topicFilter): Pair => [topicFilter, '0000']);
    this.#add([[this.#keys.subscriptions(clientId, generation), 'h', pairs]]);
  }

  #begin(clientId: string, generation: string, args: readonly Argument[]): void {
    const { bucket, expiries, wills, ended } = this.#keys.bucketOf(clientId);
    const named = [this.#keys.session(clientId), bucket, expiries, wills, ended];
    const all = [...named, ...this.#keys.generation(clientId, generation)];
    this.#call('import_session', all, [clientId, generation, ...args]);
  }

  /** What counts as a message of a queue, and is none: a Session that is over tells by it what was lost with it. */
  #lose(clientId: string, generation: string, count: number): void {
    const queue = this.#keys.queue(clientId, generation);
    for (let from = 1; from <= count; from += pairsMax) {
      const length = Math.min(pairsMax, count - from + 1);
      this.#add([[queue, 'h', Array.from({ length }, (_, n): Pair => [`x${from + n}`, ''])]]);
    }
  }

  #retainedMessage({ message, order }: RetainedItem): void {
    const partition = this.#keys.partitions[partitionOf(message.topic)] as PartitionKeys;
    const shifted = this.#times.of(message);
    const value = Buffer.concat([orderBytes(order), encodeMessage(shifted)]);
    const args = this.#retained.get(partition) ?? [];
    args.push(fieldOf(message.topic), value, shifted.expiresAtMs);
    this.#bytes += value.length;
    this.#retained.set(partition, args);
  }

  #retainedCalls({ messages, topics, expiries }: PartitionKeys, args: readonly Argument[]): void {
    for (let at = 0; at < args.length; at += 3 * entriesMax) {
      const named = [this.#keys.retainedCount, messages, topics, expiries];
      this.#call('import_retained', named, args.slice(at, at + 3 * entriesMax));
    }
  }

  #removal({ topic, publisherId, order, sinceMs }: RemovalItem): void {
    const { messages, removals } = this.#keys.partitions[partitionOf(topic)] as PartitionKeys;
    const field = Buffer.concat([Buffer.of(0xff), Buffer.from(fieldOf(topic))]);
    this.#add([
      [messages, 'h', [[field, Buffer.concat([orderBytes(order), Buffer.from(publisherId)])]]],
      [removals, 'z', [[this.#times.at(sinceMs), fieldOf(topic)]]],
    ]);
  }

  #choice({ name, member, sinceMs }: ChoiceItem): void {
    const { choices, choiceTimes } = this.#keys.bucketOf(name.slice(0, name.indexOf('\0')));
    this.#add([
      [choices, 'h', [[name, member]]],
      [choiceTimes, 'z', [[this.#times.at(sinceMs), name]]],
    ]);
  }

  #shifted<Entry extends { readonly message: RetainedItem['message'] }>(entry: Entry): Entry {
    const message = this.#times.of(entry.message);
    return message === entry.message ? entry : { ...entry, message };
  }

  /** Adds pairs to keys, in as many calls as it takes. */
  #add(added: readonly (readonly [key: string, how: 'h' | 'z' | 'l', pairs: readonly Pair[]])[]): void {
    let named: string[] = [];
    let args: Argument[] = [];
    let pairs = 0;
    let bytes = 0;
    const call = (): void => {
      if (named.length > 0) this.#call('import_add', named, args);
      named = [];
      args = [];
      pairs = 0;
      bytes = 0;
    };
    for (const [key, how, all] of added) {
      for (let at = 0; at < all.length; ) {
        const some: Pair[] = [];
        for (; at < all.length && pairs < pairsMax && bytes < bytesMax; pairs++) {
          const pair = all[at++] as Pair;
          some.push(pair);
          bytes += sizeOf(pair[0]) + sizeOf(pair[1]);
        }
        named.push(key);
        args.push(how, some.length, ...some.flat());
        if (pairs >= pairsMax || bytes >= bytesMax) call();
      }
    }
    call();
  }

  #call(name: FunctionName, named: readonly string[], args: readonly Argument[]): void {
    const frame = this.#calls.begin(name, named.length + 1);
    for (const key of named) frame.text(key);
    frame.text(this.#keys.imported);
    for (const arg of args) {
      if (typeof arg === 'string') frame.text(arg);
      else if (typeof arg === 'number') frame.number(arg);
      else frame.data(arg);
      this.#bytes += sizeOf(arg);
    }
    frame.text(this.#run);
    this.#frames.push(frame);
  }
}

/** u q r t i d h y c. */
type Generation = readonly [string, string, string, string, string, string, string, string, string];

function sizeOf(word: Argument): number {
  return typeof word === 'number' ? 8 : word.length;
}
