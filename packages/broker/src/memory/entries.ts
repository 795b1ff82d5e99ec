// Entries in order of seq, found by their seq: what a queue holds.
//
// They come at the end and go from anywhere, mostly from the head. They lie in leaves, the leaves in order. In a leaf they
// lie side by side, whichever seqs are missing between them: neither one that stays behind for long nor seqs that jump
// ahead cost anything. Where none is missing, the place of a seq follows from the leaf's first; else it is searched for
// by halving. A leaf that runs low joins a neighbour, so that there are never many for few entries. Nothing is ever moved
// but within a leaf or two, and no call stands still for it, as it would for a Map that grows.
//
// A leaf knows when the first of it expires: whoever looks for what has expired passes over the others.

import type { QueueEntry } from '../ports.ts';

/** Entries in a leaf at most: an array that begins with room for four and grows by itself ends with room for as many. */
const leafMax = 160;
/** A leaf with fewer joins a neighbour, if the two have no more than so many together. */
const leafMin = 40;
const joinedMax = leafMax - leafMin;
/** Places that an empty queue keeps for the next entries. */
const keptMax = 16;

interface Leaf<Entry> {
  /** No entry of this leaf has a lower seq, and none before it as high a one. */
  lowSeq: number;
  /** Entries lie from `from` up to, and not at, `to`; all else is undefined. */
  readonly places: (Entry | undefined)[];
  from: number;
  to: number;
  /** When the first of it expires; Infinity if none does; 0 if that is to be worked out. */
  expiresAtMs: number;
}

/** Entries to look at, and not to change. */
export type ReadonlyEntries<Entry extends QueueEntry> = Omit<Entries<Entry>, 'add' | 'delete'>;

/** Entries by seq. */
export class Entries<Entry extends QueueEntry> {
  /** None of them is empty, unless it is the only one. */
  #leaves: Leaf<Entry>[] = [];
  #size = 0;
  /** Counts whatever moves an entry or takes one out: who walks has to find its place again. */
  #moves = 0;

  get size(): number {
    return this.#size;
  }

  get(seq: number): Entry | undefined {
    const leaf = this.#leaves[this.#leafOf(seq)];
    if (leaf === undefined) return undefined;
    const at = placeOf(leaf, seq);
    if (at === leaf.to) return undefined;
    const entry = leaf.places[at] as Entry;
    return entry.seq === seq ? entry : undefined;
  }

  has(seq: number): boolean {
    return this.get(seq) !== undefined;
  }

  /** The first whose seq is not less. */
  first(fromSeq: number = 0): Entry | undefined {
    const number = this.#leafOf(fromSeq);
    const leaf = this.#leaves[number];
    if (leaf === undefined) return undefined;
    const at = placeOf(leaf, fromSeq);
    if (at < leaf.to) return leaf.places[at];
    const next = this.#leaves[number + 1];
    return next?.places[next.from];
  }

  /** Those whose seq is not less, in order. Whatever comes or goes meanwhile, each that stays is met once. */
  *values(fromSeq: number = 0): Generator<Entry, void> {
    for (let seq = fromSeq; ; ) {
      const moves = this.#moves;
      let number = this.#leafOf(seq);
      let leaf = this.#leaves[number];
      if (leaf === undefined) return;
      let at = placeOf(leaf, seq);
      while (moves === this.#moves) {
        if (at < leaf.to) {
          const entry = leaf.places[at++] as Entry;
          seq = entry.seq + 1;
          yield entry;
          continue;
        }
        leaf = this.#leaves[++number];
        if (leaf === undefined) return;
        at = leaf.from;
      }
    }
  }

  *keys(): Generator<number, void> {
    for (const { seq } of this.values()) yield seq;
  }

