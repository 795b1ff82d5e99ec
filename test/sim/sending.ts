// The sending half of a model Client: what it has published, and what of that is not answered yet [MQTT 4.3, 4.4, 4.6].
//
// Acknowledgements are judged as they come: of the right packet, of something that was sent, and in order.

import type { Packet, PublishProperties, QoS, UserProperties } from '@skein/protocol';
import { encodePayload } from '../history/payload.ts';
import type { Random } from '../history/random.ts';
import type { Entry } from './ledger.ts';
import { topics } from './schedule.ts';
import type { ClientSurroundings } from './surroundings.ts';

/** A PUBLISH at QoS 1 or 2 that is not answered to the end. */
interface Unanswered {
  readonly entry: Entry;
  readonly packet: Extract<Packet, { type: 'publish' }>;
  isReceived: boolean;
}

/** Few, so that one is soon used again. */
const packetIdMax = 5;

/** What a Client has published, over all its Network Connections. */
export class Sending {
  readonly #around: ClientSurroundings;
  readonly #unanswered = new Map<number, Unanswered>();
  /** What must be answered next on this Network Connection, each in order [MQTT-4.6.0-2, MQTT-4.6.0-3]. */
  #awaited: Record<'puback' | 'pubrec' | 'pubcomp', number[]> = { puback: [], pubrec: [], pubcomp: [] };
  /** Packet Identifiers of exchanges that an earlier Network Connection began. */
  readonly #resumed = new Set<number>();
  /** QoS 0 messages that nothing shows to have arrived. */
  #unconfirmed: Entry[] = [];
  readonly #aliases = new Map<string, number>();
  #window = 1;
  #n = 0;
  #lastPacketId = 0;

  constructor(around: ClientSurroundings) {
    this.#around = around;
  }

  /** Whether all is answered. */
  get isIdle(): boolean {
    return this.#unanswered.size === 0;
  }

  /** The number for the next message, be it a Will. */
  nextNumber(): number {
    this.#n += 1;
    return this.#n;
  }

  /** A Packet Identifier that no message has. */
  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % packetIdMax) + 1;
    while (this.#unanswered.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  publish(random: Random): void {
    const { kind, ledger, record, say } = this.#around;
    const qos = random.pick<QoS>([0, 1, 1, 2, 2, 2]);
    if (qos > 0 && this.#unanswered.size >= this.#window) return;
    const topic = random.pick(topics);
    const retain = topic.startsWith('r/') && random.percent(60);
    const expirySeconds = kind.protocolVersion === 5 && random.percent(8) ? random.between(1, 4) : undefined;
    const about = { publisher: kind.clientId, n: this.nextNumber(), topic, qos, retain };
    record({ is: 'published', ...about, ...(expirySeconds === undefined ? {} : { expirySeconds }) });
    const entry = ledger.add({ ...about, expirySeconds });
    const properties = kind.protocolVersion === 5 ? propertiesOf(entry) : undefined;
    const payload = encodePayload(about);
    const packetId = qos === 0 ? 0 : this.#nextPacketId();
    const packet = { type: 'publish', topic, payload, qos, retain, dup: false, packetId, properties } as const;
    if (qos === 0) this.#unconfirmed.push(entry);
    else {
      this.#unanswered.set(packetId, { entry, packet, isReceived: false });
      this.#awaited[qos === 1 ? 'puback' : 'pubrec'].push(packetId);
    }
    say(this.#aliased(packet));
  }

  /** All that was sent at QoS 0 before a certain moment has arrived. @returns to be called to say so */
  confirmation(): () => void {
    const entries = this.#unconfirmed;
    this.#unconfirmed = [];
    return () => {
      for (const { publisher, n } of entries) this.#around.record({ is: 'acknowledged', publisher, n });
    };
  }

  /** A Network Connection begins; all is sent again if the Session is resumed [MQTT-4.4.0-1]. */
  begin(receiveMaximum: number, isResumed: boolean): void {
    this.#window = receiveMaximum;
    this.#awaited = { puback: [], pubrec: [], pubcomp: [] };
    this.#resumed.clear();
    this.#unconfirmed = [];
    this.#aliases.clear();
    if (!isResumed) this.forget();
    for (const [packetId, { entry, packet, isReceived }] of this.#unanswered) {
      this.#resumed.add(packetId);
      if (isReceived) this.#release(packetId);
      else {
        this.#awaited[packet.qos === 1 ? 'puback' : 'pubrec'].push(packetId);
        entry.isRepeated = true;
        this.#around.say({ ...packet, dup: true });
      }
    }
  }

  /** The Session is over for the Client. */
  forget(): void {
    this.#unanswered.clear();
    this.#resumed.clear();
  }

  answer(packet: Extract<Packet, { type: 'puback' | 'pubrec' | 'pubcomp' }>): void {
    const { type, packetId, reasonCode } = packet;
    const { fault, ledger, record } = this.#around;
    const awaited = this.#awaited[type].shift();
    if (awaited !== packetId) {
      fault(`${type} #${packetId} came, where #${awaited} was to be answered first`);
      return;
    }
    const unanswered = this.#unanswered.get(packetId) as Unanswered;
    const { publisher, n } = unanswered.entry;
    if (type === 'pubcomp') {
      const isUnknown = reasonCode !== 0 && !this.#resumed.has(packetId);
      if (isUnknown) fault(`pubcomp #${packetId} says ${reasonCode}, though it was received on this connection`);
      this.#unanswered.delete(packetId);
      return;
    }
    if (reasonCode >= 0x80) {
      fault(`${publisher}:${n} was refused with ${reasonCode}`);
      record({ is: 'refused', publisher, n, reasonCode });
      this.#unanswered.delete(packetId);
      return;
    }
    record({ is: 'acknowledged', publisher, n });
    ledger.answered(unanswered.entry);
    if (type === 'puback') this.#unanswered.delete(packetId);
    else {
      unanswered.isReceived = true;
      this.#release(packetId);
    }
  }

  #release(packetId: number): void {
    this.#awaited.pubcomp.push(packetId);
    this.#around.say({ type: 'pubrel', packetId, reasonCode: 0, properties: undefined });
  }

  /** The same PUBLISH, its topic said by an alias if it was said before [§3.3.2.3.4]. */
  #aliased(packet: Extract<Packet, { type: 'publish' }>): Packet {
    if (!this.#around.kind.usesAliases) return packet;
    const known = this.#aliases.get(packet.topic);
    const topicAlias = known ?? this.#aliases.size + 1;
    this.#aliases.set(packet.topic, topicAlias);
    const properties: PublishProperties = { ...packet.properties, topicAlias };
    return { ...packet, topic: known === undefined ? packet.topic : '', properties };
  }
}

/** Properties that say whose they are, so that a subscriber sees whether they belong to the message. */
function propertiesOf(entry: Entry): PublishProperties {
  const properties: PublishProperties = { userProperties: signatureOf(entry) };
  if (entry.expirySeconds !== undefined) properties.messageExpiryInterval = entry.expirySeconds;
  return properties;
}

/** The User Properties of a message. */
export function signatureOf({ publisher, n }: Pick<Entry, 'publisher' | 'n'>): UserProperties {
  return [['of', `${publisher}:${n}`]];
}
