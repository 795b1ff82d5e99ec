// What the server owes to those who share a Topic Filter: each message, to one of them [§4.8.2].
//
// A group is certain to match a message if one of its members is, and stays; who gets it is the server's affair. At QoS 2 and
// QoS 0 it is one of them and no other, even if that one ends [MQTT-4.8.2-5]: so when a member's Session has ended, nobody
// can say that a QoS 2 message was lost. A volatile Session may take to its grave what it was given with its node: a group
// that ever had such a member is owed nothing. In one history a Client has a topic by a group or by plain filters, not
// both; copies could not be told apart.

import type { ClientRecord } from './client-record.ts';
import type { Messages } from './messages.ts';
import type { Session } from './session.ts';
import type { Findings } from './verdict.ts';

/** Those who share one filter under one name. */
interface Group {
  /** As its members spell it. */
  readonly sharedFilter: string;
  readonly members: Set<Session>;
  hasVolatile: boolean;
  /** When the last Session of a member ended, as a place in the history. */
  endedAt: number;
  /** Acknowledged messages that nobody has got, and the members that are certain to match. */
  readonly owed: Map<number, readonly Session[]>;
  /** Who has got a message that goes to one member. */
  readonly had: Map<number, Session>;
}

/** Keeps account of what is owed to groups, and of who has got it. */
export class Groups {
  readonly #messages: Messages;
  readonly #clients: ReadonlyMap<string, ClientRecord>;
  readonly #findings: Findings;
  readonly #groups = new Map<string, Group>();

  constructor(messages: Messages, clients: ReadonlyMap<string, ClientRecord>, findings: Findings) {
    this.#messages = messages;
    this.#clients = clients;
    this.#findings = findings;
  }

  /** SUBSCRIBE is sent. @param isVolatile whether the Session ends with its Network Connection */
  joining(session: Session, sharedFilter: string, isVolatile: boolean): void {
    let group = this.#groups.get(sharedFilter);
    if (group === undefined) {
      const nothing = { members: new Set<Session>(), owed: new Map(), had: new Map() };
      group = { sharedFilter, hasVolatile: false, endedAt: 0, ...nothing };
      this.#groups.set(sharedFilter, group);
    }
    group.members.add(session);
    group.hasVolatile ||= isVolatile;
  }

  /** A Session is over, or may be. */
  ended(session: Session, at: number): void {
    for (const group of this.#groups.values()) if (group.members.delete(session)) group.endedAt = at;
  }

  /** A message was acknowledged. */
  incur(message: number, nowMs: number): void {
    if (this.#messages.qos(message) === 0) return;
    for (const group of this.#groups.values()) {
      if (group.hasVolatile || group.had.has(message)) continue;
      const certain = [...group.members].filter(
        (session) => this.#clients.get(session.client)?.isThere(nowMs) && this.#isCertain(session, group, message),
      );
      if (certain.length === 0) continue;
      this.#findings.counts.owed++;
      group.owed.set(message, certain);
    }
  }

  /** A message has come to a member, for the first time. */
  came(session: Session, sharedFilter: string, message: number, nowMs: number): void {
    const group = this.#groups.get(sharedFilter);
    if (group === undefined) return;
    group.owed.delete(message);
    const before = group.had.get(message);
    if (before === undefined) group.had.set(message, session);
    else if (before !== session && this.#messages.qos(message) !== 1) {
      const why = `to a second member of ${sharedFilter}: ${before.client} had it`;
      this.#accuse('duplicated', session.client, message, nowMs, why);
    }
  }

  /** Debts that can still be paid. */
  outstanding(): number {
    let count = 0;
    for (const group of this.#groups.values()) {
      for (const [message, certain] of group.owed) if (this.#isOwed(group, message, certain)) count++;
    }
    return count;
  }

  /** Everything has come that ever will. */
  settle(nowMs: number): void {
    for (const group of this.#groups.values()) {
      for (const [message, certain] of group.owed) {
        if (!this.#isOwed(group, message, certain) || this.#messages.expiresAtMs(message) <= nowMs) continue;
        const why = `acknowledged, and never came to any member of ${group.sharedFilter}`;
        this.#accuse('lost', (certain[0] as Session).client, message, nowMs, why);
      }
    }
  }

  #isOwed(group: Group, message: number, certain: readonly Session[]): boolean {
    if (group.hasVolatile) return false;
    if (this.#messages.qos(message) === 2 && group.endedAt > this.#messages.sentAt(message)) return false;
    return certain.some((session) => group.members.has(session) && this.#isCertain(session, group, message));
  }

  #isCertain(session: Session, { sharedFilter }: Group, message: number): boolean {
    const topicNumber = this.#messages.topicNumber(message);
    return session
      .matching(topicNumber, this.#messages.topicName(topicNumber))
      .some(
        ({ topicFilter, heldSince, latest }) =>
          topicFilter === sharedFilter && heldSince <= this.#messages.sentAt(message) && latest.qos > 0,
      );
  }

  #accuse(invariant: 'lost' | 'duplicated', client: string, message: number, atMs: number, why: string): void {
    const [publisher, n] = [this.#messages.publisher(message), this.#messages.n(message)];
    this.#findings.violation({ invariant, client, publisher, n, why, atMs });
  }
}
