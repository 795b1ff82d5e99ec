// The sending half of QoS 1 and 2: what a Client was sent and has not yet acknowledged [MQTT 4.3.2, 4.3.3, 4.4, 4.9].
//
// Entries come from the Session's queue in order of seq and are sent while the window has room. The Packet Identifier
// is a function of the seq, so that a message keeps it through any crash without a write for each send.
//
// Invariant: inflight.size <= the Client's Receive Maximum [MQTT-3.3.4-9], PUBRELs owed from an earlier Network
// Connection included; and all seqs in flight span less than 65,535, so that no two share a Packet Identifier.

import { MqttError, type QoS, ReasonCode } from '@skein/protocol';
import type { Drops } from '../drops.ts';
import type { Delivery, Message } from '../message.ts';
import type { Counters } from '../observer.ts';
import type { Outlet } from '../outlet.ts';
import type { Clock, QueueEntry } from '../ports.ts';
import type { News } from './news.ts';

/** Where the messages for a Client wait until the window has room: in this node's memory, or in the store. */
export interface Source {
  /** The next entry, in order of seq; undefined if there is none now, and then the source pumps when there is. */
  next(): QueueEntry | undefined;
  /** The Client has it, or never will: it may be forgotten. */
  settled(seq: number): void;
  /** PUBREC came: once that is stored, {@link Outbound.release} is called. */
  received(seq: number): void;
}

/** How far apart the seqs in flight may be: one less than there are Packet Identifiers. */
const spanMax = 65_534;

// What the Client owes us next. Kept with the seq in one number, seq * 4 + state, since there is one for each message.
const awaitsPuback = 0;
const awaitsPubrec = 1;
const storesPubrec = 2;
const awaitsPubcomp = 3;

/** A Delivery to fill in and hand over; nobody keeps it beyond the call. */
const delivery: { -readonly [Key in keyof Delivery]: Delivery[Key] } = {
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  subscriptionIdentifiers: undefined,
};

/** The Packet Identifier of a seq: 1 to 65,535, the same whoever computes it. */
export function packetIdOf(seq: number): number {
  return ((seq - 1) % 65_535) + 1;
}

/** The window of one Client. */
export class Outbound {
  readonly #clientId: string;
  readonly #outlet: Outlet;
  readonly #source: Source;
  readonly #inflightMax: number;
  /** Up to here the Session may have sent before; these go again with DUP = 1 [MQTT-3.3.1-1]. */
  readonly #resendSeq: number;
  readonly #drops: Drops;
  readonly #counters: Counters;
  readonly #clock: Clock;
  /** By Packet Identifier, in order of sending. */
  #inflight: Map<number, number> | undefined;
  /** Seqs whose PUBREL was owed from an earlier Network Connection, and was sent on this one. */
  #resumed: Set<number> | undefined;
  #sentSeq: number;
  /** No seq from here on is sent before the span has been looked at anew. */
  #spanEndSeq = 0;
  /** Taken from the source, and too far ahead of the oldest in flight to be sent. */
  #stalled: QueueEntry | undefined;
  #closed = false;
  /** Called when there is room again, and as much as was asked for. */
  #roomy: (() => void) | undefined;
  #isRoomyEnough = always;
  /** Told of what reaches the Client otherwise, while retained messages are on their way to it. */
  news: News | undefined;

  constructor(of: {
    clientId: string;
    outlet: Outlet;
    source: Source;
    inflightMax: number;
    resendSeq: number;
    drops: Drops;
    counters: Counters;
    clock: Clock;
  }) {
    this.#clientId = of.clientId;
    this.#outlet = of.outlet;
    this.#source = of.source;
    this.#inflightMax = of.inflightMax;
    this.#resendSeq = of.resendSeq;
    this.#sentSeq = of.resendSeq;
    this.#drops = of.drops;
    this.#counters = of.counters;
    this.#clock = of.clock;
  }

  /** Messages sent and not yet acknowledged. */
  get inflight(): number {
    return this.#inflight?.size ?? 0;
  }

  /** What was taken from the source and has not been sent, because its seq is too far ahead. */
  get stalled(): QueueEntry | undefined {
    return this.#stalled;
  }

