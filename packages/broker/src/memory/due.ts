// Things that fall due at a time: a binary heap, earliest first.
//
// Nobody takes an item out of the middle. Whoever pops one asks whether it still holds, because a Session that came back
// leaves its old expiry behind here. So items are keys, which keep nothing else alive, and when they have doubled in number
// since the last look, all are looked at again, some at each push, and those that no longer hold taken out.

/** Fewer items are not worth a look. */
const sweepFrom = 1024;
/** At how many of them one push looks: it takes some microseconds, and all are looked at before there are many more. */
const sweepLooks = 64;

/** Items by the time at which they are due, in milliseconds of any clock. */
export class Due<Item> {
  readonly #times: number[] = [];
  readonly #items: Item[] = [];
  readonly #holds: (item: Item, dueMs: number) => boolean;
  #sweepAt = sweepFrom;
  /** So many, from the top, have still to be looked at; none unless a sweep is under way. */
  #unswept = 0;

  /** @param holds whether an item still means something; one that does not may be forgotten at any time */
  constructor(holds: (item: Item, dueMs: number) => boolean) {
    this.#holds = holds;
  }

  get size(): number {
    return this.#items.length;
  }

  push(dueMs: number, item: Item): void {
    if (this.#unswept === 0 && this.#items.length >= this.#sweepAt) this.#unswept = this.#items.length;
    if (this.#unswept > 0) this.#sweep();
    this.#rise(this.#items.length, dueMs, item);
  }

  /** Takes out the earliest item if it is due. */
  pop(nowMs: number): Item | undefined {
    const dueMs = this.#times[0];
    if (dueMs === undefined || dueMs > nowMs) return undefined;
    const first = this.#items[0];
    this.#takeOut(0);
    return first;
  }

  /** From the last to the first, so that whatever takes the place of another is looked at then, or has been. */
  #sweep(): void {
    let unswept = Math.min(this.#unswept, this.#items.length);
    for (let looks = 0; looks < sweepLooks && unswept > 0; looks++) {
      const at = unswept - 1;
      if (this.#holds(this.#items[at] as Item, this.#times[at] as number)) unswept--;
      else this.#takeOut(at);
      unswept = Math.min(unswept, this.#items.length);
    }
    this.#unswept = unswept;
    if (unswept === 0) this.#sweepAt = Math.max(sweepFrom, this.#items.length * 2);
  }

  #takeOut(at: number): void {
    const dueMs = this.#times.pop() as number;
    const item = this.#items.pop() as Item;
    if (at === this.#items.length) return;
    // The last one takes the place, and goes from there to where it belongs.
    if (at > 0 && (this.#times[(at - 1) >> 1] as number) > dueMs) this.#rise(at, dueMs, item);
    else this.#sink(at, dueMs, item);
  }

  /** Puts an item at a place, or above it. */
  #rise(from: number, dueMs: number, item: Item): void {
    const times = this.#times;
    const items = this.#items;
    let at = from;
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

  /** Puts an item at a place, or below it. */
  #sink(from: number, dueMs: number, item: Item): void {
    const times = this.#times;
    const items = this.#items;
    const { length } = items;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= length) break;
      if (child + 1 < length && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= dueMs) break;
      times[at] = times[child] as number;
      items[at] = items[child] as Item;
      at = child;
    }
    times[at] = dueMs;
    items[at] = item;
  }
}
