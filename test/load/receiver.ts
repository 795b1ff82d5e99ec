// The receiving half of a Client under load: what comes is written down and acknowledged at once [MQTT 4.3].

import { type Packet, type ProtocolVersion, type Publish, type Pubrel, ReasonCode } from '@skein/protocol';
import type { History } from '../history/history.ts';
import { decodePayload } from '../history/payload.ts';

/** What a receiver needs of its Client. */
export interface ReceiverSurroundings {
  readonly clientId: string;
  readonly history: History;
  readonly version: ProtocolVersion;
  /** Messages at QoS 1 and 2 that it takes at a time, where its version can say so. */
  readonly receiveMaximum: number;
  send(packet: Packet): void;
  /** The server did what no server may do. */
  problem(why: string): void;
}

/** Receives on one Network Connection. */
export class Receiver {
  readonly #around: ReceiverSurroundings;
  readonly #aliases = new Map<number, string>();
  /** QoS 1 and 2 messages received whose acknowledgement has not gone out. */
  #inflight = 0;
  #unsent = 0;

  constructor(surroundings: ReceiverSurroundings) {
    this.#around = surroundings;
  }

  /** What it had to say has gone out. */
  flushed(): void {
    this.#inflight -= this.#unsent;
    this.#unsent = 0;
  }

  publish({ topic: name, qos, retain, dup, packetId, payload, properties }: Publish): void {
    const { clientId: client, history, version, receiveMaximum, problem, send } = this.#around;
    const topic = this.#topicOf(name, properties?.topicAlias);
    history.record({ is: 'delivered', client, content: decodePayload(payload), topic, qos, retain, dup, packetId });
    if (qos === 0) return;
    this.#inflight += 1;
    if (version === 5 && this.#inflight > receiveMaximum) problem('more came than its window'); // [MQTT-3.3.4-9]
    if (qos === 1) this.#unsent += 1;
    const type = qos === 1 ? 'puback' : 'pubrec';
    send({ type, packetId, reasonCode: ReasonCode.success, properties: undefined });
  }

  pubrel({ packetId }: Pubrel): void {
    const { clientId: client, history, send } = this.#around;
    history.record({ is: 'released', client, packetId });
    this.#unsent += 1;
    send({ type: 'pubcomp', packetId, reasonCode: ReasonCode.success, properties: undefined });
  }

  #topicOf(name: string, alias: number | undefined): string {
    if (alias === undefined) return name;
    if (name !== '') this.#aliases.set(alias, name); // [MQTT-3.3.2-12]
    return this.#aliases.get(alias) ?? '';
  }
}
