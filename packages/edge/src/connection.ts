// One Network Connection: bytes in become packets for the broker, packets out go into an outbox.
//
// A chunk is decoded where it lies, packet by packet, each handed to the broker before the next is looked at. The
// broker may say hold() in the middle: what is left stays in the decoder, and if more arrives the socket is paused.
// The broker may also send or close in the middle; neither calls it back.
//
// Bounds: in the decoder a partial packet of the largest size, and one chunk more while held; the outbox has its own.
// In time: to a complete CONNECT, then one and a half Keep Alives of silence, then a few seconds for the other side to
// close after us. A connection has no timer but a place on the wheel, and an idle one no memory but its fields.

import type { Accepted, Client, CloseReason, Delivery, Message, Origin, Outlet } from '@skein/broker';
import { Decoder, encode, MqttError, type Packet, ReasonCode, type TopicTable } from '@skein/protocol';
import { type DeliveryTerms, OutboundAliases, writeDelivery } from './delivery.ts';
import { type Link, type Timed, ticksOf } from './keep-alive.ts';
import type { Receiver, Transport } from './listen/transport.ts';
import { Outbox, type OutboxLimits, type OutboxOwner, type OutboxSurroundings } from './outbox.ts';

/** The broker's side of a Network Connection, as its connection calls it. */
export type BrokerSide = Pick<Client, 'receive' | 'fail' | 'lost' | 'drained'>;

/** What bounds a connection. */
export interface ConnectionLimits extends OutboxLimits {
  /** Largest packet a Client may send, in bytes [§3.2.2.3.6]. */
  readonly maximumPacketSize: number;
  /** Most Topic Aliases the server sets towards a Client. */
  readonly topicAliasMaximum: number;
  /** From the first byte possible to a complete CONNECT. */
  readonly connectTimeoutSeconds: number;
}

/** What all connections of a listener have in common. */
export interface Surroundings extends OutboxSurroundings {
  readonly topics: TopicTable;
  readonly limits: ConnectionLimits;
  /** The store's clock, in milliseconds. */
  readonly nowMs: () => number;
  /** A connection is gone for good. */
  readonly gone: (connection: Connection) => void;
}

/** How long the other side may take to close after us. */
const lingerTicks = ticksOf(3000);
/** How often a connection is looked at while bytes wait. */
const progressLookTicks = ticksOf(1000);
/** A chunk of so many bytes is a sign of life though it ends no packet: a large one comes over a slow line. */
const signOfLifeBytes = 256;

/** Properties without which a packet still says what it has to say. */
const dispensable: ReadonlySet<string> = new Set([
  'reasonString',
  'userProperties',
  'responseInformation',
  'serverReference',
]);

/** Largest CONNECT: a Will as large as it may be, and as much again for the rest. Nobody has been let in yet. */
const connectMaxBytes = 128 * 1024;

type Phase = 'awaiting-connect' | 'connected' | 'ending' | 'gone';

/** One Network Connection, between a transport and the broker's Client. */
export class Connection implements Outlet, Origin, Receiver, Timed, OutboxOwner {
  /** The wheel's. */
  next: Link | undefined = undefined;
  previous: Link | undefined = undefined;

  readonly #around: Surroundings;
  readonly #transport: Transport;
  readonly #decoder: Decoder;
  readonly #outbox: Outbox;
  readonly #client: BrokerSide;
  #phase: Phase = 'awaiting-connect';
  /** The largest packet that the Client takes, in bytes [MQTT-3.1.2-24]. */
  #maximumPacketSize: number = Number.POSITIVE_INFINITY;
  /** Undefined until CONNECT is accepted, and after the end. */
  #terms: DeliveryTerms | undefined = undefined;
  /** The broker takes no packets. */
  #held = false;
  /** The Client does not read our answers, so its questions wait. */
  #choked = false;
  #paused = false;
  /** A later turn will take what is held. */
  #takesLater = false;
  /** How long the Client may be silent, in ticks; 0 is for ever. At first it is the connect timeout. */
  #silenceTicks: number;
  /** When the Client last gave a sign of life. */
  #heardTick: number;

