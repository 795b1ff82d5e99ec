// The receiving half of QoS 1 and 2: what a Client has sent and we have not yet answered [MQTT 4.3.2, 4.3.3, 4.9].
//
// Publishing takes time and may finish in any order; acknowledgements leave in the order the PUBLISHes came
// [MQTT-4.6.0-2, MQTT-4.6.0-3]. So an acknowledgement waits here until everything before it has been answered.
//
// Invariant: unanswered <= Receive Maximum, or the Client is told so (0x93) and closed [MQTT-3.3.4-9]. A 3.x Client
// cannot be told: its packets wait in the socket instead.

import { MqttError, ReasonCode } from '@skein/protocol';
import type { Incoming, Lane } from '../lane.ts';
import type { Message } from '../message.ts';
import type { Outlet } from '../outlet.ts';
import type { Claim, InboundMessage, Ingress, PublishOrder } from '../ports.ts';
import type { AwaitsRelease, Settlements } from './settlements.ts';

/** QoS 0 messages of one Client that may wait behind its retained one. */
const qos0WaitingMax = 1024;

/** A QoS 2 message whose Packet Identifier is in use [MQTT-4.3.3-10]. */
interface Exchange {
  /** As the store knows it; a volatile Session's is known to nobody. */
  readonly uid: string;
  /** An unfinished one was begun by an earlier connection, perhaps not to the end: a repeat is published again. */
  state: 'unfinished' | 'being-published' | 'published';
}

/** Of all messages of volatile Sessions, never changed: there is nothing to tell them apart by. */
const beingPublished: Exchange = { uid: '', state: 'being-published' };
const published: Exchange = { uid: '', state: 'published' };

/** What it takes to know when to stop reading. */
export interface InboundTerms {
  /** Unanswered publishes the Client may have; it has been told so, or it must be held back. */
  readonly receiveMaximum: number;
  /** Whether exceeding it is the Client's fault [§4.9]. */
  readonly isAnnounced: boolean;
}

/** A PUBLISH at QoS 1 or 2 until its acknowledgement is sent. */
class Receipt implements Incoming {
  readonly message: Message | undefined;
  readonly ingress: Ingress | undefined;
  readonly packetId: number;
  readonly qos: 1 | 2;
  readonly isRefusable: boolean;
  readonly order: PublishOrder | undefined;
  /** What to answer, once that is known. */
  answer: ReasonCode | undefined;
  /** What the answer will be. */
  #outcome: ReasonCode = ReasonCode.success;
  /** Of a QoS 2 message that the store need not know, once somebody has asked for it. */
  #ownUid: string | undefined;
  readonly #inbound: Inbound;

  constructor(
    inbound: Inbound,
    packetId: number,
    qos: 1 | 2,
    message: Message | undefined,
    ingress: Ingress | undefined,
    isRefusable: boolean,
    order: PublishOrder | undefined = undefined,
  ) {
    this.message = message;
    this.ingress = ingress;
    this.packetId = packetId;
    this.qos = qos;
    this.isRefusable = isRefusable;
    this.order = order;
    this.answer = undefined;
    this.#ownUid = undefined;
    this.#inbound = inbound;
  }

  /** Hardly any message of a volatile Session is ever called by its name, and names cost. */
  get uid(): string | undefined {
    if (this.ingress !== undefined) return this.ingress.uid;
    if (this.qos === 2 && this.message !== undefined) this.#ownUid ??= this.#inbound.newUid();
    return this.#ownUid;
  }

  /** What is not noted in the store comes once: its Client sends it again only to this connection. */
  get isSingular(): boolean {
    return this.ingress === undefined;
  }

  finish(reasonCode: ReasonCode): void {
    this.#outcome = reasonCode;
    if (this.ingress === undefined) this.released();
    else if (reasonCode >= 0x80) this.#inbound.refused(this, this.ingress);
    else {
      this.#inbound.finished(this.ingress);
      this.released();
    }
  }

  /** Nothing stands in the way of the answer any more. */
  released(): void {
    this.answer = this.#outcome;
    this.#inbound.answer();
  }

  fenced(): void {
    this.#inbound.fenced();
  }
}

/** What one Client has sent. */
export class Inbound {
  readonly #claim: Claim;
  readonly #isStored: boolean;
  readonly #outlet: Outlet;
  readonly #lane: Lane;
  readonly #settlements: Settlements;
  readonly #terms: InboundTerms;
  readonly #hold: (wanted: boolean) => void;
  readonly #fenced: () => void;
  /** Acknowledgements to be sent, in order of receipt, from #first on; those before it are sent. */
  #receipts: (Receipt | undefined)[] = [];
  #first = 0;
  /** QoS 2 messages between PUBLISH and PUBREL, by Packet Identifier. */
  #received: Map<number, Exchange> | undefined;
  #unanswered = 0;
  #qos0Waiting = 0;
  /** Reading has stopped. */
  #holds = false;
  /** Retained messages that it has published. */
  #retained = 0;
  #closed = false;

