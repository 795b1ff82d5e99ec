// One Client, from the first byte of its Network Connection to the last: a state machine fed with packets.
//
//   awaiting-connect ──CONNECT──▶ connecting ──acquired──▶ connected ──▶ closed
//
// Packets are dealt with in one breath each; what takes time (acquiring the Session, subscribing) goes on beside them
// and comes back to ask whether the Client is still there. Every way out leads through #end, once.

import { type Connect, type Disconnect, MqttError, type Packet, ReasonCode } from '@skein/protocol';
import type { Broker } from './broker.ts';
import { acquisition, connack, negotiate, ownConnect, type Terms } from './connect.ts';
import { receivePublish } from './incoming.ts';
import type { CloseReason, Origin, Outlet } from './outlet.ts';
import { type Acquired, StoreUnavailable } from './ports.ts';
import { Session } from './session/session.ts';
import { Requests } from './subscribe.ts';

type Phase =
  | { readonly is: 'awaiting-connect' }
  | { readonly is: 'connecting'; readonly clientId: string }
  | {
      readonly is: 'connected';
      readonly session: Session;
      readonly terms: Terms;
      readonly username: string | undefined;
      readonly protocolVersion: Connect['protocolVersion'];
      sessionExpirySeconds: number;
    }
  | { readonly is: 'closed' };

type Connected = Extract<Phase, { is: 'connected' }>;

/** Why reading is stopped; a bit each, because one reason may end before another. */
const heldBy = { inbound: 1, requests: 2, connect: 4 } as const;

/** The broker's side of a Network Connection. */
export class Client {
  readonly #broker: Broker;
  readonly #outlet: Outlet;
  readonly #origin: Origin;
  #phase: Phase = { is: 'awaiting-connect' };
  #requests: Requests | undefined;
  #held = 0;

