// Several nodes on one Redis, each a process of its own, that can be killed, stopped in their tracks and started again.
//
// What each node said is kept under .cache/cluster, over what the last run of the same test left there.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RawClient } from './client.ts';
import { until } from './deadline.ts';
import { freePort } from './free-port.ts';
import { type Labels, metricValue } from './metrics.ts';
import type { ConnectOptions } from './packets.ts';
import { type Page, readPage } from './page.ts';
import { type Ended, processMs, type Ready, runSkein, type SkeinProcess } from './process.ts';
import { RedisProcess } from './redis.ts';
import { Way } from './way.ts';

/** After so long without a renewal others take a node for dead, in milliseconds: part of the contract. */
export const leaseMs = 6000;

/** How long after its death the others may need to have a node reaped, in milliseconds. */
export const reapMs: number = leaseMs + 2000;

const logs = fileURLToPath(new URL('../../.cache/cluster/', import.meta.url));

/** What a test wants of its cluster. */
export interface ClusterOptions {
  /** Names what is kept of it. */
  readonly name: string;
  /** Default 3. */
  readonly nodes?: number;
  /** Whether the ways of each node to Redis, and of its peers to it, can be broken. Default false. */
  readonly isBreakable?: boolean;
  /** The cluster's own name, on its Redis. Default `test`. */
  readonly cluster?: string;
  /** A Redis that is there; else it has one of its own. */
  readonly redis?: RedisProcess;
  /** Further arguments of `skein start`. */
  readonly args?: readonly string[];
}

/** One log line. */
export type LogLine = Readonly<Record<string, unknown>>;

/** Starts a cluster: disposing of it ends all its processes. */
export function startCluster(options: ClusterOptions): Promise<Cluster> {
  return Cluster.start(options);
}

/** Nodes and their Redis. */
export class Cluster implements AsyncDisposable {
  readonly redis: RedisProcess;
  readonly nodes: readonly ClusterNode[];
  readonly #name: string;
  readonly #ownsRedis: boolean;

