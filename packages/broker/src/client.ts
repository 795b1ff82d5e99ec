// One Client, from the first byte of its Network Connection to the last: a state machine fed with packets.
//
//   awaiting-connect ──CONNECT──▶ connecting ──acquired──▶ connected ──▶ closed
//                                  AUTH 0x18                AUTH 0x19
//
// Packets are dealt with in one breath each; what takes time (acquiring the Session, subscribing) goes on beside them
// and comes back to ask whether the Client is still there. Every way out leads through #end, once.

import {
  type Auth,
  type Connect,
  type Disconnect,
  type DisconnectProperties,
  MqttError,
  type Packet,
  ReasonCode,
} from '@skein/protocol';
import { type Admission, type Applicant, admit } from './admit.ts';
import type { Dialogue } from './authenticate.ts';
import type { Broker } from './broker.ts';
import { connack, isRedirection, negotiate, ownConnect, type Refusal, refusingConnack } from './connect.ts';
import { receivePublish } from './incoming.ts';
import type { CloseReason, Origin, Outlet } from './outlet.ts';
import { StoreUnavailable } from './ports.ts';
import { Session } from './session/session.ts';
import { Requests } from './subscribe.ts';

type Phase =
  | { readonly is: 'awaiting-connect' }
  | { readonly is: 'connecting'; readonly clientId: string }
  | {
      readonly is: 'connected';
      readonly session: Session;
      readonly wantsReasons: boolean;
      /** Whether CONNECT asked for a Session that outlives it. */
      readonly mayOutlive: boolean;
      readonly username: string | undefined;
      readonly protocolVersion: Connect['protocolVersion'];
      sessionExpirySeconds: number;
    }
  | { readonly is: 'closed' };

type Connected = Extract<Phase, { is: 'connected' }>;

/** Why reading is stopped; a bit each, because one reason may end before another. */
const heldBy = { inbound: 1, requests: 2, connect: 4 } as const;

/** The broker's side of a Network Connection. */
export class Client implements Applicant {
  readonly origin: Origin;
  readonly #broker: Broker;
  readonly #outlet: Outlet;
  #phase: Phase = { is: 'awaiting-connect' };
  #requests: Requests | undefined;
  /** Undefined if CONNECT named no Authentication Method. */
  #dialogue: Dialogue | undefined;
  #held = 0;

  /** Made by {@link Broker.open}. */
  constructor(broker: Broker, outlet: Outlet, origin: Origin) {
    this.#broker = broker;
    this.#outlet = outlet;
    this.origin = origin;
  }

  /** The Session this Client holds, while it is connected. */
  get session(): Session | undefined {
    return this.#phase.is === 'connected' ? this.#phase.session : undefined;
  }

