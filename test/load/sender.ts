// The sending half of a Client under load: what it has published, and what of that is not answered yet [MQTT 4.3, 4.4].

import type { Packet, Publish, QoS, ReasonCode } from '@skein/protocol';
import type { History } from '../history/history.ts';
import { encodePayload } from '../history/payload.ts';

/** A message to be made up. */
export interface Making {
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly sizeBytes: number;
}

/** What a sender needs of its Client. */
export interface SenderSurroundings {
  readonly clientId: string;
  readonly history: History;
  /** Messages without an answer, at most. */
  readonly sendMaximum: number;
  send(packet: Packet): void;
  /** The server did what no server may do. */
  problem(why: string): void;
}

/** A PUBLISH at QoS 1 or 2 that is not answered to the end. */
interface Unanswered {
  readonly n: number;
  readonly packet: Publish;
  isReceived: boolean;
}

/** Publishes, and sees that it is answered. Lives as long as its Client, over all Network Connections. */
export class Sender {
  readonly #around: SenderSurroundings;
  #window = 0;
  #n = 0;
  #lastPacketId = 0;
  readonly #unanswered = new Map<number, Unanswered>();
  /** QoS 0 messages sent on this Network Connection that nothing shows to have arrived. */
  #unconfirmed: number[] = [];

  constructor(surroundings: SenderSurroundings) {
    this.#around = surroundings;
  }

  /** The number of the last message. */
  get lastNumber(): number {
    return this.#n;
  }

  /** Messages at QoS 1 and 2 that wait for an answer. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  get hasRoom(): boolean {
    return this.#unanswered.size < this.#window && !this.isBlind;
  }

  /** So much was sent at QoS 0 that it is time to ask whether it arrives. */
  get isBlind(): boolean {
    return this.#unconfirmed.length >= this.#around.sendMaximum;
  }

  /** The number for the next message of this Client. */
  nextNumber(): number {
    this.#n += 1;
    return this.#n;
  }

  /** A Packet Identifier that no message has. */
  nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    while (this.#unanswered.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  /** Makes a message up and sends it. */
  publish({ topic, qos, retain, sizeBytes }: Making): void {
    const { clientId, history } = this.#around;
    const n = this.nextNumber();
    const payload = encodePayload({ publisher: clientId, n, qos, topic }, sizeBytes);
    const packetId = qos === 0 ? 0 : this.nextPacketId();
    const packet: Publish = {
      type: 'publish',
      topic,
      payload,
      qos,
      retain,
      dup: false,
      packetId,
      properties: undefined,
    };
    if (qos === 0) this.#unconfirmed.push(n);
    else this.#unanswered.set(packetId, { n, packet, isReceived: false });
    history.record({ is: 'published', publisher: clientId, n, topic, qos, retain });
    this.#around.send(packet);
  }

  /** The Client is connected again: what was not answered goes again, in its order [MQTT-4.4.0-1, MQTT-4.6.0-1]. */
  resume(sessionPresent: boolean, receiveMaximum: number): void {
    this.#window = Math.min(this.#around.sendMaximum, receiveMaximum);
    this.#unconfirmed = [];
    if (!sessionPresent) this.#unanswered.clear(); // nobody can know what became of them
    for (const [packetId, { packet, isReceived }] of this.#unanswered) {
      if (isReceived) this.#sendPubrel(packetId);
      else this.#around.send({ ...packet, dup: true });
    }
  }

  /** PUBACK, PUBREC or PUBCOMP. */
  take(type: 'puback' | 'pubrec' | 'pubcomp', packetId: number, reasonCode: ReasonCode): void {
    const { clientId, history, problem } = this.#around;
    const unanswered = this.#unanswered.get(packetId);
    if (unanswered === undefined) {
      problem(`${type} ${packetId} answers nothing that was sent`);
      return;
    }
    const { n } = unanswered;
    this.confirm(n);
    if (reasonCode >= 0x80) {
      history.record({ is: 'refused', publisher: clientId, n, reasonCode });
      this.#unanswered.delete(packetId);
      return;
    }
    if (!unanswered.isReceived) history.record({ is: 'acknowledged', publisher: clientId, n });
    if (type !== 'pubrec') {
      this.#unanswered.delete(packetId);
      return;
    }
    unanswered.isReceived = true;
    this.#sendPubrel(packetId);
  }

  /** What was sent before this message on this Network Connection has been read by now. */
  confirm(n: number): void {
    const later = this.#unconfirmed.findIndex((each) => each >= n);
    const confirmed = this.#unconfirmed.splice(0, later < 0 ? this.#unconfirmed.length : later);
    const { clientId, history } = this.#around;
    for (const each of confirmed) history.record({ is: 'acknowledged', publisher: clientId, n: each });
  }

  #sendPubrel(packetId: number): void {
    this.#around.send({ type: 'pubrel', packetId, reasonCode: 0, properties: undefined });
  }
}