  /** The highest seq that was really sent. */
  get sentSeq(): number {
    return this.#sentSeq;
  }

  /** Whether a message offered now would go out now. */
  get hasRoom(): boolean {
    return this.#isOpen && this.#stalled === undefined;
  }

  get #isOpen(): boolean {
    return this.inflight < this.#inflightMax && !this.#outlet.congested;
  }

  /**
   * Resolves when there is room for another message, or there never will be. One may wait at a time.
   *
   * @param isEnough asked when there is
   */
  whenRoomy(isEnough: () => boolean = always): Promise<void> | undefined {
    if (this.#closed || (this.hasRoom && isEnough())) return undefined;
    return new Promise((resolve) => {
      this.#isRoomyEnough = isEnough;
      this.#roomy = resolve;
    });
  }

  /**
   * Sends PUBRELs owed from an earlier Network Connection, in the order of their PUBRECs [MQTT-4.4.0-1, MQTT-4.6.0-4].
   * One that has been sent already is not sent again.
   */
  resume(releases: readonly number[]): void {
    for (const seq of releases) {
      // A read may name one whose PUBCOMP is here, and on its way to the store.
      if (this.#inflight?.has(packetIdOf(seq)) || this.#resumed?.has(seq)) continue;
      this.#resumed ??= new Set();
      this.#resumed.add(seq);
      this.#note(seq, awaitsPubcomp);
      this.#sendPubrel(packetIdOf(seq), ReasonCode.success);
    }
  }

  /** Sends a message at QoS 0, or drops it if the Client does not keep up. @returns whether it was sent */
  sendQos0(message: Message, retain: boolean, subscriptionIdentifiers: readonly number[] | undefined): boolean {
    if (this.#closed) return false;
    if (this.#outlet.congested) {
      this.#drops.add(this.#clientId, 'slow_consumer');
      return false;
    }
    // It may have waited for the store. One that passes through at once is not too late, however short its time [MQTT-3.3.2-5].
    if (message.expiresAtMs > 0 && message.expiresAtMs < this.#clock.nowMs()) {
      this.#drops.add(this.#clientId, 'expired');
      return false;
    }
    delivery.qos = 0;
    delivery.retain = retain;
    delivery.dup = false;
    delivery.packetId = 0;
    delivery.subscriptionIdentifiers = subscriptionIdentifiers;
    if (!this.#outlet.publish(message, delivery)) {
      this.#drops.add(this.#clientId, 'too_large');
      return false;
    }
    this.#counters.publishSent[0]++;
    return true;
  }

  /**
   * Sends a message that nothing waits before, without its ever having been in a queue.
   *
   * @returns false if it has to wait
   */
  sendAtOnce(
    seq: number,
    message: Message,
    qos: QoS,
    retain: boolean,
    subscriptionIdentifiers: readonly number[] | undefined,
  ): boolean {
    if (this.#closed || !this.hasRoom || this.#roomy !== undefined || seq >= this.#spanEndSeq) return false;
    this.#send(seq, message, qos, retain, subscriptionIdentifiers);
    return true;
  }

  /** Sends from the queue while the window has room. */
  pump(): void {
    while (!this.#closed && this.#isOpen) {
      const entry: QueueEntry | undefined = this.#stalled ?? this.#source.next();
      if (entry === undefined) break;
      this.#stalled = undefined;
      if (entry.seq >= this.#spanEndSeq && !this.#hasSpan(entry.seq)) {
        this.#stalled = entry;
        break;
      }
      this.#send(entry.seq, entry.message, entry.qos, entry.retain, entry.subscriptionIdentifiers);
    }
    if (this.#roomy !== undefined && (this.#closed || (this.hasRoom && this.#isRoomyEnough()))) {
      const roomy = this.#roomy;
      this.#roomy = undefined;
      roomy();
    }
  }

  /** PUBACK [MQTT-4.3.2-3]. One for an unknown identifier belongs to something long settled, and is ignored. */
  puback(packetId: number): void {
    const inflight = this.#inflight?.get(packetId);
    if (inflight === undefined) return;
    if (inflight % 4 !== awaitsPuback) {
      throw new MqttError(ReasonCode.protocolError, 'PUBACK for a PUBLISH that was sent at QoS 2', 'MQTT-4.3.3-4');
    }
    this.#settle(packetId, inflight);
  }

  /** PUBREC [MQTT-4.3.3-4, MQTT-4.3.3-5]. */
  pubrec(packetId: number, reasonCode: ReasonCode): void {
    const inflight = this.#inflight?.get(packetId);
    if (inflight === undefined) {
      this.#sendPubrel(packetId, ReasonCode.packetIdentifierNotFound);
      return;
    }
    const state = inflight % 4;
    if (state === awaitsPuback) {
      throw new MqttError(ReasonCode.protocolError, 'PUBREC for a PUBLISH that was sent at QoS 1', 'MQTT-4.3.2-3');
    }
    if (state === awaitsPubcomp) {
      this.#sendPubrel(packetId, ReasonCode.success);
    } else if (state === awaitsPubrec && reasonCode >= 0x80) {
      this.#settle(packetId, inflight); // refused: the Packet Identifier is free [§4.3.3]
    } else if (state === awaitsPubrec) {
      this.#inflight?.set(packetId, inflight - awaitsPubrec + storesPubrec);
      this.#source.received(Math.floor(inflight / 4));
    }
  }

  /** The PUBREC of this seq is stored: its PUBREL may go. */
  release(seq: number): void {
    const packetId = packetIdOf(seq);
    if (this.#closed || this.#inflight?.get(packetId) !== seq * 4 + storesPubrec) return;
    this.#inflight.set(packetId, seq * 4 + awaitsPubcomp);
    this.#sendPubrel(packetId, ReasonCode.success);
  }

  /** PUBCOMP [MQTT-4.3.3-6]. */
  pubcomp(packetId: number): void {
    const inflight = this.#inflight?.get(packetId);
    if (inflight !== undefined && inflight % 4 === awaitsPubcomp) this.#settle(packetId, inflight);
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.pump();
  }

  #send(
    seq: number,
    message: Message,
    qos: QoS,
    retain: boolean,
    subscriptionIdentifiers: readonly number[] | undefined,
  ): void {
    const resend = seq <= this.#resendSeq;
    // Once delivery may have begun, expiry no longer counts [MQTT-3.3.2-5].
    if (!resend && message.expiresAtMs > 0 && message.expiresAtMs <= this.#clock.nowMs()) {
      this.#drops.add(this.#clientId, 'expired');
      this.#source.settled(seq);
      return;
    }
    delivery.qos = qos;
    delivery.retain = retain;
    delivery.dup = resend;
    delivery.packetId = packetIdOf(seq);
    delivery.subscriptionIdentifiers = subscriptionIdentifiers;
    if (!this.#outlet.publish(message, delivery)) {
      this.#drops.add(this.#clientId, 'too_large'); // as if it had been delivered [MQTT-3.1.2-25]
      this.#source.settled(seq);
      return;
    }
    this.#counters.publishSent[qos as 1 | 2]++;
    this.#note(seq, qos === 1 ? awaitsPuback : awaitsPubrec);
  }

  #note(seq: number, state: number): void {
    this.#inflight ??= new Map();
    this.#inflight.set(packetIdOf(seq), seq * 4 + state);
    if (seq > this.#sentSeq) this.#sentSeq = seq;
  }

  #settle(packetId: number, inflight: number): void {
    this.#inflight?.delete(packetId);
    this.#source.settled(Math.floor(inflight / 4));
    this.pump();
  }

  /** Looks how far the oldest seq in flight lets us go, and whether that is far enough. */
  #hasSpan(seq: number): boolean {
    let oldestSeq = seq;
    for (const inflight of this.#inflight?.values() ?? []) oldestSeq = Math.min(oldestSeq, Math.floor(inflight / 4));
    this.#spanEndSeq = oldestSeq + spanMax;
    return seq < this.#spanEndSeq;
  }

  #sendPubrel(packetId: number, reasonCode: ReasonCode): void {
    this.#outlet.send({ type: 'pubrel', packetId, reasonCode, properties: undefined });
  }
}

function always(): boolean {
  return true;
}
