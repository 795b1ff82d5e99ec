// One Network Connection: packets under way in both directions, in order, until it breaks or is closed.
//
// In a share of the schedules they cross it as bytes, through the real codec both ways, so that each side sees what it
// would decode. The memory of what the broker was given is spoilt when it has taken it: whoever keeps a view of it past
// the turn is found out.
//
// Either side may notice first that the connection is gone. The other one learns of it within {@link noticedWithinMs},
// and what was under way until then may still arrive, or not.

import { Decoder, encode, type Packet, Slab } from '@skein/protocol';
import type { Broker, Client, CloseReason, Delivery, Message, Outlet } from '../../packages/broker/src/index.ts';
import type { BrokenRule } from './broken-rules.ts';
import type { Kind } from './schedule.ts';
import { inWords } from './words.ts';

/** How long one side of a connection that broke may know nothing of it, in milliseconds. */
export const noticedWithinMs = 1500;

const packetMax = 268_435_460;

/** What a Network Connection needs. */
export interface LineSurroundings {
  readonly broker: Broker;
  readonly kind: Kind;
  readonly onWire: boolean;
  readonly rule: BrokenRule | undefined;
  /** Tells connections of one Client apart. */
  readonly number: number;
  readonly tell: ((line: string) => void) | undefined;
  /** A packet has reached the Client. */
  hear(packet: Packet): void;
  /** The Client has noticed that the connection is over. */
  ended(): void;
  /** A packet has reached the broker. */
  arrived(packet: Packet): void;
  /** The broker sends a PUBLISH. */
  sent(message: Message, delivery: Delivery): void;
}

/** Where packets are written before their size is known. */
const scratch = Slab.take();

/** A way between a Client and the broker. */
export class Line implements Outlet {
  congested = false;
  /** Why the broker closed it, once it has. */
  closedFor: CloseReason | undefined;
  readonly #of: LineSurroundings;
  readonly #client: Client;
  readonly #decoders: { readonly server: Decoder; readonly client: Decoder } | undefined;
  readonly #toServer: (Packet | Uint8Array)[] = [];
  readonly #toClient: (Packet | Uint8Array)[] = [];
  readonly #name: string;
  /** The last packet on its way to the Client is a PUBLISH. */
  #endsInPublish = false;
  #isHeld = false;
  #isAbandoned = false;
  /** CONNECT has arrived. */
  #hasBegun = false;

  constructor(of: LineSurroundings) {
    this.#of = of;
    const { clientId, protocolVersion } = of.kind;
    this.#name = `${clientId}/${of.number}`;
    this.#decoders = of.onWire
      ? {
          server: new Decoder({ from: 'client', maximumPacketSize: packetMax }),
          client: new Decoder({ from: 'server', maximumPacketSize: packetMax, protocolVersion }),
        }
      : undefined;
    this.#client = of.broker.open(this, { listener: 'simulation', remoteAddress: '' });
  }

  get number(): number {
    return this.#of.number;
  }

  get name(): string {
    return this.#name;
  }

  /** Whether the broker serves it, though its Client may be gone. */
  get isOpen(): boolean {
    return this.closedFor === undefined;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Whether a packet, or the news of the end, can move. */
  get isBusy(): boolean {
    return this.#canArrive || this.#canBeHeard;
  }

  get #canArrive(): boolean {
    return this.#toServer.length > 0 && !this.#isHeld && this.isOpen;
  }

