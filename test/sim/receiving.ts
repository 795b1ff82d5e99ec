// The receiving half of a model Client: what comes, what it owes for that, and what no server may send [MQTT 4.3, 4.4].
//
// Whether it is the right message is the history's affair. Here it is judged as a packet: its identifier, its DUP flag,
// the Receive Maximum, and what it carries along.

import type { Packet, Publish } from '@skein/protocol';
import { type Content, decodePayload } from '../history/payload.ts';
import { matches } from '../history/topic-match.ts';
import { keyOf } from './ledger.ts';
import { signatureOf } from './sending.ts';
import type { ClientSurroundings } from './surroundings.ts';

/** What a Client receives, over all its Network Connections. */
export class Receiving {
  readonly #around: ClientSurroundings;
  /** QoS 2 messages received and not released, by Packet Identifier. */
  readonly #unreleased = new Set<number>();
  /** Packet Identifiers that this Network Connection has in flight, until the Client has sent its last word on each. */
  readonly #inflight = new Set<number>();
  /** The same for exchanges of an earlier one of which only the end is left; these count towards no maximum [§4.9]. */
  readonly #ending = new Set<number>();
  /** Acknowledgements to be sent, in order [MQTT-4.6.0-2, MQTT-4.6.0-3, MQTT-4.6.0-4]. */
  readonly #owed: Extract<Packet, { packetId: number }>[] = [];
  /** Messages that this Session has got, by their keys. */
  readonly #got = new Set<string>();
  /** Messages that have come with Retain set, to whichever Session. */
  readonly #copied = new Set<string>();
  /** Subscription Identifiers that this Session has asked for, by Topic Filter. */
  readonly #identifiers = new Map<string, Set<number>>();

  constructor(around: ClientSurroundings) {
    this.#around = around;
  }

  /** Whether all is acknowledged. */
  get isIdle(): boolean {
    return this.#owed.length === 0;
  }

  /** Whether this Session has got a message, live or retained. */
  has(content: Pick<Content, 'publisher' | 'n'>): boolean {
    return this.#got.has(keyOf(content));
  }

  /** Whether a message has ever come with Retain set. */
  hasCopyOf(content: Pick<Content, 'publisher' | 'n'>): boolean {
    return this.#copied.has(keyOf(content));
  }

  /** A Subscription is asked for under an identifier. */
  identify(topicFilter: string, identifier: number): void {
    const known = this.#identifiers.get(topicFilter);
    if (known === undefined) this.#identifiers.set(topicFilter, new Set([identifier]));
    else known.add(identifier);
  }

  /** A Network Connection begins. */
  begin(isResumed: boolean): void {
    this.#inflight.clear();
    this.#ending.clear();
    this.#owed.length = 0;
    if (!isResumed) this.forget();
  }

  /** The Session is over for the Client. */
  forget(): void {
    this.#unreleased.clear();
    this.#got.clear();
    this.#identifiers.clear();
  }

  /** Sends the oldest acknowledgement that is owed. @returns false if none is */
  acknowledge(): boolean {
    const packet = this.#owed.shift();
    if (packet === undefined) return false;
    if (packet.type !== 'pubrec') {
      this.#inflight.delete(packet.packetId);
      this.#ending.delete(packet.packetId);
    }
    this.#around.say(packet);
    return true;
  }

  publish(packet: Publish): void {
    const { kind, record } = this.#around;
    const { topic, qos, retain, dup, packetId } = packet;
    const content = decodePayload(packet.payload);
    record({ is: 'delivered', client: kind.clientId, content, topic, qos, retain, dup, packetId });
    if (content !== undefined) {
      this.#got.add(keyOf(content));
      if (retain) this.#copied.add(keyOf(content));
      this.#judgeProperties(packet, content);
    }
    if (qos === 0) return;
    this.#judgeIdentifier(packet);
    this.#inflight.add(packetId);
    if (qos === 2) this.#unreleased.add(packetId);
    this.#owed.push({ type: qos === 1 ? 'puback' : 'pubrec', packetId, reasonCode: 0, properties: undefined });
  }

  pubrel({ packetId }: Extract<Packet, { type: 'pubrel' }>): void {
    this.#unreleased.delete(packetId);
    if (!this.#inflight.has(packetId)) this.#ending.add(packetId);
    this.#around.record({ is: 'released', client: this.#around.kind.clientId, packetId });
    this.#owed.push({ type: 'pubcomp', packetId, reasonCode: 0, properties: undefined });
  }

  #judgeIdentifier({ qos, dup, packetId }: Publish): void {
    const { fault, kind } = this.#around;
    if (packetId === 0) fault('Packet Identifier 0 [MQTT-2.2.1-3]');
    // Within one Network Connection nothing is sent again [MQTT-4.4.0-1].
    if (this.#inflight.has(packetId) || this.#ending.has(packetId))
      fault(`#${packetId} is sent while it is in flight [MQTT-2.2.1-4]`);
    if (qos === 2 && !dup && this.#unreleased.has(packetId)) {
      fault(`#${packetId} is sent again without DUP [MQTT-3.3.1-1]`);
    }
    if (kind.protocolVersion === 5 && this.#inflight.size >= kind.receiveMaximum) {
      fault(`more than ${kind.receiveMaximum} messages in flight [MQTT-3.3.4-9]`);
    }
  }

  #judgeProperties({ topic, properties }: Publish, content: Content): void {
    const { fault, kind, ledger } = this.#around;
    const entry = ledger.find(content);
    const [signature] = properties?.userProperties ?? [];
    const [expected] = signatureOf(content);
    if (signature !== undefined && signature[1] !== expected?.[1]) {
      fault(`${keyOf(content)} came with the User Properties of ${signature[1]}`);
    }
    if (kind.protocolVersion < 5 || entry === undefined) return;
    const isPromised = properties?.messageExpiryInterval !== undefined;
    if (isPromised !== (entry.expirySeconds !== undefined)) {
      fault(`${keyOf(content)} came ${isPromised ? 'with' : 'without'} an expiry [MQTT-3.3.2-6]`);
    }
    for (const identifier of properties?.subscriptionIdentifiers ?? []) {
      const isKnown = [...this.#identifiers].some(([filter, ids]) => ids.has(identifier) && matches(filter, topic));
      if (!isKnown) fault(`${keyOf(content)} came under Subscription Identifier ${identifier} [MQTT-3.3.4-3]`);
    }
  }
}
