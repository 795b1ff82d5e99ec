// Brokers among Clients that come and go, a network that is slow, and a store that fails, moved step by step by chance.
//
// The same seed makes the same steps. Afterwards the weather clears: every call is answered, every Client connects and
// acknowledges what it gets, until nothing is left to do; then the History must hold. The nodes are killed, paused, and
// cut off from each other on the way (weather.ts), and leave nothing behind (aftermath.ts). One node alone, in far more
// and shorter schedules, is the affair of test/sim.

import { ManualClock } from '../contract/manual-clock.ts';
import { textOf } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { defaultLimits } from '../limits.ts';
import { PeerHub } from '../memory/peers.ts';
import { memoryStore } from '../memory/store.ts';
import type { DueWill, Store } from '../ports.ts';
import { faultsLeftBehind, faultsOfOwnership, faultsOfWills } from './aftermath.ts';
import type { BrokenRule } from './broken-rules.ts';
import { faultsOfGroup } from './group-judge.ts';
import { HeldCalls } from './held-calls.ts';
import { History } from './history.ts';
import { type Kind, SimulatedClient } from './simulated-client.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import { SimulatedNode } from './simulated-node.ts';
import { RecordingObserver } from './surroundings.ts';
import { Weather } from './weather.ts';
import { type Now, watchWills } from './will-watch.ts';

/** Half of them depend on the node that they are connected to. */
const kinds: readonly Kind[] = [
  { clientId: 'ann', protocolVersion: 5, isStored: true },
  { clientId: 'bob', protocolVersion: 4, isStored: true },
  { clientId: 'cyd', protocolVersion: 5, isStored: false },
  { clientId: 'dan', protocolVersion: 5, isStored: true },
  { clientId: 'eve', protocolVersion: 4, isStored: false },
  { clientId: 'fay', protocolVersion: 5, isStored: false },
];

/** How long some Clients stay away when the weather has cleared, so that nobody but the nodes makes up for the dead. */
const absenceMs = 18_000;
/** For how long nothing must happen; in the end longer than it takes to look for routes that lead nowhere. */
const quietMs = { atFirst: 12_000, inTheEnd: 33_000 };

/** A place that is to be filled by another start of its node. */
interface Vacancy {
  readonly place: number;
  atMs: number;
}

/** Everything there is. */
export class Simulation {
  readonly random: SeededRandom;
  readonly clock: ManualClock = new ManualClock();
  readonly history: History = new History();
  readonly observer: RecordingObserver = new RecordingObserver();
  readonly hub: PeerHub = new PeerHub(this.clock);
  /** The store behind all nodes. */
  readonly store: Store;
  /** The last start of each node. */
  readonly nodes: SimulatedNode[];
  /** Starts of nodes that came before. */
  readonly gone: SimulatedNode[] = [];
  readonly calls: HeldCalls;
  readonly clients: readonly SimulatedClient[];
  readonly connections: Set<SimulatedConnection> = new Set();
  readonly clientIds: readonly string[];
  /** Whether volatile Sessions are members of the shared group too, and take to their graves what they were given. */
  readonly volatileShare: boolean;
  readonly sharesMost: boolean;
  /** Counts what happens, so that it can be told what came first. */
  step = 0;
  /** When the weather cleared; undefined before. */
  clearedAtMs: number | undefined;
  /** All that happened; made into words only if somebody has to find out why. */
  readonly #story: { readonly step: number; readonly ms: number; readonly line: () => string }[] = [];
  readonly #weather: Weather;
  readonly #rule: BrokenRule | undefined;
  readonly #vacancies: Vacancy[] = [];
  readonly #faults: string[] = [];
  #starts = 0;

