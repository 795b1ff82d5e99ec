// A node, from its settings. Here are its doors: the admin port, the listeners, the connections that came through them.
// Behind them is an engine, and where the first must end before its time, another one (lives.ts); until that is there,
// nobody is let in. Stopping goes the way of starting backwards: unready, doors closed, Clients told, the store finished
// with, and the admin port last.

import type { AuthenticationMethod, Client } from '@skein/broker';
import { TopicTable } from '@skein/protocol';
import { type Logger, pino } from 'pino';
import { serveAdmin } from './admin/http.ts';
import { SystemClock } from './clock.ts';
import { load } from './config/config.ts';
import type { OfferedDurability } from './config/durability.ts';
import type { Config } from './config/schema.ts';
import { fromNested } from './config/sources.ts';
import { isShared, storeKind } from './config/store-url.ts';
import { Connection, type Surroundings } from './connection.ts';
import type { EdgeState } from './edge-state.ts';
import { Engine } from './engine.ts';
import { Wheel } from './keep-alive.ts';
import { parseHostPort } from './listen/address.ts';
import { listen } from './listen/listen.ts';
import type { Listener, Reception } from './listen/transport.ts';
import { Lives } from './lives.ts';
import { meet } from './meeting.ts';
import type { Measured } from './metric.ts';
import type { Metrics } from './metrics.ts';
import { SystemRandom } from './random.ts';
import type { DataDirectory } from './store.ts';
import { Traffic } from './traffic.ts';
import { Turn } from './turn.ts';
import { version } from './version.ts';

/** Settings as they are written: any of {@link Config}, and of its limits, may be missing. */
export type Settings = Partial<Omit<Config, 'limits'>> & { readonly limits?: Partial<Config['limits']> };

/** What a node may be given that no setting says. */
export interface EdgeParts {
  /** Ways of enhanced authentication, each under a name of its own [MQTT 4.12]. */
  readonly authenticationMethods?: readonly AuthenticationMethod[];
}

