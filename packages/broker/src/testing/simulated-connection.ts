// One Network Connection of a simulation: packets under way in both directions, and what the broker owes on it.
//
// What the broker says is judged here, at the moment it says it: an acknowledgement counts when it leaves the broker,
// whether the Client ever hears it or not.

import { type Packet, ReasonCode, type SubscriptionRequest } from '@skein/protocol';
import type { Client } from '../client.ts';
import type { Delivery, Message } from '../message.ts';
import type { CloseReason, Outlet } from '../outlet.ts';
import { publishPacket } from './broker-trial.ts';
import type { Life, Published } from './history.ts';
import { inShort, type Sent, type SentPublish, sentPublish } from './recording-outlet.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { Simulation } from './simulation.ts';

/** A packet on its way to the broker, and what to note when it gets there. */
interface UnderWay {
  readonly packet: Packet;
  readonly note: () => void;
}

/** What is published to these is retained. */
export const retainedTopics = 'r/';

const nothingToNote = (): void => {};

/** Connections so far, in all simulations. */
let count = 0;

/** A way out of the broker that leads to a simulated Client. */
export class SimulatedConnection implements Outlet {
  /** Whether the Client reads too slowly for more. */
  congested = false;
  /** Why the broker closed it, once it has. */
  closedFor: CloseReason | undefined;
  /** Where it leads. */
  readonly node: SimulatedNode;
  readonly #simulation: Simulation;
  readonly #owner: SimulatedClient;
  readonly #life: Life;
  readonly #will: Published | undefined;
  readonly #client: Client;
  readonly #number: number;
  #toServer: UnderWay[] = [];
  readonly #toClient: Sent[] = [];
  #isHeld = false;
  #isAbandoned = false;
  #isAccepted = false;
  #isWillOwed = true;
  /** Messages taken from the Client and not acknowledged, in order: of QoS 1, of QoS 2. */
  readonly #unanswered: Record<1 | 2, { readonly packetId: number; readonly message: Published }[]> = { 1: [], 2: [] };
  readonly #subscribing = new Map<number, SubscriptionRequest>();
  /** Packet Identifiers in flight to the Client. */
  readonly #inflight = new Set<number>();

  constructor(of: {
    simulation: Simulation;
    node: SimulatedNode;
    owner: SimulatedClient;
    life: Life;
    will: Published | undefined;
  }) {
    const { simulation, node } = of;
    this.#simulation = simulation;
    this.node = node;
    this.#owner = of.owner;
    this.#life = of.life;
    this.#will = of.will;
    this.#number = ++count;
    this.#client = node.broker.open(this, { listener: 'simulation', remoteAddress: '' });
    simulation.connections.add(this);
  }

  /** Whether the broker has said that it is connected. */
  get isAccepted(): boolean {
    return this.#isAccepted;
  }

  get name(): string {
    return this.#owner.kind.clientId;
  }

  /** Whether there is anything under way, or still to be noticed. */
  get isBusy(): boolean {
    return this.#canReceive || this.#canDeliver || this.#canBeMissed;
  }

  /** Tells connections of one Client apart. */
  get number(): number {
    return this.#number;
  }

  // What the Client does ----------------------------------------------------------------------------------------------

  sends(packet: Packet, note: () => void = nothingToNote): void {
    this.#toServer.push({ packet, note });
  }

  publishes(message: Published, packetId: number, dup: boolean): void {
    const { topic, text, qos } = message;
    const retain = topic.startsWith(retainedTopics);
    this.sends(publishPacket(topic, text, qos, packetId, dup, retain), () => {
      message.receivedAt ??= this.#simulation.step;
      if (qos > 0) this.#unanswered[qos as 1 | 2].push({ packetId, message });
    });
  }

  subscribes(packetId: number, request: SubscriptionRequest): void {
    this.sends({ type: 'subscribe', packetId, subscriptions: [request], properties: undefined }, () =>
      this.#subscribing.set(packetId, request),
    );
  }

  abandoned(): void {
    this.#isAbandoned = true;
    this.#toClient.length = 0;
  }

  // What the network does ---------------------------------------------------------------------------------------------

