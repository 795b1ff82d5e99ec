// A node that is alone, on a data directory of its own: a process that can be killed and started again, at the same
// addresses and on the same directory.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RawClient } from './client.ts';
import { freePort } from './free-port.ts';
import { type Labels, metricValue } from './metrics.ts';
import type { ConnectOptions } from './packets.ts';
import { readPage } from './page.ts';
import { type Ended, type Ready, runSkein, type SkeinProcess } from './process.ts';

/** What a test wants of it. */
export interface AloneOptions {
  readonly durability?: 'memory' | 'everysec' | 'always';
  /** Where its data is; by default a directory that goes with it. */
  readonly directory?: string;
  /** Further arguments of `skein start`. */
  readonly args?: readonly string[];
  /** A program that becomes the node, and its arguments: `['unshare', '-m']`. */
  readonly by?: readonly string[];
}

/** Starts a node on an empty directory. Disposing of it ends it, and removes the directory. */
export async function startAlone(options: AloneOptions = {}): Promise<Alone> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'skein-alone-')));
  const node = new Alone(options, directory, { listen: await freePort(), admin: await freePort() });
  await node.start();
  return node;
}

/** Where it listens, at every start. */
interface Ports {
  readonly listen: number;
  readonly admin: number;
}

/** A node, or the place for one. */
export class Alone implements AsyncDisposable {
  readonly directory: string;
  readonly #options: AloneOptions;
  readonly #ports: Ports;
  readonly #clients = new Set<RawClient>();
  #process: SkeinProcess | undefined;
  #ready: Ready | undefined;
  #said = '';

  constructor(options: AloneOptions, directory: string, ports: Ports) {
    this.#options = options;
    this.directory = directory;
    this.#ports = ports;
  }

  /** Where MQTT is spoken, the same after a restart. */
  get url(): string {
    return this.#known.listen[0] as string;
  }

  /** What it said when it was last ready. */
  get ready(): Ready & Readonly<Record<string, unknown>> {
    return this.#known as Ready & Readonly<Record<string, unknown>>;
  }

  /** All that it has said, over all its starts. */
  get output(): string {
    return this.#said + (this.#process?.output ?? '');
  }

  /** What it has logged since it was last started. */
  get logLines(): readonly Readonly<Record<string, unknown>>[] {
    return this.#process?.logLines ?? [];
  }

  /** The data directory as the node sees it, which may have file systems of its own. */
  get directoryWithin(): string {
    return `/proc/${this.#process?.pid}/root${this.directory}`;
  }

  /** Starts it. Resolves when it is ready. */
  async start(): Promise<void> {
    const process = this.launch();
    this.#process = process;
    this.#ready = await process.ready();
  }

  /** Starts a process like it and waits for nothing. */
  launch(): SkeinProcess {
    const { durability = 'everysec', args = [], by = [] } = this.#options;
    return runSkein(
      [
        'start',
        ...['--store', `file:${this.directory}`, '--durability', durability],
        ...['--listen', `mqtt://127.0.0.1:${this.#ports.listen}`],
        ...['--admin', `127.0.0.1:${this.#ports.admin}`],
        ...args,
      ],
      {},
      by,
    );
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops it in good order. */
  async stop(): Promise<Ended> {
    return (await this.#end('SIGTERM')) as Ended;
  }

  /** Waits until it logs a line. */
  logLine(what: string, matches: (line: Readonly<Record<string, unknown>>) => boolean): Promise<unknown> {
    if (this.#process === undefined) throw new Error('the node does not run');
    return this.#process.logLine(what, matches);
  }

  /** Connects a Client. @throws Error if it is refused */
  async connect(options: ConnectOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(this.url, options);
    this.#clients.add(client);
    const { reasonCode } = client.connack;
    if (reasonCode !== 0) throw new Error(`${client.clientId} was refused with 0x${reasonCode.toString(16)}`);
    return client;
  }

  /** Reads one number from /metrics; a sample that is not there is 0. */
  async metric(name: string, labels: Labels = {}): Promise<number> {
    return metricValue((await readPage(new URL('/metrics', this.#known.admin))).text, name, labels);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.drop();
    await this.kill();
    if (this.#options.directory === undefined) await rm(this.directory, { recursive: true, force: true });
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended | undefined> {
    const process = this.#process;
    if (process === undefined) return undefined;
    process.kill(signal);
    const ended = await process.ended();
    this.#process = undefined;
    this.#said += process.output;
    return ended;
  }

  get #known(): Ready {
    if (this.#ready === undefined) throw new Error('the node was never ready');
    return this.#ready;
  }
}
