// The Topic Names of a run as bytes, made when they are first met and compared four bytes at a time.

import { type Plan, topicOf } from './plan.ts';

interface Topic {
  readonly length: number;
  readonly words: Int32Array;
  readonly last: number;
}

/** The topics of all lines. */
export class Topics {
  readonly #plan: Plan;
  readonly #known: (Topic | undefined)[] = [];

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Whether a line's topic stands from `at` to `end`. */
  isTopicOf(line: number, view: DataView, at: number, end: number): boolean {
    const topic = this.#known[line] ?? this.#learn(line);
    if (topic.length !== end - at) return false;
    const { words } = topic;
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== view.getInt32(at + 4 * i)) return false;
    }
    return topic.last === view.getInt32(end - 4);
  }

  #learn(line: number): Topic {
    // Never shorter than a word: see topicOf.
    const bytes = Buffer.from(topicOf(this.#plan, line));
    const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readInt32BE(i * 4));
    const topic = { length: bytes.length, words, last: bytes.readInt32BE(bytes.length - 4) };
    this.#known[line] = topic;
    return topic;
  }
}
