// Where the Clients of a story connect: one node, or two nodes of a cluster, each with both transports.

import { startBroker, type TestBroker } from '../support/broker.ts';
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.ts';
import type { Transport } from './foreign.ts';

/** Where a node is spoken to, by transport. */
export type Node = Readonly<Record<Transport, string>>;

/** What the places are called. */
export type PlaceName = 'one node' | 'two nodes';

/** A place to tell stories in. */
export interface Place {
  /** Where the subscribers of a story are. */
  readonly near: Node;
  /** Where its publishers are. */
  readonly far: Node;
}

/** Both places. Disposing of it stops their nodes. */
export class Places implements AsyncDisposable {
  readonly #broker: TestBroker;
  readonly #cluster: Cluster;

  private constructor(broker: TestBroker, cluster: Cluster) {
    this.#broker = broker;
    this.#cluster = cluster;
  }

  /** Starts them. @param name names what is kept of the run */
  static async start(name: string): Promise<Places> {
    const cluster = await startCluster({ name, nodes: 2, args: ['--listen', 'ws://127.0.0.1:0/mqtt'] });
    return new Places(await startBroker(), cluster);
  }

  at(name: PlaceName): Place {
    if (name === 'two nodes') return { near: nodeOf(this.#cluster.node(0)), far: nodeOf(this.#cluster.node(1)) };
    const node: Node = { tcp: this.#broker.url, websocket: this.#broker.webSocketUrl };
    return { near: node, far: node };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
  }
}

function nodeOf(node: ClusterNode): Node {
  const ready = node.logLines.find(({ event }) => event === 'ready');
  const urls = (ready?.listen ?? []) as readonly string[];
  const websocket = urls.find((url) => url.startsWith('ws:'));
  if (websocket === undefined) throw new Error(`${node.nodeId} does not listen for WebSockets`);
  return { tcp: node.url, websocket };
}
