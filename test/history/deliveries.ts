// Judges what is delivered: that it was sent, and to this Client; that it is as it was sent; once, and in order.
//
// What the application sees is not what comes over the wire: a QoS 2 message whose Packet Identifier is not released
// yet is the same message again [MQTT-4.3.3-10], and a retained message is a copy of its own, besides the live one.

import type { HistoryEvent } from './event.ts';
import type { Grant, Holding } from './holding.ts';
import { type Messages, unanswered } from './messages.ts';
import { type Session, streamKey } from './session.ts';
import type { Findings, Invariant } from './verdict.ts';

/** A PUBLISH that came. */
export type Delivered = Extract<HistoryEvent, { is: 'delivered' }>;

/** What else there is to know of deliveries. */
export interface DeliveriesOptions {
  /** Hears of each Will Message that was delivered. */
  willCame(message: number): void;
  /** Hears of each message that came to a member of a group, for the first time there. */
  sharedCame(session: Session, sharedFilter: string, message: number): void;
  /** Whether a QoS 0 message may come again on a Network Connection begun after it was sent. */
  readonly qos0MayFollow: boolean;
}

/** Judges one delivery after the other. */
export class Deliveries {
  readonly #messages: Messages;
  readonly #findings: Findings;
  readonly #options: DeliveriesOptions;

  constructor(messages: Messages, findings: Findings, options: DeliveriesOptions) {
    this.#messages = messages;
    this.#findings = findings;
    this.#options = options;
  }

  receive(session: Session, event: Delivered): void {
    this.#findings.counts.delivered++;
    const message = this.#identify(session, event);
    if (message === undefined || !this.#isNewPacket(session, message, event)) return;
    if (this.#messages.isWill(message)) this.#options.willCame(message);
    const grants = this.#grants(session, message, event);
    if (!session.isDoubtful) {
      if (grants.length === 0) {
        this.#refuseUnwanted(session, message, event);
        return;
      }
      this.#checkQos(session, message, event, grants);
      this.#checkRetain(session, message, event, grants);
    }
    const mayBeLive = session.isDoubtful || grants.some(({ retainAsPublished }) => retainAsPublished);
    // What looked like the message itself was a retained copy of it, if the message comes without Retain after that.
    const wasCopy = !event.retain && session.copies.delete(message);
    if (event.retain && !mayBeLive) {
      this.#findings.counts.retained++;
    } else if (session.seen.has(message)) {
      if (!wasCopy) this.#repeated(session, message, event);
    } else {
      session.seen.add(message);
      if (event.retain) session.copies.add(message);
      if (!session.owed.delete(message)) session.owedQos0.delete(message);
      const shared = this.#matching(session, message).find(({ isShared }) => isShared);
      // Shared Subscriptions have no order [MQTT-4.6.0-6].
      if (shared === undefined) this.#checkOrder(session, message, event);
      else this.#options.sharedCame(session, shared.topicFilter, message);
    }
  }

  /** Which message it is; undefined, and told, if it is none that was sent like this. */
  #identify(session: Session, event: Delivered): number | undefined {
    const { content } = event;
    if (content === undefined) {
      this.#accuse('corrupt', session, undefined, event, `a payload on ${event.topic} that nobody sent like this`);
      return undefined;
    }
    const message = this.#messages.find(content.publisher, content.n);
    if (message === undefined) {
      this.#accuse('phantom', session, undefined, event, `${content.publisher} never sent its message ${content.n}`);
      return undefined;
    }
    const topic = this.#messages.topic(message);
    if (topic === event.topic && topic === content.topic && this.#messages.qos(message) === content.qos) return message;
    this.#accuse('corrupt', session, message, event, `sent to ${topic}, it came on ${event.topic}`);
    return undefined;
  }

  /** Whether it is more than a QoS 2 message once again, of which only the first counts. */
  #isNewPacket(session: Session, message: number, event: Delivered): boolean {
    if (event.dup && event.qos === 0) this.#accuse('corrupt', session, message, event, 'DUP at QoS 0 [MQTT-3.3.1-2]');
    if (event.qos !== 2) return true;
    const unreleased = session.unreleased.get(event.packetId);
    if (unreleased === undefined) {
      session.unreleased.set(event.packetId, message);
      return true;
    }
    this.#findings.counts.repeated++;
    if (unreleased !== message) {
      const why = `under Packet Identifier ${event.packetId}, which another message has and which is not released`;
      this.#accuse('corrupt', session, message, event, why);
    }
    return false;
  }

  /** The grants under which the server may have matched it, some time between its PUBLISH and the answer. */
  #grants(session: Session, message: number, { qos, retain }: Delivered): readonly Grant[] {
    const sentAt = this.#messages.sentAt(message);
    // A retained copy is matched when the Client subscribes, be it long afterwards; and what is delivered at QoS 0 may
    // be matched on another node, for which no answer waits.
    const until = retain || qos === 0 ? unanswered : this.#messages.answeredAt(message);
    const isOwn = this.#messages.publisher(message) === session.client;
    const grants: Grant[] = [];
    for (const { grants: held } of this.#matching(session, message)) {
      for (const grant of held) {
        if (grant.beganAt < until && sentAt < grant.endedAt && !(isOwn && grant.noLocal)) grants.push(grant);
      }
    }
    return grants;
  }