  /**
   * @param options.rule broken on purpose, to see that it is found
   * @param options.sharesMost whether most messages are for the shared group; by chance if nothing is said
   */
  constructor(
    seed: number,
    options: { readonly nodes: number; readonly rule?: BrokenRule; readonly sharesMost?: boolean },
  ) {
    const { nodes, rule } = options;
    this.random = new SeededRandom(seed);
    this.#rule = rule;
    this.calls = new HeldCalls(this);
    const limits = this.#limits();
    const store = memoryStore(this.clock, this.random, limits);
    const now = (): Now => ({ step: this.step, ms: this.clock.monotonicMs() });
    this.store = watchWills(rule?.behind?.(store) ?? store, this.history, now);
    const places = Array.from({ length: nodes }, (_, i) => `n${i}`);
    this.nodes = places.map((nodeId) => this.#makeNode(nodeId));
    this.#weather = new Weather(this);
    this.volatileShare = this.random.oneIn(2);
    this.sharesMost = options.sharesMost ?? this.random.oneIn(3);
    this.clientIds = kinds.map(({ clientId }) => clientId);
    this.clients = kinds.map((kind) => new SimulatedClient(this, kind));
  }

  /** Runs so many steps of bad weather. */
  async storm(steps: number): Promise<void> {
    this.calls.areHeld = false;
    await Promise.all(this.nodes.map((node) => node.start()));
    this.calls.areHeld = true;
    for (let i = 0; i < steps; i++) {
      await this.#weather.happen(() => this.#happen());
      // Now and then the next thing happens before this one has come to rest.
      await this.clock.breathe(this.random.below(16));
      this.#tidy();
    }
    await this.#settle();
  }

  /** Lets everything come to rest. @throws Error if it does not */
  async calm(): Promise<void> {
    this.clearedAtMs = this.clock.monotonicMs();
    this.#clear();
    const absent = new Set(this.clients.filter((client) => !client.isConnected && this.random.oneIn(2)));
    await this.#rest(quietMs.atFirst, absent);
    if (this.#passedMs < absenceMs) await this.#rest(absenceMs - this.#passedMs, absent);
    this.#faults.push(...faultsOfWills(this), ...(await faultsOfOwnership(this)));
    await this.#rest(quietMs.inTheEnd, new Set());
    // What everybody was promised by now holds for the last message too.
    for (const client of [...this.clients, ...this.clients, ...this.clients]) client.publish();
    await this.#rest(1000, new Set());
    this.#faults.push(...(await faultsLeftBehind(this)));
  }

  /** What went wrong, in words. */
  faults(): string[] {
    const zombies = [...this.connections].filter(
      (connection) =>
        connection.closedFor === undefined && !this.clients.some((client) => client.connection === connection),
    );
    let countedGone = 0;
    for (const { broker } of [...this.nodes, ...this.gone]) countedGone += broker.counters.dropped.member_gone;
    return [
      ...this.history.faults(),
      ...faultsOfGroup(this.history, this.volatileShare, countedGone),
      ...this.#faults,
      ...zombies.map(({ name }) => `${name}: a connection was left open that has lost its Session`),
      ...this.observer.of('internal_error').map(({ where, error }) => `internal error in ${where}: ${error}`),
    ];
  }

  /** A node that takes connections. */
  listeningNode(): SimulatedNode | undefined {
    const listening = this.nodes.filter(({ isListening }) => isListening);
    return listening.length === 0 ? undefined : this.random.pick(listening);
  }

  /** Ends a node where it stands; what its calls have not done yet may still happen to the store. */
  kill(node: SimulatedNode, forMs: number): void {
    // One that was fenced meanwhile has left its place already.
    const wasThere = node.phase !== 'ended';
    this.tell(() => `${node.name} killed`);
    node.kill();
    for (const connection of this.connections) if (connection.node === node) connection.cut();
    this.calls.forsake(node);
    for (const other of [...this.nodes, ...this.gone]) this.part(node, other);
    if (wasThere) this.#leave(node, forMs);
  }

  /** Adds a line to the story. */
  tell(line: () => string): void {
    this.#story.push({ step: this.step, ms: this.clock.monotonicMs(), line });
  }

  /** All that happened, a line each. */
  story(): string {
    return this.#story.map(({ step, ms, line }) => `${step} ${ms} ms ${line()}`).join('\n');
  }

  /** Lets time pass, for everybody. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.calls.end();
    this.#tidy();
  }

  get #passedMs(): number {
    return this.clock.monotonicMs() - (this.clearedAtMs ?? 0);
  }

  #limits(): typeof defaultLimits {
    return { ...defaultLimits, receiveMaximum: 4, inboundInflightMax3: 3, storeAwayCloseSeconds: 3600 };
  }

  #makeNode(nodeId: string): SimulatedNode {
    const name = `${nodeId}:${++this.#starts}`;
    return new SimulatedNode(
      {
        clock: this.clock,
        random: this.random,
        store: this.store,
        limits: this.#limits(),
        observer: { observe: (fact) => this.#observe(name, fact) },
        peersOf: (self) => this.#rule?.peers?.(this.hub.peers(self)) ?? this.hub.peers(self),
        spoil: (store) => this.#rule?.store?.(store) ?? store,
        meet: (node, call) => {
          this.#note(call);
          this.calls.meet(node, call);
        },
        ended: (node, why) => {
          this.tell(() => `${node.name} ended: ${why}`);
          this.#leave(node, this.random.below(500));
        },
      },
      nodeId,
      name,
      this.random.below(1_000_000),
    );
  }

  #observe(name: string, fact: Parameters<RecordingObserver['observe']>[0]): void {
    this.observer.observe(fact);
    if (fact.is.startsWith('node_')) {
      this.tell(() => `${name} says ${fact.is} ${'node' in fact ? fact.node : ''}`);
    }
  }

  #leave(node: SimulatedNode, forMs: number): void {
    const place = this.nodes.indexOf(node);
    if (place !== -1) this.#vacancies.push({ place, atMs: this.clock.monotonicMs() + forMs });
  }

  #fillVacancies(): void {
    for (const vacancy of this.#vacancies) {
      if (vacancy.atMs > this.clock.monotonicMs()) continue;
      this.#vacancies.splice(this.#vacancies.indexOf(vacancy), 1);
      const before = this.nodes[vacancy.place] as SimulatedNode;
      const node = this.#makeNode(before.nodeId);
      this.gone.push(before);
      this.nodes[vacancy.place] = node;
      for (const other of this.gone) if (other.phase === 'killed') this.part(node, other);
      this.#weather.started(node, before);
      this.tell(() => `${node.name} starts`);
      void node.start();
      return;
    }
  }

  /** Nothing goes between these two any more. */
  part(node: SimulatedNode, other: SimulatedNode): void {
    if (node === other) return;
    this.hub.cut(node.name, other.name);
    this.hub.cut(other.name, node.name);
  }

  #note(call: { readonly name: string; readonly args: readonly unknown[] }): void {
    if (call.name !== 'wills.done') return;
    // A Will counts as acknowledged when the broker says that it is published.
    for (const { will } of call.args[0] as readonly DueWill[]) {
      const message = this.history.published.get(textOf(will));
      if (message === undefined) continue;
      message.acknowledgedAt ??= this.step;
      if (message.times !== undefined) message.times.doneMs ??= this.clock.monotonicMs();
    }
  }

  /** From now on everything works. */
  #clear(): void {
    this.tell(() => 'the weather clears');
    this.#weather.clear();
    for (const vacancy of this.#vacancies) {
      vacancy.atMs = Math.min(vacancy.atMs, this.clock.monotonicMs() + this.random.below(5000));
    }
    this.calls.areHeld = false;
  }

