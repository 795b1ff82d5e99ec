// A model Client: an MQTT Client as the specification wants it, over connections that break, and the history of what it
// did and saw.
//
//   away ──CONNECT──▶ connecting ──CONNACK──▶ connected ──DISCONNECT──▶ leaving ──closed──▶ away
//     ▲                                                                                       any of them may be cut
//
// What it does next is chance, within what the specification lets it do at that moment. A new verb of Clients goes into
// `act`, and its promise into the history's checker.

import { type ConnectProperties, type Packet, type QoS, ReasonCode, type Will } from '@skein/protocol';
import type { PlannedWill } from '../history/event.ts';
import { encodePayload } from '../history/payload.ts';
import type { Random } from '../history/random.ts';
import type { Line } from './line.ts';
import { Receiving } from './receiving.ts';
import { type Kind, never } from './schedule.ts';
import { Sending } from './sending.ts';
import { Subscribing } from './subscribing.ts';
import type { ClientSurroundings } from './surroundings.ts';

/** What a Client is put into. */
export interface Shore extends Omit<ClientSurroundings, 'say'> {
  /** Whether the store may fail, so that the server may refuse. */
  readonly mayFail: boolean;
  /** Opens a Network Connection. */
  open(client: ModelClient): Line;
  /** One side has given a Network Connection up. */
  broke(line: Line): void;
}

/** A Client, its Session state, and its present Network Connection. */
export class ModelClient {
  readonly kind: Kind;
  line: Line | undefined;
  phase: 'away' | 'connecting' | 'connected' | 'leaving' = 'away';
  readonly receiving: Receiving;
  readonly subscribing: Subscribing;
  readonly #shore: Shore;
  readonly #sending: Sending;
  /** It sent Clean Start and has had no answer: what it had is gone, whatever the server has. */
  #mustStartClean = false;
  /** The Session Expiry Interval in force, and what the CONNECT without an answer asked for. */
  #sessionExpirySeconds = 0;
  #triedExpirySeconds = 0;
  /** What PINGREQs without an answer will show. */
  readonly #pings: (() => void)[] = [];

  constructor(shore: Shore) {
    this.#shore = shore;
    this.kind = shore.kind;
    const around: ClientSurroundings = { ...shore, say: (packet) => this.line?.say(packet) };
    this.#sending = new Sending(around);
    this.receiving = new Receiving(around);
    this.subscribing = new Subscribing(around, this.receiving);
  }

  /** Whether nothing is left for it to do but what it might like to. */
  get isIdle(): boolean {
    return this.phase === 'connected' && this.#sending.isIdle && this.receiving.isIdle && this.subscribing.isIdle;
  }

  /** Does one thing. */
  act(random: Random): void {
    if (this.phase === 'away') {
      this.connect(random);
      return;
    }
    if (this.phase !== 'connected') {
      const dice = random.below(100);
      if (dice < 5)
        this.connect(random); // impatient
      else if (dice < 10) this.cut();
      return;
    }
    const dice = random.below(100);
    if (dice < 34) {
      if (!this.receiving.acknowledge()) this.#sending.publish(random);
    } else if (dice < 70) this.#sending.publish(random);
    else if (dice < 82) this.subscribing.subscribe(random);
    else if (dice < 86) this.subscribing.unsubscribe(random);
    else if (dice < 90) this.#ping();
    else if (dice < 93) this.cut();
    else if (dice < 97) this.connect(random);
    else this.#leave(random);
  }