  /** Those whose seq is not less and that have expired, in order, some at a time. They may be taken out meanwhile. */
  *expired(fromSeq: number, nowMs: number): Generator<readonly Entry[], void> {
    let number = this.#leafOf(fromSeq);
    let seq = fromSeq;
    for (let leaf = this.#leaves[number]; leaf !== undefined; leaf = this.#leaves[number]) {
      number++;
      if (expiryOf(leaf) > nowMs) continue;
      const found: Entry[] = [];
      for (let at = placeOf(leaf, seq); at < leaf.to; at++) {
        const entry = leaf.places[at] as Entry;
        const { expiresAtMs } = entry.message;
        if (expiresAtMs > 0 && expiresAtMs <= nowMs) found.push(entry);
        seq = entry.seq + 1;
      }
      const moves = this.#moves;
      if (found.length > 0) yield found;
      if (moves !== this.#moves) number = this.#leafOf(seq);
    }
  }

  /** When the first of those expires whose seq is not less; Infinity if none does. */
  earliestExpiryMs(fromSeq: number): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    let number = this.#leafOf(fromSeq);
    const leaf = this.#leaves[number++];
    if (leaf === undefined) return earliestMs;
    earliestMs = earliestIn(leaf, placeOf(leaf, fromSeq));
    for (; number < this.#leaves.length; number++) {
      earliestMs = Math.min(earliestMs, expiryOf(this.#leaves[number] as Leaf<Entry>));
    }
    return earliestMs;
  }

  /** Adds an entry in its place, which is the end but for what is restored; one of the same seq is replaced. */
  add(entry: Entry): void {
    const last = this.#leaves[this.#leaves.length - 1];
    if (last === undefined) {
      this.#leaves = [leafOf(entry)]; // has no room to spare: most queues are short
    } else if (this.#size === 0) {
      last.lowSeq = entry.seq;
      last.from = 0;
      last.to = 0;
      last.expiresAtMs = Number.POSITIVE_INFINITY;
      append(last, entry);
    } else if (entry.seq <= (last.places[last.to - 1] as Entry).seq) {
      if (!this.#insert(entry)) return;
    } else if (last.to < leafMax) {
      append(last, entry);
    } else if (last.from >= leafMax / 2) {
      this.#moves++;
      pack(last);
      append(last, entry);
    } else {
      this.#leaves.push(leafOf(entry));
    }
    this.#size++;
  }

  /** @returns whether it was there */
  delete(seq: number): boolean {
    const number = this.#leafOf(seq);
    const leaf = this.#leaves[number];
    if (leaf === undefined) return false;
    const at = placeOf(leaf, seq);
    if (at === leaf.to) return false;
    const entry = leaf.places[at] as Entry;
    if (entry.seq !== seq) return false;
    this.#moves++;
    this.#size--;
    takeOut(leaf, at);
    if (entry.message.expiresAtMs === leaf.expiresAtMs) leaf.expiresAtMs = 0;
    const rest = leaf.to - leaf.from;
    if (this.#leaves.length === 1) {
      if (rest === 0 && leaf.places.length > keptMax) leaf.places.length = leaf.from = leaf.to = 0;
    } else if (rest === 0) {
      this.#leaves.splice(number, 1);
    } else if (rest < leafMin && !this.#join(number)) {
      this.#join(number - 1);
    }
    return true;
  }

  /** The number of the leaf in which a seq is, or would be. */
  #leafOf(seq: number): number {
    const leaves = this.#leaves;
    let high = leaves.length - 1;
    if (high <= 0 || seq < (leaves[1] as Leaf<Entry>).lowSeq) return 0;
    if (seq >= (leaves[high] as Leaf<Entry>).lowSeq) return high;
    let low = 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((leaves[middle] as Leaf<Entry>).lowSeq <= seq) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** @returns whether it is one more */
  #insert(entry: Entry): boolean {
    const number = this.#leafOf(entry.seq);
    const leaf = this.#leaves[number] as Leaf<Entry>;
    const at = placeOf(leaf, entry.seq);
    if (at < leaf.to && leaf.places[at]?.seq === entry.seq) {
      leaf.places[at] = entry;
      leaf.expiresAtMs = 0;
      return false;
    }
    if (leaf.to - leaf.from === leafMax) {
      const half = leaf.places.splice(leafMax / 2);
      leaf.to = leafMax / 2;
      leaf.expiresAtMs = 0;
      const other = { lowSeq: (half[0] as Entry).seq, places: half, from: 0, to: half.length, expiresAtMs: 0 };
      this.#leaves.splice(number + 1, 0, other);
      return this.#insert(entry);
    }
    this.#moves++;
    putBetween(leaf, at, entry);
    return true;
  }

  /** Lets a leaf take what the next one has, if there is a next one and it is not too much. @returns whether it did */
  #join(number: number): boolean {
    const one = this.#leaves[number];
    const other = this.#leaves[number + 1];
    if (one === undefined || other === undefined) return false;
    if (one.to - one.from + other.to - other.from > joinedMax) return false;
    pack(one);
    for (let at = other.from; at < other.to; at++) one.places[one.to++] = other.places[at];
    one.expiresAtMs = Math.min(one.expiresAtMs, other.expiresAtMs);
    this.#leaves.splice(number + 1, 1);
    return true;
  }
}

/** The queue of all Sessions that have not had an entry yet. */
export const noEntries: ReadonlyEntries<never> = new Entries<never>();

function leafOf<Entry extends QueueEntry>(entry: Entry): Leaf<Entry> {
  const expiresAtMs = entry.message.expiresAtMs || Number.POSITIVE_INFINITY;
  return { lowSeq: entry.seq, places: [entry, undefined, undefined, undefined], from: 0, to: 1, expiresAtMs };
}

/** The place of the first entry whose seq is not less; `to` if there is none. */
function placeOf<Entry extends QueueEntry>({ places, from, to }: Leaf<Entry>, seq: number): number {
  if (from === to) return to;
  const first = (places[from] as Entry).seq;
  if (seq <= first) return from;
  // It is here if none is missing, and never further on.
  let high = Math.min(to, from + seq - first);
  if (high < to && (places[high] as Entry).seq === seq) return high;
  let low = from + 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle] as Entry).seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts an entry behind all others of a leaf that has room there. */
