// What a Session keeps by key. Most Sessions never keep any of most kinds: until the first comes, one empty collection
// that is shown for looking alone serves all of them, and costs an idle Session nothing. The first makes one of its own.

const noMap: ReadonlyMap<never, never> = new Map<never, never>();
const noSet: ReadonlySet<never> = new Set<never>();

/** The map of all who have nothing in theirs. */
export function emptyMap<Key, Value>(): ReadonlyMap<Key, Value> {
  return noMap as ReadonlyMap<unknown, unknown> as ReadonlyMap<Key, Value>;
}

/** The set of all who have nothing in theirs. */
export function emptySet<Value>(): ReadonlySet<Value> {
  return noSet as ReadonlySet<unknown> as ReadonlySet<Value>;
}

/** Puts a value into a map. @returns the map that has it: the same one, unless that was nobody's own */
export function put<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value): ReadonlyMap<Key, Value> {
  const own = map === emptyMap<Key, Value>() ? new Map<Key, Value>() : (map as Map<Key, Value>);
  return own.set(key, value);
}

/** Puts a value into a set. @returns the set that has it: the same one, unless that was nobody's own */
export function include<Value>(set: ReadonlySet<Value>, value: Value): ReadonlySet<Value> {
  const own = set === emptySet<Value>() ? new Set<Value>() : (set as Set<Value>);
  return own.add(value);
}

/** Takes something out of a map or a set. @returns whether it was there */
export function drop<Key>(from: ReadonlyMap<Key, unknown> | ReadonlySet<Key>, key: Key): boolean {
  return (from as Map<Key, unknown> | Set<Key>).delete(key);
}
