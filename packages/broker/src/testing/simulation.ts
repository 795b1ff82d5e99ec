// A broker among Clients that come and go, a network that is slow, and a store that fails, moved step by step by chance.
//
// The same seed makes the same steps. Afterwards the weather clears: every call is answered, every Client connects and
// acknowledges what it gets, until nothing is left to do; then the History must hold.

import { Broker } from '../broker.ts';
import { ManualClock } from '../contract/manual-clock.ts';
import { textOf, thisNode } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { defaultLimits } from '../limits.ts';
import { memoryStore } from '../memory/store.ts';
import type { Acquire, DueWill } from '../ports.ts';
import { History } from './history.ts';
import { type Kind, SimulatedClient } from './simulated-client.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import { RecordingObserver } from './surroundings.ts';
import { type PendingCall, UnreliableStore } from './unreliable-store.ts';

const kinds: readonly Kind[] = [
  { clientId: 'ann', protocolVersion: 5, isStored: true },
  { clientId: 'bob', protocolVersion: 4, isStored: true },
  { clientId: 'cyd', protocolVersion: 5, isStored: false },
  { clientId: 'dan', protocolVersion: 5, isStored: true },
];

/** Everything there is. */
export class Simulation {
  readonly random: SeededRandom;
  readonly clock: ManualClock = new ManualClock();
  readonly history: History = new History();
  readonly observer: RecordingObserver = new RecordingObserver();
  readonly broker: Broker;
  readonly clients: readonly SimulatedClient[];
  readonly connections: Set<SimulatedConnection> = new Set();
  readonly clientIds: readonly string[] = kinds.map(({ clientId }) => clientId);
  /** Counts what happens, so that it can be told what came first. */
  step = 0;
  /** All that happened; made into words only if somebody has to find out why. */
  readonly #story: { readonly step: number; readonly line: () => string }[] = [];
  readonly #store: UnreliableStore;
  readonly #calls: PendingCall[] = [];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    const limits = { ...defaultLimits, receiveMaximum: 4, inboundInflightMax3: 3, storeAwayCloseSeconds: 3600 };
    this.#store = new UnreliableStore(memoryStore(this.clock, this.random, limits), (call) => this.#meet(call));
    this.#store.holdsRoutes = true;
    this.broker = new Broker(
      {
        ...this.#store,
        authenticator: { authenticate: async () => ({ accepted: true }) },
        authorizer: { mayPublish: () => true, maySubscribe: () => true },
        clock: this.clock,
        random: this.random,
        observer: this.observer,
        nodeId: thisNode,
        cluster: undefined,
      },
      limits,
    );
    this.clients = kinds.map((kind) => new SimulatedClient(this, kind));
  }

  /** Runs so many steps of bad weather. */
  async storm(steps: number): Promise<void> {
    await this.broker.start();
    for (let i = 0; i < steps; i++) {
      await this.#happen();
      // Now and then the next thing happens before this one has come to rest.
      await this.clock.breathe(this.random.below(16));
      this.#tidy();
    }
    await this.#settle();
  }

  /** Lets everything come to rest. @throws Error if it does not */
  async calm(): Promise<void> {
    let quietRounds = 0;
    for (let rounds = 0; rounds < 300; rounds++) {
      for (const call of this.#calls.splice(0)) {
        this.tell(() => `${call.name} ${inWords(call.args)} answered`);
        call.answer();
      }
      while (this.#store.untoldRoutes > 0) this.#store.tellRoutes();
      for (const connection of this.connections) {
        if (connection.congested) connection.setCongested(false);
        while (connection.isBusy) {
          connection.advance();
          this.step++;
        }
      }
      await this.#settle();
      for (const client of this.clients) {
        if (client.connection === undefined) client.connect();
        else client.acknowledge();
      }
      await this.#settle();
      if (this.#calls.length > 0 || [...this.connections].some(({ isBusy }) => isBusy)) continue;
      // Whatever is repeated after a failure is repeated within a second; a Will within twelve.
      quietRounds = this.clients.every(({ isIdle }) => isIdle) && this.#isQuiet() ? quietRounds + 1 : 0;
      if (quietRounds === 15) return;
      await this.clock.advance(quietRounds < 11 ? 100 : 3000);
    }
    throw new Error(`no rest: ${this.clients.map(({ state }) => state).join('; ')}`);
  }

  /** What went wrong, in words. */
  faults(): string[] {
    const zombies = [...this.connections].filter(
      (connection) =>
        connection.closedFor === undefined && !this.clients.some((client) => client.connection === connection),
    );
    return [
      ...this.history.faults(),
      ...zombies.map(({ name }) => `${name}: a connection was left open that has lost its Session`),
      ...this.observer.of('internal_error').map(({ where, error }) => `internal error in ${where}: ${error}`),
    ];
  }

  /** Whether another connection of the same Client is about to acquire its Session, or has tried to. */
  contends(connection: SimulatedConnection): boolean {
    const { name } = connection;
    const isRival = (other: SimulatedConnection): boolean =>
      other !== connection && other.name === name && !other.isAccepted;
    return this.broker.ownership.isBusy(name) || [...this.connections].some(isRival);
  }

  /** Adds a line to the story. */
  tell(line: () => string): void {
    this.#story.push({ step: this.step, line });
  }

  /** All that happened, a line each. */
  story(): string {
    return this.#story.map(({ step, line }) => `${step} ${line()}`).join('\n');
  }

  #meet(call: PendingCall): void {
    this.#calls.push(call);
    if (call.name === 'sessions.acquire') {
      // A Client's Wills come in the order of its connections, which is the order in which they had the Session.
      const { will } = call.args[0] as Acquire;
      const message = will === undefined ? undefined : this.history.published.get(textOf(will));
      if (message !== undefined) message.number = this.step;
    } else if (call.name === 'wills.done') {
      // A Will counts as acknowledged when the broker says that it is published.
      for (const { will } of call.args[0] as readonly DueWill[]) {
        const message = this.history.published.get(textOf(will));
        if (message !== undefined) message.acknowledgedAt ??= this.step;
      }
    }
  }

  #isQuiet(): boolean {
    const { inflight, unacknowledged, connected } = this.broker.gauges();
    return inflight === 0 && unacknowledged === 0 && connected === this.clients.length;
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
  }

  async #happen(): Promise<void> {
    const { random } = this;
    const dice = random.below(20);
    if (dice < 7) this.#advanceCall();
    else if (dice < 13) this.#advanceConnection();
    else if (dice === 13) this.#store.tellRoutes();
    else if (dice === 14) await this.clock.advance(random.below(60));
    else this.#act(random.pick(this.clients));
  }

  #advanceCall(): void {
    const { random } = this;
    const at = random.below(this.#calls.length);
    const call = this.#calls[at];
    if (call === undefined) return;
    if (!call.isDone && !random.oneIn(8)) {
      this.tell(() => `${call.name} ${inWords(call.args)} done`);
      call.do();
      return;
    }
    this.#calls.splice(at, 1);
    const fails = random.oneIn(6);
    this.tell(() => `${call.name} ${inWords(call.args)} ${fails ? 'failed' : 'answered'}`);
    if (fails) call.fail();
    else call.answer();
  }

  #advanceConnection(): void {
    const { random } = this;
    const busy = [...this.connections].filter(({ isBusy }) => isBusy);
    if (busy.length === 0) return;
    const connection = random.pick(busy);
    if (random.oneIn(60)) connection.lose();
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
    const dice = random.below(100);
    if (dice < 2) client.abandon();
    else if (dice < 4) client.connect();
    else if (dice < 6) client.disconnect();
    else if (dice < 16) client.subscribe();
    else if (dice < 20) client.unsubscribe();
    else if (dice < 60) client.publish();
    else client.acknowledge();
  }
}

/** The arguments of a call without what repeats itself. */
function inWords(args: readonly unknown[]): string {
  return JSON.stringify(args, (key, value: unknown) => {
    if (key === 'payload') return String.fromCharCode(...Object.values(value as Record<string, number>));
    return key === 'properties' || key === 'frames' || key === 'generation' ? undefined : value;
  });
}
