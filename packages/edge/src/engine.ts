// One life of a node: a broker, the store it was given, its ways to its peers, and the name under which the others
// know it.
//
// A node that is alone has one such life. One of a cluster may be taken for dead by the others; from then on nothing
// that it holds is its own. It then ends this life without a word to anybody, as a crash would, and begins another:
// under a new name, with a connection of its own to the store, so that nothing of the old one can come late.

import { type AuthenticationMethod, Broker, type Member, type Observer, type Random } from '@skein/broker';
import type { BoundPeers } from '@skein/cluster';
import type { TopicTable } from '@skein/protocol';
import type { Logger } from 'pino';
import { anonymousAuthenticator, openAuthorizer, refusingAuthenticator } from './auth.ts';
import type { SettableClock } from './clock.ts';
import type { Config } from './config/schema.ts';
import { logFacts } from './observe.ts';
import { type DataDirectory, type OpenedStore, openStore } from './store.ts';

/** What a life of a node is made of. */
export interface EngineSurroundings {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: SettableClock;
  readonly random: Random;
  readonly topics: TopicTable;
  readonly authenticationMethods: readonly AuthenticationMethod[];
  /** Says that the event loop is alive, before anything that came over the network is looked at. */
  readonly alive: () => void;
  /** Where peers are listened for, and what they are told; undefined for a node that is alone. */
  readonly meeting: Meeting | undefined;
  /** This life is over, from now on. Called in the middle of anything, at most once. */
  readonly fenced: (engine: Engine) => void;
}

/** Where a node and its peers meet. */
export interface Meeting {
  readonly bound: BoundPeers;
  /** What the register says of this node, `host:port`. */
  readonly address: string;
}

const nonceBytes = 4;
const secretBytes = 16;

/** One life of a node. */
export class Engine {
  /** As the register of nodes names this life; of a node that is alone, the name of the node. */
  readonly node: string;
  readonly broker: Broker;
  readonly #store: OpenedStore;
  #isFenced = false;

  /**
   * Opens the store and builds a life over it, which has not begun yet.
   *
   * @throws StartRefused if the store cannot be had
   */
  static async open(around: EngineSurroundings): Promise<Engine> {
    return new Engine(around, await openStore(around));
  }

  private constructor(around: EngineSurroundings, store: OpenedStore) {
    const { config, log, clock, random, topics, authenticationMethods, alive, meeting } = around;
    const hex = (bytes: number): string => Buffer.from(random.bytes(bytes)).toString('hex');
    this.#store = store;
    this.node = meeting === undefined ? config.nodeId : `${config.nodeId}:${hex(nonceBytes)}`;
    const self: Member = {
      node: this.node,
      nodeId: config.nodeId,
      address: meeting?.address ?? '',
      secret: hex(secretBytes),
    };
    const fenced = (): void => {
      this.#isFenced = true;
      around.fenced(this);
    };
    const { sharedStrategy, responseInformation, serverReference } = config;
    this.broker = new Broker(
      {
        ...store.ports,
        authenticator: config.allowAnonymous === false ? refusingAuthenticator : anonymousAuthenticator,
        authenticationMethods,
        authorizer: openAuthorizer,
        clock,
        random,
        observer: this.#observer(logFacts(log, this.node)),
        nodeId: this.node,
        cluster: meeting && { self, peers: meeting.bound.peers({ self, clock, topics, alive }), fenced },
      },
      config.limits,
      { sharedStrategy, responseInformation, serverReference },
    );
  }

  /** What the store offers. */
  get durability(): OpenedStore['durability'] {
    return this.#store.durability;
  }

  /** Its data directory; undefined if the store has none. */
  get disk(): DataDirectory | undefined {
    return this.#store.disk;
  }

  /** Whether this life has ended by being fenced. */
  get isFenced(): boolean {
    return this.#isFenced;
  }

  /** What was under way when a life ended fails, and that is nobody's concern any more. */
  #observer(facts: Observer): Observer {
    return {
      observe: (fact) => {
        if (!this.#isFenced || !fact.is.startsWith('store_')) facts.observe(fact);
      },
    };
  }

  /**
   * Begins: learns the routes, and who else there is.
   *
   * @throws NodeIdTaken if a node of this name is alive
   * @throws StoreUnavailable if the store does not answer any more
   */
  start(): Promise<void> {
    return this.broker.start();
  }

  /** Ends in good order: what Clients were promised is stored, and the other nodes know. */
  async stop(deadlineMs: number): Promise<void> {
    try {
      await this.broker.stop(deadlineMs);
    } finally {
      await this.#store.close();
    }
  }

  /** Ends without a word: as if the process had crashed. */
  async abandon(): Promise<void> {
    await Promise.all([this.broker.halt(), this.#store.close()]);
  }
}
