// A node, from its settings: the ports are built and handed to the broker, then the doors are opened. Stopping goes the
// same way backwards: unready, doors closed, Clients told, the store finished with, and the admin port last.

import { Broker, memoryStore } from '@skein/broker';
import { TopicTable } from '@skein/protocol';
import { type Logger, pino } from 'pino';
import { serveAdmin } from './admin/http.ts';
import { anonymousAuthenticator, openAuthorizer, refusingAuthenticator } from './auth.ts';
import { SystemClock } from './clock.ts';
import { load } from './config/config.ts';
import type { Config } from './config/schema.ts';
import { fromNested } from './config/sources.ts';
import { Connection, type Surroundings } from './connection.ts';
import type { EdgeState } from './edge-state.ts';
import { Wheel } from './keep-alive.ts';
import { parseHostPort } from './listen/address.ts';
import { listen } from './listen/listen.ts';
import type { Listener, Reception } from './listen/transport.ts';
import { makeMetrics } from './metrics.ts';
import { logFacts } from './observe.ts';
import { SystemRandom } from './random.ts';
import { Traffic } from './traffic.ts';
import { Turn } from './turn.ts';
import { version } from './version.ts';

/** Settings as they are written: any of {@link Config}, and of its limits, may be missing. */
export type Settings = Partial<Omit<Config, 'limits'>> & { readonly limits?: Partial<Config['limits']> };

/** A node that runs. */
export interface Edge extends AsyncDisposable {
  /** Where it listens for Clients, as bound, in the order of the settings. */
  readonly urls: readonly string[];
  /** The admin port, as bound: `http://127.0.0.1:8080`. */
  readonly adminUrl: string;
  /**
   * Stops: Clients are told Server shutting down (0x8B), and what they were promised is stored. Called again, it waits
   * for the same end.
   *
   * @param deadlineMs from now, after which what is left is cut off
   */
  stop(deadlineMs?: number): Promise<void>;
}

/** Topics that all connections look up together. */
const topicTableSlots = 8192;
/** How long connections may take to close after their Clients were told, at the end. */
const farewellMs = 1000;
const defaultStopMs = 10_000;

/**
 * Starts a node in this process.
 *
 * @param settings what is not given has its default
 * @param log silent unless given
 * @throws ConfigError if a setting is wrong
 * @throws ListenError if an address cannot be had
 */
export async function startEdge(settings: Settings = {}, log: Logger = pino({ level: 'silent' })): Promise<Edge> {
  return await openEdge(load([fromNested(settings, 'the settings')]).config, log);
}

/**
 * Starts a node with settings that were checked.
 *
 * @throws ListenError if an address cannot be had
 */
export async function openEdge(config: Config, log: Logger): Promise<Edge> {
  const node = new Node(config, log);
  try {
    await node.start();
  } catch (error) {
    await node.stop(0);
    throw error;
  }
  return node;
}

class Node implements Edge {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #turn: Turn = new Turn();
  readonly #clock: SystemClock = new SystemClock(this.#turn);
  readonly #wheel: Wheel = new Wheel(() => this.#clock.monotonicMs());
  readonly #topics: TopicTable = new TopicTable({ slots: topicTableSlots });
  readonly #broker: Broker;
  readonly #traffics: readonly Traffic[];
  readonly #connections: Set<Connection> = new Set();
  readonly #listeners: Listener[] = [];
  #closeAdmin: (() => Promise<void>) | undefined;
  #adminUrl = '';
  #state: EdgeState = 'starting';
  #stopped: Promise<void> | undefined;
  /** Called when the last connection is gone. */
  #lastGone: (() => void) | undefined;

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#traffics = config.listen.map((url) => new Traffic(url));
    const random = new SystemRandom();
    const store = memoryStore(this.#clock, random, config.limits);
    this.#broker = new Broker(
      {
        ...store,
        authenticator: config.allowAnonymous === false ? refusingAuthenticator : anonymousAuthenticator,
        authorizer: openAuthorizer,
        clock: this.#clock,
        random,
        observer: logFacts(log),
        nodeId: config.nodeId,
      },
      config.limits,
    );
  }

  get urls(): readonly string[] {
    return this.#listeners.map(({ url }) => url);
  }

  get adminUrl(): string {
    return this.#adminUrl;
  }

  async start(): Promise<void> {
    const state = (): EdgeState => this.#state;
    const metrics = makeMetrics({
      version,
      traffics: this.#traffics,
      counters: this.#broker.counters,
      connectionsMax: this.#config.limits.connectionsMax,
      gauges: () => this.#broker.gauges(),
      stored: () => this.#broker.stored(),
      state,
    });
    const { host = '127.0.0.1', port = 0 } = parseHostPort(this.#config.admin) ?? {};
    const admin = await serveAdmin(host, port, { state, metrics });
    this.#adminUrl = admin.url;
    this.#closeAdmin = () => admin.close();
    await this.#broker.start();
    for (const traffic of this.#traffics) {
      const reception = this.#reception(traffic);
      this.#listeners.push(await listen(traffic.listener, this.#config.limits.maximumPacketSize, reception));
    }
    this.#state = 'ready';
  }

  stop(deadlineMs: number = defaultStopMs): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#state = 'draining';
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#broker.stop(deadlineMs);
    await this.#farewell(Math.min(farewellMs, deadlineMs));
    await this.#closeAdmin?.();
  }

  /** Waits for connections to close, then cuts off those that have not. */
  async #farewell(deadlineMs: number): Promise<void> {
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs);
        this.#lastGone = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const connection of this.#connections) connection.destroy();
  }

  #reception(traffic: Traffic): Reception {
    const { limits } = this.#config;
    const around: Surroundings = {
      turn: this.#turn,
      wheel: this.#wheel,
      traffic,
      topics: this.#topics,
      limits,
      nowMs: () => this.#clock.nowMs(),
      gone: (connection) => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#lastGone?.();
      },
    };
    return {
      accept: (transport) => {
        if (this.#connections.size >= limits.connectionsMax || this.#state === 'draining') {
          traffic.rejected += 1;
          return undefined;
        }
        const origin = { listener: traffic.listener, remoteAddress: transport.remoteAddress };
        const connection = new Connection(transport, around, (outlet) => this.#broker.open(outlet, origin));
        this.#connections.add(connection);
        return connection;
      },
      failed: (error) => {
        traffic.failed += 1;
        this.#log.warn({ event: 'accept_failed', listener: traffic.listener, err: error });
      },
    };
  }
}