  /** Goes on until nothing has happened for so long. @param absent Clients that stay away */
  async #rest(forMs: number, absent: ReadonlySet<SimulatedClient>): Promise<void> {
    let restedMs = 0;
    for (let rounds = 0; rounds < 300; rounds++) {
      this.calls.answerAll();
      for (const { store } of this.nodes) while (store.untoldRoutes > 0) store.tellRoutes();
      for (const connection of this.connections) {
        if (connection.congested) connection.setCongested(false);
        while (connection.isBusy) {
          connection.advance();
          this.step++;
        }
      }
      await this.#settle();
      for (const client of this.clients) {
        if (client.connection !== undefined) client.acknowledge();
        else if (!absent.has(client)) client.connect();
      }
      await this.#settle();
      if (this.calls.areLeft || [...this.connections].some(({ isBusy }) => isBusy)) continue;
      const awaited = this.clients.filter((client) => !absent.has(client) || client.isConnected);
      const isQuiet = awaited.every(({ isIdle }) => isIdle) && this.#isQuiet(awaited.length);
      if (!isQuiet) restedMs = 0;
      if (restedMs >= forMs) return;
      // Whatever is repeated after a failure is repeated within a second; a Will within six.
      const ms = restedMs < 1000 ? 100 : 1000;
      restedMs += ms;
      await this.pass(ms);
    }
    throw new Error(`no rest: ${this.clients.map(({ state }) => state).join('; ')}`);
  }

  #isQuiet(clients: number): boolean {
    if (this.#vacancies.length > 0) return false;
    let connected = 0;
    for (const { broker, phase } of this.nodes) {
      if (phase !== 'serving') return false;
      const gauges = broker.gauges();
      if (gauges.inflight > 0 || gauges.unacknowledged > 0) return false;
      connected += gauges.connected;
    }
    return connected === clients;
  }

  async #settle(): Promise<void> {
    await this.clock.settle();
    this.#tidy();
  }

  #tidy(): void {
    this.step++;
    for (const connection of this.connections) {
      if (connection.closedFor !== undefined && !connection.isBusy) this.connections.delete(connection);
    }
    if (this.#vacancies.length > 0) this.#fillVacancies();
  }

  async #happen(): Promise<void> {
    const { random } = this;
    const dice = random.below(20);
    if (dice < 7) this.#times(3, () => this.calls.advance());
    else if (dice < 13) this.#times(3, () => this.#advanceConnection());
    else if (dice === 13) random.pick(this.nodes).store.tellRoutes();
    else if (dice === 14) await this.pass(random.below(60));
    else this.#times(2, () => this.#act(random.pick(this.clients)));
  }

  /** Several nodes do more at once than one. */
  #times(max: number, happen: () => void): void {
    for (let i = this.random.below(max) + 1; i > 0; i--) happen();
  }

  #advanceConnection(): void {
    const { random } = this;
    const busy = [...this.connections].filter(({ isBusy }) => isBusy);
    if (busy.length === 0) return;
    const connection = random.pick(busy);
    if (random.oneIn(300)) connection.lose();
    else if (random.oneIn(40)) connection.setCongested(!connection.congested);
    else connection.advance();
  }

  #act(client: SimulatedClient): void {
    const { random } = this;
    if (client.connection === undefined) {
      client.connect();
      return;
    }
    if (!client.isConnected) {
      if (random.oneIn(20)) client.connect(); // impatient
      return;
    }
    if (!client.isSubscribed) client.subscribe();
    // Where nodes come and go, Clients have reason enough to do so too.
    const dice = 2 + random.below(98);
    if (dice < 4) client.connect();
    else if (dice < 6) client.disconnect();
    else if (dice < 16) client.subscribe();
    else if (dice < 24) client.unsubscribe();
    else if (dice < 60) client.publish();
    else client.acknowledge();
  }
}
