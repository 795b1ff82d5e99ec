// One Topic Filter in one Session: what the Client asked for, and since when it may count on it.
//
// A SUBSCRIBE takes effect somewhere between itself and its SUBACK, an UNSUBSCRIBE between itself and its UNSUBACK, and
// neither need be answered. So a Subscription is known from two sides: the grants say under which options a message
// *may* have been matched, generously; heldSince says since when every message *must* be, meanly.

import type { QoS } from '@skein/protocol';
import type { Session } from './session.ts';
import { isShared } from './topic-match.ts';

/** Subscription Options, and the part of the history in which the server may have used them. */
export interface Grant {
  /** The QoS granted; until the SUBACK the QoS asked for, of which any part may be granted. */
  qos: QoS;
  readonly beganAt: number;
  /** The SUBACK; Infinity while it has not come. */
  ackedAt: number;
  endedAt: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
}

/** Subscription Options as they are asked for. */
export type Asked = Pick<Grant, 'qos' | 'noLocal' | 'retainAsPublished'>;

/** A Topic Filter of a Session, also after it was given up. */
export class Holding {
  readonly session: Session;
  readonly topicFilter: string;
  /** Whether what it matches goes to one of several Sessions (groups.ts). */
  readonly isShared: boolean;
  readonly grants: Grant[] = [];
  /** Every message sent after this place in the history matches; Infinity while that is not certain. */
  heldSince: number = Number.POSITIVE_INFINITY;
  /** The last UNSUBSCRIBE. */
  #leavingAt = 0;

  constructor(session: Session, topicFilter: string) {
    this.session = session;
    this.topicFilter = topicFilter;
    this.isShared = isShared(topicFilter);
  }

  /** What holds if anything does: the latest grant. */
  get latest(): Grant {
    return this.grants[this.grants.length - 1] as Grant;
  }

  /** SUBSCRIBE is sent. One that replaces a Subscription may lose nothing [MQTT-3.8.4-3], unless it asks for less. */
  subscribing(at: number, asked: Asked): void {
    const before = this.grants[this.grants.length - 1];
    if (before !== undefined && (asked.qos === 0 || before.qos === 0 || asked.noLocal !== before.noLocal)) this.doubt();
    this.grants.push({ ...asked, beganAt: at, ackedAt: Number.POSITIVE_INFINITY, endedAt: Number.POSITIVE_INFINITY });
  }

  /** SUBACK. @param qos undefined if the Subscription was refused; @returns false if nothing was asked for */
  subscribed(at: number, qos: QoS | undefined): boolean {
    const grant = this.grants[this.grants.length - 1];
    if (grant?.ackedAt !== Number.POSITIVE_INFINITY) return false;
    grant.ackedAt = at;
    if (qos === undefined) {
      grant.endedAt = at;
      this.doubt();
      return true;
    }
    grant.qos = qos;
    if (this.heldSince === Number.POSITIVE_INFINITY) this.heldSince = at;
    const before = this.grants[this.grants.length - 2];
    if (before !== undefined && before.endedAt === Number.POSITIVE_INFINITY && isSame(before, grant)) {
      this.grants.pop(); // it only said the same again
      before.ackedAt = Math.min(before.ackedAt, at);
      return true;
    }
    for (const earlier of this.grants) if (earlier !== grant) earlier.endedAt = Math.min(earlier.endedAt, at);
    return true;
  }

  /** UNSUBSCRIBE is sent. */
  unsubscribing(at: number): void {
    this.#leavingAt = at;
    this.doubt();
  }

  /** UNSUBACK: what was asked for before the UNSUBSCRIBE is over. */
  unsubscribed(at: number): void {
    for (const grant of this.grants) {
      if (grant.beganAt < this.#leavingAt && grant.endedAt === Number.POSITIVE_INFINITY) grant.endedAt = at;
    }
  }

  /** Nothing is certain any more, until the next SUBACK. */
  doubt(): void {
    this.heldSince = Number.POSITIVE_INFINITY;
  }
}

function isSame(one: Grant, other: Grant): boolean {
  return one.qos === other.qos && one.noLocal === other.noLocal && one.retainAsPublished === other.retainAsPublished;
}
