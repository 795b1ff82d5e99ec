// The server of the model: the plainest one that keeps every promise, all in one piece of memory and without hurry.

import type { QoS } from '@skein/protocol';
import type { PlannedWill } from './event.ts';
import { matches } from './topic-match.ts';

/** A message as the server gets it. */
export interface ModelMessage {
  readonly publisher: string;
  readonly n: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** What a Client sends. */
export type ToServer =
  | {
      readonly is: 'connect';
      readonly cleanStart: boolean;
      readonly sessionExpirySeconds: number;
      readonly will: PlannedWill | undefined;
    }
  | { readonly is: 'subscribe'; readonly topicFilter: string; readonly qos: QoS; readonly retainAsPublished: boolean }
  | { readonly is: 'unsubscribe'; readonly topicFilter: string }
  | { readonly is: 'puback' | 'pubrec' | 'pubcomp'; readonly packetId: number }
  | { readonly is: 'disconnect'; readonly dropsWill: boolean };

/** What the server sends. */
export type ToClient =
  | { readonly is: 'connack'; readonly sessionPresent: boolean }
  | {
      readonly is: 'publish';
      readonly message: ModelMessage;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly dup: boolean;
      readonly packetId: number;
    }
  | { readonly is: 'pubrel'; readonly packetId: number }
  | { readonly is: 'suback'; readonly topicFilter: string; readonly qos: QoS }
  | { readonly is: 'unsuback'; readonly topicFilter: string }
  | { readonly is: 'close' };

interface Entry {
  readonly message: ModelMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly packetId: number;
  state: 'waiting' | 'sent' | 'received';
  dup: boolean;
}

interface ModelSession {
  readonly subscriptions: Map<string, { readonly qos: QoS; readonly retainAsPublished: boolean }>;
  queue: Entry[];
  lastPacketId: number;
  expirySeconds: number;
  /** Undefined while the Client is connected. */
  endsMs: number | undefined;
  will: PlannedWill | undefined;
  willDueMs: number;
}

/** Answers packets, and keeps what must be kept. */
export class ModelServer {
  readonly #sessions = new Map<string, ModelSession>();
  readonly #retained = new Map<string, ModelMessage>();
  #nowMs = 0;

  /** Time passes: what is due is done. */
  pass(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [name, session] of this.#sessions) {
      if (session.endsMs === undefined) continue;
      if (session.endsMs <= nowMs) this.#endSession(name);
      else if (session.willDueMs <= nowMs) this.#publishWill(name, session);
    }
  }

  publish(message: ModelMessage): void {
    if (message.retain) this.#retained.set(message.topic, message);
    for (const session of this.#sessions.values()) {
      const options = [...session.subscriptions]
        .filter(([filter]) => matches(filter, message.topic))
        .map(([, of]) => of);
      if (options.length === 0) continue;
      const qos = Math.min(message.qos, Math.max(...options.map((each) => each.qos))) as QoS;
      const retain = message.retain && options.some(({ retainAsPublished }) => retainAsPublished);
      this.#enqueue(session, message, qos, retain);
    }
  }

  receive(name: string, packet: ToServer): readonly ToClient[] {
    if (packet.is === 'connect') return this.#connect(name, packet);
    const session = this.#sessions.get(name);
    if (session === undefined || session.endsMs !== undefined) return [];
    switch (packet.is) {
      case 'subscribe': {
        const { topicFilter, qos, retainAsPublished } = packet;
        session.subscriptions.set(topicFilter, { qos, retainAsPublished });
        for (const message of this.#retained.values()) {
          if (!matches(topicFilter, message.topic)) continue;
          this.#enqueue(session, message, Math.min(qos, message.qos) as QoS, true);
        }
        return [{ is: 'suback', topicFilter, qos }];
      }
      case 'unsubscribe':
        session.subscriptions.delete(packet.topicFilter);
        return [{ is: 'unsuback', topicFilter: packet.topicFilter }];
      case 'pubrec':
        for (const entry of session.queue) if (entry.packetId === packet.packetId) entry.state = 'received';
        return [{ is: 'pubrel', packetId: packet.packetId }];
      case 'puback':
      case 'pubcomp':
        session.queue = session.queue.filter(({ packetId }) => packetId !== packet.packetId);
        return [];
      case 'disconnect':
        if (packet.dropsWill) session.will = undefined;
        this.lose(name, this.#nowMs);
        return [{ is: 'close' }];
    }
  }

  /** The next message for a Client, if there is one. */
  send(name: string): readonly ToClient[] {
    const session = this.#sessions.get(name);
    const entry = session?.endsMs === undefined ? session?.queue.find(({ state }) => state === 'waiting') : undefined;
    if (session === undefined || entry === undefined) return [];
    const { message, qos, retain, dup, packetId } = entry;
    if (qos === 0) session.queue = session.queue.filter((each) => each !== entry);
    else entry.state = 'sent';
    return [{ is: 'publish', message, qos, retain, dup, packetId }];
  }

  hasMore(name: string): boolean {
    const session = this.#sessions.get(name);
    return session?.endsMs === undefined && session?.queue.some(({ state }) => state === 'waiting') === true;
  }

  /** The Network Connection of a Client is gone. */
  lose(name: string, nowMs: number): void {
    const session = this.#sessions.get(name);
    if (session === undefined || session.endsMs !== undefined) return;
    session.endsMs = nowMs + session.expirySeconds * 1000;
    session.queue = session.queue.filter(({ qos }) => qos > 0);
    for (const entry of session.queue) {
      if (entry.state !== 'sent') continue;
      entry.state = 'waiting';
      entry.dup = true;
    }
    session.willDueMs = nowMs + (session.will?.delaySeconds ?? 0) * 1000;
    if (session.expirySeconds === 0) this.#endSession(name);
    else if (session.willDueMs <= nowMs) this.#publishWill(name, session);
  }

  /** CONNACK, and the PUBRELs owed. */
  #connect(
    name: string,
    { cleanStart, sessionExpirySeconds, will }: Extract<ToServer, { is: 'connect' }>,
  ): readonly ToClient[] {
    if (cleanStart) this.#endSession(name);
    const known = this.#sessions.get(name);
    const session: ModelSession = known ?? {
      subscriptions: new Map(),
      queue: [],
      lastPacketId: 0,
      expirySeconds: 0,
      endsMs: undefined,
      will: undefined,
      willDueMs: 0,
    };
    this.#sessions.set(name, session);
    session.expirySeconds = sessionExpirySeconds;
    session.endsMs = undefined;
    session.will = will;
    const owed = session.queue.filter(({ state }) => state === 'received');
    return [
      { is: 'connack', sessionPresent: known !== undefined },
      ...owed.map(({ packetId }) => ({ is: 'pubrel', packetId }) as const),
    ];
  }

  #endSession(name: string): void {
    const session = this.#sessions.get(name);
    if (session === undefined) return;
    this.#sessions.delete(name);
    this.#publishWill(name, session);
  }

  #publishWill(publisher: string, session: ModelSession): void {
    if (session.will === undefined) return;
    const { n, topic, qos, retain } = session.will;
    session.will = undefined;
    this.publish({ publisher, n, topic, qos, retain });
  }

  #enqueue(session: ModelSession, message: ModelMessage, qos: QoS, retain: boolean): void {
    if (qos === 0 && session.endsMs !== undefined) return;
    const packetId = qos === 0 ? 0 : ++session.lastPacketId;
    session.queue.push({ message, qos, retain, packetId, state: 'waiting', dup: false });
  }
}
