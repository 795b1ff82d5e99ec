// An MQTT Client as the specification wants it, over connections that break, and the notes it keeps for the History.

import { type Packet, ReasonCode, type Will } from '@skein/protocol';
import { bytesOf } from '../contract/samples.ts';
import type { SeededRandom } from '../contract/seeded-random.ts';
import { connectPacket } from './broker-trial.ts';
import { sharedFilter, sharedTopics } from './group-judge.ts';
import { Life, type Published } from './history.ts';
import type { Sent, SentPublish } from './recording-outlet.ts';
import { retainedTopics, SimulatedConnection } from './simulated-connection.ts';
import type { Simulation } from './simulation.ts';

/** What kind of Client it is, for the whole simulation. */
export interface Kind {
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  /** Whether its Session outlives its connections. */
  readonly isStored: boolean;
}

/** A message sent and not acknowledged: PUBLISH is to be repeated, or PUBREL. */
interface Unacknowledged {
  readonly message: Published;
  awaits: 'puback or pubrec' | 'pubcomp';
}

const receiveMaximum = 3;

/** A Client, its Session state, and its present Network Connection. */
export class SimulatedClient {
  readonly kind: Kind;
  readonly #simulation: Simulation;
  readonly #random: SeededRandom;
  connection: SimulatedConnection | undefined;
  isConnected = false;
  #life: Life;
  /** Whether the next CONNECT begins anew; it stays so until CONNACK. */
  #wantsClean = false;
  #hasSession = false;
  /** By Packet Identifier, in order of sending. */
  readonly #unacknowledged = new Map<number, Unacknowledged>();
  /** QoS 2 messages received and not released. */
  readonly #received = new Set<number>();
  /** Acknowledgements to be sent, in order. */
  readonly #owed: Packet[] = [];
  /** A filter that it has given up, and will want again. */
  #unsubscribed: string | undefined;
  /** SUBSCRIBE and UNSUBSCRIBE without answer. */
  readonly #requests = new Map<number, string>();
  #published = 0;
  #wills = 0;
  #lives = 0;
  #lastPacketId = 0;

  constructor(simulation: Simulation, kind: Kind) {
    this.#simulation = simulation;
    this.#random = simulation.random;
    this.kind = kind;
    this.#life = this.#beginLife();
  }

  /** Whether nothing is left for it to do but what it might like to. */
  get isIdle(): boolean {
    return this.isConnected && this.#unacknowledged.size + this.#owed.length + this.#requests.size === 0;
  }

  /** Whether it has a Subscription for certain, or is about to. */
  get isSubscribed(): boolean {
    return this.#requests.size > 0 || this.#life.windows.some(({ until }) => until === Number.POSITIVE_INFINITY);
  }

