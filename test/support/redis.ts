// A redis-server as a cluster has one: it writes an append-only file every second, can be stopped in its tracks, killed,
// and started again on what it had written. On a free port, in a directory of its own, ended by its pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, within } from './deadline.ts';
import { endWithUs } from './end-with-us.ts';
import { freePort } from './free-port.ts';
import { processMs } from './process.ts';
import { askRedis, type Reply } from './resp.ts';

/** Ports that are tried. */
const portsMax = 5;

/** A redis-server, running or between two runs. */
export class RedisProcess implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;
  #said = '';

  private constructor(port: number, directory: string, settings: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#settings = settings;
  }

  /**
   * Starts one.
   *
   * @param settings as on its command line, in place of its own: `['--requirepass', 'secret']`
   */
  static async start(settings: readonly string[] = []): Promise<RedisProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'skein-cluster-'));
    for (let tries = 1; ; tries++) {
      const redis = new RedisProcess(await freePort(), directory, settings);
      try {
        await redis.start();
        return redis;
      } catch (error) {
        // A port that was free a moment ago may be somebody else's by now.
        if (tries === portsMax || !redis.output.includes('Address already in use')) throw error;
      }
    }
  }

  /** `redis://127.0.0.1:port` */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** All that it has said. */
  get output(): string {
    return this.#said;
  }

  /** Starts it again, on what it had written. Resolves when it is ready to answer. */
  async start(): Promise<void> {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];
    const place = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.#directory];
    const child = spawn('redis-server', [...place, ...durable, '--loglevel', 'notice', ...this.#settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    endWithUs(child);
    const saidBefore = this.#said.length;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
      });
    }
    let failure: string | undefined;
    child.once('error', ({ message }) => {
      failure = `${message}; is redis-server on the PATH?`;
    });
    child.once('close', (code) => {
      failure ??= `it ended with ${code}: ${this.#said}`;
    });
    // To ask who answers at the port may be to ask somebody else.
    await until(
      'redis-server to be ready',
      () => {
        if (failure !== undefined) throw new Error(`redis-server did not start: ${failure}`);
        return this.#said.includes('Ready to accept connections', saidBefore) || undefined;
      },
      processMs,
    );
  }

  /** Asks it something, as `redis-cli` does. */
  ask(...words: readonly string[]): Promise<Reply> {
    return askRedis(this.port, ...words);
  }

  /** Stops it in its tracks: it holds its connections and answers nobody. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Lets it go on where it was stopped. */
  wake(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Ends it at once; what it has written stays. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await within(processMs, 'redis-server to end', exited);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
