// One start of a node in a simulation: a broker, its own view of time, and its own way to the store and to its peers.
//
// It may be killed, and then does nothing any more, in the middle of whatever it was doing; it may be paused, and then
// everything it has stands still until it goes on. A node that is fenced lets go by itself, and another start of it
// takes its place, as it would in its process.

import { Broker } from '../broker.ts';
import type { ManualClock } from '../contract/manual-clock.ts';
import type { Limits } from '../limits.ts';
import type { Observer } from '../observer.ts';
import type { Member, PeerInbox, Peers } from '../peer-ports.ts';
import type { Random, Store } from '../ports.ts';
import { changed } from './broken-rules.ts';
import { NodeClock } from './node-clock.ts';
import { type PendingCall, UnreliableStore } from './unreliable-store.ts';

/** What a node is put into. */
export interface NodeSurroundings {
  readonly clock: ManualClock;
  readonly random: Random;
  /** The store behind all nodes. */
  readonly store: Store;
  readonly limits: Limits;
  readonly observer: Observer;
  readonly peersOf: (self: Member) => Peers;
  /** Makes a rule broken on purpose, of the store as the broker sees it. */
  readonly spoil: (store: Store) => Store;
  /** A call of the store was made. */
  meet(node: SimulatedNode, call: PendingCall): void;
  /** It serves no Clients any more, though it was not killed, and is to be started anew. */
  ended(node: SimulatedNode, why: string): void;
}

/**
 * What a broker is doing: it is to begin, it serves Clients, it lets go of them in good order, it has had to do so at
 * once, it does nothing any more.
 */
export type NodePhase = 'starting' | 'serving' | 'stopping' | 'ended' | 'killed';

/** A node, from its start to its end. */
export class SimulatedNode {
  readonly nodeId: string;
  /** Names this start of the node. */
  readonly name: string;
  readonly clock: NodeClock;
  readonly store: UnreliableStore;
  readonly broker: Broker;
  phase: NodePhase = 'starting';
  /** When it was paused, on the common clock; undefined while it runs. */
  pausedSinceMs: number | undefined;
  /** Whether nothing of this node reaches the store. */
  isCutOff = false;
  readonly #around: NodeSurroundings;

  constructor(around: NodeSurroundings, nodeId: string, name: string, zeroMs: number) {
    this.#around = around;
    this.nodeId = nodeId;
    this.name = name;
    this.clock = new NodeClock(around.clock, zeroMs);
    this.store = new UnreliableStore(around.store, (call) => around.meet(this, call));
    this.store.holdsRoutes = true;
    const self: Member = { node: name, nodeId, address: `${nodeId}.example:7000`, secret: `secret of ${name}` };
    this.broker = new Broker(
      {
        ...around.spoil(this.store),
        authenticator: { authenticate: async () => ({ accepted: true }) },
        authenticationMethods: [],
        authorizer: { mayPublish: () => true, maySubscribe: () => true },
        clock: this.clock,
        random: around.random,
        observer: around.observer,
        nodeId: name,
        cluster: {
          self,
          peers: this.#gated(around.peersOf(self)),
          fenced: (why) => this.#end(why),
        },
      },
      around.limits,
    );
  }

  /** Whether anything happens here. */
  get isRunning(): boolean {
    return this.phase !== 'killed' && this.pausedSinceMs === undefined;
  }

  /** Whether a Client can open a connection to it, though nobody may be there to answer. */
  get isListening(): boolean {
    return this.phase === 'serving';
  }

  /** Begins; one that cannot ends, as a process would. */
  start(): Promise<void> {
    return this.broker.start().then(
      () => {
        if (this.phase === 'starting') this.phase = 'serving';
      },
      (error: unknown) => {
        if (this.phase !== 'starting') return;
        void this.broker.halt();
        this.#end(String(error));
      },
    );
  }

  /** Leaves in good order, as far as that can be done in a time. */
  async stop(deadlineMs: number): Promise<void> {
    this.phase = 'stopping';
    await this.broker.stop(deadlineMs);
  }

  kill(): void {
    this.phase = 'killed';
    this.clock.stop();
  }

  pause(): void {
    this.pausedSinceMs = this.#around.clock.monotonicMs();
    this.clock.pause();
  }

  /** Goes on. @param fencesItself whether it looks at the clock before anything else, as a node should */
  resume(fencesItself: boolean): void {
    if (this.pausedSinceMs === undefined) return;
    const stoodStillMs = this.#around.clock.monotonicMs() - this.pausedSinceMs;
    this.pausedSinceMs = undefined;
    if (fencesItself && stoodStillMs > 4000) this.broker.fence(`it stood still for ${stoodStillMs} ms`);
    this.clock.resume();
  }

  #end(why: string): void {
    if (this.phase === 'killed') return;
    this.phase = 'ended';
    this.#around.ended(this, why);
  }

  /** A node that stands still or is gone hears nothing: its ways are cut, and what reaches it all the same is lost. */
  #gated(peers: Peers): Peers {
    const start = (inbox: PeerInbox): void =>
      peers.start({
        publish: (message) => this.isRunning && inbox.publish(message),
        deliver: (messages) => this.isRunning && inbox.deliver(messages),
        push: (push) => this.isRunning && inbox.push(push),
        kick: (clientId, epoch) => this.isRunning && inbox.kick(clientId, epoch),
        look: () => this.clock.run(() => inbox.look()),
        storeAnswers: () => this.isRunning && inbox.storeAnswers(),
      });
    return changed(peers, { start });
  }
}
