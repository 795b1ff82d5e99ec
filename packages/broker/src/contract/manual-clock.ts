// Time that stands still until a test moves it.
//
// Timers run in the order in which they are due, each at its own moment, and what they set going comes to rest before
// the next one runs. So a retry after 20 ms, and the one 40 ms after that, happen where they would have happened.

import type { Clock } from '../ports.ts';

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
}

/** How many steps a chain of promises may take before it counts as waiting for something else. */
const breathSteps = 64;

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  /** In order of setting. */
  readonly #timers = new Set<Timer>();
  #turn: (() => void)[] = [];
  #elapsedMs = 0;
  #wallMs: number;

  /** @param wallMs what the wall clock shows at first, in milliseconds since 1970 */
  constructor(wallMs = 1_750_000_000_000) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), task };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  endOfTurn(task: () => void): void {
    this.#turn.push(task);
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Ends this turn of the event loop, and those that follow from it, until nothing happens any more by itself. */
  async settle(): Promise<void> {
    do await this.breathe(breathSteps);
    while (this.#turn.length > 0);
  }

  /** Ends this turn, and lets promises take some steps: perhaps not as many as they would. */
  async breathe(steps: number): Promise<void> {
    this.endTurn();
    for (let step = 0; step < steps; step++) await undefined;
  }

  /** Runs what was asked for at the end of this turn. */
  endTurn(): void {
    const tasks = this.#turn;
    this.#turn = [];
    for (const task of tasks) task();
  }

  /** Lets time pass, and what is due happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await this.settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.delete(timer);
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs);
      timer.task();
      await this.settle();
    }
    this.#elapsedMs = endMs;
  }

  /** Steps the wall clock alone, as an administrator does. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  #next(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}
