// One message for one group, from the first member that is tried to the one that has it [§4.8.2].
//
// Members are tried one after the other: those whose Client is connected, and if none can take it, stored Sessions as they
// are. With a QoS 1 message of a Client that is all: what happens twice is a legal duplicate. A message with a uid may be
// published by another node at the same time, or again after this one has died, and must reach one member all the same:
//
// rule: One choice. Who is tried stands in the store first, and whoever publishes the message follows it. Only a refusal
// moves it on, by the name of the choice that was refused; and the member remembers that it has refused, so that whoever
// comes late with the old choice is refused as well. Each choice bears the mark of who made it: if it is another's, the
// member may have had the message though it is gone now, and then at QoS 2 nobody else gets it [MQTT-4.8.2-5]. So it may
// if the store had to be asked twice, and the answer to the first time was lost.

import type { Incoming } from '../lane.ts';
import { bytesOf, type Message } from '../message.ts';
import type { DropReason } from '../observer.ts';
import type { Enqueue, EnqueueOutcome, SharedChoice } from '../ports.ts';
import type { StoredTarget } from '../router.ts';
import type { Chooser } from './choose.ts';
import type { SharedGroup, SharedMember } from './group.ts';
import { Refusals, type Round } from './refusals.ts';
import { awayUid, sharedUid } from './uid.ts';

/** What became of the message. */
export type Fate =
  /** The store has it, or had it before. */
  | { readonly is: 'stored'; readonly target: StoredTarget; readonly outcome: EnqueueOutcome }
  /** It is to be handed to a volatile Session, here or elsewhere. */
  | { readonly is: 'volatile'; readonly member: SharedMember }
  /** The volatile Session that it was for has ended before it could be handed over. */
  | { readonly is: 'missed'; readonly generation: string }
  /** Nobody gets it. */
  | { readonly is: 'dropped'; readonly clientId: string; readonly reason: DropReason }
  /** Somebody else has seen to it. */
  | { readonly is: 'settled' };

/** What placing takes. */
export interface PlacementSurroundings {
  readonly chooser: Chooser;
  /** Whether a full queue makes room. */
  readonly dropsOld: boolean;
  /** Names whoever makes a choice. */
  newUid(): string;
}

const rounds = ['online', 'stored'] as const;

/** The choice that nobody gets it. */
const nobody = 'nobody';

/** A message and a group. */
export class Placement {
  readonly incoming: Incoming;
  readonly message: Message;
  readonly group: SharedGroup;
  /** Set once. */
  fate: Fate | undefined;
  /** What was found out about routes on the way. */
  readonly findings: { readonly target: StoredTarget; readonly outcome: EnqueueOutcome }[] = [];
  readonly #around: PlacementSurroundings;
  readonly #mark: string;
  readonly #refusals: Refusals;
  #round: Round = 'online';
  #member: SharedMember | undefined;
  /** Who is out of the question, in each round. */
  readonly #tried: Record<Round, Set<string> | undefined> = { online: undefined, stored: undefined };
  /** Those to whom it goes rather than to nobody. */
  readonly #atLast: SharedMember[] = [];
  #fullClientId: string | undefined;
  /** The choice that stands in the store; undefined before any does, or where there is none. */
  #standing: string | undefined;
  #isMine = true;
  #mustAgree: boolean;
  /** Why nobody has it, if that is neither that all are away nor that they are full. */
  #dropReason: DropReason | undefined;
  /** A stored Session is to remember that it has refused, lest it takes the message later from somebody else. */
  #seals = false;

  /** @param refusals of the other messages of the batch for this group */
  constructor(
    around: PlacementSurroundings,
    incoming: Incoming,
    message: Message,
    group: SharedGroup,
    refusals: Refusals = new Refusals(),
  ) {
    this.#around = around;
    this.#refusals = refusals;
    this.incoming = incoming;
    this.message = message;
    this.group = group;
    this.#mustAgree = incoming.uid !== undefined;
    this.#mark = this.#mustAgree ? around.newUid() : '';
    const except = incoming.again && group.member(incoming.again.except);
    if (incoming.again !== undefined) {
      this.#rule(incoming.again.except, 'online');
      this.#rule(incoming.again.except, 'stored');
    }
    // Back where it came from, rather than to nobody.
    if (except?.isStored) this.#atLast.push(except);
    this.#next();
  }

