// Things that fall due at a time: a binary heap, earliest first.
//
// Nothing is ever taken out of the middle. Whoever pops an item asks whether it still holds, because a Session that
// came back leaves its old expiry behind here. So items are keys, which keep nothing else alive, and when they have
// doubled in number since the last look, those that no longer hold are swept out.

/** Fewer items are not worth a look. */
const sweepFrom = 1024;

/** Items by the time at which they are due, in milliseconds of any clock. */
export class Due<Item> {
  #times: number[] = [];
  #items: Item[] = [];
  readonly #holds: (item: Item, dueMs: number) => boolean;
  #sweepAt = sweepFrom;

  /** @param holds whether an item still means something; one that does not may be forgotten at any time */
  constructor(holds: (item: Item, dueMs: number) => boolean) {
    this.#holds = holds;
  }

  get size(): number {
    return this.#items.length;
  }

  push(dueMs: number, item: Item): void {
    if (this.#items.length >= this.#sweepAt) this.#sweep();
    this.#insert(dueMs, item);
  }

  #insert(dueMs: number, item: Item): void {
    const times = this.#times;
    const items = this.#items;
    let at = times.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((times[parent] as number) <= dueMs) break;
      times[at] = times[parent] as number;
      items[at] = items[parent] as Item;
      at = parent;
    }
    times[at] = dueMs;
    items[at] = item;
  }

  #sweep(): void {
    const times = this.#times;
    const items = this.#items;
    this.#times = [];
    this.#items = [];
    for (const [i, item] of items.entries()) {
      const dueMs = times[i] as number;
      if (this.#holds(item, dueMs)) this.#insert(dueMs, item);
    }
    this.#sweepAt = Math.max(sweepFrom, this.#items.length * 2);
  }

  /** Takes out the earliest item if it is due. */
  pop(nowMs: number): Item | undefined {
    const times = this.#times;
    const items = this.#items;
    if (times.length === 0 || (times[0] as number) > nowMs) return undefined;
    const first = items[0] as Item;
    const time = times.pop() as number;
    const item = items.pop() as Item;
    const length = times.length;
    if (length === 0) return first;
    // The last one sinks from the top to where it belongs.
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= length) break;
      if (child + 1 < length && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= time) break;
      times[at] = times[child] as number;
      items[at] = items[child] as Item;
      at = child;
    }
    times[at] = time;
    items[at] = item;
    return first;
  }
}