  /**
   * @param of.hold asks for reading to stop, or lets it go on
   * @param of.fenced called when the store says that another connection owns the Session
   */
  constructor(of: {
    claim: Claim;
    isStored: boolean;
    received: readonly InboundMessage[];
    outlet: Outlet;
    lane: Lane;
    settlements: Settlements;
    terms: InboundTerms;
    hold: (wanted: boolean) => void;
    fenced: () => void;
  }) {
    this.#claim = of.claim;
    this.#isStored = of.isStored;
    this.#outlet = of.outlet;
    this.#lane = of.lane;
    this.#settlements = of.settlements;
    this.#terms = of.terms;
    this.#hold = of.hold;
    this.#fenced = of.fenced;
    if (of.received.length === 0) return;
    this.#received = new Map();
    for (const { packetId, uid, isDone } of of.received) {
      this.#received.set(packetId, { uid, state: isDone ? 'published' : 'unfinished' });
    }
  }

  /** Whether the Client can be told that a message was refused: before 5.0 it cannot. */
  get tellsRefusals(): boolean {
    return this.#terms.isAnnounced;
  }

  /** Publishes that wait for their acknowledgement. */
  get waiting(): number {
    return this.#receipts.length - this.#first;
  }

  /** Whether anything this Client has published is still on its way. */
  get isBusy(): boolean {
    return this.waiting > 0 || this.qos0Waits;
  }

  /** Whether QoS 0 messages must queue up, lest they overtake a retained one. */
  get qos0Waits(): boolean {
    return this.#qos0Waiting > 0;
  }

