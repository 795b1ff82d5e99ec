// A way to Redis that breaks when told to: before what was asked arrives, or before the answer does.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of bytes: they pass, they vanish, or the connection breaks at the first of them. */
type Way = 'pass' | 'swallow' | 'cut';

/** Carries connections to a port of this machine. */
export class BreakableWay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What becomes of requests, and of answers. */
  requests: Way = 'pass';
  answers: Way = 'pass';
  /** Whether new connections are refused. */
  isDown = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<BreakableWay> {
    const server = createServer();
    const way = new BreakableWay(server);
    server.on('connection', (socket) => way.#carry(socket, port));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return way;
  }

  /** Where it leads in, as the URL of a Redis. */
  get url(): string {
    const { port } = this.#server.address() as { port: number };
    return `redis://127.0.0.1:${port}`;
  }

  /** Everything passes again, over new connections. */
  mend(): void {
    this.requests = 'pass';
    this.answers = 'pass';
    this.isDown = false;
    this.cut();
  }

  /** Breaks all connections there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(client: Socket, port: number): void {
    if (this.isDown) {
      client.destroy();
      return;
    }
    const server = connect(port, '127.0.0.1');
    for (const [from, to, way] of [
      [client, server, () => this.requests],
      [server, client, () => this.answers],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk) => {
        if (way() === 'pass') to.write(chunk);
        else if (way() === 'cut') from.destroy();
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
