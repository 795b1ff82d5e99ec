// A redis-server for tests: the one on the PATH, on a free port, in a directory of its own, ended by its pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

const startDeadlineMs = 10_000;
/** Ports that are tried. */
const portsMax = 5;
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
    for (let tries = 1; ; tries++) {
      const begun = await begin(directory, settings);
      if (typeof begun !== 'string') return new RedisServer(begun.child, begun.port, directory);
      // A port that was free a moment ago may be somebody else's by now.
      if (tries === portsMax || !begun.includes('Address already in use')) {
        throw new Error(`redis-server ended at its start: ${begun}`);
      }
    }
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

/** Starts a process. @returns what it said, if it ended at once */
async function begin(
  directory: string,
  settings: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly port: number } | string> {
  const port = await freePort();
  // It says when it is ready, at this level; to ask who answers at the port may be to ask somebody else.
  const quiet = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--loglevel', 'notice'];
  const child = spawn('redis-server', ['--port', `${port}`, '--dir', directory, ...quiet, ...settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      let said = '';
      const fail = (why: string): void => {
        child.kill('SIGKILL');
        reject(new Error(why));
      };
      timer = setTimeout(
        () => fail(`redis-server was not ready after ${startDeadlineMs} ms: ${said}`),
        startDeadlineMs,
      );
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          said += chunk;
          if (said.includes('Ready to accept connections')) resolve({ child, port });
        });
      }
      child.once('error', (error: NodeJS.ErrnoException) => fail(error.code === 'ENOENT' ? missing : error.message));
      child.once('close', () => resolve(said));
    });
  } finally {
    clearTimeout(timer);
  }
}