  /** @param open makes the broker's side, which may not be called before it is returned */
  constructor(transport: Transport, around: Surroundings, open: (connection: Connection) => BrokerSide) {
    this.#around = around;
    this.#transport = transport;
    this.#outbox = new Outbox(transport, around, this);
    this.#decoder = new Decoder({
      from: 'client',
      maximumPacketSize: Math.min(around.limits.maximumPacketSize, connectMaxBytes),
      topics: around.topics,
    });
    this.#silenceTicks = ticksOf(around.limits.connectTimeoutSeconds * 1000);
    this.#heardTick = around.wheel.now;
    around.traffic.opened += 1;
    around.wheel.place(this, this.#heardTick + this.#silenceTicks);
    this.#client = open(this);
  }

  // Where it comes from ----------------------------------------------------------------------------------------------

  /** @inheritdoc */
  get listener(): string {
    return this.#around.traffic.listener;
  }

  /** @inheritdoc */
  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  // Inwards: what the transport calls --------------------------------------------------------------------------------

  /** @inheritdoc */
  data(chunk: Uint8Array): void {
    this.#around.turn.read();
    this.#around.traffic.bytesReceived += chunk.length;
    // After the end it is only read so that the other side gets to see our last bytes.
    if (this.#hasEnded()) return;
    if (chunk.length >= signOfLifeBytes && this.#phase === 'connected') this.#heardTick = this.#around.wheel.now;
    this.#decoder.feed(chunk);
    if (this.#isStopped() && !this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
    this.#take();
  }

  /** @inheritdoc */
  broken(why: string): void {
    if (!this.#hasEnded()) this.#client.fail(new MqttError(ReasonCode.protocolError, why, 'MQTT-6.0.0-1'));
  }

  /** @inheritdoc */
  closed(): void {
    if (this.#phase === 'gone') return;
    this.#outbox.drop();
    this.#lose('connection_lost');
    this.#phase = 'gone';
    this.#around.wheel.remove(this);
    this.#around.gone(this);
  }

  /** Hands over the packets that are whole, until the broker says hold or close. */
  #take(): void {
    const { traffic, wheel } = this.#around;
    try {
      while (!this.#isStopped() && !this.#hasEnded()) {
        if (this.#outbox.overflows) {
          this.#choked = true;
          break;
        }
        const packet = this.#decoder.next();
        if (packet === undefined) break;
        this.#heardTick = wheel.now;
        if (packet.type === 'publish') traffic.publishReceived += 1;
        else traffic.received[packet.type] += 1;
        // CONNECT came in time; from here the broker's own deadlines hold, until it has accepted the Client.
        if (packet.type === 'connect') {
          this.#silenceTicks = 0;
          this.#maximumPacketSize = packet.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
        }
        this.#client.receive(packet);
      }
      this.#decoder.settle();
    } catch (error) {
      // receive() never throws, so this is the decoder's.
      if (!(error instanceof MqttError)) throw error;
      this.#client.fail(error);
    }
  }

  // Outwards: what the broker calls ----------------------------------------------------------------------------------

  /** @inheritdoc */
  get congested(): boolean {
    return this.#outbox.congested;
  }

  /** @inheritdoc */
  accepted(terms: Accepted): void {
    if (this.#phase !== 'awaiting-connect') return;
    this.#phase = 'connected';
    this.#decoder.maximumPacketSize = this.#around.limits.maximumPacketSize;
    const { protocolVersion, maximumPacketSize, keepAliveSeconds } = terms;
    const aliasMaximum = Math.min(terms.topicAliasMaximum, this.#around.limits.topicAliasMaximum);
    const aliases = aliasMaximum > 0 ? new OutboundAliases(aliasMaximum) : undefined;
    this.#terms = { protocolVersion, maximumPacketSize, aliases };
    this.#around.traffic.connected[protocolVersion] += 1;
    // [MQTT-3.1.2-22] one and a half times the Keep Alive.
    this.#silenceTicks = keepAliveSeconds === 0 ? 0 : ticksOf(keepAliveSeconds * 1500);
    this.#lookAgain();
  }

  /** @inheritdoc */
  send(packet: Packet): void {
    if (this.#hasEnded()) return;
    const version = this.#terms?.protocolVersion ?? this.#decoder.protocolVersion;
    // Whoever has not said a version in a CONNECT speaks no language to answer in.
    if (version === undefined) return;
    const slab = this.#outbox.open();
    const before = slab.length;
    encode(packet, version, slab);
    if (slab.length - before > this.#maximumPacketSize) {
      slab.length = before;
      this.#sendShorter(packet);
      return;
    }
    if (slab.length === before) return;
    this.#around.traffic.sent[packet.type] += 1;
    if (packet.type === 'connack') this.#around.traffic.countConnack(packet.reasonCode);
    this.#outbox.appended(slab);
  }

  /** What a Client can do without is the first thing to go [MQTT-3.4.2-2]; what is too long then cannot be said at all. */
  #sendShorter(packet: Packet): void {
    const properties = 'properties' in packet ? (packet.properties as Readonly<Record<string, unknown>>) : undefined;
    const needed = Object.entries(properties ?? {}).filter(([name]) => !dispensable.has(name));
    if (needed.length < Object.keys(properties ?? {}).length) {
      this.send({ ...packet, properties: Object.fromEntries(needed) } as Packet);
    } else if (packet.type !== 'disconnect') {
      // Somebody would wait for it for ever. Later, since the broker is in the middle of something.
      this.#around.turn.endOfTurn(() => this.#giveUpTooLarge(packet.type));
    }
  }

  /** Before CONNACK there is no DISCONNECT [MQTT-3.14.0-1]: an AUTH is refused with CONNACK, a CONNACK with nothing. */
  #giveUpTooLarge(what: Packet['type']): void {
    if (what === 'auth' && this.#terms === undefined) {
      this.#client.fail(new MqttError(ReasonCode.packetTooLarge, 'the answer exceeds the Maximum Packet Size'));
      return;
    }
    if (what !== 'connack') {
      this.send({ type: 'disconnect', reasonCode: ReasonCode.packetTooLarge, properties: undefined });
    }
    this.#lose('packet_too_large');
  }

  /** @inheritdoc */
  publish(message: Message, delivery: Delivery): boolean {
    if (this.#terms === undefined) return true;
    const slab = this.#outbox.open();
    const rest = writeDelivery(slab, message, delivery, this.#terms, this.#around.nowMs);
    if (rest === undefined) return false;
    this.#around.traffic.publishSent += 1;
    if (rest.length === 0) this.#outbox.appended(slab);
    else this.#outbox.writeAfter(rest);
    return true;
  }

  /** @inheritdoc */
  hold(): void {
    this.#held = true;
  }

  /** @inheritdoc */
  proceed(): void {
    if (!this.#held) return;
    this.#held = false;
    // Most often there is nothing to go on with, as after a CONNECT.
    if (this.#paused || this.#decoder.pendingBytes > 0) this.#takeLater();
    else this.#heardTick = this.#around.wheel.now;
  }

  #takeLater(): void {
    // While it was not read it could not be heard.
    this.#heardTick = this.#around.wheel.now;
    if (this.#takesLater) return;
    this.#takesLater = true;
    setImmediate(takeHeld, this);
  }

  /** Whether nothing is taken from the Client at present. */
  #isStopped(): boolean {
    return this.#held || this.#choked;
  }

  /** For the turn after {@link proceed}, and nobody else. */
  takeHeld(): void {
    this.#takesLater = false;
    if (this.#isStopped() || this.#hasEnded()) return;
    this.#resume();
    this.#take();
  }

  /** @inheritdoc */
  close(reason: CloseReason): void {
    if (this.#hasEnded()) return;
    // rule: Fence. What waits may be of Sessions that are others' by now: not a byte of it leaves any more.
    const isCut = reason === 'fenced';
    if (isCut) this.#outbox.drop();
    this.#end(reason);
    if (isCut) this.#transport.destroy();
  }

  // Deadlines --------------------------------------------------------------------------------------------------------

  /** @inheritdoc */
  due(now: number): number {
    if (this.#phase === 'ending') {
      this.#transport.destroy();
    } else if (this.#silenceTicks !== 0 && !this.#isStopped() && now >= this.#heardTick + this.#silenceTicks) {
      this.#fallSilent();
    } else if (this.#outbox.isStuck(now)) {
      this.#lose('slow_consumer');
      // What waits would never go.
      this.#transport.destroy();
    }
    return this.#hasEnded() ? 0 : this.#nextLook(now);
  }

  /** @inheritdoc */
  waiting(): void {
    if (!this.#hasEnded()) this.#lookAgain();
  }

  /** @inheritdoc */
  relieved(): void {
    if (this.#choked) {
      this.#choked = false;
      this.#takeLater();
    }
    if (this.#phase === 'connected') this.#client.drained();
  }

  /** The Client was not heard in time. Before CONNECT there is nothing to say to it. */
  #fallSilent(): void {
    if (this.#phase !== 'connected') {
      this.#lose('connect_timeout');
      return;
    }
    this.send({ type: 'disconnect', reasonCode: ReasonCode.keepAliveTimeout, properties: undefined });
    this.#lose('keep_alive_timeout');
  }

  /** The tick of the next deadline there may be; 0 if there is none. */
  #nextLook(now: number): number {
    const silenceEnds = this.#silenceTicks === 0 ? 0 : (this.#isStopped() ? now : this.#heardTick) + this.#silenceTicks;
    if (!this.#outbox.waits) return silenceEnds;
    const look = now + progressLookTicks;
    return silenceEnds === 0 ? look : Math.min(look, silenceEnds);
  }

  #lookAgain(): void {
    const { wheel } = this.#around;
    const tick = this.#nextLook(wheel.now);
    if (tick === 0) wheel.remove(this);
    else wheel.place(this, tick);
  }

  // The end ----------------------------------------------------------------------------------------------------------

  /** Cuts it off, whatever has not been sent. */
  destroy(): void {
    this.#transport.destroy();
  }

  /** The connection ends, and not by the broker's will: the broker is told, once. */
  #lose(reason: CloseReason): void {
    if (this.#hasEnded()) return;
    this.#client.lost(reason);
    this.close(reason);
  }

  /** Sends what was written, and no more; what the broker says afterwards is ignored. */
  #end(reason: CloseReason): void {
    const { traffic, wheel } = this.#around;
    traffic.closed[reason] += 1;
    if (this.#terms !== undefined) traffic.connected[this.#terms.protocolVersion] -= 1;
    this.#phase = 'ending';
    this.#terms = undefined;
    this.#outbox.end();
    wheel.place(this, wheel.now + lingerTicks);
    // To the other side's end, or until the wheel has had enough, what arrives is read and dropped: unread bytes
    // would make the kernel reset the connection, and our last packet might never be seen.
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#transport.resume();
  }

  #hasEnded(): boolean {
    return this.#phase === 'ending' || this.#phase === 'gone';
  }
}

function takeHeld(connection: Connection): void {
  connection.takeHeld();
}