  get isOpen(): boolean {
    return this.fate === undefined;
  }

  /** Passes over who has just refused another message. If a choice names a member, it has to refuse by itself. */
  passOver(): void {
    if (this.incoming.uid !== undefined && !this.#mustAgree) return;
    const bytes = bytesOf(this.message);
    for (let member = this.#member; member !== undefined; member = this.#member) {
      const refusal = this.#refusals.of(this.#round, member.generation, bytes);
      if (refusal === undefined) return;
      if (refusal === 'full') this.#full(member);
      else this.#refused(member);
    }
  }

  /** What is to be agreed on before anybody is tried; undefined if nothing is. */
  get choice(): SharedChoice | undefined {
    const { uid } = this.incoming;
    if (!this.#mustAgree || uid === undefined) return undefined;
    return { uid, sharedFilter: this.group.sharedFilter, member: this.#word, instead: this.#standing };
  }

  /** Takes note of the choice that stands; it may take another one to go on. */
  agreed(choice: string): void {
    this.#isMine = choice === this.#word;
    this.#standing = choice;
    this.#mustAgree = false;
    if (!this.#isMine) this.#follow(choice);
    else if (this.#member === undefined) this.#drop();
    else if (!this.#member.isStored && !this.#isThere(this.#member)) this.#refused(this.#member);
  }

  /** Stops here: the message is refused as a whole. */
  settle(): void {
    this.fate = { is: 'settled' };
  }

  /** Who was to get it is not there any more. */
  missed(generation: string): void {
    this.fate = { is: 'missed', generation };
  }

  /** What the store is to be asked; undefined if this one has been placed, or there is something to agree on. */
  attempt(): Enqueue | undefined {
    const member = this.#member;
    if (!this.isOpen || this.#mustAgree) return undefined;
    if (member === undefined) {
      this.#drop();
      return undefined;
    }
    if (!member.isStored) {
      this.fate = { is: 'volatile', member };
      return undefined;
    }
    const { clientId, generation } = member;
    const { sharedFilter } = this.group;
    const { uid } = this.incoming;
    const named = this.#round === 'online' ? sharedUid : awayUid;
    return {
      message: this.message,
      targets: [
        { clientId, generation, topicFilters: [sharedFilter], onlineOnly: this.#round === 'online' || this.#seals },
      ],
      isRefusable: false,
      uid: uid === undefined ? undefined : named(uid, sharedFilter),
    };
  }

  /** What the store has said to the attempt. @param isRepeated whether it may have had the message before it said so */
  answered(outcome: EnqueueOutcome, isRepeated: boolean): void {
    const member = this.#member as SharedMember;
    switch (outcome.is) {
      case 'queued':
      case 'duplicate':
      case 'skipped':
        this.fate = { is: 'stored', target: this.#targetOf(member), outcome };
        return;
      case 'qos0':
        if (outcome.owner !== undefined) this.fate = { is: 'stored', target: this.#targetOf(member), outcome };
        else {
          this.#refusals.note(this.#round, member.generation, 0);
          this.#refused(member);
        }
        return;
      case 'offline':
        this.findings.push({ target: this.#targetOf(member), outcome });
        this.#refusals.note('online', member.generation, 0);
        this.#refused(member);
        return;
      case 'full': {
        this.findings.push({ target: this.#targetOf(member), outcome });
        const bytes = bytesOf(this.message);
        this.#refusals.note(this.#round, member.generation, bytes);
        // One that would make room if it had to has not been asked to.
        if (!this.#around.dropsOld) this.#refusals.note('stored', member.generation, bytes);
        if (!this.#mustSeal()) this.#full(member);
        return;
      }
      case 'no_subscription':
        if (this.#mustSeal()) return;
        this.#noMore(member, outcome);
        return;
      case 'no_session':
        if (this.#isMine && !isRepeated) this.#noMore(member, outcome);
        else this.#gone(member.generation);
        return;
      case 'refused':
        this.#dropReason = 'store_refused';
        this.#noMore(member, outcome);
    }
  }

  /** A stored Session is named in full: whoever follows may not know it any more, or not yet. */
  get #word(): string {
    if (this.#member === undefined) return `${nobody} ${this.#mark}`;
    const { clientId, generation, isStored } = this.#member;
    return `${this.#round} ${generation} ${this.#mark} ${isStored ? clientId : ''}`;
  }

  #targetOf({ clientId, generation, route }: SharedMember): StoredTarget {
    const { sharedFilter } = this.group;
    return { clientId, generation, topicFilters: [sharedFilter], routes: route === undefined ? [] : [route] };
  }

  #full(member: SharedMember): void {
    this.#fullClientId = member.clientId;
    if (this.#round === 'online' && this.#around.dropsOld) this.#atLast.push(member);
    this.#rule(member.generation, 'stored');
    this.#refused(member);
  }

  /** Somebody else's choice is tried, unless it is known to be of no use. */
  #follow(choice: string): void {
    if (choice.startsWith(`${nobody} `)) {
      this.fate = { is: 'settled' };
      return;
    }
    const [round, generation, , ...names] = choice.split(' ') as [Round, string, ...string[]];
    const member = this.group.member(generation) ?? storedMember(generation, names.join(' '));
    this.#round = round;
    this.#seals = false;
    if (this.#tried[round]?.has(generation)) {
      this.#next();
      this.#agreeAnew();
    } else if (member === undefined || !(member.isStored || this.#isThere(member))) {
      this.#gone(generation);
    } else {
      this.#member = member;
    }
  }

  /** A member is gone that may have had the message. */
  #gone(generation: string): void {
    this.#rule(generation, 'online');
    this.#rule(generation, 'stored');
    if (this.message.qos === 2) {
      this.#member = undefined; // [MQTT-4.8.2-5]
      this.#dropReason = 'member_gone';
    } else this.#next();
    this.#agreeAnew();
  }

  /** Whether a stored Session is to be asked once more, so that it remembers its refusal: tried as it is, it does not. */
  #mustSeal(): boolean {
    if (this.#round === 'online' || this.incoming.uid === undefined || this.#seals) return false;
    this.#seals = true;
    return true;
  }

  /** A member that does not have the message, and never will. */
  #noMore(member: SharedMember, outcome: EnqueueOutcome): void {
    this.findings.push({ target: this.#targetOf(member), outcome });
    if (outcome.is !== 'refused') for (const round of rounds) this.#refusals.note(round, member.generation, 0);
    this.#rule(member.generation, 'stored');
    this.#refused(member);
  }

  #refused(member: SharedMember): void {
    this.#rule(member.generation, this.#round);
    this.#next();
    this.#agreeAnew();
  }

  #agreeAnew(): void {
    this.#mustAgree = this.incoming.uid !== undefined;
  }

  #rule(generation: string, round: Round): void {
    const tried = this.#tried[round] ?? new Set();
    tried.add(generation);
    this.#tried[round] = tried;
  }

  #next(): void {
    const { chooser } = this.#around;
    const { group, message } = this;
    this.#seals = false;
    this.#member = this.#round === 'online' ? chooser.online(group, message, this.#tried.online) : undefined;
    if (this.#member !== undefined) return;
    this.#round = 'stored';
    this.#member = chooser.stored(group, message, this.#tried.stored) ?? this.#atLast.shift() ?? this.#fullHere();
  }

  /** A volatile Session here that is full: it makes room, or counts what it cannot take. */
  #fullHere(): SharedMember | undefined {
    const full = this.group.attended.find(
      ({ session, isStored, generation }) =>
        session !== undefined && !isStored && this.#tried.online?.has(generation) !== true,
    );
    if (full === undefined) return undefined;
    this.#fullClientId = full.clientId;
    this.#rule(full.generation, 'online');
    return full;
  }

  /** Whether a volatile member is still where it was. */
  #isThere({ generation }: SharedMember): boolean {
    const member = this.group.member(generation);
    return member !== undefined && this.#around.chooser.isOnline(member);
  }

  #drop(): void {
    const reason = this.#dropReason ?? (this.#fullClientId === undefined ? 'group_offline' : 'queue_full');
    this.fate = { is: 'dropped', clientId: this.#fullClientId ?? this.message.publisherId, reason };
  }
}

/** A stored Session that is not known to be a member: the store knows whether it has had the message, or would take it. */
function storedMember(generation: string, clientId: string): SharedMember | undefined {
  if (clientId === '') return undefined;
  return { clientId, generation, isStored: true, session: undefined, heldBy: '', route: undefined };
}
