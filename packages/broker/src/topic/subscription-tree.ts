// Many Topic Filters, and which of them match a Topic Name [MQTT 4.7].
//
// Filters without a wildcard, nearly all of them in practice, stand in one Map under their own text. The others form
// a tree of levels, walked with one branch for the level's name, one for `+` and a look for `#`. The walk keeps its
// own stack, so that no topic, however deep, can exhaust ours.
//
// An entry is an object; it may stand under many filters, and many entries under one filter. What a million filters
// cost is decided by what stands alone: an entry that does is kept bare, a few are an array, and only many are a Set; a
// level with one name below it keeps that name itself, since the smallest Map takes 200 bytes.

import { hasWildcard } from './filter.ts';

/** What stands under one filter. */
type Some<Entry extends object> = Entry | Entry[] | Set<Entry>;
type Entries<Entry extends object> = Some<Entry> | undefined;

/** More entries than this under one filter are a Set. */
const fewMax = 8;

/** One level of the filters that have a wildcard somewhere. */
class Level<Entry extends object> {
  /** The only name below, and its level; with more than one, all are in `names`. */
  name: string | undefined = undefined;
  named: Level<Entry> | undefined = undefined;
  names: Map<string, Level<Entry>> | undefined = undefined;
  /** The level below `+`. */
  plus: Level<Entry> | undefined = undefined;
  /** Entries of filters that end here with `#`. */
  hash: Entries<Entry> = undefined;
  /** Entries of filters that end here. */
  here: Entries<Entry> = undefined;

  get isEmpty(): boolean {
    return this.here === undefined && this.hash === undefined && this.plus === undefined && !this.hasNames;
  }

  get hasNames(): boolean {
    return this.named !== undefined || this.names !== undefined;
  }

  below(name: string): Level<Entry> | undefined {
    return this.names === undefined ? (this.name === name ? this.named : undefined) : this.names.get(name);
  }

  /** The level below the name that stands in a topic from one place to another. */
  belowAt(topic: string, from: number, to: number): Level<Entry> | undefined {
    if (this.names !== undefined) return this.names.get(topic.slice(from, to));
    const { name } = this;
    return name !== undefined && name.length === to - from && topic.startsWith(name, from) ? this.named : undefined;
  }

  /** The level below a name, made if need be. */
  make(name: string): Level<Entry> {
    const there = this.below(name);
    if (there !== undefined) return there;
    const made = new Level<Entry>();
    if (this.names !== undefined) {
      this.names.set(name, made);
    } else if (this.named === undefined) {
      this.name = name;
      this.named = made;
    } else {
      this.names = new Map([
        [this.name as string, this.named],
        [name, made],
      ]);
      this.name = undefined;
      this.named = undefined;
    }
    return made;
  }

  drop(name: string): void {
    if (this.names === undefined) {
      this.name = undefined;
      this.named = undefined;
      return;
    }
    this.names.delete(name);
    if (this.names.size === 0) this.names = undefined;
  }
}

/** Filters and their entries; answers which entries match a Topic Name. */
export class SubscriptionTree<Entry extends object> {
  readonly #exact = new Map<string, Some<Entry>>();
  readonly #root = new Level<Entry>();
  /** What a walk has still to look at, and where in the topic; kept from walk to walk, and empty between them. */
  readonly #levels: Level<Entry>[] = [];
  readonly #places: number[] = [];
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

  /**
   * Calls `found` once for each filter that matches and each of its entries, in no certain order.
   * It must not ask for another match before this one is done.
   */
  match(topic: string, found: (entry: Entry) => void): void {
    const exact = this.#exact.get(topic);
    if (exact !== undefined) forEach(exact, found);
    const root = this.#root;
    if (root.isEmpty) return;
    // A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
    const isWild = topic.charCodeAt(0) !== 0x24;
    if (!isWild && !root.hasNames) return;
    this.#walk(topic, isWild, found);
  }

  /** The topic is not cut up: most levels have one name below, and that is compared where it stands. */
  #walk(topic: string, isWild: boolean, found: (entry: Entry) => void): void {
    const levels = this.#levels;
    const places = this.#places;
    const { length } = topic;
    let level: Level<Entry> | undefined = this.#root;
    let at = 0;
    while (level !== undefined) {
      const isWildHere: boolean = at > 0 || isWild;
      if (isWildHere && level.hash !== undefined) forEach(level.hash, found);
      if (at > length) {
        if (level.here !== undefined) forEach(level.here, found);
        level = undefined;
      } else {
        const slash = topic.indexOf('/', at);
        const end = slash === -1 ? length : slash;
        const plus: Level<Entry> | undefined = isWildHere ? level.plus : undefined;
        level = level.belowAt(topic, at, end);
        at = end + 1;
        if (level === undefined) level = plus;
        else if (plus !== undefined) {
          levels.push(plus);
          places.push(at);
        }
      }
      if (level === undefined) {
        level = levels.pop();
        at = places.pop() ?? 0;
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
      } else level = level.make(name);
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
      const next = name === '+' ? level.plus : level.below(name);
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
      if (!(path[depth] as Level<Entry>).isEmpty) break;
      const parent = path[depth - 1] as Level<Entry>;
      const name = names[depth - 1] as string;
      if (name === '+') parent.plus = undefined;
      else parent.drop(name);
    }
    return true;
  }
}

function has<Entry extends object>(entries: Entries<Entry>, entry: Entry): boolean {
  if (entries instanceof Set) return entries.has(entry);
  return Array.isArray(entries) ? entries.includes(entry) : entries === entry;
}

/** The entries and one more; undefined if it was there already. What is not bare is changed in place. */
function including<Entry extends object>(entries: Entries<Entry>, entry: Entry): Some<Entry> | undefined {
  if (entries === undefined) return entry;
  if (has(entries, entry)) return undefined;
  if (entries instanceof Set) return entries.add(entry);
  if (!Array.isArray(entries)) return [entries, entry];
  entries.push(entry);
  return entries.length > fewMax ? new Set(entries) : entries;
}

/** The entries less one of them, which is there. What is not bare is changed in place. */
function excluding<Entry extends object>(entries: Entries<Entry>, entry: Entry): Entries<Entry> {
  if (entries instanceof Set) {
    entries.delete(entry);
    return entries.size === 0 ? undefined : entries;
  }
  if (!Array.isArray(entries)) return undefined;
  entries.splice(entries.indexOf(entry), 1);
  return entries.length === 1 ? entries[0] : entries;
}

function forEach<Entry extends object>(entries: Some<Entry>, found: (entry: Entry) => void): void {
  if (entries instanceof Set) for (const entry of entries) found(entry);
  else if (Array.isArray(entries)) for (const entry of entries) found(entry);
  else found(entries);
}