  /** Made by {@link Broker.open}. */
  constructor(broker: Broker, outlet: Outlet, origin: Origin) {
    this.#broker = broker;
    this.#outlet = outlet;
    this.#origin = origin;
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
      else if (this.#phase.is === 'connecting') {
        // Reading is held until CONNACK; a connection that hands over more all the same is not to be trusted.
        this.fail(new MqttError(ReasonCode.implementationSpecificError, 'a packet before CONNACK was sent'));
      }
    } catch (error) {
      this.#failed('packet', error);
    }
  }

  /** The Client broke the protocol: it is told why, if its version can be told, and closed [MQTT-4.13.1-1]. */
  fail(error: MqttError): void {
    const phase = this.#phase;
    if (phase.is === 'closed') return;
    if (phase.is !== 'connected') {
      this.#refuse(error.reasonCode, error.message, phase.is === 'connecting' ? phase.clientId : undefined);
      return;
    }
    this.#disconnect(error.reasonCode, 'protocol_error', error.message);
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
    this.#sendDisconnect(ReasonCode.sessionTakenOver, undefined);
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
    else if (this.#phase.is !== 'closed') this.#refuse(reasonCode, why ?? reason, undefined);
  }

  #receiveFirst(packet: Packet): void {
    if (packet.type !== 'connect') {
      throw new MqttError(ReasonCode.protocolError, 'the first packet is not a CONNECT', 'MQTT-3.1.0-1');
    }
    const terms = negotiate(packet, this.#broker.limits, this.#broker.ports.random);
    this.#phase = { is: 'connecting', clientId: terms.clientId };
    this.#hold(heldBy.connect, true);
    this.#connect(ownConnect(packet), terms).catch((error: unknown) => this.#failed('connect', error));
  }

  async #connect(packet: Connect, terms: Terms): Promise<void> {
    const broker = this.#broker;
    const { ports } = broker;
    const { clientId } = terms;
    const answer = await ports.authenticator.authenticate({
      clientId,
      username: packet.username,
      password: packet.password,
      origin: this.#origin,
      properties: packet.properties,
    });
    if (this.#phase.is !== 'connecting') return;
    if (!answer.accepted) {
      this.#refuse(answer.reasonCode, answer.why, clientId);
      return;
    }
    if (packet.will !== undefined && !ports.authorizer.mayPublish(clientId, packet.username, packet.will.topic)) {
      this.#refuse(ReasonCode.notAuthorized, 'not authorized to publish the Will', clientId);
      return;
    }
    let cancel = (): void => {};
    if (broker.ownership.isBusy(clientId)) {
      cancel = ports.clock.after(broker.limits.storeDeadlineMs, () => this.#refuseUnavailable(clientId));
    }
    await broker.ownership.inTurn(clientId, () => this.#acquire(packet, terms)).finally(cancel);
  }

  /** Acquires the Session; an attempt that comes to nothing is undone before the next one begins. */
  async #acquire(packet: Connect, terms: Terms): Promise<void> {
    const broker = this.#broker;
    const { ports, ownership } = broker;
    if (this.#phase.is !== 'connecting') return;
    const request = acquisition(packet, terms, { owner: ports.nodeId, nonce: broker.lane.newUid() });
    let acquired: Acquired;
    try {
      acquired = await ports.sessions.acquire(request);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      broker.persistence.failed('acquire', error);
      this.#refuseUnavailable(terms.clientId);
      await ownership.abandonNow(terms.clientId, request.nonce);
      return;
    }
    broker.kick(acquired);
    broker.publishWills(acquired.wills);
    const isLost = broker.isLost(acquired.claim);
    if ((this.#phase.is as Phase['is']) === 'connecting') {
      this.#accept(packet, terms, acquired);
      if (isLost) this.takenOver();
      return;
    }
    // The connection went away meanwhile. It was never accepted, so its Will does not count; but whoever had the
    // Session before it has lost it.
    const { claim, sentSeq } = acquired;
    broker.supersede(claim);
    await ownership.releaseNow({ claim, sessionExpirySeconds: terms.sessionExpirySeconds, will: 'drop', sentSeq });
  }

  #refuseUnavailable(clientId: string): void {
    if (this.#phase.is === 'connecting') this.#refuse(ReasonCode.serverUnavailable, 'the store is away', clientId);
  }

  #accept(packet: Connect, terms: Terms, acquired: Acquired): void {
    const broker = this.#broker;
    broker.register(this, acquired.claim);
    const session = this.#makeSession(packet, terms, acquired);
    this.#phase = {
      is: 'connected',
      session,
      terms,
      username: packet.username,
      protocolVersion: packet.protocolVersion,
      sessionExpirySeconds: terms.sessionExpirySeconds,
    };
    for (const stored of acquired.subscriptions) {
      const subscription = { ...stored, session };
      broker.router.subscribe(subscription, session.subscribe(subscription));
    }
    this.#outlet.accepted({
      clientId: terms.clientId,
      protocolVersion: packet.protocolVersion,
      keepAliveSeconds: terms.keepAliveSeconds,
      maximumPacketSize: terms.maximumPacketSize,
      topicAliasMaximum: terms.topicAliasMaximum,
    });
    this.#outlet.send(connack(packet, terms, acquired.sessionPresent, broker.limits));
    broker.ports.observer.observe({
      is: 'client_connected',
      clientId: terms.clientId,
      username: packet.username,
      protocolVersion: packet.protocolVersion,
      cleanStart: packet.cleanStart,
      sessionPresent: acquired.sessionPresent,
      keepAliveSeconds: terms.keepAliveSeconds,
      origin: this.#origin,
    });
    session.resume();
    this.#hold(heldBy.connect, false);
  }

  #makeSession(packet: Connect, terms: Terms, acquired: Acquired): Session {
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
        throw new MqttError(ReasonCode.protocolError, 'AUTH without an Authentication Method', 'MQTT-4.12.0-7');
      default:
        throw new MqttError(ReasonCode.protocolError, `${packet.type.toUpperCase()} from a Client`);
    }
  }

  /** DISCONNECT: the last packet of a Client [MQTT-3.14.4-1, MQTT-3.14.4-2, MQTT-3.14.4-3]. */
  #receiveDisconnect({ reasonCode, properties }: Disconnect, connected: Connected): void {
    const expiry = properties?.sessionExpiryInterval;
    if (expiry !== undefined) {
      if (expiry > 0 && connected.terms.sessionExpirySeconds === 0) {
        throw new MqttError(
          ReasonCode.protocolError,
          'a Session Expiry Interval in DISCONNECT where CONNECT had none',
          'MQTT-3.14.2-2',
        );
      }
      connected.sessionExpirySeconds = Math.min(expiry, this.#broker.limits.sessionExpiryMaxSeconds);
    }
    const dropsWill = reasonCode === ReasonCode.normalDisconnection;
    const reason = dropsWill ? 'client_disconnect' : 'client_disconnect_with_will';
    this.#end(reason, dropsWill ? 'drop' : 'publish', undefined);
    this.#outlet.close(reason);
  }

  /** SUBSCRIBE and UNSUBSCRIBE of a Client are served one after the other. */
  #requestsOf({ session, username }: Connected): Requests {
    this.#requests ??= new Requests({
      around: this.#broker.subscribing,
      session,
      username,
      send: (packet) => this.#outlet.send(packet),
      hold: (wanted) => this.#hold(heldBy.requests, wanted),
      fenced: () => this.takenOver(),
      failed: (error) => {
        // An incomplete set of retained messages must not look complete: the Client comes back and subscribes again.
        if (error instanceof StoreUnavailable) this.evict(ReasonCode.serverUnavailable, 'store_unavailable');
        else this.#failed('subscribe', error);
      },
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
  #refuse(reasonCode: ReasonCode, why: string, clientId: string | undefined): void {
    this.#phase = { is: 'closed' };
    this.#outlet.send({ type: 'connack', sessionPresent: false, reasonCode, properties: { reasonString: why } });
    this.#broker.ports.observer.observe({ is: 'client_refused', clientId, reasonCode, why, origin: this.#origin });
    this.#broker.forget(this, undefined);
    this.#outlet.close('connect_refused');
  }

  #disconnect(reasonCode: ReasonCode, reason: CloseReason, why: string | undefined): void {
    this.#sendDisconnect(reasonCode, why);
    this.#end(reason, 'publish', why);
    this.#outlet.close(reason);
  }

  #sendDisconnect(reasonCode: ReasonCode, why: string | undefined): void {
    const isWanted = this.#phase.is === 'connected' && this.#phase.terms.wantsReasons;
    const properties = why === undefined || !isWanted ? undefined : { reasonString: why };
    this.#outlet.send({ type: 'disconnect', reasonCode, properties });
  }

  /** Lets everything go, once. @param will what becomes of it; 'fenced' if the Session is no longer ours to release */
  #end(reason: CloseReason, will: 'publish' | 'drop' | 'fenced', why: string | undefined): void {
    const phase = this.#phase;
    if (phase.is === 'closed') return;
    this.#phase = { is: 'closed' };
    const clientId = phase.is === 'connected' ? phase.session.clientId : undefined;
    this.#broker.forget(this, clientId);
    this.#broker.ports.observer.observe({ is: 'client_disconnected', clientId, reason, why, origin: this.#origin });
    if (phase.is !== 'connected') return;
    const { session } = phase;
    for (const subscription of session.subscriptions.values()) this.#broker.router.unsubscribe(subscription);
    const undelivered = session.close();
    this.#broker.drops.add(session.clientId, 'session_ended', undelivered);
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