  #refuseUnwanted(session: Session, message: number, event: Delivered): void {
    if (this.#messages.answeredAt(message) < session.beganAt) {
      this.#accuse('session-present', session, message, event, 'left over from a Session before a Clean Start');
    } else {
      this.#accuse('phantom', session, message, event, `${session.client} had no Subscription for ${event.topic}`);
    }
  }

  /** The lower of the QoS published and the highest granted [MQTT-3.8.4-8, MQTT-3.3.4-2]. */
  #checkQos(session: Session, message: number, event: Delivered, grants: readonly Grant[]): void {
    const published = this.#messages.qos(message);
    const sentAt = this.#messages.sentAt(message);
    const [only] = grants;
    const isStable = grants.length === 1 && only !== undefined && only.ackedAt < sentAt;
    if (isStable && event.qos === Math.min(published, only.qos)) return;
    let least = 0;
    for (const { heldSince, latest } of this.#matching(session, message)) {
      // A retained copy goes by the one Subscription that asked for it. And where one grant was replacing another while
      // the message was under way, either may have been used.
      const isCertain = !event.retain && heldSince < sentAt && latest.ackedAt < sentAt && grants.includes(latest);
      if (isCertain) least = Math.max(least, latest.qos);
    }
    const isAllowed = grants.some(({ qos, ackedAt }) => {
      const isPending = ackedAt === Number.POSITIVE_INFINITY;
      return isPending ? event.qos <= Math.min(published, qos) : qos >= least && event.qos === Math.min(published, qos);
    });
    if (isAllowed) return;
    this.#accuse('corrupt', session, message, event, `published at QoS ${published}, it came at QoS ${event.qos}`);
  }

  #checkRetain(session: Session, message: number, event: Delivered, grants: readonly Grant[]): void {
    const wasRetained = this.#messages.isRetained(message);
    if (event.retain && !wasRetained) {
      this.#accuse('corrupt', session, message, event, 'Retain flag, without which it was published');
    } else if (!event.retain && wasRetained && grants.every(({ retainAsPublished }) => retainAsPublished)) {
      this.#accuse(
        'corrupt',
        session,
        message,
        event,
        'no Retain flag, in spite of Retain As Published [MQTT-3.3.1-13]',
      );
    }
  }

  /** It has come before: a retained copy that looks like a live one, a legal repetition, or one too many. */
  #repeated(session: Session, message: number, event: Delivered): void {
    if (event.retain) {
      this.#findings.counts.retained++;
      return;
    }
    const published = this.#messages.qos(message);
    // On the way in only QoS 1 may double a message, and each copy is then a message of its own.
    const isOnceIn = published !== 1 || this.#messages.isWill(message);
    if (this.#mayFollow(session, message) && !this.#messages.isWill(message)) {
      this.#findings.counts.repeated++;
      return;
    }
    if (isOnceIn && event.qos !== 1) {
      this.#accuse('duplicated', session, message, event, `a second time at QoS ${event.qos}`);
    } else if (isOnceIn && !event.dup) {
      this.#accuse(
        'duplicated',
        session,
        message,
        event,
        'a second time at QoS 1, and not as a repetition of the first',
      );
    } else {
      this.#findings.counts.repeated++;
    }
  }

  /** Whether it is a QoS 0 message that one node may have passed on before its Client moved, and another one after that. */
  #mayFollow(session: Session, message: number): boolean {
    if (!this.#options.qos0MayFollow || this.#messages.qos(message) !== 0) return false;
    return session.connectedSince > this.#messages.sentAt(message);
  }

  /** [MQTT-4.6.0-5, MQTT-4.6.0-6] for those who get it for the first time. */
  #checkOrder(session: Session, message: number, event: Delivered): void {
    // A retained message may be a copy that looks like a live one, and a Will Message is published by the server.
    if (event.retain || this.#messages.isWill(message) || this.#mayFollow(session, message)) return;
    const key = streamKey(this.#messages.stream(message), event.qos);
    const latest = session.latest.get(key);
    if (latest === undefined || latest < message) {
      session.latest.set(key, message);
    } else if (this.#wasSure(session, message, event)) {
      this.#accuse('order', session, message, event, `after message ${this.#messages.n(latest)}, which was sent later`);
    }
  }

  /**
   * Whether the first time that a message reached the server was already good for this Client, at this QoS. A publisher
   * that was cut sends its unanswered QoS 1 messages again, and whoever subscribed between the first and the second
   * time gets the later ones of them once before and once after the earlier ones.
   */
  #wasSure(session: Session, message: number, { qos }: Delivered): boolean {
    if (this.#messages.qos(message) !== 1) return true;
    const sentAt = this.#messages.sentAt(message);
    if (qos === 0 && session.connectedSince > sentAt) return false;
    return this.#matching(session, message).some(
      ({ heldSince, latest }) => heldSince < sentAt && latest.ackedAt < sentAt && Math.min(latest.qos, 1) === qos,
    );
  }

  #matching(session: Session, message: number): readonly Holding[] {
    return session.matching(this.#messages.topicNumber(message), this.#messages.topic(message));
  }

  #accuse(
    invariant: Invariant,
    session: Session,
    message: number | undefined,
    { atMs, content }: Delivered,
    why: string,
  ): void {
    const publisher = message === undefined ? content?.publisher : this.#messages.publisher(message);
    const n = message === undefined ? content?.n : this.#messages.n(message);
    const about = publisher === undefined || n === undefined ? {} : { publisher, n };
    this.#findings.violation({ invariant, client: session.client, ...about, why, atMs });
  }
}
