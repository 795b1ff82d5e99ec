// All that the memory store holds, in one place: the model of what any store holds.
//
// The functions beside this file (sessions, queues, shared, retained, routes, members) change it in one breath each. They take
// the time as an argument and randomness from their caller, so that the same calls make the same state again.
//
// rule: Copy on write. Whoever may change something gets it from a method here that tells the watch first, so that a
// snapshot under way can keep what it was. The maps are shown for looking alone.

import type { Will } from '@skein/protocol';
import type { Acquired, Claim, EndedSession, EnqueueOutcome, QueueEntry, StoredSubscription } from '../ports.ts';
import { emptyMap, emptySet } from './collections.ts';
import { Due } from './due.ts';
import { noEntries, type ReadonlyEntries } from './entries.ts';
import { Register } from './members.ts';
import { horizonMs, Remembered } from './remembered.ts';
import { type KeptMessage, RetainedMessages } from './retained.ts';
import { RouteTable } from './routes.ts';
import { noSeen, type ReadonlySeen } from './seen.ts';

/** The Session Expiry Interval that never passes [§3.1.2.11.2]. */
export const neverExpires = 0xffffffff;

/** One Client Identifier's Session. What it keeps by key is changed by way of collections.ts, queue.ts and seen.ts. */
export interface SessionRecord {
  readonly clientId: string;
  readonly generation: string;
  /** Whether its state outlives its Network Connection, fixed for the generation. */
  readonly stored: boolean;
  epoch: number;
  /** The node that holds the Client; undefined while it is away. */
  owner: string | undefined;
  sessionExpirySeconds: number;
  /** When its last Network Connection ended; means nothing while owned. */
  disconnectedAtMs: number;
  /** How far ahead an enqueue reserves: R = min(Receive Maximum, 32). */
  reserve: number;
  /** The next message gets this seq. */
  nextSeq: number;
  /** No live entry lies below. */
  headSeq: number;
  /** Entries up to here may have been sent. */
  sentSeq: number;
  subscriptions: ReadonlyMap<string, StoredSubscription>;
  /** Where the retained messages of a Subscription go on that have not all been queued, by Topic Filter. */
  feeds: ReadonlyMap<string, string>;
  /** By seq, in order of seq. Entries come and go in queue.ts alone. */
  queue: ReadonlyEntries<QueueEntry>;
  queueBytes: number;
  /** Those of the queue that came by a shared filter, in order of seq. */
  shared: ReadonlyEntries<SharedEntry>;
  /** Taken out of the queue for other members and not done with, by seq. */
  taken: ReadonlyMap<number, TakenEntry>;
  /** When others are to have what it holds of Shared Subscriptions; undefined while they are not. */
  leftDueMs: number | undefined;
  /** Nothing in the queue that may expire expires before this; Infinity if nothing does. */
  earliestExpiryMs: number;
  /** Seqs whose PUBREC came, in the order they did; PUBREL is owed [MQTT-4.6.0-4]. */
  releases: ReadonlySet<number>;
  /** QoS 2 messages received and not released, by Packet Identifier. */
  inbound: ReadonlyMap<number, { readonly uid: string; isDone: boolean }>;
  /** Uids of messages it has had, or refused for good, oldest first. */
  seen: ReadonlySeen;
  /** The last acquire, for its repeats. */
  acquired: { readonly nonce: string; readonly answer: Acquired; readonly wills: readonly PendingWill[] } | undefined;
  /** The Will of the present Network Connection, and whose it is. */
  will: Will | undefined;
  username: string | undefined;
  /** Messages that will reach nobody, of a generation that is over; undefined while it is not. */
  undelivered: number | undefined;
  /** The last snapshot that has it, or that it came after. */
  savedIn: number;
  /** What of its queue a snapshot under way has still to save. */
  unsaved: UnsavedQueue | undefined;
}

/** A Session that has nothing yet, and that nobody owns. */
export function emptyRecord(clientId: string, generation: string, stored: boolean): SessionRecord {
  return {
    clientId,
    generation,
    stored,
    epoch: 0,
    owner: undefined,
    sessionExpirySeconds: 0,
    disconnectedAtMs: 0,
    reserve: 0,
    nextSeq: 1,
    headSeq: 1,
    sentSeq: 0,
    subscriptions: emptyMap(),
    feeds: emptyMap(),
    queue: noEntries,
    queueBytes: 0,
    shared: noEntries,
    taken: emptyMap(),
    leftDueMs: undefined,
    earliestExpiryMs: Number.POSITIVE_INFINITY,
    releases: emptySet(),
    inbound: emptyMap(),
    seen: noSeen,
    acquired: undefined,
    will: undefined,
    username: undefined,
    undelivered: undefined,
    savedIn: 0,
    unsaved: undefined,
  };
}

/** Part of a queue that is to be saved as it was. */
export interface UnsavedQueue {
  /** An entry is about to go. */
  removing(entry: QueueEntry): void;
}

