// A history told by hand: each verb writes the events of one small thing that Clients do, a millisecond apart.

import type { QoS } from '@skein/protocol';
import { type CheckerOptions, check } from './checker.ts';
import type { Happening, HistoryEvent, PlannedWill } from './event.ts';
import type { Content } from './payload.ts';
import type { Invariant, Verdict } from './verdict.ts';

/** What a story says of a CONNECT and its CONNACK; by default a Clean Start that leaves nothing behind. */
export interface Connecting {
  cleanStart?: boolean;
  sessionExpirySeconds?: number;
  sessionPresent?: boolean;
  will?: Partial<PlannedWill>;
}

/** What a story says of a message. */
export interface Saying {
  topic?: string;
  qos?: QoS;
  retain?: boolean;
  expirySeconds?: number;
}

/** What may be different about a PUBLISH that comes. */
export interface Coming {
  qos?: QoS;
  topic?: string;
  retain?: boolean;
  dup?: boolean;
  packetId?: number;
  content?: Content | undefined;
}

/** A history in the making. */
export class Story {
  readonly events: HistoryEvent[] = [];
  #nowMs = 0;
  readonly #contents = new Map<string, Content>();

  get nowMs(): number {
    return this.#nowMs;
  }

  tell(happening: Happening): this {
    this.#nowMs += 1;
    this.events.push({ ...happening, atMs: this.#nowMs });
    return this;
  }

  wait(seconds: number): this {
    this.#nowMs += seconds * 1000;
    return this;
  }

  /** CONNECT, answered. */
  connect(client: string, options: Connecting = {}): this {
    return this.tryToConnect(client, options).tell({
      is: 'connected',
      client,
      sessionPresent: options.sessionPresent ?? false,
    });
  }

  /** CONNECT, not answered. */
  tryToConnect(client: string, { cleanStart = true, sessionExpirySeconds = 0, will }: Connecting = {}): this {
    if (will === undefined) return this.tell({ is: 'connecting', client, cleanStart, sessionExpirySeconds });
    const planned: PlannedWill = { n: 1, topic: 'gone', qos: 1, retain: false, delaySeconds: 0, ...will };
    this.#contents.set(`${client} ${planned.n}`, { publisher: client, ...planned });
    return this.tell({ is: 'connecting', client, cleanStart, sessionExpirySeconds, will: planned });
  }

  /** The Network Connection is cut. */
  cut(client: string): this {
    return this.tell({ is: 'disconnected', client, orderly: false });
  }

  /** DISCONNECT, with effect. */
  leave(client: string, options: { dropsWill?: boolean; sessionExpirySeconds?: number } = {}): this {
    const { dropsWill = true, ...rest } = options;
    return this.tell({ is: 'disconnecting', client, dropsWill, ...rest }).tell({
      is: 'disconnected',
      client,
      orderly: true,
    });
  }

  subscribing(
    client: string,
    topicFilter: string,
    { qos = 2 as QoS, noLocal = false, retainAsPublished = false } = {},
  ): this {
    return this.tell({ is: 'subscribing', client, topicFilter, qos, noLocal, retainAsPublished });
  }

  subscribe(
    client: string,
    topicFilter: string,
    options: { qos?: QoS; noLocal?: boolean; retainAsPublished?: boolean } = {},
  ): this {
    return this.subscribing(client, topicFilter, options).tell({
      is: 'subscribed',
      client,
      topicFilter,
      qos: options.qos ?? 2,
    });
  }

  unsubscribe(client: string, topicFilter: string): this {
    return this.tell({ is: 'unsubscribing', client, topicFilter }).tell({ is: 'unsubscribed', client, topicFilter });
  }

  /** PUBLISH, not answered. */
  say(publisher: string, n: number, { topic = 'news', qos = 1, retain = false, expirySeconds }: Saying = {}): this {
    this.#contents.set(`${publisher} ${n}`, { publisher, n, qos, topic });
    const expiry = expirySeconds === undefined ? {} : { expirySeconds };
    return this.tell({ is: 'published', publisher, n, topic, qos, retain, ...expiry });
  }

  acknowledge(publisher: string, n: number): this {
    return this.tell({ is: 'acknowledged', publisher, n });
  }

  /** PUBLISH, acknowledged. */
  publish(publisher: string, n: number, saying: Saying = {}): this {
    return this.say(publisher, n, saying).acknowledge(publisher, n);
  }

  /** A PUBLISH comes, as the message was sent unless it is said otherwise. */
  deliver(client: string, publisher: string, n: number, coming: Coming = {}): this {
    const content = this.#contents.get(`${publisher} ${n}`) ?? { publisher, n, qos: 1, topic: 'news' };
    const { qos, topic } = content;
    const publish = { qos, topic, retain: false, dup: false, packetId: qos === 0 ? 0 : n, content };
    return this.tell({ is: 'delivered', client, ...publish, ...coming });
  }

  release(client: string, packetId: number): this {
    return this.tell({ is: 'released', client, packetId });
  }

  verdict(options: CheckerOptions = {}): Verdict {
    return check(this.events, options);
  }
}

/** Which invariants a verdict says were broken, and how often. */
export function broken(verdict: Verdict): Partial<Record<Invariant, number>> {
  const all = Object.entries(verdict.counts.violations) as [Invariant, number][];
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}
