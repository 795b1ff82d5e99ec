// Counters that outlive a broker. A node that was fenced goes on with another one, which counts from 0; what the
// earlier ones counted is kept and added, so that no figure of this process ever falls.

import { Counters } from '@skein/broker';

/** Counts, and groups of them. */
type Counted = number | { readonly [name: string]: Counted };

/** The counters of all brokers of this process. */
export class CountersKept {
  #ended: Counters = new Counters();

  /** Keeps what a broker has counted that counts no more. */
  keep(counters: Counters): void {
    this.#ended = this.with(counters);
  }

  /** What was kept, and what the present broker has counted; without one, what was kept. */
  with(counters: Counters | undefined): Counters {
    if (counters === undefined) return this.#ended;
    return sum(this.#ended as unknown as Counted, counters as unknown as Counted) as unknown as Counters;
  }
}

function sum(one: Counted, other: Counted | undefined): Counted {
  if (typeof one === 'number') return one + (other as number);
  const added = Object.entries(one).map(([name, count]) => [name, sum(count, (other as typeof one)[name])]);
  return Array.isArray(one) ? (added.map(([, count]) => count) as unknown as Counted) : Object.fromEntries(added);
}
