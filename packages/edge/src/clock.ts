// Time for the broker, from the machine's clocks.

import { performance } from 'node:perf_hooks';
import type { Clock } from '@skein/broker';
import type { Turn } from './turn.ts';

/** The longest delay that a timer of the runtime takes; longer ones are waited for in steps. */
const longestTimerMs = 0x7fffffff;

/** A clock that can be set ahead: time that a store has seen does not come again. */
export interface SettableClock extends Clock {
  /** From now on it is ahead of the machine's. */
  setAhead(aheadMs: number): void;
}

/** The machine's clock, read at most once in a turn. */
export class SystemClock implements SettableClock {
  readonly #turn: Turn;
  #aheadMs = 0;
  /** 0 when it has to be read again. */
  #nowMs = 0;
  readonly #forget = (): void => {
    this.#nowMs = 0;
  };

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  /** @inheritdoc */
  nowMs(): number {
    if (this.#nowMs === 0) {
      this.#nowMs = Date.now() + this.#aheadMs;
      this.#turn.endOfTurn(this.#forget);
    }
    return this.#nowMs;
  }

  /** @inheritdoc */
  setAhead(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.#nowMs = 0;
  }

  /** @inheritdoc */
  monotonicMs(): number {
    return performance.now();
  }

  /** A timer that does not keep the process alive. */
  after(delayMs: number, task: () => void): () => void {
    const deadlineMs = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const wait = (): void => {
      const leftMs = deadlineMs - performance.now();
      // A timer may be up to a millisecond early; a task never is.
      if (leftMs <= 0) task();
      else timer = setTimeout(wait, Math.min(Math.ceil(leftMs), longestTimerMs)).unref();
    };
    timer = setTimeout(wait, Math.min(Math.max(0, Math.ceil(delayMs)), longestTimerMs)).unref();
    return () => clearTimeout(timer);
  }

  /** @inheritdoc */
  endOfTurn(task: () => void): void {
    this.#turn.endOfTurn(task);
  }
}
