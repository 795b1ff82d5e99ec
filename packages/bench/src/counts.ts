// What all threads count, in memory that all of them see: how far each publisher is, and how much of it has arrived.
//
// Every number has one thread that writes it, so nothing is locked. They are 32 bits wide and may wrap round:
// differences stay right, and a publisher's total is good for four thousand million messages.

import type { Plan } from './plan.ts';

/** What a worker counts of itself. */
const perWorker = 3;
const faultsAt = 0;
const connectedAt = 1;
const filtersAt = 2;

/** The counts of a run. */
export class Counts {
  readonly memory: SharedArrayBuffer;
  /** By publisher: published. */
  readonly sent: Int32Array;
  /** By publisher: acknowledged, or refused. */
  readonly completed: Int32Array;
  /** By publisher: refused. */
  readonly refused: Int32Array;
  /** By publisher: deliveries that nobody waits for any more. */
  readonly writtenOff: Int32Array;
  /** By worker and publisher: deliveries that were right and new. */
  readonly #delivered: Int32Array;
  readonly #workers: Int32Array;
  /** By worker: when something was delivered, acknowledged last; milliseconds. */
  readonly #last: Float64Array;
  readonly #publishers: number;
  readonly #workerCount: number;

  constructor(plan: Plan, memory?: SharedArrayBuffer) {
    const { publishers, workers } = plan;
    this.#publishers = publishers;
    this.#workerCount = workers;
    const numbers = publishers * (4 + workers) + workers * perWorker;
    this.memory = memory ?? new SharedArrayBuffer(workers * 16 + numbers * 4);
    this.#last = new Float64Array(this.memory, 0, workers * 2);
    let at = workers * 16;
    const next = (length: number): Int32Array => {
      const view = new Int32Array(this.memory, at, length);
      at += length * 4;
      return view;
    };
    this.sent = next(publishers);
    this.completed = next(publishers);
    this.refused = next(publishers);
    this.writtenOff = next(publishers);
    this.#delivered = next(publishers * workers);
    this.#workers = next(workers * perWorker);
  }

  /** A worker's own row of deliveries, by publisher. */
  deliveredAt(worker: number): Int32Array {
    return this.#delivered.subarray(worker * this.#publishers, (worker + 1) * this.#publishers);
  }

  /** A publisher's deliveries, everywhere; wraps round. */
  deliveredOf(publisher: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#workerCount; worker++) {
      sum += this.#delivered[worker * this.#publishers + publisher] as number;
    }
    return sum | 0;
  }

  fault(worker: number): void {
    this.#add(worker, faultsAt, 1);
  }

  connected(worker: number, change: number): void {
    this.#add(worker, connectedAt, change);
  }

  subscribed(worker: number, filters: number): void {
    this.#add(worker, filtersAt, filters);
  }

  deliveredLast(worker: number, ms: number): void {
    this.#last[worker * 2] = ms;
  }

  completedLast(worker: number, ms: number): void {
    this.#last[worker * 2 + 1] = ms;
  }

  /** Everything together. */
  totals(): Totals {
    const last = (offset: number): number => Math.max(...this.#last.filter((_, index) => index % 2 === offset));
    const of = (offset: number): number =>
      this.#workers.reduce((sum, each, index) => (index % perWorker === offset ? sum + each : sum), 0);
    return {
      sent: total(this.sent),
      completed: total(this.completed),
      refused: total(this.refused),
      writtenOff: total(this.writtenOff),
      delivered: total(this.#delivered),
      faults: of(faultsAt),
      connected: of(connectedAt),
      filters: of(filtersAt),
      deliveredLastMs: last(0),
      completedLastMs: last(1),
    };
  }

  #add(worker: number, offset: number, more: number): void {
    const at = worker * perWorker + offset;
    this.#workers[at] = (this.#workers[at] as number) + more;
  }
}

/** What has been counted so far. */
export interface Totals {
  sent: number;
  completed: number;
  refused: number;
  writtenOff: number;
  delivered: number;
  faults: number;
  connected: number;
  filters: number;
  deliveredLastMs: number;
  completedLastMs: number;
}

function total(counts: Int32Array): number {
  let sum = 0;
  for (const count of counts) sum += count >>> 0;
  return sum;
}
