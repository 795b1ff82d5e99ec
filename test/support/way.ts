// A way for bytes between two processes that a test can narrow: hold what goes one way or both, cut it, open it again.
//
// What is held waits in the sockets, as on a network that has lost its route: nobody is told, and nothing is lost if it
// opens again. What is cut is reset, and whoever comes anew is turned away.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Carriage {
  readonly client: Socket;
  readonly server: Socket;
}

/** A way that leads from a port of its own to another port of this machine. */
export class Way implements AsyncDisposable {
  readonly #listening: Server;
  readonly #carriages = new Set<Carriage>();
  #target: number | undefined;
  #holdsRequests = false;
  #holdsAnswers = false;
  #isCut = false;

  private constructor(listening: Server) {
    this.#listening = listening;
  }

  /** Makes a way. @param target where it leads; if not given, nowhere until {@link leadTo} */
  static async start(target?: number): Promise<Way> {
    const listening = createServer({ noDelay: true });
    const way = new Way(listening);
    way.#target = target;
    listening.on('connection', (client) => way.#carry(client));
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    return way;
  }

  /** Where it begins. */
  get port(): number {
    return (this.#listening.address() as { port: number }).port;
  }

  leadTo(target: number): void {
    this.#target = target;
  }

  /** Holds what is said to the target from now on, new connections included. */
  holdRequests(): void {
    this.#holdsRequests = true;
    this.#settle();
  }

  /** Holds what the target says. */
  holdAnswers(): void {
    this.#holdsAnswers = true;
    this.#settle();
  }

  /** Holds both. */
  hold(): void {
    this.holdRequests();
    this.holdAnswers();
  }

  /** Breaks all connections, and turns new ones away. */
  cut(): void {
    this.#isCut = true;
    for (const { client, server } of this.#carriages) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Lets everything pass, what was held first. */
  open(): void {
    this.#isCut = false;
    this.#holdsRequests = false;
    this.#holdsAnswers = false;
    this.#settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#listening.close();
    await once(this.#listening, 'close');
  }

  #carry(client: Socket): void {
    if (this.#isCut || this.#target === undefined) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const carriage = { client, server };
    this.#carriages.add(carriage);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('end', () => to.end());
      from.on('error', () => {}); // 'close' follows
      from.on('close', () => {
        this.#carriages.delete(carriage);
        to.destroy();
      });
    }
    this.#settle();
  }

  #settle(): void {
    for (const { client, server } of this.#carriages) {
      if (this.#holdsRequests) client.pause();
      else client.resume();
      if (this.#holdsAnswers) server.pause();
      else server.resume();
    }
  }
}