  /** Takes one packet. Never throws: whatever goes wrong ends this Client, and no other. */
  receive(packet: Packet): void {
    try {
      if (this.#phase.is === 'connected') this.#receiveConnected(packet, this.#phase);
      else if (this.#phase.is === 'awaiting-connect') this.#receiveFirst(packet);
      else if (this.#phase.is === 'connecting') this.#receiveConnecting(packet);
    } catch (error) {
      this.#failed('packet', error);
    }
  }

  /** The Client broke the protocol, or cannot be served: it is told why, if its version can be told, and closed [MQTT-4.13.1-1]. */
  fail(error: MqttError): void {
    const phase = this.#phase;
    if (phase.is === 'closed') return;
    if (phase.is !== 'connected') {
      this.refuse({ reasonCode: error.reasonCode, why: error.message });
      return;
    }
    const reason = error.reasonCode === ReasonCode.quotaExceeded ? 'store_full' : 'protocol_error';
    this.#disconnect(error.reasonCode, reason, error.message);
  }

  /** The Network Connection is gone, or given up because the Client is silent or does not read. */
  lost(reason: CloseReason): void {
    this.#end(reason, 'publish', undefined);
    this.#outlet.close(reason);
  }

  /** The outlet takes PUBLISH packets again. */
  drained(): void {
    if (this.#phase.is === 'connected') this.#phase.session.outbound.pump();
  }

  /** Another Network Connection has acquired the Session [MQTT-3.1.4-3]. */
  takenOver(): void {
    if (this.#phase.is !== 'connected') return;
    this.#broker.counters.takeovers++;
    this.#sendDisconnect(ReasonCode.sessionTakenOver, 'another Network Connection has the Session now');
    this.#end('session_taken_over', 'fenced', undefined);
    this.#outlet.close('session_taken_over');
  }

  /** This node may own nothing any more: the connection is cut off, and its Session left to whoever has it. */
  fence(): void {
    this.#end('fenced', 'fenced', undefined);
    this.#outlet.close('fenced');
  }

  /** Ends the Client because the server wants to. @param why told to the Client in words, if it wants words */
  evict(reasonCode: ReasonCode, reason: CloseReason, why?: string): void {
    if (this.#phase.is === 'connected') this.#disconnect(reasonCode, reason, why);
    else if (this.#phase.is !== 'closed') this.refuse({ reasonCode, why: why ?? reason });
  }

  /** Sends the Client to another server, for a while, and ends it here [§4.11]. */
  redirect(serverReference: string, reason: CloseReason): void {
    const reasonCode = ReasonCode.useAnotherServer;
    if (this.#phase.is === 'connected') this.#disconnect(reasonCode, reason, undefined, serverReference);
    else if (this.#phase.is !== 'closed') this.refuse({ reasonCode, why: reason, serverReference });
  }

  #receiveFirst(packet: Packet): void {
    if (packet.type !== 'connect') {
      throw new MqttError(ReasonCode.protocolError, 'the first packet is not a CONNECT', 'MQTT-3.1.0-1');
    }
    const broker = this.#broker;
    const terms = negotiate(packet, broker.limits, broker.ports.random);
    this.#phase = { is: 'connecting', clientId: terms.clientId };
    if (packet.properties?.authenticationMethod !== undefined) this.#dialogue = this.#dialogueWith(packet);
    this.#hold(heldBy.connect, true);
    admit(broker, this, ownConnect(packet), terms).catch((error: unknown) => this.#failed('connect', error));
  }

  #dialogueWith(packet: Connect): Dialogue | undefined {
    const { exchanges, ports } = this.#broker;
    return exchanges.dialogueWith(packet, {
      clock: ports.clock,
      send: (auth) => this.#outlet.send(auth),
      awaits: (isAwaited) => {
        // Until CONNACK nothing is read that nobody asked for; once connected, everything else goes on.
        if (this.isWaiting) this.#hold(heldBy.connect, !isAwaited);
      },
      isRead: () => this.#held === 0,
    });
  }

  /** Whether it has sent its CONNECT and waits for CONNACK. */
  get isWaiting(): boolean {
    return this.#phase.is === 'connecting';
  }

  /** What it and its Authentication Method say to each other; undefined if CONNECT named none. */
  get dialogue(): Dialogue | undefined {
    return this.#dialogue;
  }

  /** Before CONNACK: the Client's part in authenticating it, or its farewell. */
  #receiveConnecting(packet: Packet): void {
    // Reading is held unless AUTH is awaited; a connection that hands over more all the same is not to be trusted.
    if (this.#dialogue === undefined) {
      throw new MqttError(ReasonCode.implementationSpecificError, 'a packet before CONNACK was sent');
    }
    if (packet.type === 'disconnect') this.lost('client_disconnect');
    else this.#dialogue.receive(packet);
  }

  /** The Client is let in: its Session is here, and CONNACK goes out. For {@link admit}. */
  accept(admission: Admission): void {
    const { connect: packet, terms, acquired, authenticationData } = admission;
    const broker = this.#broker;
    broker.register(this, acquired.claim);
    const session = this.#makeSession(admission);
    this.#phase = {
      is: 'connected',
      session,
      wantsReasons: terms.wantsReasons,
      mayOutlive: terms.sessionExpirySeconds > 0,
      username: packet.username,
      protocolVersion: packet.protocolVersion,
      sessionExpirySeconds: terms.sessionExpirySeconds,
    };
    for (const stored of acquired.subscriptions) {
      const subscription = { ...stored, session };
      broker.router.subscribe(subscription, session.subscribe(subscription));
    }
    broker.attendance.resumed(session);
    this.#outlet.accepted({
      clientId: terms.clientId,
      protocolVersion: packet.protocolVersion,
      keepAliveSeconds: terms.keepAliveSeconds,
      maximumPacketSize: terms.maximumPacketSize,
      topicAliasMaximum: terms.topicAliasMaximum,
    });
    this.#outlet.send(connack(packet, terms, acquired.sessionPresent, broker, authenticationData));
    broker.ports.observer.observe({
      is: 'client_connected',
      clientId: terms.clientId,
      username: packet.username,
      protocolVersion: packet.protocolVersion,
      cleanStart: packet.cleanStart,
      sessionPresent: acquired.sessionPresent,
      keepAliveSeconds: terms.keepAliveSeconds,
      origin: this.origin,
    });
    session.resume();
    if (acquired.feeds.length > 0 && this.#phase.is === 'connected')
      this.#requestsOf(this.#phase).resume(acquired.feeds);
    this.#hold(heldBy.connect, false);
  }

  #makeSession({ connect: packet, terms, acquired }: Admission): Session {
    const broker = this.#broker;
    return new Session({
      acquired,
      outlet: this.#outlet,
      lane: broker.lane,
      settlements: broker.settlements,
      queues: broker.ports.queues,
      drops: broker.drops,
      counters: broker.counters,
      clock: broker.ports.clock,
      limits: broker.limits,
      inbound: { receiveMaximum: terms.inboundInflightMax, isAnnounced: packet.protocolVersion === 5 },
      inflightMax: terms.outboundInflightMax,
      hold: (wanted) => this.#hold(heldBy.inbound, wanted),
      fenced: () => this.takenOver(),
      failed: (error) => this.#failed('read', error),
      persistence: broker.persistence,
    });
  }

  #receiveConnected(packet: Packet, connected: Connected): void {
    const { session } = connected;
    switch (packet.type) {
      case 'publish':
        receivePublish(this.#broker, session, connected.username, packet);
        return;
      case 'puback':
        session.outbound.puback(packet.packetId);
        return;
      case 'pubrec':
        session.outbound.pubrec(packet.packetId, packet.reasonCode);
        return;
      case 'pubrel':
        session.inbound.pubrel(packet.packetId);
        return;
      case 'pubcomp':
        session.outbound.pubcomp(packet.packetId);
        return;
      case 'subscribe':
      case 'unsubscribe':
        this.#requestsOf(connected).add(packet);
        return;
      case 'pingreq':
        this.#outlet.send(pingresp);
        return;
      case 'disconnect':
        this.#receiveDisconnect(packet, connected);
        return;
      case 'connect':
        throw new MqttError(ReasonCode.protocolError, 'a second CONNECT', 'MQTT-3.1.0-2');
      case 'auth':
        this.#receiveAuth(packet, connected);
        return;
      default:
        throw new MqttError(ReasonCode.protocolError, `${packet.type.toUpperCase()} from a Client`);
    }
  }

  /** AUTH of a connected Client: one that fails to show once more who it is does not stay [MQTT-4.12.1-2]. */
  #receiveAuth(packet: Auth, { username, session: { clientId } }: Connected): void {
    if (this.#dialogue === undefined) {
      throw new MqttError(ReasonCode.protocolError, 'AUTH without an Authentication Method', 'MQTT-4.12.0-7');
    }
    this.#dialogue
      .receiveConnected(packet, { clientId, username, origin: this.origin })
      .then((outcome) => {
        if (outcome === undefined || outcome.answer.accepted) return;
        const { reasonCode, why, serverReference } = outcome.answer;
        this.#disconnect(reasonCode, 'authentication_failed', why, serverReference);
      })
      .catch((error: unknown) => this.#failed('authenticate', error));
  }

  /** DISCONNECT: the last packet of a Client [MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-3.14.4-3]. */
  #receiveDisconnect({ reasonCode, properties }: Disconnect, connected: Connected): void {
    const expiry = properties?.sessionExpiryInterval;
    if (expiry !== undefined) {
      if (expiry > 0 && !connected.mayOutlive) {
        throw new MqttError(ReasonCode.protocolError, 'a Session Expiry Interval in DISCONNECT where CONNECT had none');
      }
      connected.sessionExpirySeconds = Math.min(expiry, this.#broker.limits.sessionExpiryMaxSeconds);
    }
    const dropsWill = reasonCode === ReasonCode.normalDisconnection;
    const reason = dropsWill ? 'client_disconnect' : 'client_disconnect_with_will';
    this.#end(reason, dropsWill ? 'drop' : 'publish', undefined);
    this.#outlet.close(reason);
  }

  /** SUBSCRIBE and UNSUBSCRIBE of a Client are served one after the other. */
  #requestsOf({ session, username, protocolVersion }: Connected): Requests {
    this.#requests ??= new Requests({
      around: this.#broker.subscribing,
      session,
      username,
      send: (packet) => this.#outlet.send(packet),
      hold: (wanted) => this.#hold(heldBy.requests, wanted),
      fenced: () => this.takenOver(),
      hasUnsubackCodes: protocolVersion === 5,
      unavailable: () => this.evict(ReasonCode.serverUnavailable, 'store_unavailable'),
      failed: (error) => this.#failed('subscribe', error),
    });
    return this.#requests;
  }

  #hold(reason: number, wanted: boolean): void {
    const before = this.#held;
    this.#held = wanted ? before | reason : before & ~reason;
    if (before === 0 && this.#held !== 0) this.#outlet.hold();
    else if (before !== 0 && this.#held === 0) this.#outlet.proceed();
  }

  /** Refuses a Client that is not connected yet [MQTT-3.2.2-7]. */
  refuse(refusal: Refusal): void {
    const phase = this.#phase;
    const clientId = phase.is === 'connecting' ? phase.clientId : undefined;
    this.#phase = { is: 'closed' };
    this.#dialogue?.abandon();
    this.#outlet.send(refusingConnack(refusal, this.#dialogue?.method));
    const { reasonCode, why } = refusal;
    this.#broker.ports.observer.observe({ is: 'client_refused', clientId, reasonCode, why, origin: this.origin });
    this.#broker.forget(this, undefined);
    this.#outlet.close('connect_refused');
  }

  #disconnect(reasonCode: ReasonCode, reason: CloseReason, why: string | undefined, serverReference?: string): void {
    this.#sendDisconnect(reasonCode, why, serverReference);
    this.#end(reason, 'publish', why);
    this.#outlet.close(reason);
  }

  #sendDisconnect(reasonCode: ReasonCode, why: string | undefined, serverReference?: string): void {
    const isWanted = this.#phase.is === 'connected' && this.#phase.wantsReasons;
    const properties: DisconnectProperties = {};
    if (why !== undefined && isWanted) properties.reasonString = why;
    if (serverReference !== undefined && isRedirection(reasonCode)) properties.serverReference = serverReference;
    this.#outlet.send({ type: 'disconnect', reasonCode, properties });
  }

