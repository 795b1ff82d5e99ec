// What the server owes: an acknowledged message, to each Session that was certain to match it.
//
// A debt arises with the acknowledgement and not before: until then the message may be lost. It needs a SUBACK before
// the PUBLISH was sent and nothing that ends the Subscription or the Session before the acknowledgement; both are told
// by heldSince. It is paid by the first delivery, and forgiven when the Session ends. One thing is not forgiven: a
// message that was passed over, because a later one of its stream came, would never have come any more.

import type { ClientRecord } from './client-record.ts';
import type { Messages } from './messages.ts';
import { type Session, streamKey } from './session.ts';
import type { Findings } from './verdict.ts';

/** Keeps account of what is owed to whom. */
export class Debts {
  readonly #messages: Messages;
  readonly #clients: ReadonlyMap<string, ClientRecord>;
  readonly #findings: Findings;

  constructor(messages: Messages, clients: ReadonlyMap<string, ClientRecord>, findings: Findings) {
    this.#messages = messages;
    this.#clients = clients;
    this.#findings = findings;
  }

  /** A message was acknowledged: whoever has not got it yet must get it. */
  incur(message: number, nowMs: number): void {
    const { counts } = this.#findings;
    for (const client of this.#clients.values()) {
      const { session } = client;
      if (session === undefined || !client.isThere(nowMs)) continue;
      const qos = this.certainQos(session, message);
      if (qos === undefined) continue;
      if (qos > 0) {
        counts.owed++;
        if (!session.seen.has(message)) session.owed.add(message);
      } else if (session.connectedSince < this.#messages.sentAt(message)) {
        counts.owedQos0++;
        if (!session.seen.has(message)) session.owedQos0.add(message);
      }
    }
  }

  /** The QoS at which a Session is certain to match a message; undefined if it is not. */
  certainQos(session: Session, message: number): number | undefined {
    const sentAt = this.#messages.sentAt(message);
    const topicNumber = this.#messages.topicNumber(message);
    let qos: number | undefined;
    for (const { heldSince, latest, isShared } of session.matching(
      topicNumber,
      this.#messages.topicName(topicNumber),
    )) {
      if (isShared || heldSince > sentAt || (latest.noLocal && this.#messages.publisher(message) === session.client))
        continue;
      qos = Math.max(qos ?? 0, Math.min(latest.qos, this.#messages.qos(message)));
    }
    return qos;
  }

  /** The Session is over, or may be: nothing is owed to it but what was passed over. */
  forgive(session: Session, nowMs: number): void {
    for (const message of session.owed) {
      const stream = this.#messages.stream(message);
      const isPassed = [1, 2].some((qos) => (session.latest.get(streamKey(stream, qos)) ?? -1) > message);
      if (isPassed && this.#messages.expiresAtMs(message) === Number.POSITIVE_INFINITY) {
        this.lose(session, message, nowMs, 'later messages of its stream came, and it did not until the Session ended');
      }
    }
    session.owed.clear();
    this.forgiveQos0(session);
  }

  /** The Network Connection is over: QoS 0 ends with it. */
  forgiveQos0(session: Session): void {
    session.owedQos0.clear();
  }

  /** A debt can no longer be paid. */
  lose(session: Session, message: number, nowMs: number, why: string): void {
    this.#findings.violation({
      invariant: this.#messages.isWill(message) ? 'will' : 'lost',
      client: session.client,
      publisher: this.#messages.publisher(message),
      n: this.#messages.n(message),
      why,
      atMs: nowMs,
    });
  }

  /** Debts at QoS 1 and 2 that can still be paid. */
  outstanding(): number {
    let count = 0;
    for (const { session } of this.#clients.values()) count += session?.owed.size ?? 0;
    return count;
  }

  /** Debts at QoS 0 that can still be paid. */
  outstandingQos0(): number {
    let count = 0;
    for (const { session } of this.#clients.values()) count += session?.owedQos0.size ?? 0;
    return count;
  }

  /** Everything has come that ever will. @returns what keeps this from being said */
  settle(nowMs: number): readonly string[] {
    const shortcomings: string[] = [];
    for (const client of this.#clients.values()) {
      const { session } = client;
      if (session === undefined) continue;
      const owed = [...session.owed].filter((message) => this.#messages.expiresAtMs(message) > nowMs);
      if (client.connection.is === 'connected') {
        for (const message of owed) this.lose(session, message, nowMs, 'acknowledged, and never came');
      } else if (owed.length > 0 && client.existence.at(nowMs) === true) {
        shortcomings.push(`${session.client} did not come back for the ${owed.length} messages owed to it`);
      }
      this.#findings.counts.missingQos0 += session.owedQos0.size;
    }
    return shortcomings;
  }
}
