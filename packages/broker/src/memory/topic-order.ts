// Topics in an order in which those that a Topic Filter matches lie together [MQTT 4.7].
//
// In a key, a topic's `/` is U+0000, which sorts before everything that a topic may hold: so a topic is followed by all
// topics below it, and then by its next sibling. What a filter matches is found by looking at keys in order, and going
// from one that does not match at once to the first that may: one seek for each child of a level that a `+` stands for.

const slash = '/';
const nul = '\0';

/** The key of a topic. */
export function keyOfTopic(topic: string): string {
  return topic.replaceAll(slash, nul);
}

/** The topic of a key. */
export function topicOfKey(key: string): string {
  return key.replaceAll(nul, slash);
}

/** What a look at a key says. */
export interface Compared {
  readonly matches: boolean;
  /** Where the next match may be: at the next key, from another key on, or nowhere. */
  readonly goOn: 'next' | 'nowhere' | { readonly from: string };
}

/** A Topic Filter, as it is compared with keys. */
export class KeyFilter {
  /** Where its matches begin. */
  readonly first: string;
  readonly #levels: readonly string[];

  constructor(topicFilter: string) {
    this.#levels = topicFilter.split(slash);
    const wildcard = this.#levels.findIndex((level) => level === '+' || level === '#');
    this.first = (wildcard === -1 ? this.#levels : this.#levels.slice(0, wildcard)).join(nul);
  }

  compare(key: string): Compared {
    const filter = this.#levels;
    // A wildcard at the first level does not match a name that begins with $ [MQTT-4.7.2-1].
    if (key.charCodeAt(0) === 0x24 && (filter[0] === '+' || filter[0] === '#')) return fromDollarOn;
    const levels = key.split(nul);
    for (let i = 0; i < filter.length; i++) {
      const wanted = filter[i] as string;
      if (wanted === '#') return matchesAndNext; // the parent level too [§4.7.1.2]
      const level = levels[i];
      if (level === undefined) return wanted === '+' ? next : goFrom(false, key + nul + wanted);
      if (wanted === '+' || wanted === level) continue;
      if (level < wanted) return goFrom(false, [...levels.slice(0, i), wanted].join(nul));
      return this.#pass(levels, i, false);
    }
    const matches = levels.length === filter.length;
    return this.#pass(levels, filter.length, matches);
  }

  /** Nothing more matches below the last `+` of the first `count` levels: on behind it. */
  #pass(levels: readonly string[], count: number, matches: boolean): Compared {
    for (let i = count; i > 0; i--) {
      if (this.#levels[i - 1] === '+') return goFrom(matches, `${levels.slice(0, i).join(nul)}\u0001`);
    }
    return matches ? matchesLast : nothing;
  }
}

function goFrom(matches: boolean, from: string): Compared {
  return { matches, goOn: { from } };
}

const next: Compared = { matches: false, goOn: 'next' };
const matchesAndNext: Compared = { matches: true, goOn: 'next' };
const matchesLast: Compared = { matches: true, goOn: 'nowhere' };
const nothing: Compared = { matches: false, goOn: 'nowhere' };
/** `%` is what follows `$`. */
const fromDollarOn: Compared = goFrom(false, '%');
