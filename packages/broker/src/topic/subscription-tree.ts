// Many Topic Filters, and which of them match a Topic Name [MQTT 4.7].
//
// Filters without a wildcard, nearly all of them in practice, stand in one Map under their own text. The others form
// a tree of levels, walked with one branch for the level's name, one for `+` and a look for `#`. The walk keeps its
// own stack, so that no topic, however deep, can exhaust ours.
//
// An entry is an object; it may stand under many filters, and many entries under one filter. Where there is only one,
// it is kept bare, because a Set for each of a million filters would cost more than the filters.

import { hasWildcard } from './filter.ts';

/** What stands under one filter. */
type Entries<Entry extends object> = Entry | Set<Entry> | undefined;

/** One level of the filters that have a wildcard somewhere. */
class Level<Entry extends object> {
  /** Levels with a name of their own. */
  names: Map<string, Level<Entry>> | undefined;
  /** The level below `+`. */
  plus: Level<Entry> | undefined;
  /** Entries of filters that end here with `#`. */
  hash: Entries<Entry>;
  /** Entries of filters that end here. */
  here: Entries<Entry>;

  isEmpty(): boolean {
    return (
      this.here === undefined && this.hash === undefined && this.plus === undefined && (this.names?.size ?? 0) === 0
    );
  }
}

/** Filters and their entries; answers which entries match a Topic Name. */
export class SubscriptionTree<Entry extends object> {
  readonly #exact = new Map<string, Entry | Set<Entry>>();
  readonly #root = new Level<Entry>();
  #size = 0;

  /** How many pairs of filter and entry there are. */
  get size(): number {
    return this.#size;
  }

  /** @returns false if the entry stood under this filter already */
  add(topicFilter: string, entry: Entry): boolean {
    let added: boolean;
    if (!hasWildcard(topicFilter)) {
      const before = this.#exact.get(topicFilter);
      const after = including(before, entry);
      added = after !== undefined;
      if (after !== undefined && after !== before) this.#exact.set(topicFilter, after);
    } else {
      const level = this.#descend(topicFilter);
      const endsWithHash = topicFilter.endsWith('#');
      const after = including(endsWithHash ? level.hash : level.here, entry);
      added = after !== undefined;
      if (after !== undefined && endsWithHash) level.hash = after;
      else if (after !== undefined) level.here = after;
    }
    if (added) this.#size++;
    return added;
  }

  /** @returns false if the entry did not stand under this filter */
  remove(topicFilter: string, entry: Entry): boolean {
    const removed = hasWildcard(topicFilter)
      ? this.#removeWildcard(topicFilter, entry)
      : this.#removeExact(topicFilter, entry);
    if (removed) this.#size--;
    return removed;
  }

  /** Calls `found` once for each filter that matches and each of its entries, in no certain order. */
  match(topic: string, found: (entry: Entry) => void): void {
    forEach(this.#exact.get(topic), found);
    if (this.#root.isEmpty()) return;

    const levels = topic.split('/');
    const nodes: Level<Entry>[] = [this.#root];
    const depths: number[] = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() as number;
      // A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
      const wild = depth > 0 || topic.charCodeAt(0) !== 0x24;
      if (wild) forEach(node.hash, found);
      if (depth === levels.length) {
        forEach(node.here, found);
        continue;
      }
      const named = node.names?.get(levels[depth] as string);
      if (named !== undefined) {
        nodes.push(named);
        depths.push(depth + 1);
      }
      if (wild && node.plus !== undefined) {
        nodes.push(node.plus);
        depths.push(depth + 1);
      }
    }
  }

  /** The level a wildcard filter ends in, made if need be; for a filter that ends with `#`, the one before it. */
  #descend(topicFilter: string): Level<Entry> {
    let level = this.#root;
    for (const name of topicFilter.split('/')) {
      if (name === '#') break;
      if (name === '+') {
        level.plus ??= new Level();
        level = level.plus;
        continue;
      }
      level.names ??= new Map();
      let next = level.names.get(name);
      if (next === undefined) {
        next = new Level();
        level.names.set(name, next);
      }
      level = next;
    }
    return level;
  }

  #removeExact(topicFilter: string, entry: Entry): boolean {
    const before = this.#exact.get(topicFilter);
    if (!has(before, entry)) return false;
    const after = excluding(before, entry);
    if (after === undefined) this.#exact.delete(topicFilter);
    else this.#exact.set(topicFilter, after);
    return true;
  }

  #removeWildcard(topicFilter: string, entry: Entry): boolean {
    const names = topicFilter.split('/');
    const path: Level<Entry>[] = [this.#root];
    for (const name of names) {
      if (name === '#') break;
      const level = path.at(-1) as Level<Entry>;
      const next = name === '+' ? level.plus : level.names?.get(name);
      if (next === undefined) return false;
      path.push(next);
    }
    const last = path.at(-1) as Level<Entry>;
    const endsWithHash = names.at(-1) === '#';
    const entries = endsWithHash ? last.hash : last.here;
    if (!has(entries, entry)) return false;
    if (endsWithHash) last.hash = excluding(entries, entry);
    else last.here = excluding(entries, entry);
    // Levels that hold nothing any more go, from the far end.
    for (let depth = path.length - 1; depth > 0; depth--) {
      if (!(path[depth] as Level<Entry>).isEmpty()) break;
      const parent = path[depth - 1] as Level<Entry>;
      const name = names[depth - 1] as string;
      if (name === '+') parent.plus = undefined;
      else parent.names?.delete(name);
    }
    return true;
  }
}

function has<Entry extends object>(entries: Entries<Entry>, entry: Entry): boolean {
  return entries instanceof Set ? entries.has(entry) : entries === entry;
}

/** The entries and one more; undefined if it was there already. A Set is changed in place. */
function including<Entry extends object>(entries: Entries<Entry>, entry: Entry): Entry | Set<Entry> | undefined {
  if (entries === undefined) return entry;
  if (has(entries, entry)) return undefined;
  if (entries instanceof Set) return entries.add(entry);
  return new Set([entries, entry]);
}

/** The entries less one of them; a Set is changed in place. */
function excluding<Entry extends object>(entries: Entries<Entry>, entry: Entry): Entries<Entry> {
  if (!(entries instanceof Set)) return undefined;
  entries.delete(entry);
  return entries.size === 0 ? undefined : entries;
}

function forEach<Entry extends object>(entries: Entries<Entry>, found: (entry: Entry) => void): void {
  if (entries === undefined) return;
  if (entries instanceof Set) for (const entry of entries) found(entry);
  else found(entries);
}