  private constructor(options: ClusterOptions, redis: RedisProcess, nodes: readonly ClusterNode[]) {
    this.#name = options.name;
    this.#ownsRedis = options.redis === undefined;
    this.redis = redis;
    this.nodes = nodes;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const { nodes: count = 3, cluster: clusterName = 'test', isBreakable, args = [] } = options;
    const redis = options.redis ?? (await RedisProcess.start());
    const nodes: ClusterNode[] = [];
    for (let i = 0; i < count; i++) {
      const ways = isBreakable === true ? { store: await Way.start(redis.port), peers: await Way.start() } : undefined;
      const ports = { listen: await freePort(), admin: await freePort(), peer: await freePort() };
      nodes.push(new ClusterNode(`n${i + 1}`, { storePort: redis.port, cluster: clusterName, ways, args, ports }));
    }
    const cluster = new Cluster(options, redis, nodes);
    try {
      await Promise.all(nodes.map((node) => node.start()));
      await cluster.untilAllMeet();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** A node, counted from 0. */
  node(index: number): ClusterNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Waits until all nodes that run know each other. */
  async untilAllMeet(): Promise<void> {
    const running = this.nodes.filter(({ isRunning }) => isRunning);
    for (const node of running) {
      await until(
        `${node.nodeId} to know ${running.length} nodes`,
        async () => ((await node.metric('mqtt_cluster_members')) === running.length ? true : undefined),
        processMs,
      );
    }
  }

  /** Waits until somebody logs a line about a thing, and returns it. Lines that were there before count. */
  async logLine(what: string, matches: (line: LogLine) => boolean, deadlineMs: number = processMs): Promise<LogLine> {
    return await until(what, () => this.nodes.flatMap(({ logLines }) => logLines).find(matches), deadlineMs);
  }

  /** Waits until the others have reaped a node. @param node the name of that start, {@link ClusterNode.node} */
  async untilReaped(node: string, deadlineMs: number = reapMs + processMs): Promise<void> {
    await this.logLine(
      `${node} to be reaped`,
      (line) => line.event === 'node_reaped' && line.node === node,
      deadlineMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const directory = new URL(`${this.#name}/`, `file://${logs}`);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    for (const node of this.nodes) {
      for (const [i, output] of node.outputs.entries()) {
        await writeFile(new URL(`${node.nodeId}.${i + 1}.log`, directory), output);
      }
      await node[Symbol.asyncDispose]();
    }
    await writeFile(new URL('redis.log', directory), this.redis.output);
    if (this.#ownsRedis) await this.redis[Symbol.asyncDispose]();
  }
}

/** What a node is started with. */
interface Place {
  readonly storePort: number;
  readonly cluster: string;
  readonly ways: Ways | undefined;
  readonly args: readonly string[];
  /** Where it listens, at every start. */
  readonly ports: { readonly listen: number; readonly admin: number; readonly peer: number };
}

/** What lies between a node and the others. */
interface Ways {
  /** From the node to Redis. */
  readonly store: Way;
  /** From its peers to the node. */
  readonly peers: Way;
}

interface ClusterReady extends Ready {
  readonly node: string;
  /** Where it listens for its peers, `host:port`. */
  readonly peer: string;
}

/** A node: a process, or the place for one. */
export class ClusterNode implements AsyncDisposable {
  readonly nodeId: string;
  readonly #place: Place;
  readonly #clients = new Set<RawClient>();
  readonly #ended: string[] = [];
  #process: SkeinProcess | undefined;
  #ready: ClusterReady | undefined;

  constructor(nodeId: string, place: Place) {
    this.nodeId = nodeId;
    this.#place = place;
  }

  /** Where MQTT is spoken: `mqtt://127.0.0.1:port`, the same after a restart. */
  get url(): string {
    return this.#known.listen[0] as string;
  }

  /** The name of this start of the node, as the others know it; another one after a fence. */
  get node(): string {
    const renamed = this.logLines.findLast((line) => line.event === 'ready' && typeof line.node === 'string');
    return (renamed?.node as string | undefined) ?? this.#known.node;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** What it has logged since it was last started. */
  get logLines(): readonly LogLine[] {
    return this.#process?.logLines ?? [];
  }

  /** All it has said, one text for each time that it was started. */
  get outputs(): readonly string[] {
    return [...this.#ended, ...(this.#process === undefined ? [] : [this.#process.output])];
  }

  /** Its way to Redis. */
  get storeWay(): Way {
    return this.#ways.store;
  }

  /** The ways of its peers to it. */
  get peerWay(): Way {
    return this.#ways.peers;
  }

  /** Starts it. Resolves when it is ready. */
  async start(): Promise<void> {
    const { storePort, cluster, ways, args, ports } = this.#place;
    const process = runSkein([
      'start',
      ...['--node-id', this.nodeId, '--cluster', cluster],
      ...['--store', `redis://127.0.0.1:${ways?.store.port ?? storePort}`],
      ...['--listen', `mqtt://127.0.0.1:${ports.listen}`],
      ...['--admin', `127.0.0.1:${ports.admin}`],
      ...['--peer', `127.0.0.1:${ports.peer}`],
      ...(ways === undefined ? [] : ['--advertise', `127.0.0.1:${ways.peers.port}`]),
      ...args,
    ]);
    this.#process = process;
    this.#ready = (await process.ready()) as ClusterReady;
    ways?.peers.leadTo(Number(this.#ready.peer.split(':').at(-1)));
  }

  /** Ends it at once, as a power cut does. */
  async kill(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    process.kill('SIGKILL');
    await process.ended();
    this.#process = undefined;
    this.#ended.push(process.output);
  }

  /** Stops it in good order. */
  async stop(): Promise<Ended> {
    const process = this.#process;
    if (process === undefined) throw new Error(`${this.nodeId} does not run`);
    process.kill('SIGTERM');
    const ended = await process.ended();
    this.#process = undefined;
    this.#ended.push(process.output);
    return ended;
  }

  /** Stops it in its tracks: its sockets stay open, and nobody reads from them. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  /** Lets it go on where it was stopped. */
  wake(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Waits until it logs a line. */
  logLine(what: string, matches: (line: LogLine) => boolean): Promise<LogLine> {
    if (this.#process === undefined) throw new Error(`${this.nodeId} does not run`);
    return this.#process.logLine(what, matches);
  }

  /** Opens a Network Connection that says nothing yet. */
  async open(options: Pick<ConnectOptions, 'version' | 'clientId'> = {}): Promise<RawClient> {
    const client = await RawClient.open(this.url, options);
    this.#clients.add(client);
    return client;
  }

  /** Connects a Client. @throws Error if it is refused: then use {@link attempt} */
  async connect(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.attempt(options);
    const { reasonCode } = client.connack;
    if (reasonCode !== 0) throw new Error(`${client.clientId} was refused with 0x${reasonCode.toString(16)}`);
    return client;
  }

  /** Sends CONNECT and waits for the CONNACK, whatever it says. */
  async attempt(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(this.url, options);
    this.#clients.add(client);
    return client;
  }

  /** Reads one number from /metrics; a sample that is not there is 0. */
  async metric(name: string, labels: Labels = {}): Promise<number> {
    return metricValue((await this.#get('/metrics')).text, name, labels);
  }

  /** What /readyz answers: 200 if Clients are welcome. */
  async readiness(): Promise<number> {
    return (await this.#get('/readyz')).status;
  }

  async #get(path: string): Promise<Page> {
    try {
      return await readPage(new URL(path, this.#known.admin));
    } catch (error) {
      const said = (this.#process?.output ?? '').slice(-2000);
      throw new Error(`${this.nodeId} does not answer ${path}; it said last:\n${said}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.drop();
    await this.kill();
    const { ways } = this.#place;
    if (ways === undefined) return;
    await ways.store[Symbol.asyncDispose]();
    await ways.peers[Symbol.asyncDispose]();
  }

  get #known(): ClusterReady {
    if (this.#ready === undefined) throw new Error(`${this.nodeId} was never ready`);
    return this.#ready;
  }

  get #ways(): Ways {
    if (this.#place.ways === undefined) throw new Error('this cluster is not breakable');
    return this.#place.ways;
  }
}