/** Why a member of a shared group does not get a message. */
export type Refusal = Extract<EnqueueOutcome, { is: 'offline' | 'full' | 'no_subscription' }>;

/** An entry that came by a shared filter. */
export interface SharedEntry extends QueueEntry {
  readonly sharedFilter: string;
}

/** One that was taken for others, and when. */
export interface TakenEntry {
  readonly entry: SharedEntry;
  takenMs: number;
}

/** A Will on its way: due at a time, then claimed, then done. */
export interface PendingWill {
  readonly clientId: string;
  readonly generation: string;
  readonly epoch: number;
  readonly will: Will;
  readonly username: string | undefined;
  dueMs: number;
  /** A claimed one is offered again after a while, unless it is done by then. */
  state: 'waiting' | 'claimed' | 'over';
}

/** The Wills of one Client that are neither done nor cancelled. */
export interface ClientWills {
  readonly clientId: string;
  /** Oldest first. */
  readonly pending: PendingWill[];
  /** The last snapshot that has them, or that they came after. */
  savedIn: number;
}

/** A generation to be dismantled. */
export interface Ended {
  readonly session: EndedSession;
  /** The last snapshot that has it, or that it came after. */
  savedIn: number;
}

/** Is told what is about to change, before it does. */
export interface StateWatch {
  session(record: SessionRecord): void;
  wills(wills: ClientWills): void;
  ended(ended: Ended): void;
  retained(kept: KeptMessage): void;
}

/** What the queues of Sessions may hold. */
export interface QueueLimits {
  readonly queueMaxMessages: number;
  readonly queueMaxBytes: number;
  readonly queueFull: 'drop-new' | 'drop-old' | 'refuse';
  readonly retainedMaxMessages: number;
}

/** Names one Network Connection; an epoch is never given out twice. */
export interface ConnectionKey {
  readonly clientId: string;
  readonly epoch: number;
}

/** Names one Session that may hold messages of Shared Subscriptions. */
export interface LeftKey {
  readonly clientId: string;
  readonly generation: string;
}

/** Choices remembered; more than can be under way at once. */
const choicesMax = 640_000;

