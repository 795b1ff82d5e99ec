// The clock of one node among several: the common one, for as long as the node runs.
//
// A node that stands still misses nothing that was due: it happens when the node goes on, late, in the order in which
// it was due. What was due on a node that is gone never happens. Its zero is its own, because zero means nothing.

import type { ManualClock } from '../contract/manual-clock.ts';
import type { Clock } from '../ports.ts';

/** A view of the common clock that can be stopped. */
export class NodeClock implements Clock {
  readonly #common: ManualClock;
  readonly #zeroMs: number;
  #state: 'running' | 'paused' | 'stopped' = 'running';
  /** Timers that were due while it was paused. */
  #late: (() => void)[] = [];
  /** What else was to be done. */
  #waiting: (() => void)[] = [];

  /** @param zeroMs how far the zero of its monotonic clock lies behind the common one */
  constructor(common: ManualClock, zeroMs: number) {
    this.#common = common;
    this.#zeroMs = zeroMs;
  }

  nowMs(): number {
    return this.#common.nowMs();
  }

  monotonicMs(): number {
    return this.#common.monotonicMs() + this.#zeroMs;
  }

  after(delayMs: number, task: () => void): () => void {
    let isWanted = true;
    const due = (): void => {
      if (isWanted) task();
    };
    const cancel = this.#common.after(delayMs, () => {
      if (this.#state === 'paused') this.#late.push(due);
      else this.run(due);
    });
    return () => {
      isWanted = false;
      cancel();
    };
  }

  endOfTurn(task: () => void): void {
    this.#common.endOfTurn(() => this.run(task));
  }

  /** Does something now, or when the node goes on, or never. */
  run(task: () => void): void {
    if (this.#state === 'running') task();
    else if (this.#state === 'paused') this.#waiting.push(task);
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** Goes on: timers that are late come first, before anything is read from anywhere. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const task of this.#waiting.splice(0)) this.endOfTurn(task);
    for (const task of this.#late.splice(0)) task();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#late = [];
    this.#waiting = [];
  }
}
