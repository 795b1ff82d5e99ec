// How long things took: counts in classes whose width is under 1 % of what they hold, from a microsecond to an hour.
//
// Values below 128 µs have a class each; above, every doubling is cut into 128 classes. Recording is an increment in
// memory that was there from the beginning, so that it neither allocates nor collects while a run is measured.

import type { Latency } from './scenario.ts';

const perDoubling = 128;
const bits = 7;
const classes = (33 - bits) * perDoubling;

/** What can be handed from thread to thread. */
export interface HistogramData {
  readonly counts: Float64Array;
  readonly sumMicros: number;
  readonly maxMicros: number;
}

/** Durations in microseconds. */
export class Histogram {
  #counts = new Float64Array(classes);
  #sum = 0;
  #max = 0;

  /** Counts a duration; less than nothing, as by clocks that differ, is nothing. */
  record(micros: number): void {
    const value = Math.max(micros, 0);
    const index = classOf(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** Takes what another has counted. */
  add(other: HistogramData): void {
    other.counts.forEach((count, index) => {
      this.#counts[index] = (this.#counts[index] as number) + count;
    });
    this.#sum += other.sumMicros;
    this.#max = Math.max(this.#max, other.maxMicros);
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  get data(): HistogramData {
    return { counts: this.#counts, sumMicros: this.#sum, maxMicros: this.#max };
  }

  /** The duration that `part` (0 to 1) of all did not exceed, in microseconds: the upper end of its class. */
  percentile(part: number): number {
    const rank = Math.max(1, Math.ceil(part * this.count));
    let seen = 0;
    for (let index = 0; index < classes; index++) {
      seen += this.#counts[index] as number;
      if (seen >= rank) return Math.min(upperEnd(index), this.#max);
    }
    return this.#max;
  }

  /** In milliseconds; undefined if nothing was counted. */
  latency(): Latency | undefined {
    const count = this.count;
    if (count === 0) return undefined;
    const ms = (micros: number): number => Math.round(micros) / 1000;
    return {
      count,
      mean: ms(this.#sum / count),
      p50: ms(this.percentile(0.5)),
      p90: ms(this.percentile(0.9)),
      p99: ms(this.percentile(0.99)),
      p999: ms(this.percentile(0.999)),
      max: ms(this.#max),
    };
  }
}

function classOf(micros: number): number {
  const value = micros < 0xffffffff ? micros >>> 0 : 0xffffffff;
  if (value < perDoubling) return value;
  const shift = 31 - bits - Math.clz32(value);
  return (shift + 1) * perDoubling + (value >>> shift) - perDoubling;
}

function upperEnd(index: number): number {
  if (index < perDoubling) return index;
  const shift = Math.floor(index / perDoubling) - 1;
  return ((index % perDoubling) + perDoubling + 1) * 2 ** shift - 1;
}