  /** A PUBLISH at QoS 0 that goes the long way: a retained one, or one behind it [MQTT-4.6.0-5]. */
  publishQos0(message: Message): void {
    this.#qos0Waiting++;
    this.#lane.push({
      message,
      ingress: undefined,
      uid: undefined,
      isRefusable: false,
      order: this.#orderOf(message),
      finish: () => this.#qos0Finished(),
      fenced: () => {},
    });
    this.#pace();
  }

  /**
   * A PUBLISH at QoS 1 or 2.
   *
   * @param message undefined if it was refused already, with `refusal`
   * @throws MqttError receiveMaximumExceeded
   */
  publish(packetId: number, qos: 1 | 2, message: Message | undefined, refusal: ReasonCode = ReasonCode.success): void {
    const known = this.#received?.get(packetId);
    const isRepeat = qos === 2 && known !== undefined && known.state !== 'unfinished';
    if (!isRepeat) this.#count();
    if (known !== undefined && qos === 1 && this.#terms.isAnnounced) {
      // It is a QoS 2 message's until its PUBCOMP [MQTT-2.2.1-3]. A 3.x Client could not be told that this one is lost.
      this.#answerAtOnce(packetId, qos, ReasonCode.packetIdentifierInUse);
    } else if (isRepeat) {
      // It was published before: its answer only waits its turn [MQTT-4.3.3-10].
      this.#carry(new Receipt(this, packetId, qos, undefined, undefined, false));
    } else if (message === undefined) {
      this.#answerAtOnce(packetId, qos, refusal, known);
    } else {
      this.#carry(this.#receiptOf(packetId, qos, message, known));
    }
  }

  #receiptOf(packetId: number, qos: 1 | 2, message: Message, known: Exchange | undefined): Receipt {
    const { isAnnounced } = this.#terms;
    const order = this.#orderOf(message);
    if (qos === 1) return new Receipt(this, packetId, qos, message, undefined, isAnnounced, order);
    this.#received ??= new Map();
    if (!this.#isStored) {
      this.#received.set(packetId, beingPublished);
      return new Receipt(this, packetId, qos, message, undefined, isAnnounced, order);
    }
    // Begun before and perhaps not finished: whoever has it under this uid does not get it again.
    const uid = known?.uid ?? this.#lane.newUid();
    this.#received.set(packetId, { uid, state: 'being-published' });
    return new Receipt(this, packetId, qos, message, { claim: this.#claim, packetId, uid }, isAnnounced, order);
  }

  /** A name for a message. */
  newUid(): string {
    return this.#lane.newUid();
  }

  /** rule: Retained. What a node that wakes late still has of this connection must not replace what came after. */
  #orderOf({ retain }: Message): PublishOrder | undefined {
    return retain ? { epoch: this.#claim.epoch, n: ++this.#retained } : undefined;
  }

  /** PUBREL [MQTT-4.3.3-11, MQTT-4.3.3-12]. */
  pubrel(packetId: number): void {
    const known = this.#received?.get(packetId);
    // PUBREL follows PUBREC, so the message was published, whether or not the store has come to know it.
    if (known === undefined || known.state === 'being-published') {
      this.#sendPubcomp(packetId, ReasonCode.packetIdentifierNotFound);
      return;
    }
    this.#received?.delete(packetId);
    if (this.#isStored) this.#settlements.release({ claim: this.#claim, packetId, uid: known.uid }, this);
    else this.released(packetId);
  }

  /** The identifier is released in the store: PUBCOMP may go. */
  released(packetId: number): void {
    if (this.#closed) return;
    this.#exchangeEnded();
    this.#sendPubcomp(packetId, ReasonCode.success);
  }

  /**
   * A message was refused after its identifier had been noted. The store forgets that before the Client hears of it:
   * the identifier is free then, and the next message under it must not be taken for a repeat.
   */
  refused(whoWaits: AwaitsRelease, ingress: Ingress): void {
    this.#settlements.release(ingress, whoWaits);
  }

  /** A message that had been noted is published everywhere. */
  finished(ingress: Ingress): void {
    this.#settlements.done(ingress);
  }

  /** The Session is another connection's: nothing of this one will ever be answered. */
  fenced(): void {
    if (!this.#closed) this.#fenced();
  }

  /** Sends the acknowledgements whose turn has come. */
  answer(): void {
    const before = this.#first;
    for (let receipt = this.#receipts[before]; receipt?.answer !== undefined; receipt = this.#receipts[this.#first]) {
      this.#receipts[this.#first++] = undefined;
      if (!this.#closed) this.#acknowledge(receipt, receipt.answer);
    }
    if (this.#first === before) return;
    if (this.#first === this.#receipts.length) {
      this.#receipts.length = 0;
      this.#first = 0;
    }
    this.#pace();
  }

  /** The Network Connection is gone; what is under way goes on, unanswered. */
  close(): void {
    this.#closed = true;
  }

  #count(): void {
    this.#unanswered++;
    if (!this.#terms.isAnnounced || this.#unanswered <= this.#terms.receiveMaximum) return;
    throw new MqttError(
      ReasonCode.receiveMaximumExceeded,
      `more than ${this.#terms.receiveMaximum} unacknowledged PUBLISH packets`,
      'MQTT-3.3.4-7',
    );
  }

  /** @param begun by an earlier Network Connection, and refused now: the identifier is free for another message */
  #answerAtOnce(packetId: number, qos: 1 | 2, reasonCode: ReasonCode, begun?: Exchange): void {
    const isNoted = begun !== undefined && qos === 2 && this.#isStored;
    const ingress = isNoted ? { claim: this.#claim, packetId, uid: begun.uid } : undefined;
    const receipt = new Receipt(this, packetId, qos, undefined, ingress, false);
    this.#receipts.push(receipt);
    receipt.finish(reasonCode);
  }

  #carry(receipt: Receipt): void {
    this.#receipts.push(receipt);
    this.#lane.push(receipt);
    this.#pace();
  }

  #acknowledge({ packetId, qos }: Receipt, reasonCode: ReasonCode): void {
    if (qos === 1) {
      this.#exchangeEnded();
      this.#outlet.send({ type: 'puback', packetId, reasonCode, properties: undefined });
      return;
    }
    // If it is not there, this answers a repeat whose PUBREL came meanwhile: the identifier is free, and stays so.
    const exchange = this.#received?.get(packetId);
    if (reasonCode >= 0x80) {
      this.#exchangeEnded();
      this.#received?.delete(packetId);
    } else if (exchange === beingPublished) this.#received?.set(packetId, published);
    else if (exchange !== undefined && this.#isStored) exchange.state = 'published';
    this.#outlet.send({ type: 'pubrec', packetId, reasonCode, properties: undefined });
  }

  /** Not below zero: exchanges begun on an earlier Network Connection were never counted on this one. */
  #exchangeEnded(): void {
    if (this.#unanswered > 0) this.#unanswered--;
  }

  #qos0Finished(): void {
    this.#qos0Waiting--;
    this.#pace();
  }

  /** Reading stops for our own unsent acknowledgements, and goes on when half of them are sent. */
  #pace(): void {
    if (this.#closed) return;
    // Where exceeding it is an error, reading goes on far enough to see the error; repeats are not counted in it.
    const waitingMax = this.#terms.receiveMaximum * (this.#terms.isAnnounced ? 2 : 1);
    const { waiting } = this;
    if (this.#holds) {
      if (waiting * 2 < waitingMax && this.#qos0Waiting * 2 < qos0WaitingMax) this.#setHold(false);
    } else if (waiting >= waitingMax || this.#qos0Waiting >= qos0WaitingMax) this.#setHold(true);
  }

  #setHold(wanted: boolean): void {
    this.#holds = wanted;
    this.#hold(wanted);
  }

  #sendPubcomp(packetId: number, reasonCode: ReasonCode): void {
    this.#outlet.send({ type: 'pubcomp', packetId, reasonCode, properties: undefined });
  }
}
