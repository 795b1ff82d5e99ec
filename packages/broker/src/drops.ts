// Every message that is dropped is counted at once and told soon.
//
// A Client that falls behind can lose a hundred thousand messages a second. The counter takes each of them; the log
// gets one fact for each Client and reason now and then, with the number.

import type { Counters, DropReason, Observer } from './observer.ts';

/** Clients and reasons remembered between two tellings; beyond them only the counters know. */
const remembered = 1000;

/** Counts drops, and tells of them in sums. */
export class Drops {
  readonly #counters: Counters;
  readonly #observer: Observer;
  #untold = new Map<string, { readonly clientId: string; readonly reason: DropReason; count: number }>();

  constructor(counters: Counters, observer: Observer) {
    this.#counters = counters;
    this.#observer = observer;
  }

  /** Messages for a subscriber, or from a publisher, went nowhere. */
  add(clientId: string, reason: DropReason, count = 1): void {
    if (count === 0) return;
    this.#counters.dropped[reason] += count;
    if (reason === 'no_subscriber') return; // as ordinary as a delivery
    const key = `${reason}\0${clientId}`;
    const untold = this.#untold.get(key);
    if (untold !== undefined) untold.count += count;
    else if (this.#untold.size < remembered) this.#untold.set(key, { clientId, reason, count });
  }

  /** Tells what has come together since the last time. */
  tell(): void {
    if (this.#untold.size === 0) return;
    const untold = this.#untold;
    this.#untold = new Map();
    for (const drop of untold.values()) this.#observer.observe({ is: 'messages_dropped', ...drop });
  }
}