  /** What it waits for, for the words of a failure. */
  get state(): string {
    const waits = [...this.#unacknowledged].map(([packetId, { message }]) => `${message.text} #${packetId}`);
    return `${this.kind.clientId}: connected ${this.isConnected}, waits for ${waits.join(', ')}, owes ${this.#owed.length}`;
  }

  /** Opens a Network Connection; one that was there is abandoned, though the server may not know it yet. */
  connect(): void {
    const { isStored, protocolVersion, clientId } = this.kind;
    this.abandon();
    const node = this.#simulation.listeningNode();
    if (node === undefined) return;
    // Before 5.0 Clean Session also says that the Session ends with the connection.
    if (!isStored || (protocolVersion === 5 && this.#random.oneIn(12))) this.#wantsClean = true;
    if (this.#wantsClean) this.#forget();
    const will = this.#random.oneIn(2) ? this.#makeWill() : undefined;
    this.connection = new SimulatedConnection({
      simulation: this.#simulation,
      node,
      owner: this,
      life: this.#life,
      will: will?.message,
    });
    const options = { protocolVersion, cleanStart: this.#wantsClean, receiveMaximum, will: will?.will };
    this.connection.sends(connectPacket(clientId, { ...options, sessionExpirySeconds: isStored ? 3600 : 0 }));
  }

  /** Hears and says nothing more on its connection. */
  abandon(): void {
    this.connection?.abandoned();
    this.connection = undefined;
    this.#disconnected();
  }

  /** Leaves as a Client should. */
  disconnect(): void {
    this.connection?.sends({ type: 'disconnect', reasonCode: ReasonCode.normalDisconnection, properties: undefined });
    this.abandon();
  }

  publish(): void {
    const qos = this.#random.pick<0 | 1 | 2>([0, 1, 1, 2, 2]);
    if (qos > 0 && this.#unacknowledged.size >= 4) return;
    const { clientId } = this.kind;
    const number = this.#published++;
    const isRetained = qos === 2 && this.#random.oneIn(4);
    const isShared = !isRetained && this.#random.oneIn(this.#simulation.sharesMost ? 1 : 3);
    const message = this.#note({
      text: `${clientId}-${number}`,
      topic: isRetained ? `${retainedTopics}${clientId}` : `${isShared ? sharedTopics : 't/'}${clientId}/${qos}`,
      qos,
      stream: `${clientId} ${qos}${this.#partOfStream(qos)}${isRetained ? ' retained' : ''}${isShared ? ' shared' : ''}`,
      number,
      isWill: false,
    });
    if (qos === 0) this.connection?.publishes(message, 0, false);
    else {
      const packetId = this.#freePacketId();
      this.#unacknowledged.set(packetId, { message, awaits: 'puback or pubrec' });
      this.connection?.publishes(message, packetId, false);
    }
  }

  subscribe(): void {
    if (this.#requests.size > 0) return;
    const filters = ['t/#', 't/+/2', 't/+/1', `t/${this.#random.pick(this.#simulation.clientIds)}/+`, 'w/#'];
    const { volatileShare, sharesMost } = this.#simulation;
    if (this.kind.isStored || volatileShare) {
      for (let weight = sharesMost ? filters.length * 2 : 2; weight > 0; weight--) filters.push(sharedFilter);
    }
    const topicFilter = this.#unsubscribed ?? this.#random.pick(filters);
    this.#unsubscribed = undefined;
    const qos = topicFilter === sharedFilter ? 2 : this.#random.pick<0 | 1 | 2>([0, 1, 2, 2]);
    const packetId = this.#freePacketId();
    this.#requests.set(packetId, topicFilter);
    // The QoS may change from now on; what was certain of the earlier Subscription no longer is.
    this.#closeWindows(topicFilter);
    const request = { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
    this.connection?.subscribes(packetId, request);
  }

  unsubscribe(): void {
    if (this.#requests.size > 0 || this.#life.windows.length === 0) return;
    const { topicFilter } = this.#random.pick(this.#life.windows);
    const packetId = this.#freePacketId();
    this.#requests.set(packetId, topicFilter);
    if (this.#random.oneIn(2)) this.#unsubscribed = topicFilter;
    this.#closeWindows(topicFilter);
    this.connection?.sends({ type: 'unsubscribe', packetId, topicFilters: [topicFilter], properties: undefined });
  }

  /** Sends the oldest acknowledgement that it owes. */
  acknowledge(): void {
    const packet = this.#owed.shift();
    if (packet !== undefined) this.connection?.sends(packet);
  }

  /** Takes a packet from its present connection. */
  hear(packet: Sent): void {
    switch (packet.type) {
      case 'connack':
        if (packet.reasonCode === ReasonCode.success) this.#accepted(packet.sessionPresent);
        return;
      case 'publish':
        this.#hearPublish(packet);
        return;
      case 'puback':
        this.#unacknowledged.delete(packet.packetId);
        return;
      case 'pubrec':
        this.#hearPubrec(packet.packetId, packet.reasonCode);
        return;
      case 'pubcomp':
        this.#unacknowledged.delete(packet.packetId);
        return;
      case 'pubrel':
        this.#received.delete(packet.packetId);
        this.#owed.push({ type: 'pubcomp', packetId: packet.packetId, reasonCode: 0, properties: undefined });
        return;
      case 'suback':
      case 'unsuback':
        this.#requests.delete(packet.packetId);
    }
  }

  /** The server has closed its connection. */
  closed(): void {
    this.connection = undefined;
    this.#disconnected();
  }

  #accepted(sessionPresent: boolean): void {
    if (sessionPresent && this.#wantsClean) throw new Error(`${this.kind.clientId}: a Session in spite of Clean Start`);
    if (!sessionPresent && this.#hasSession) throw new Error(`${this.kind.clientId}: its Session is gone`);
    this.isConnected = true;
    this.#wantsClean = false;
    this.#hasSession = this.kind.isStored;
    for (const [packetId, { message, awaits }] of this.#unacknowledged) {
      if (awaits === 'pubcomp') this.#sendPubrel(packetId);
      else this.connection?.publishes(message, packetId, true); // [MQTT-4.4.0-1]
    }
  }

  #hearPublish({ text, qos, dup, packetId }: SentPublish): void {
    const isRepeat = qos === 2 && this.#received.has(packetId);
    if (isRepeat && !dup) throw new Error(`${this.kind.clientId}: ${text} under #${packetId}, which is in use`);
    if (!isRepeat) this.#life.delivered.push({ text, qos, dup, connection: this.connection?.number ?? 0 });
    if (qos === 2) this.#received.add(packetId);
    if (qos > 0) {
      this.#owed.push({ type: qos === 1 ? 'puback' : 'pubrec', packetId, reasonCode: 0, properties: undefined });
    }
  }

  #hearPubrec(packetId: number, reasonCode: ReasonCode): void {
    const unacknowledged = this.#unacknowledged.get(packetId);
    if (unacknowledged === undefined) return;
    if (reasonCode >= 0x80) throw new Error(`${unacknowledged.message.text} was refused with ${reasonCode}`);
    unacknowledged.awaits = 'pubcomp';
    this.#sendPubrel(packetId);
  }

  #sendPubrel(packetId: number): void {
    this.connection?.sends({ type: 'pubrel', packetId, reasonCode: 0, properties: undefined });
  }

  /** What a Client without a connection does not owe, or wait for, any more. */
  #disconnected(): void {
    this.isConnected = false;
    this.#owed.length = 0;
    this.#requests.clear();
    if (!this.kind.isStored) this.#forget();
  }

  /** Gives up its Session, as it does by Clean Start. */
  #forget(): void {
    this.#unacknowledged.clear();
    this.#received.clear();
    this.#hasSession = false;
    this.#life.isOver = true;
    this.#life.endedAt = this.#simulation.step;
    this.#life = this.#beginLife();
  }

  #beginLife(): Life {
    const life = new Life(this.kind.clientId, this.kind.isStored);
    this.#lives++;
    this.#simulation.history.lives.push(life);
    return life;
  }

  #closeWindows(topicFilter: string): void {
    for (const window of this.#life.windows) {
      if (window.topicFilter === topicFilter) window.until = Math.min(window.until, this.#simulation.step);
    }
  }

  /**
   * What was published before by a way that is no more may come later than what is
   * published now: at QoS 0 on another connection, at any QoS in another Session.
   */
  #partOfStream(qos: number): string {
    return qos === 0 ? `, connection ${this.connection?.number}` : `, life ${this.#lives}`;
  }

  #makeWill(): { readonly will: Will; readonly message: Published } {
    const { clientId } = this.kind;
    const number = this.#wills++;
    const text = `${clientId}-will-${number}`;
    const topic = `w/${clientId}`;
    const message = this.#note({ text, topic, qos: 1, stream: `${clientId} will`, number, isWill: true });
    return { will: { topic, payload: bytesOf(text), qos: 1, retain: false, properties: undefined }, message };
  }

  #note(message: Pick<Published, 'text' | 'topic' | 'qos' | 'stream' | 'number' | 'isWill'>): Published {
    const published: Published = { ...message, receivedAt: undefined, acknowledgedAt: undefined, isForbidden: false };
    if (message.isWill) published.times = { owedMs: undefined, claimedMs: undefined, doneMs: undefined };
    this.#simulation.history.published.set(message.text, published);
    return published;
  }

  #freePacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 9) + 1;
    while (this.#unacknowledged.has(this.#lastPacketId) || this.#requests.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