function append<Entry extends QueueEntry>(leaf: Leaf<Entry>, entry: Entry): void {
  leaf.places[leaf.to++] = entry;
  expires(leaf, entry);
}

/** Puts an entry before the one at a place of a leaf that has room. */
function putBetween<Entry extends QueueEntry>(leaf: Leaf<Entry>, at: number, entry: Entry): void {
  const { places } = leaf;
  if (leaf.to < leafMax) {
    for (let i = leaf.to++; i > at; i--) places[i] = places[i - 1];
    places[at] = entry;
  } else {
    for (let i = leaf.from--; i < at; i++) places[i - 1] = places[i];
    places[at - 1] = entry;
  }
  leaf.lowSeq = Math.min(leaf.lowSeq, entry.seq);
  expires(leaf, entry);
}

/** Closes the gap that an entry leaves, from the nearer side. */
function takeOut<Entry>(leaf: Leaf<Entry>, at: number): void {
  const { places, from, to } = leaf;
  if (at - from < to - at) {
    for (let i = at; i > from; i--) places[i] = places[i - 1];
    places[leaf.from++] = undefined;
  } else {
    for (let i = at + 1; i < to; i++) places[i - 1] = places[i];
    places[--leaf.to] = undefined;
  }
}

/** Moves what a leaf has to its front. */
function pack<Entry>(leaf: Leaf<Entry>): void {
  const { places, from, to } = leaf;
  if (from === 0) return;
  for (let i = from; i < to; i++) places[i - from] = places[i];
  leaf.from = 0;
  leaf.to = to - from;
  places.fill(undefined, leaf.to, to);
}

function expires<Entry extends QueueEntry>(leaf: Leaf<Entry>, { message }: Entry): void {
  if (message.expiresAtMs > 0) leaf.expiresAtMs = Math.min(leaf.expiresAtMs, message.expiresAtMs);
}

function expiryOf<Entry extends QueueEntry>(leaf: Leaf<Entry>): number {
  if (leaf.expiresAtMs === 0) leaf.expiresAtMs = earliestIn(leaf, leaf.from);
  return leaf.expiresAtMs;
}

function earliestIn<Entry extends QueueEntry>({ places, to }: Leaf<Entry>, from: number): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (let at = from; at < to; at++) {
    const { expiresAtMs } = (places[at] as Entry).message;
    if (expiresAtMs > 0 && expiresAtMs < earliestMs) earliestMs = expiresAtMs;
  }
  return earliestMs;
}