  /** Opens a Network Connection; one that was there is given up, though the server may not know it yet. */
  connect(random: Random | undefined): void {
    const { kind } = this;
    if (this.phase !== 'away') this.#doubt(false);
    this.#giveUp();
    const isShort = kind.protocolVersion < 5 && kind.sessionExpirySeconds === 0;
    const cleanStart = this.#mustStartClean || isShort || random?.percent(10) === true;
    // Clean Session says both at once: begin anew, and end with the connection [§3.1.2.4 of 3.1.1].
    const sessionExpirySeconds = kind.protocolVersion < 5 ? (cleanStart ? 0 : never) : kind.sessionExpirySeconds;
    const will = random?.percent(30) ? this.#planWill(random) : undefined;
    const about = { client: kind.clientId, cleanStart, sessionExpirySeconds };
    this.#shore.record({ is: 'connecting', ...about, ...(will === undefined ? {} : { will }) });
    this.#mustStartClean = cleanStart;
    // A Session without an expiry has ended with its Network Connection, on both sides.
    if (cleanStart || this.#sessionExpirySeconds === 0) this.#forget();
    this.#triedExpirySeconds = sessionExpirySeconds;
    this.phase = 'connecting';
    this.line = this.#shore.open(this);
    this.line.say(this.#connectPacket(cleanStart, will));
  }

  /** Sends all acknowledgements that it owes. */
  acknowledgeAll(): void {
    if (this.phase !== 'connected') return;
    while (this.receiving.acknowledge());
  }

  /** Gives its Network Connection up without a word. */
  cut(): void {
    if (this.phase === 'away') return;
    this.#giveUp();
    this.#away(false);
  }

  /** The Network Connection is over, as it notices. */
  ended(line: Line): void {
    const { closedFor } = line;
    const isOrderly = closedFor === 'client_disconnect' || closedFor === 'client_disconnect_with_will';
    const isExcused =
      closedFor === 'connection_lost' ||
      (this.#shore.mayFail && (closedFor === 'connect_refused' || closedFor === 'store_unavailable'));
    if (!isOrderly && !isExcused) this.#shore.fault(`was closed: ${closedFor}`);
    this.line = undefined;
    this.#away(isOrderly);
  }

  hear(packet: Packet): void {
    if (this.phase === 'connecting' && packet.type !== 'connack') {
      this.#shore.fault(`${packet.type} came before CONNACK [MQTT-3.2.0-1]`);
      return;
    }
    switch (packet.type) {
      case 'connack':
        this.#hearConnack(packet);
        return;
      case 'publish':
        this.receiving.publish(packet);
        return;
      case 'pubrel':
        this.receiving.pubrel(packet);
        return;
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#sending.answer(packet);
        return;
      case 'suback':
      case 'unsuback':
        this.subscribing.answer(packet, this.#shore.mayFail);
        return;
      case 'pingresp':
        this.#pings.shift()?.();
        return;
      case 'disconnect':
        // DISCONNECT has no 0x88: what the broker means by it goes as 0x89 [§3.14.2.1].
        if (this.#shore.mayFail && (packet.reasonCode === 0x88 || packet.reasonCode === 0x89)) return;
        this.#shore.fault(`was told to go: ${packet.reasonCode}`);
        return;
      default:
        this.#shore.fault(`${packet.type} came`);
    }
  }

  #hearConnack({ reasonCode, sessionPresent, properties }: Extract<Packet, { type: 'connack' }>): void {
    const { fault, record, mayFail } = this.#shore;
    const { clientId, protocolVersion } = this.kind;
    if (this.phase !== 'connecting') fault('a second CONNACK [MQTT-3.2.0-2]');
    if (reasonCode !== ReasonCode.success) {
      if (!mayFail || reasonCode !== ReasonCode.serverUnavailable) fault(`was refused: ${reasonCode}`);
      return;
    }
    // MQTT 3.1 does not say whether there is a Session, and then the Client goes by what it knows itself.
    const isSaid = protocolVersion > 3;
    record({ is: 'connected', client: clientId, sessionPresent: isSaid ? sessionPresent : undefined });
    const isResumed = isSaid ? sessionPresent : !this.#mustStartClean;
    this.#mustStartClean = false;
    this.#sessionExpirySeconds = this.#triedExpirySeconds;
    this.phase = 'connected';
    this.receiving.begin(isResumed);
    this.subscribing.begin(isResumed);
    this.#sending.begin(properties?.receiveMaximum ?? 3, isResumed);
    this.subscribing.want();
  }

  #ping(): void {
    this.#pings.push(this.#sending.confirmation());
    this.line?.say({ type: 'pingreq' });
  }

  #leave(random: Random): void {
    const { clientId, protocolVersion } = this.kind;
    const dropsWill = protocolVersion < 5 || random.percent(70);
    // An expiry of 0 in CONNECT cannot be changed any more [MQTT-3.14.2-2].
    const mayChange = protocolVersion === 5 && this.#sessionExpirySeconds > 0 && random.percent(30);
    const expiry = mayChange ? { sessionExpirySeconds: random.pick([0, 2, never]) } : {};
    this.#shore.record({ is: 'disconnecting', client: clientId, dropsWill, ...expiry });
    this.line?.say({
      type: 'disconnect',
      reasonCode: dropsWill ? ReasonCode.normalDisconnection : ReasonCode.disconnectWithWillMessage,
      properties: mayChange ? { sessionExpiryInterval: expiry.sessionExpirySeconds as number } : undefined,
    });
    this.#sessionExpirySeconds = expiry.sessionExpirySeconds ?? this.#sessionExpirySeconds;
    this.phase = 'leaving';
  }

  #giveUp(): void {
    if (this.line === undefined) return;
    this.line.abandon();
    this.#shore.broke(this.line);
    this.line = undefined;
  }

  /**
   * A Network Connection ends. A CONNECT without an answer may have begun a Session in the place of one that has expired,
   * and a DISCONNECT may not have ended the one that it was to end: to go on with the wrong one, under its Packet
   * Identifiers, is a mistake that the protocol leaves to the Client to avoid.
   */
  #doubt(orderly: boolean): void {
    const expires = this.#sessionExpirySeconds;
    if (this.phase === 'connecting' && expires > 0 && expires !== never) this.#mustStartClean = true;
    if (this.phase === 'leaving' && !orderly && expires === 0) this.#mustStartClean = true;
  }

  #away(orderly: boolean): void {
    this.#doubt(orderly);
    this.phase = 'away';
    this.#shore.record({ is: 'disconnected', client: this.kind.clientId, orderly });
    this.#pings.length = 0;
  }

  #forget(): void {
    this.#sending.forget();
    this.receiving.forget();
    this.subscribing.forget();
  }

  #planWill(random: Random): PlannedWill {
    const { clientId, protocolVersion } = this.kind;
    return {
      n: this.#sending.nextNumber(),
      topic: `w/${clientId}`,
      qos: random.pick<QoS>([1, 2]),
      retain: random.percent(20),
      delaySeconds: protocolVersion === 5 ? random.pick([0, 0, 1, 4]) : 0,
    };
  }

  #connectPacket(cleanStart: boolean, planned: PlannedWill | undefined): Packet {
    const { clientId, protocolVersion, receiveMaximum, sessionExpirySeconds } = this.kind;
    const properties: ConnectProperties = { sessionExpiryInterval: sessionExpirySeconds, receiveMaximum };
    return {
      type: 'connect',
      protocolVersion,
      clientId,
      cleanStart,
      keepAliveSeconds: 0,
      will: planned && willOf(clientId, planned),
      username: undefined,
      password: undefined,
      properties: protocolVersion === 5 ? properties : undefined,
    };
  }
}

function willOf(publisher: string, { n, topic, qos, retain, delaySeconds }: PlannedWill): Will {
  const payload = encodePayload({ publisher, n, qos, topic });
  const properties = delaySeconds === 0 ? undefined : { willDelayInterval: delaySeconds };
  return { topic, payload, qos, retain, properties };
}
