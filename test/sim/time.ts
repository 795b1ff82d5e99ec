// Virtual time: it stands still until a schedule moves it, and then what is due happens, each thing at its own moment.
//
// A schedule has a millisecond of the processor for all it does, so coming to rest must not be waited for by counting
// steps of promises, as the contracts' clock does: a tick is only run when no promise has anything left to do, and it
// costs no turn of the event loop.

import type { Clock } from '../../packages/broker/src/index.ts';

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
}

/** What the wall clock shows when a schedule begins, in milliseconds since 1970. */
const beginningMs = 1_750_000_000_000;

const afterAllPromises = (resolve: () => void): void => process.nextTick(resolve);

/** The clock of a schedule. */
export class VirtualTime implements Clock {
  #elapsedMs = 0;
  /** In order of setting; there are never many. */
  readonly #timers: Timer[] = [];
  #turn: (() => void)[] = [];

  nowMs(): number {
    return beginningMs + this.#elapsedMs;
  }

  /** Milliseconds since the schedule began. */
  monotonicMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer: Timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), task };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at !== -1) this.#timers.splice(at, 1);
    };
  }

  endOfTurn(task: () => void): void {
    this.#turn.push(task);
  }

  /** Ends this turn of the event loop, and lets promises take some steps: perhaps not as many as they would. */
  async breathe(steps: number): Promise<void> {
    this.#endTurn();
    for (let step = 0; step < steps; step++) await undefined;
  }

  /** Ends this turn, and those that follow from it, until nothing happens any more by itself. */
  async rest(): Promise<void> {
    do {
      this.#endTurn();
      await new Promise<void>(afterAllPromises);
    } while (this.#turn.length > 0);
  }

  /** Lets time pass, and what is due happen and come to rest. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
      timer.task();
      await this.rest();
    }
    this.#elapsedMs = endMs;
  }

  #endTurn(): void {
    if (this.#turn.length === 0) return;
    const tasks = this.#turn;
    this.#turn = [];
    for (const task of tasks) task();
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
