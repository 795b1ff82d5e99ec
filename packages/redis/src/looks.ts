// When each bucket is worth a look: whether something fell due there.
//
// Looking at 1024 buckets every second would cost Redis a millisecond of each, for every node. But what this node has
// left in a bucket it knows the time of, and a look tells when the next thing falls due. So a bucket is looked at when
// something is known to be due, and besides, in turn, once in a round: what another node left behind and did not live
// to look after is found then.

import { bucketCount } from './bucket.ts';

/** Every bucket is looked at this often, whatever is known of it, in milliseconds. */
const roundMs = 30_000;
/** How long a Client may be away before others get the shared messages that it has not begun, in milliseconds. */
export const awayMs = 5000;
/** How long whoever takes a Will has to publish it, in milliseconds: part of functions/will. */
export const willLeaseMs = 4000;

/** Times of the next look at each bucket, on a monotonic clock. */
export class Looks {
  readonly #nextMs = new Float64Array(bucketCount).fill(Number.NEGATIVE_INFINITY);
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** The buckets that are worth a look now. */
  due(): number[] {
    const nowMs = this.#monotonicMs();
    const found: number[] = [];
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      if ((this.#nextMs[bucket] as number) <= nowMs) found.push(bucket);
    }
    return found;
  }

  /** Something falls due in a bucket in so many milliseconds. */
  expect(bucket: number, inMs: number): void {
    const atMs = this.#monotonicMs() + inMs;
    if (atMs < (this.#nextMs[bucket] as number)) this.#nextMs[bucket] = atMs;
  }

  /** A bucket was looked at: the next thing there falls due in so many milliseconds, Infinity if nothing does. */
  looked(bucket: number, nextInMs: number): void {
    // The rounds of different buckets differ, or all would be looked at together for ever.
    const round = roundMs * (0.5 + bucket / (2 * bucketCount));
    this.#nextMs[bucket] = this.#monotonicMs() + Math.min(nextInMs, round);
  }
}