  get #canReceive(): boolean {
    return this.#toServer.length > 0 && !this.#isHeld && this.closedFor === undefined && this.node.isRunning;
  }

  /** Whether the broker has yet to notice that the Client is gone. */
  get #canBeMissed(): boolean {
    return this.#isAbandoned && this.closedFor === undefined && this.node.isRunning;
  }

  get #canDeliver(): boolean {
    return !this.#isAbandoned && (this.#toClient.length > 0 || this.closedFor !== undefined);
  }

  /** Moves one packet, or lets one side notice that the other is gone. */
  advance(): void {
    const { random } = this.#simulation;
    if (this.#canReceive && (!this.#canDeliver || random.oneIn(2))) this.#receive();
    else if (this.#canDeliver) this.#deliver();
    else if (this.#canBeMissed) this.lose();
  }

  /** The broker learns that the socket is gone; what was under way is lost. */
  lose(): void {
    if (!this.node.isRunning) return;
    this.#simulation.tell(() => `${this.name} ${this.#number} lost`);
    this.#toServer = [];
    this.#ended();
    this.#client.lost('connection_lost');
  }

  /** Its node is gone; perhaps with what it has said last. */
  cut(): void {
    if (this.closedFor !== undefined) return;
    this.#simulation.tell(() => `${this.name} ${this.#number} cut`);
    this.#toServer = [];
    if (this.#simulation.random.oneIn(2)) this.#toClient.length = 0;
    this.#ended();
    this.closedFor = 'connection_lost';
  }

  setCongested(congested: boolean): void {
    if (!this.node.isRunning) return;
    this.congested = congested;
    if (!congested) this.#client.drained();
  }

  #receive(): void {
    const { packet, note } = this.#toServer.shift() as UnderWay;
    this.#tell('>', packet);
    note();
    if (packet.type === 'puback' || packet.type === 'pubcomp') this.#inflight.delete(packet.packetId);
    if (packet.type === 'disconnect') this.#disconnects();
    this.#client.receive(packet);
  }

  /** The Will is deleted, if this comes in time: the store says whether it did. */
  #disconnects(): void {
    if (this.#isAccepted) this.#isWillOwed = false;
  }

  #deliver(): void {
    const packet = this.#toClient.shift();
    if (packet !== undefined) {
      this.#tell('<<', packet);
      this.#owner.hear(packet);
    } else {
      this.#isAbandoned = true;
      this.#owner.closed();
    }
  }

  // What the broker does ----------------------------------------------------------------------------------------------

  accepted(): void {}

  hold(): void {
    this.#isHeld = true;
  }

  proceed(): void {
    this.#isHeld = false;
  }

  send(packet: Packet): void {
    if (this.closedFor !== undefined) return;
    this.#judge(packet);
    if (packet.type !== 'publish') this.#say(packet);
  }

  publish(message: Message, delivery: Delivery): boolean {
    if (this.closedFor !== undefined) return true;
    const sent = sentPublish(message, delivery);
    const { text, qos, dup, packetId } = sent;
    if (qos > 0) {
      if (this.#inflight.has(packetId)) throw new Error(`${this.name}: #${packetId} is sent while it is in flight`);
      this.#inflight.add(packetId);
      // [MQTT-3.3.4-9]; a 3.x Client cannot name a Receive Maximum.
      if (this.#inflight.size > (this.#owner.kind.protocolVersion === 5 ? 3 : 32)) {
        throw new Error(`${this.name}: ${this.#inflight.size} messages in flight`);
      }
    }
    this.#life.sent.push({ text, qos, dup, connection: this.#number });
    this.#say(sent);
    return true;
  }

  close(reason: CloseReason): void {
    if (this.closedFor !== undefined) return;
    this.#simulation.tell(() => `${this.name} ${this.#number} closed: ${reason}`);
    this.#ended();
    this.closedFor = reason;
  }

  #tell(direction: string, packet: Packet | Sent): void {
    this.#simulation.tell(() => {
      const said = packet.type !== 'publish' ? inShort(packet) : inShort('text' in packet ? packet : recorded(packet));
      return `${this.name} ${this.#number} ${direction} ${said}`;
    });
  }

  #say(packet: Sent): void {
    this.#tell('<', packet);
    if (!this.#isAbandoned) this.#toClient.push(packet);
  }

  #judge(packet: Packet): void {
    switch (packet.type) {
      case 'connack':
        if (packet.reasonCode !== ReasonCode.success) return;
        this.#isAccepted = true;
        return;
      case 'puback':
        this.#acknowledged(1, packet.packetId);
        return;
      case 'pubrec':
        this.#acknowledged(2, packet.packetId);
        return;
      case 'suback': {
        const request = this.#subscribing.get(packet.packetId);
        this.#subscribing.delete(packet.packetId);
        // A Client that has gone on may have thought better of it; then it does not count on what it never hears.
        if (request === undefined || this.#isAbandoned || (packet.reasonCodes[0] ?? 0x80) >= 0x80) return;
        const { topicFilter, qos } = request;
        const until = Number.POSITIVE_INFINITY;
        this.#life.windows.push({ topicFilter, qos, from: this.#simulation.step, until });
      }
    }
  }

  /** [MQTT-4.6.0-2, MQTT-4.6.0-3] Acknowledgements leave in the order in which the messages came. */
  #acknowledged(qos: 1 | 2, packetId: number): void {
    const first = this.#unanswered[qos].shift();
    if (first?.packetId !== packetId) throw new Error(`${this.name}: #${packetId} acknowledged out of turn`);
    first.message.acknowledgedAt ??= this.#simulation.step;
  }

  /** From now on the Will is owed, unless it was deleted. */
  #ended(): void {
    if (this.#will === undefined || !this.#isAccepted || !this.#isWillOwed || this.#will.isForbidden) return;
    this.#will.receivedAt ??= this.#simulation.step;
    if (this.#will.times !== undefined) this.#will.times.owedMs ??= this.#simulation.clock.monotonicMs();
  }
}

/** A PUBLISH of a Client as one of the broker would be recorded. */
function recorded({ topic, payload, qos, retain, dup, packetId }: Extract<Packet, { type: 'publish' }>): SentPublish {
  const text = String.fromCharCode(...payload);
  return { type: 'publish', topic, text, qos, retain, dup, packetId, subscriptionIdentifiers: undefined };
}
