// A map in order of its keys, in which any place can be found again by a key: the keys lie in leaves, the leaves in order.
//
// A leaf that is full becomes two, one that runs low joins its neighbour, and nothing else ever moves: no change costs
// more than some microseconds, however many keys there are, where a Map would stand still to grow. Keys are compared by
// their UTF-16 code units, so the order is the same on every machine.

/** Keys in a leaf at most. */
const leafMax = 256;
/** A leaf with fewer keys joins a neighbour that has room. */
const leafMin = 64;

interface Leaf<Value> {
  readonly keys: string[];
  readonly values: Value[];
}

/** A place between keys, good until the map changes. */
export interface Position<Value> {
  /** The key at this place; undefined behind the last one. */
  readonly key: string | undefined;
  readonly value: Value | undefined;
  /** Moves to the next key. */
  next(): void;
  /** Moves to the first key that is not less. */
  seek(key: string): void;
}

/** Values by key, in order of the keys. */
export class OrderedMap<Value> {
  /** None of them is empty. */
  readonly #leaves: Leaf<Value>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): Value | undefined {
    const leaf = this.#leaves[this.#leafOf(key)];
    if (leaf === undefined) return undefined;
    const at = firstNotLess(leaf.keys, key);
    return leaf.keys[at] === key ? leaf.values[at] : undefined;
  }

  set(key: string, value: Value): void {
    if (this.#leaves.length === 0) this.#leaves.push({ keys: [], values: [] });
    const number = Math.min(this.#leafOf(key), this.#leaves.length - 1);
    const leaf = this.#leaves[number] as Leaf<Value>;
    const { keys, values } = leaf;
    const at = firstNotLess(keys, key);
    if (keys[at] === key) {
      values[at] = value;
      return;
    }
    keys.splice(at, 0, key);
    values.splice(at, 0, value);
    this.#size++;
    if (keys.length > leafMax) this.#split(number, at === keys.length - 1);
  }

  /** @returns whether it was there */
  delete(key: string): boolean {
    const number = this.#leafOf(key);
    const leaf = this.#leaves[number];
    if (leaf === undefined) return false;
    const at = firstNotLess(leaf.keys, key);
    if (leaf.keys[at] !== key) return false;
    leaf.keys.splice(at, 1);
    leaf.values.splice(at, 1);
    this.#size--;
    if (leaf.keys.length < leafMin) this.#join(number);
    return true;
  }

  /** The place of the first key that is not less than the one given. */
  seek(key: string): Position<Value> {
    const position = new LeafPosition(this.#leaves, (from) => this.#leafOf(from));
    position.seek(key);
    return position;
  }

  /** The number of the first leaf whose last key is not less than this one: where it is, or would be. */
  #leafOf(key: string): number {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { keys } = leaves[middle] as Leaf<Value>;
      if ((keys[keys.length - 1] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param grew whether the last key is the new one: keys that come in order fill their leaves */
  #split(number: number, grew: boolean): void {
    const { keys, values } = this.#leaves[number] as Leaf<Value>;
    const at = grew ? keys.length - 1 : keys.length >>> 1;
    this.#leaves.splice(number + 1, 0, { keys: keys.splice(at), values: values.splice(at) });
  }

  #join(number: number): void {
    const leaf = this.#leaves[number] as Leaf<Value>;
    if (leaf.keys.length === 0) {
      this.#leaves.splice(number, 1);
      return;
    }
    const first = number === 0 ? number : number - 1;
    const one = this.#leaves[first];
    const other = this.#leaves[first + 1];
    if (one === undefined || other === undefined || one.keys.length + other.keys.length > leafMax - leafMin) return;
    one.keys.push(...other.keys);
    one.values.push(...other.values);
    this.#leaves.splice(first + 1, 1);
  }
}

class LeafPosition<Value> implements Position<Value> {
  readonly #leaves: readonly Leaf<Value>[];
  readonly #leafOf: (key: string) => number;
  #leaf = 0;
  #at = 0;

  constructor(leaves: readonly Leaf<Value>[], leafOf: (key: string) => number) {
    this.#leaves = leaves;
    this.#leafOf = leafOf;
  }

  get key(): string | undefined {
    return this.#leaves[this.#leaf]?.keys[this.#at];
  }

  get value(): Value | undefined {
    return this.#leaves[this.#leaf]?.values[this.#at];
  }

  next(): void {
    const leaf = this.#leaves[this.#leaf];
    if (leaf === undefined || ++this.#at < leaf.keys.length) return;
    this.#leaf++;
    this.#at = 0;
  }

  seek(key: string): void {
    this.#leaf = this.#leafOf(key);
    const leaf = this.#leaves[this.#leaf];
    this.#at = leaf === undefined ? 0 : firstNotLess(leaf.keys, key);
  }
}

function firstNotLess(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
