// What is remembered for a while by name: uids that were had, choices that were made, removals.
//
// It lies in some Maps, of which the oldest goes as a whole once nothing in it counts any more, or there is no room: one
// by one from its front, a Map would walk over all that was taken out before. None of them grows large, because a Map
// that grows stands still meanwhile.
//
// Only the newest Map ever changes, also where something older is forgotten: so what was there at a moment can be looked
// through at leisure once a new Map is begun.

/** rule: QoS 2. Nobody publishes a message again after this. */
export const horizonMs: number = 5 * 60 * 1000;

/** In how many Maps as many as there may be would lie. */
const partsWanted = 32;

interface Part<Value> {
  readonly values: Map<string, { readonly value: Value; readonly sinceMs: number }>;
  /** Names that older parts have and that count no more; undefined if there are none. */
  forgotten: Set<string> | undefined;
  /** When the last one was put in. */
  lastMs: number;
}

/** Something remembered, and since when. */
export interface Memory<Value> {
  readonly name: string;
  readonly value: Value;
  readonly sinceMs: number;
}

/** Values of the last `forMs`; if there are too many, the newest of them. */
export class Remembered<Value> {
  readonly #forMs: number;
  readonly #max: number;
  readonly #partMax: number;
  /** Newest first. No two neighbours would fit into one, but for the newest. */
  readonly #parts: Part<Value>[] = [];
  /** Names in all parts together. */
  #size = 0;

  /**
   * @param forMs how long each counts
   * @param max how many there may be; the oldest 32nd is forgotten for more
   */
  constructor(forMs: number, max: number) {
    this.#forMs = forMs;
    this.#max = max;
    this.#partMax = Math.ceil(max / partsWanted);
  }

  get(name: string, nowMs: number): Value | undefined {
    for (const { values, forgotten } of this.#parts) {
      const found = values.get(name);
      if (found !== undefined) return found.sinceMs > nowMs - this.#forMs ? found.value : undefined;
      if (forgotten?.has(name)) return undefined;
    }
    return undefined;
  }

  set(name: string, value: Value, nowMs: number): void {
    let part = this.#parts[0];
    if (part === undefined || sizeOf(part) >= this.#partMax) part = this.#begin(nowMs);
    this.#size -= sizeOf(part);
    part.values.set(name, { value, sinceMs: nowMs });
    part.forgotten?.delete(name);
    part.lastMs = Math.max(part.lastMs, nowMs);
    this.#size += sizeOf(part);
    this.#dropOld(nowMs);
  }

  forget(name: string): void {
    const [part, ...older] = this.#parts;
    if (part === undefined) return;
    this.#size -= sizeOf(part);
    part.values.delete(name);
    if (older.some(({ values }) => values.has(name))) {
      part.forgotten ??= new Set();
      part.forgotten.add(name);
    }
    this.#size += sizeOf(part);
  }

  /** All that counts now, oldest first. Nothing may change while it is walked. */
  *all(nowMs: number): Generator<Memory<Value>> {
    const latest = new Map<string, Memory<Value>>();
    for (const memory of walk([...this.#parts])) latest.set(memory.name, memory);
    for (const memory of latest.values()) if (memory.sinceMs > nowMs - this.#forMs) yield memory;
  }

  /** All that is remembered now, oldest first, in an order that may be walked while other things come and go. */
  seal(): Iterable<Memory<Value>> {
    const [newest, before] = this.#parts;
    if (newest === undefined) return [];
    if (before !== undefined && sizeOf(newest) + sizeOf(before) <= this.#partMax) this.#join(newest, before);
    const parts = [...this.#parts];
    this.#begin(newest.lastMs);
    return walk(parts);
  }

  #begin(nowMs: number): Part<Value> {
    const part: Part<Value> = { values: new Map(), forgotten: undefined, lastMs: nowMs };
    this.#parts.unshift(part);
    return part;
  }

  /** Moves what the newest part has into the one before it. Nobody may be walking. */
  #join(newest: Part<Value>, before: Part<Value>): void {
    this.#size -= sizeOf(newest) + sizeOf(before);
    for (const [name, memory] of newest.values) {
      before.values.delete(name);
      before.values.set(name, memory);
      before.forgotten?.delete(name);
    }
    for (const name of newest.forgotten ?? []) {
      before.values.delete(name);
      before.forgotten ??= new Set();
      before.forgotten.add(name);
    }
    before.lastMs = newest.lastMs;
    this.#size += sizeOf(before);
    this.#parts.shift();
  }

  #dropOld(nowMs: number): void {
    for (let last = this.#parts.at(-1); last !== undefined && this.#parts.length > 1; last = this.#parts.at(-1)) {
      if (this.#size <= this.#max && last.lastMs > nowMs - this.#forMs) break;
      this.#parts.pop();
      this.#size -= sizeOf(last);
    }
  }
}

function sizeOf<Value>({ values, forgotten }: Part<Value>): number {
  return values.size + (forgotten?.size ?? 0);
}

/** @param parts newest first */
function* walk<Value>(parts: readonly Part<Value>[]): Generator<Memory<Value>> {
  for (let i = parts.length - 1; i >= 0; i--) {
    const newer = parts.slice(0, i).filter(({ forgotten }) => forgotten !== undefined);
    for (const [name, { value, sinceMs }] of (parts[i] as Part<Value>).values) {
      if (newer.some(({ forgotten }) => forgotten?.has(name))) continue;
      yield { name, value, sinceMs };
    }
  }
}
