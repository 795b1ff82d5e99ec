// A redis-server for tests: the one on the PATH, on a free port, in a directory of its own, ended by its pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

const startDeadlineMs = 10_000;
const stopDeadlineMs = 5000;

/** A running redis-server. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #clusters = 0;

  private constructor(child: ChildProcess, port: number, directory: string) {
    this.#child = child;
    this.#directory = directory;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  /**
   * Starts one that keeps nothing on disk unless it is told to.
   *
   * @param settings as on its command line: `['--appendonly', 'yes']`
   * @throws Error if there is none, saying how to install it
   */
  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'skein-redis-'));
    const port = await freePort();
    const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--loglevel', 'warning'];
    const child = spawn('redis-server', ['--port', `${port}`, '--dir', directory, ...quiet, ...settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk;
      });
    }
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(error.code === 'ENOENT' ? new Error(missing) : error);
      });
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code} at its start: ${said}`)));
    });
    failed.catch(() => undefined);
    await Promise.race([failed, answers(port)]);
    return new RedisServer(child, port, directory);
  }

  /** The id of its process. */
  get pid(): number {
    return this.#child.pid as number;
  }

  /** A name that no other test has on this server: a cluster of its own. */
  newCluster(): string {
    return `test-${++this.#clusters}`;
  }

  /** A plain connection, to look at what is stored or to change what is configured. */
  client(): Redis {
    return new Redis(this.port, '127.0.0.1', { protocol: 2, retryStrategy: () => null });
  }

  /** Ends it, at once or by SIGTERM. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopDeadlineMs);
    await exited;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const missing =
  'redis-server is not on the PATH, and the tests of the store in Redis need it (7.0 or later). ' +
  'On Debian or Ubuntu: apt-get install redis-server; on macOS: brew install redis';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number): Promise<void> {
  const deadlineMs = performance.now() + startDeadlineMs;
  const client = new Redis(port, '127.0.0.1', {
    protocol: 2,
    retryStrategy: () => (performance.now() < deadlineMs ? 20 : null),
    maxRetriesPerRequest: null,
  });
  client.on('error', () => undefined);
  try {
    await client.ping();
  } catch (error) {
    const { message } = error as Error;
    // It is there, and wants a password.
    if (!message.startsWith('NOAUTH')) throw error;
  } finally {
    client.disconnect();
  }
}