  get #canBeHeard(): boolean {
    return !this.#isAbandoned && (this.#toClient.length > 0 || !this.isOpen);
  }

  // What the Client does ----------------------------------------------------------------------------------------------

  /** The Client sends a packet. */
  say(packet: Packet): void {
    if (this.#of.tell !== undefined) this.#tell('->', packet);
    this.#toServer.push(this.#decoders === undefined ? packet : this.#bytesOf(packet));
  }

  /** The Client hears nothing more. What it has sent may still arrive, but nothing begins any more. */
  abandon(): void {
    this.#isAbandoned = true;
    if (!this.#hasBegun) this.#toServer.length = 0;
    this.#toClient.length = 0;
  }

  // What the network does ---------------------------------------------------------------------------------------------

  /** Moves one packet, or tells the Client of the end. @param toServerFirst which one, where there is a choice */
  advance(toServerFirst: boolean): void {
    if (this.#canArrive && (toServerFirst || !this.#canBeHeard)) this.#arrive();
    else if (this.#canBeHeard) this.#hear();
  }

  /** The broker notices that the connection is gone. What was under way to it is lost. */
  lose(): void {
    if (!this.isOpen) return;
    this.#toServer.length = 0;
    this.closedFor = 'connection_lost';
    this.#of.tell?.(`${this.#name} is lost to the broker`);
    this.#client.lost('connection_lost');
  }

  setCongested(congested: boolean): void {
    if (!this.isOpen || this.congested === congested) return;
    this.congested = congested;
    this.#of.tell?.(`${this.#name} ${congested ? 'takes no more for now' : 'takes more again'}`);
    if (!congested) this.#client.drained();
  }

  #arrive(): void {
    const next = this.#toServer.shift() as Packet | Uint8Array;
    this.#hasBegun = true;
    if (!(next instanceof Uint8Array)) {
      this.#take(next);
      return;
    }
    const decoder = (this.#decoders as { server: Decoder }).server;
    decoder.feed(next);
    for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) this.#take(packet);
    decoder.settle();
    next.fill(0xee);
  }

  #take(packet: Packet): void {
    const taken = this.#of.rule?.takes?.(packet, this.#of.number) ?? packet;
    if (this.#of.tell !== undefined) this.#tell('->|', taken);
    this.#of.arrived(taken);
    this.#client.receive(taken);
  }

  #hear(): void {
    const next = this.#toClient.shift();
    if (next === undefined) {
      this.#isAbandoned = true;
      this.#of.ended();
    } else if (next instanceof Uint8Array) {
      const decoder = (this.#decoders as { client: Decoder }).client;
      decoder.feed(next);
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) this.#hearPacket(packet);
      decoder.settle();
    } else this.#hearPacket(next);
  }

  #hearPacket(packet: Packet): void {
    if (this.#of.tell !== undefined) this.#tell('<-', packet);
    this.#of.hear(packet);
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
    const { protocolVersion } = this.#of.kind;
    if (protocolVersion === 5 || this.#decoders !== undefined) this.#push(packet);
    else if (packet.type === 'unsuback') this.#push({ ...packet, reasonCodes: [] });
    else if (packet.type !== 'disconnect') this.#push(packet);
  }

  publish(message: Message, delivery: Delivery): boolean {
    if (!this.isOpen) return true;
    this.#of.sent(message, delivery);
    const { qos, retain, dup, packetId, subscriptionIdentifiers } = delivery;
    const properties = subscriptionIdentifiers
      ? { ...message.properties, subscriptionIdentifiers }
      : message.properties;
    const { topic, payload } = message;
    const isWordless = this.#of.kind.protocolVersion !== 5;
    const publish = { topic, payload, qos, retain, dup, packetId };
    this.#push({ type: 'publish', ...publish, properties: isWordless ? undefined : properties });
    return true;
  }

  close(reason: CloseReason): void {
    if (!this.isOpen) return;
    this.closedFor = reason;
    this.#of.tell?.(`${this.#name} is closed by the broker: ${reason}`);
  }

  #push(packet: Packet): void {
    if (!this.isOpen) return;
    const said = this.#of.rule?.says?.(packet, this.#of.number) ?? packet;
    if (this.#of.tell !== undefined) this.#tell('|<-', said);
    if (this.#isAbandoned) return;
    const moving = this.#decoders === undefined ? said : this.#bytesOf(said);
    if (moving instanceof Uint8Array && moving.length === 0) return; // its version has no such packet
    const isPublish = packet.type === 'publish';
    if (this.#of.rule?.overtakes === true && isPublish && this.#endsInPublish) this.#toClient.splice(-1, 0, moving);
    else this.#toClient.push(moving);
    this.#endsInPublish = isPublish;
  }

  #bytesOf(packet: Packet): Uint8Array {
    scratch.length = 0;
    encode(packet, this.#of.kind.protocolVersion, scratch);
    return new Uint8Array(scratch.view());
  }

  #tell(way: string, packet: Packet): void {
    this.#of.tell?.(`${this.#name} ${way} ${inWords(packet)}`);
  }
}