/** Everything there is. */
export class MemoryState {
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #over = new Map<string, SessionRecord>();
  readonly #wills = new Map<string, ClientWills>();
  readonly #ended = new Map<string, Ended>();
  /** Ends of Sessions whose Client is away; one counts only if that is still the last connection. */
  readonly expiries: Due<ConnectionKey> = new Due((key) => isAway(this.#sessions.get(key.clientId), key));
  /** When Wills are due, or their claims void. */
  readonly wills: Due<ConnectionKey> = new Due((key, dueMs) => this.pendingWillOf(key)?.dueMs === dueMs);
  /** When messages of Shared Subscriptions are to go to other members. */
  readonly left: Due<LeftKey> = new Due((key, dueMs) => this.#find(key)?.leftDueMs === dueMs);
  /** Who gets a message of a Shared Subscription, by its uid and the filter. */
  readonly choices: Remembered<string> = new Remembered(horizonMs, choicesMax);
  readonly retained: RetainedMessages = new RetainedMessages();
  readonly routes: RouteTable = new RouteTable();
  readonly register: Register = new Register();
  /** May be replaced between calls. */
  limits: QueueLimits;
  /** Uids of QoS 2 messages that an earlier life has begun: whoever has had one must know it until it is sent again. */
  readonly unfinished: Set<string> = new Set();
  /** The last epoch given out: none is ever given twice, not even to a Session made anew within a millisecond. */
  epoch = 0;
  /** Whose snapshot is under way; undefined if none is. */
  #watch: StateWatch | undefined = undefined;
  /** The number of the last snapshot begun. */
  #snapshots = 0;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  // To look at, and not to change: the watch is not told ------------------------------------------------------------

  /** By Client Identifier. */
  get sessions(): ReadonlyMap<string, SessionRecord> {
    return this.#sessions;
  }

  /** Generations that are over and hold messages of Shared Subscriptions, by generation. */
  get over(): ReadonlyMap<string, SessionRecord> {
    return this.#over;
  }

  /** Wills that are neither done nor cancelled, by Client Identifier. */
  get pendingWills(): ReadonlyMap<string, ClientWills> {
    return this.#wills;
  }

  /** Generations to be dismantled, by generation. */
  get ended(): ReadonlyMap<string, Ended> {
    return this.#ended;
  }

  /** The Will of this connection, unless it is done or cancelled. */
  pendingWillOf({ clientId, epoch }: ConnectionKey): Readonly<PendingWill> | undefined {
    return this.#wills.get(clientId)?.pending.find((pending) => pending.epoch === epoch);
  }

  /** Whether this Session's Client went away with this connection and has not come back. */
  isAway(key: ConnectionKey): boolean {
    return isAway(this.#sessions.get(key.clientId), key);
  }

  /** Whether a claim speaks for the current owner of its Session. */
  isClaimed(claim: Claim): boolean {
    return isClaimed(this.#sessions.get(claim.clientId), claim);
  }

  // To change: the watch is told ------------------------------------------------------------------------------------

  /** The Session of a Client Identifier. */
  sessionOf(clientId: string): SessionRecord | undefined {
    return this.#told(this.#sessions.get(clientId));
  }

  /** The Session whose Client went away with this connection and has not come back. */
  awayOf(key: ConnectionKey): SessionRecord | undefined {
    const record = this.#sessions.get(key.clientId);
    return isAway(record, key) ? this.#told(record) : undefined;
  }

  /** Notes which QoS 2 messages were begun and not finished by a life that is over. */
  keepUnfinished(): void {
    for (const { inbound } of this.sessions.values()) {
      for (const { uid, isDone } of inbound.values()) if (!isDone) this.unfinished.add(uid);
    }
  }

  /** The Session a claim speaks for, if it is still the current owner. */
  claimed(claim: Claim): SessionRecord | undefined {
    const record = this.#sessions.get(claim.clientId);
    return isClaimed(record, claim) ? this.#told(record) : undefined;
  }

  /** This generation, if it is the one that goes on. */
  generationOf({ clientId, generation }: LeftKey): SessionRecord | undefined {
    const record = this.#sessions.get(clientId);
    return record?.generation === generation ? this.#told(record) : undefined;
  }

  /** This generation, as long as it is there, or holds something. */
  holderOf(key: LeftKey): SessionRecord | undefined {
    return this.#told(this.#find(key));
  }

  #find({ clientId, generation }: LeftKey): SessionRecord | undefined {
    const record = this.#sessions.get(clientId);
    return record?.generation === generation ? record : this.#over.get(generation);
  }

  #told(record: SessionRecord | undefined): SessionRecord | undefined {
    if (this.#watch !== undefined && record !== undefined) this.#watch.session(record);
    return record;
  }

  /** A new Session, in place of the one that its Client Identifier may have had. */
  begin(record: SessionRecord): void {
    record.savedIn = this.#snapshots;
    this.#sessions.set(record.clientId, record);
  }

  /** A Session is its Client Identifier's no more. */
  drop({ clientId }: SessionRecord): void {
    this.#sessions.delete(clientId);
  }

  /** A generation is over, and stays for what others may have of it. */
  keepOver(record: SessionRecord): void {
    this.#over.set(record.generation, record);
  }

  dropOver({ generation }: SessionRecord): void {
    this.#over.delete(generation);
  }

  /** The Wills of a Client that are neither done nor cancelled, oldest first. */
  willsOf(clientId: string): readonly PendingWill[] {
    return this.#willsTold(clientId)?.pending ?? none;
  }

  addWill(will: PendingWill): void {
    const { clientId } = will;
    const wills = this.#willsTold(clientId);
    if (wills !== undefined) wills.pending.push(will);
    else this.#wills.set(clientId, { clientId, pending: [will], savedIn: this.#snapshots });
  }

  dropWill(will: PendingWill): void {
    const wills = this.#willsTold(will.clientId);
    const at = wills?.pending.indexOf(will) ?? -1;
    if (wills === undefined || at === -1) return;
    wills.pending.splice(at, 1);
    if (wills.pending.length === 0) this.#wills.delete(will.clientId);
  }

  #willsTold(clientId: string): ClientWills | undefined {
    const wills = this.#wills.get(clientId);
    if (this.#watch !== undefined && wills !== undefined) this.#watch.wills(wills);
    return wills;
  }

  /** A generation is to be dismantled. */
  addEnded(session: EndedSession): void {
    this.dropEnded(session.generation);
    this.#ended.set(session.generation, { session, savedIn: this.#snapshots });
  }

  dropEnded(generation: string): void {
    const ended = this.#ended.get(generation);
    if (ended === undefined) return;
    this.#watch?.ended(ended);
    this.#ended.delete(generation);
  }

  // Snapshots -------------------------------------------------------------------------------------------------------

  get isWatched(): boolean {
    return this.#watch !== undefined;
  }

  /** From now on the watch is told of whatever changes. @returns the number of the snapshot that begins with this */
  beginWatch(watch: StateWatch): number {
    this.#watch = watch;
    this.#snapshots++;
    this.retained.beginWatch(watch, this.#snapshots);
    return this.#snapshots;
  }

  endWatch(): void {
    this.#watch = undefined;
    this.retained.endWatch();
  }
}

const none: readonly PendingWill[] = [];

function isAway(record: SessionRecord | undefined, { epoch }: ConnectionKey): boolean {
  return record?.epoch === epoch && record.owner === undefined;
}

function isClaimed(record: SessionRecord | undefined, { generation, epoch }: Claim): boolean {
  return record?.generation === generation && record.epoch === epoch && record.owner !== undefined;
}
