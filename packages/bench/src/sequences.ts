// Which messages of each line have arrived: what is missing, what came again, what came late.
//
// A subscriber of its own keeps, per line, the next sequence and the gaps before it. A shared group as a whole keeps a
// bit for each message, since any member may get any of them, and each member the last one it got.

/** What a sequence turned out to be. */
export const arrival = { fresh: 0, late: 1, again: 2 } as const;

/** One of {@link arrival}. */
export type Arrival = (typeof arrival)[keyof typeof arrival];

/** What is asked about each delivery. */
export interface Sequences {
  /** A message of the `index`th line of this subscriber arrived. */
  take(index: number, sequence: number): Arrival;
}

/** The lines of a subscriber of its own. */
export class OwnSequences implements Sequences {
  readonly #next: Int32Array;
  /** By line, beginnings and ends (not included) of what is missing, rising. */
  readonly #gaps = new Map<number, number[]>();

  constructor(lines: number) {
    this.#next = new Int32Array(lines);
  }

  take(index: number, sequence: number): Arrival {
    const next = this.#next[index] as number;
    if (sequence === next) {
      this.#next[index] = sequence + 1;
      return arrival.fresh;
    }
    if (sequence < next) return this.#fill(index, sequence) ? arrival.late : arrival.again;
    const gaps = this.#gaps.get(index);
    if (gaps === undefined) this.#gaps.set(index, [next, sequence]);
    else gaps.push(next, sequence);
    this.#next[index] = sequence + 1;
    return arrival.fresh;
  }

  /** How many of the line's first `sent` have not arrived, and are not among those `refused`. */
  missing(index: number, sent: number, refused: ReadonlySet<number> | undefined): number {
    const next = this.#next[index] as number;
    const gaps = [...(this.#gaps.get(index) ?? []), ...(next < sent ? [next, sent] : [])];
    let count = 0;
    for (let i = 0; i < gaps.length; i += 2) {
      const from = gaps[i] as number;
      const to = gaps[i + 1] as number;
      count += to - from;
      for (const each of refused ?? []) if (each >= from && each < to) count--;
    }
    return count;
  }

  #fill(index: number, sequence: number): boolean {
    const gaps = this.#gaps.get(index);
    if (gaps === undefined) return false;
    let low = 0;
    let high = gaps.length / 2;
    // The first gap that ends behind it.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((gaps[middle * 2 + 1] as number) > sequence) high = middle;
      else low = middle + 1;
    }
    const at = low * 2;
    const from = gaps[at];
    const to = gaps[at + 1];
    if (from === undefined || to === undefined || sequence < from) return false;
    const rest = [from, sequence, sequence + 1, to];
    if (sequence + 1 === to) rest.splice(2, 2);
    if (sequence === from) rest.splice(0, 2);
    gaps.splice(at, 2, ...rest);
    return true;
  }
}

/** What the members of a shared group in one thread have received, together. */
export class GroupSequences {
  readonly #bits: Uint32Array[];

  constructor(lines: number) {
    this.#bits = Array.from({ length: lines }, () => new Uint32Array(32));
  }

  member(): Sequences {
    const last = new Int32Array(this.#bits.length).fill(-1);
    return {
      take: (index, sequence) => {
        if (!this.#mark(index, sequence)) return arrival.again;
        if (sequence < (last[index] as number)) return arrival.late;
        last[index] = sequence;
        return arrival.fresh;
      },
    };
  }

  /** By line, a bit for each message that arrived. */
  get bits(): readonly Uint32Array[] {
    return this.#bits;
  }

  /** False if it was marked before. */
  #mark(index: number, sequence: number): boolean {
    let bits = this.#bits[index] as Uint32Array;
    const word = sequence >>> 5;
    if (word >= bits.length) {
      const grown = new Uint32Array(Math.max(word + 1, bits.length * 2));
      grown.set(bits);
      this.#bits[index] = grown;
      bits = grown;
    }
    const bit = 1 << (sequence & 31);
    if (((bits[word] as number) & bit) !== 0) return false;
    bits[word] = (bits[word] as number) | bit;
    return true;
  }
}

/** What the groups of all threads make together. */
export function sumGroups(
  groups: readonly (readonly Uint32Array[])[],
  sent: readonly number[],
  refused: ReadonlyMap<number, ReadonlySet<number>>,
): { lost: number; duplicates: number } {
  let lost = 0;
  let duplicates = 0;
  sent.forEach((count, line) => {
    const has = groups.map((group) => group[line] ?? new Uint32Array(0));
    for (let word = 0; word * 32 < count; word++) {
      let seen = 0;
      for (const bits of has) {
        duplicates += ones(seen & (bits[word] ?? 0));
        seen |= bits[word] ?? 0;
      }
      lost += Math.min(32, count - word * 32) - ones(seen);
    }
    for (const sequence of refused.get(line) ?? []) {
      if (!has.some((bits) => (((bits[sequence >>> 5] ?? 0) >>> (sequence & 31)) & 1) === 1)) lost--;
    }
  });
  return { lost, duplicates };
}

/** Lines and sequences in turn, as sets. */
export function byLine(messages: readonly number[]): Map<number, Set<number>> {
  const lines = new Map<number, Set<number>>();
  for (let i = 0; i < messages.length; i += 2) {
    const line = messages[i] as number;
    const sequences = lines.get(line) ?? new Set<number>();
    sequences.add(messages[i + 1] as number);
    lines.set(line, sequences);
  }
  return lines;
}

function ones(word: number): number {
  let rest = word >>> 0;
  let count = 0;
  for (; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
