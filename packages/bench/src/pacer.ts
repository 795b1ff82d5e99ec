// Wakes the event loop at fixed times, closer together and more punctually than its own timers, which know whole
// milliseconds only.
//
// A thread of its own sleeps until the next time on the grid and posts a message. It has no other way to sleep for part
// of a millisecond without holding up the sockets. It is there before anything begins, because a thread takes longer to
// start than most things that are measured.

import { Worker } from 'node:worker_threads';

/** The thread's program: it says when it is there, and is told when to begin and in which steps. Milliseconds. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const flag = new Int32Array(workerData);
const now = () => Number(process.hrtime.bigint()) / 1e6;
parentPort.once('message', ({ startMs, stepMs }) => {
  for (let tick = 0; Atomics.load(flag, 0) === 0; ) {
    const wait = startMs + tick * stepMs - now();
    if (wait > 0) Atomics.wait(flag, 0, 0, wait);
    else {
      parentPort.postMessage(0);
      tick = Math.floor((now() - startMs) / stepMs) + 1;
    }
  }
  parentPort.close();
});
parentPort.postMessage(0);
`;

/** Something that comes at fixed times until it is stopped. */
export class Pacer {
  readonly #worker: Worker;
  readonly #flag: Int32Array;

  private constructor(worker: Worker, flag: Int32Array) {
    this.#worker = worker;
    this.#flag = flag;
  }

  /** Starts the thread; it does nothing yet. */
  static async open(): Promise<Pacer> {
    const memory = new SharedArrayBuffer(4);
    const worker = new Worker(program, { eval: true, workerData: memory });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    worker.unref();
    return new Pacer(worker, new Int32Array(memory));
  }

  /**
   * Begins; that can be done once.
   *
   * @param startMs the first time, by the machine's clock
   * @param stepMs between two times; those that are missed are left out
   */
  start(startMs: number, stepMs: number, tick: () => void): void {
    this.#worker.on('message', tick);
    this.#worker.postMessage({ startMs, stepMs });
  }

  stop(): void {
    this.#worker.removeAllListeners('message');
    Atomics.store(this.#flag, 0, 1);
    Atomics.notify(this.#flag, 0);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.stop();
    await this.#worker.terminate();
  }
}
