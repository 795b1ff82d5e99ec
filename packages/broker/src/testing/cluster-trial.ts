// Some whole brokers without sockets, on one store and with ways to each other, moved by hand.

import { Broker } from '../broker.ts';
import { ManualClock, SeededRandom } from '../contract/index.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { PeerHub } from '../memory/peers.ts';
import { memoryStore } from '../memory/store.ts';
import type { Member } from '../peer-ports.ts';
import { defaultPolicy, type Policy } from '../policy.ts';
import type { RouteChange, Store } from '../ports.ts';
import { type ConnectOptions, connectTo, type TestConnection } from './broker-trial.ts';
import { NodeClock } from './node-clock.ts';
import { RecordingObserver } from './surroundings.ts';
import { type PendingCall, UnreliableStore } from './unreliable-store.ts';

/** One node of several. */
export class TrialNode {
  readonly name: string;
  readonly clock: ManualClock;
  readonly broker: Broker;
  readonly store: UnreliableStore;
  readonly #own: NodeClock;
  /** What happens to a call of the store; at first it is answered. */
  meet: (call: PendingCall) => unknown = (call) => call.answer();

  constructor(trial: ClusterTrial, name: string, limits: Limits, policy: Policy) {
    this.name = name;
    this.clock = trial.clock;
    this.#own = new NodeClock(trial.clock, 0);
    this.store = new UnreliableStore(trial.store, (call) => this.meet(call));
    const self: Member = { node: name, nodeId: name, address: `${name}.example:7000`, secret: `secret of ${name}` };
    const ports = {
      ...this.store,
      authenticator: { authenticate: async () => ({ accepted: true }) as const },
      authenticationMethods: [],
      authorizer: { mayPublish: () => true, maySubscribe: () => true },
      clock: this.#own,
      random: trial.random,
      observer: trial.observer,
      nodeId: name,
      cluster: { self, peers: trial.hub.peers(self), fenced: () => {} },
    };
    this.broker = new Broker(ports, limits, policy);
  }

  /** A connected Client. */
  connect(clientId: string, options: ConnectOptions = {}): Promise<TestConnection> {
    return connectTo(this, clientId, options);
  }

  /** Lets calls of one name wait, and answers all others. @returns those that wait */
  holdCalls(name: string): PendingCall[] {
    const held: PendingCall[] = [];
    this.meet = (call) => (call.name === name ? held.push(call) : call.answer());
    return held;
  }

  /** Nothing happens here any more: what it had asked of the store is not answered, and what it asks is not done. */
  die(): void {
    this.#own.stop();
    this.meet = () => {};
  }
}

/** Nodes `n0`, `n1` and so on. */
export class ClusterTrial {
  readonly clock: ManualClock = new ManualClock();
  readonly random: SeededRandom = new SeededRandom(1);
  readonly observer: RecordingObserver = new RecordingObserver();
  readonly hub: PeerHub = new PeerHub(this.clock);
  readonly store: Store;
  readonly nodes: readonly TrialNode[];

  private constructor(count: number, limits: Limits, policy: Policy) {
    this.store = memoryStore(this.clock, this.random, limits);
    this.nodes = Array.from({ length: count }, (_, i) => new TrialNode(this, `n${i}`, limits, policy));
  }

  static async start(count: number, limits: Partial<Limits> = {}, policy: Partial<Policy> = {}): Promise<ClusterTrial> {
    const trial = new ClusterTrial(count, { ...defaultLimits, ...limits }, { ...defaultPolicy, ...policy });
    const started = Promise.all(trial.nodes.map(({ broker }) => broker.start()));
    // A node looks whether another one of its name is alive before it begins.
    for (let at = 0; at < 4; at++) await trial.clock.advance(1000);
    await started;
    return trial;
  }

  node(at: number): TrialNode {
    return this.nodes[at] as TrialNode;
  }

  /** Ends a node where it stands. */
  kill(at: number): void {
    const node = this.node(at);
    node.die();
    for (const other of this.nodes) {
      if (other === node) continue;
      this.hub.cut(node.name, other.name);
      this.hub.cut(other.name, node.name);
    }
  }

  /** All routes there are. */
  async routes(): Promise<RouteChange[]> {
    const table: RouteChange[] = [];
    await this.store.routes.follow((changes) => table.push(...changes));
    return table;
  }

  /** What all nodes together have dropped, by reason. */
  get dropped(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { broker } of this.nodes) {
      for (const [reason, count] of Object.entries(broker.counters.dropped)) {
        if (count > 0) sums[reason] = (sums[reason] ?? 0) + count;
      }
    }
    return sums;
  }
}