  /** Lets everything go, once. @param will what becomes of it; 'fenced' if the Session is no longer ours to release */
  #end(reason: CloseReason, will: 'publish' | 'drop' | 'fenced', why: string | undefined): void {
    const phase = this.#phase;
    if (phase.is === 'closed') return;
    this.#phase = { is: 'closed' };
    this.#dialogue?.abandon();
    const clientId = phase.is === 'connected' ? phase.session.clientId : undefined;
    this.#broker.forget(this, clientId);
    this.#broker.ports.observer.observe({ is: 'client_disconnected', clientId, reason, why, origin: this.origin });
    if (phase.is !== 'connected') return;
    const { session } = phase;
    for (const subscription of session.subscriptions.values()) this.#broker.router.unsubscribe(subscription);
    const ended = session.close();
    this.#broker.sessionEnded(session, ended, will === 'fenced');
    if (will === 'fenced') return;
    const { claim, outbound } = session;
    const { sessionExpirySeconds } = phase;
    this.#broker.ownership.release({ claim, sessionExpirySeconds, will, sentSeq: outbound.sentSeq });
  }

  /** Our own mistake, or the protocol's breach, inside this Client's affairs. */
  #failed(where: string, error: unknown): void {
    if (error instanceof MqttError) {
      this.fail(error);
      return;
    }
    // A broker that has stopped gives up what it cannot store.
    if (error instanceof StoreUnavailable && this.#broker.persistence.stopped) {
      this.lost('store_unavailable');
      return;
    }
    this.#broker.ports.observer.observe({ is: 'internal_error', where, error });
    this.evict(ReasonCode.implementationSpecificError, 'internal_error');
  }
}

const pingresp = { type: 'pingresp' } as const;