/** A node that runs. */
export interface Edge extends AsyncDisposable {
  /** Where it listens for Clients, as bound, in the order of the settings. */
  readonly urls: readonly string[];
  /** The admin port, as bound: `http://127.0.0.1:8080`. */
  readonly adminUrl: string;
  /** Names this start of the node and no other where there are several nodes; a node that was fenced has another name. */
  readonly node: string;
  /** Where it listens for its peers, as bound, and where they are told to reach it; undefined for a node that is alone. */
  readonly peer: string | undefined;
  readonly advertise: string | undefined;
  /** What an acknowledged message survives. */
  readonly durability: OfferedDurability;
  /** Its data directory, as it was found; undefined if the store has none. */
  readonly disk: DataDirectory | undefined;
  /**
   * Stops: Clients are told Server shutting down (0x8B), or Use another server (0x9C) where the settings name one, and
   * what they were promised is stored. Called again, it waits for the same end.
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
 * @throws StartRefused if something else is not as the settings need it
 */
export async function startEdge(
  settings: Settings = {},
  log: Logger = pino({ level: 'silent' }),
  parts: EdgeParts = {},
): Promise<Edge> {
  return await openEdge(load([fromNested(settings, 'the settings')]).config, log, () => {}, parts);
}

/**
 * Starts a node with settings that were checked.
 *
 * @param servesAgain called when a node that was fenced takes Clients again
 * @throws ListenError if an address cannot be had
 * @throws StartRefused if something else is not as the settings need it
 */
export async function openEdge(
  config: Config,
  log: Logger,
  servesAgain: (edge: Edge) => void = () => {},
  parts: EdgeParts = {},
): Promise<Edge> {
  const node = new Node(config, log, servesAgain, parts);
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
  readonly #turn: Turn;
  readonly #clock: SystemClock;
  readonly #wheel: Wheel = new Wheel(() => this.#clock.monotonicMs());
  readonly #topics: TopicTable = new TopicTable({ slots: topicTableSlots });
  readonly #lives: Lives<Engine>;
  readonly #traffics: readonly Traffic[];
  readonly #connections: Set<Connection> = new Set();
  readonly #listeners: Listener[] = [];
  #closeAdmin: (() => Promise<void>) | undefined;
  #metrics: Promise<Metrics> | undefined;
  #adminUrl = '';
  #state: EdgeState = 'starting';
  #stopped: Promise<void> | undefined;
  /** Called when the last connection is gone. */
  #lastGone: (() => void) | undefined;

  constructor(config: Config, log: Logger, servesAgain: (edge: Edge) => void, parts: EdgeParts) {
    this.#config = config;
    this.#log = log;
    // A node that is alone is nobody's to bury, so nobody asks how long it stood still.
    this.#turn = isShared(config.store) ? new Turn(() => this.#lives.look()) : new Turn();
    this.#clock = new SystemClock(this.#turn);
    this.#traffics = config.listen.map((url) => new Traffic(url));
    const around = {
      config,
      log,
      clock: this.#clock,
      random: new SystemRandom(),
      topics: this.#topics,
      authenticationMethods: parts.authenticationMethods ?? [],
      alive: () => this.#lives.look(),
    };
    this.#lives = new Lives({
      nodeId: config.nodeId,
      log,
      clock: this.#clock,
      meet: async () => (isShared(config.store) ? await meet(config, log) : undefined),
      open: (meeting, fenced) => Engine.open({ ...around, meeting, fenced }),
      ended: () => this.#cutOff(),
      servesAgain: () => {
        this.#state = 'ready';
        servesAgain(this);
      },
    });
  }

  get urls(): readonly string[] {
    return this.#listeners.map(({ url }) => url);
  }

  get adminUrl(): string {
    return this.#adminUrl;
  }

  get node(): string {
    return this.#lives.node;
  }

  get peer(): string | undefined {
    return this.#lives.meeting?.peer;
  }

  get advertise(): string | undefined {
    return this.#lives.meeting?.address;
  }

  get durability(): OfferedDurability {
    return this.#lives.durability;
  }

  get disk(): DataDirectory | undefined {
    return this.#lives.now?.disk;
  }

  async start(): Promise<void> {
    await this.#serveAdmin();
    await this.#lives.start();
    for (const traffic of this.#traffics) {
      const reception = this.#reception(traffic);
      this.#listeners.push(await listen(traffic.listener, this.#config.limits.maximumPacketSize, reception));
    }
    if (this.#state === 'starting') this.#state = 'ready';
    // A sixth of the time that a start takes, and nobody asks before.
    void this.#loadMetrics();
  }

  stop(deadlineMs: number = defaultStopMs): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serveAdmin(): Promise<void> {
    const { host = '127.0.0.1', port = 0 } = parseHostPort(this.#config.admin) ?? {};
    const told = { state: () => this.#state, metrics: () => this.#loadMetrics() };
    const admin = await serveAdmin(host, port, told);
    this.#adminUrl = admin.url;
    this.#closeAdmin = () => admin.close();
  }

  #loadMetrics(): Promise<Metrics> {
    this.#metrics ??= import('./metrics.ts').then(({ makeMetrics }) => makeMetrics(this.#measured()));
    return this.#metrics;
  }

  #measured(): Measured {
    const lives = this.#lives;
    return {
      version,
      traffics: this.#traffics,
      connectionsMax: this.#config.limits.connectionsMax,
      counters: () => lives.counters,
      gauges: () => lives.now?.broker.gauges(),
      stored: async () => await lives.now?.broker.stored(),
      store: () => ({ kind: storeKind(this.#config.store), durability: lives.durability }),
      disk: () => lives.now?.disk?.gauges(),
      timesFenced: () => lives.timesFenced,
      peerEvents: () => lives.meeting?.events,
      state: () => this.#state,
    };
  }

  /** rule: Fence. Whatever was on its way to a Client may not be its any more. */
  #cutOff(): void {
    if (this.#state !== 'draining') this.#state = 'fenced';
    for (const connection of this.#connections) connection.destroy();
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#state = 'draining';
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await this.#lives.stop(deadlineMs);
    await this.#farewell(Math.min(farewellMs, deadlineMs));
    await this.#closeAdmin?.();
    await this.#metrics;
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
    const open = (connection: Connection): Client => (this.#lives.now as Engine).broker.open(connection, connection);
    return {
      accept: (transport) => {
        if (this.#lives.now === undefined || this.#state === 'draining') {
          traffic.rejectedUnready += 1;
          return undefined;
        }
        if (this.#connections.size >= limits.connectionsMax) {
          traffic.rejected += 1;
          return undefined;
        }
        // Whoever is logged when it is gone has to be asked while it is there.
        if (this.#log.isLevelEnabled('info')) void transport.remoteAddress;
        const connection = new Connection(transport, around, open);
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
