// The loop: take a conversation of the pool, change it, try it, keep it if it has come to where none was before.
//
// A finding is made as small as it can be and told once for each rule and place; the loop goes on, since one defect
// should not hide another.

import { SeededRandom } from '../../packages/broker/src/contract/index.ts';
import { type Conversation, sizeOf } from './conversation.ts';
import { minimised } from './minimise.ts';
import { mutated } from './mutation.ts';
import type { Finding, Outcome } from './outcome.ts';

/** Tries a conversation. */
export type Target = (conversation: Conversation) => Outcome | Promise<Outcome>;

/** A finding, and the least that shows it. */
export interface Found extends Finding {
  readonly conversation: Conversation;
}

/** When to stop: whichever comes first. */
export interface Bounds {
  readonly executions?: number;
  readonly ms?: number;
  /** Stop at so many findings. */
  readonly findings?: number;
}

/** Larger ones are tried, and not kept: what they show, smaller ones show too. */
const keptBytesMax = 600;

/** One run of the fuzzer over one target. */
export class Fuzzer {
  readonly seed: number;
  readonly found: Found[] = [];
  /** Conversations tried. */
  executions = 0;
  readonly #target: Target;
  readonly #random: SeededRandom;
  readonly #pool: Conversation[] = [];
  /** Those of the pool that are understood to their end. */
  readonly #understood: Conversation[] = [];
  readonly #reached = new Set<string>();
  /** Told when something was found. */
  onFound: (found: Found) => void = () => {};

  constructor(target: Target, seed: number) {
    this.#target = target;
    this.seed = seed;
    this.#random = new SeededRandom(seed);
  }

  /** What has come to new places, in order. */
  get pool(): readonly Conversation[] {
    return this.#pool;
  }

  /** Places that were reached. */
  get places(): number {
    return this.#reached.size;
  }

  /** Tries conversations as they are, and keeps those that come to new places. */
  async replay(conversations: Iterable<Conversation>): Promise<void> {
    for (const each of conversations) await this.#try(each);
  }

  /** Tries changed ones. */
  async run({
    executions = Number.POSITIVE_INFINITY,
    ms = Number.POSITIVE_INFINITY,
    findings = 1e9,
  }: Bounds): Promise<void> {
    const last = this.executions + executions;
    const end = performance.now() + ms;
    while (this.executions < last && this.found.length < findings && performance.now() < end) {
      await this.#try(mutated(this.#choice(), this.#random, this.#random.pick(this.#pool)));
    }
  }

  /** Newer ones more often, since they have come further, and what is understood: there is more to be spoilt in it. */
  #choice(): Conversation {
    const from = this.#understood.length > 0 && !this.#random.oneIn(4) ? this.#understood : this.#pool;
    if (this.#random.oneIn(2)) return this.#random.pick(from);
    return from[from.length - 1 - this.#random.below(Math.ceil(from.length / 8))] as Conversation;
  }

  async #try(conversation: Conversation): Promise<void> {
    this.executions++;
    const { features, findings, isRefused } = await this.#target(conversation);
    for (const finding of findings) await this.#find(finding, conversation);
    let isNew = false;
    for (const feature of features) {
      if (this.#reached.has(feature)) continue;
      this.#reached.add(feature);
      isNew = true;
    }
    if (!isNew || (sizeOf(conversation) > keptBytesMax && this.#pool.length > 0)) return;
    this.#pool.push(conversation);
    if (!isRefused) this.#understood.push(conversation);
  }

  async #find(finding: Finding, conversation: Conversation): Promise<void> {
    if (this.found.some(({ rule }) => rule === finding.rule)) return;
    const shows = async (candidate: Conversation): Promise<boolean> =>
      (await this.#target(candidate)).findings.some(({ rule }) => rule === finding.rule);
    const smallest = await minimised(conversation, shows);
    const { findings } = await this.#target(smallest);
    const told = findings.find(({ rule }) => rule === finding.rule) ?? finding;
    const found = { ...told, conversation: smallest };
    this.found.push(found);
    this.onFound(found);
  }
}

/** The fewest and smallest of these that come to every place which any of them comes to, as far as a greedy choice goes. */
export async function distilled(conversations: readonly Conversation[], target: Target): Promise<Conversation[]> {
  const tried = [];
  for (const each of conversations) tried.push({ each, size: sizeOf(each), features: (await target(each)).features });
  tried.sort((one, other) => one.size - other.size);
  const missing = new Set(tried.flatMap(({ features }) => [...features]));
  const kept: Conversation[] = [];
  while (missing.size > 0) {
    let best = tried[0];
    let most = 0;
    for (const candidate of tried) {
      let gain = 0;
      for (const feature of candidate.features) if (missing.has(feature)) gain++;
      if (gain > most) [best, most] = [candidate, gain];
    }
    if (best === undefined || most === 0) break;
    for (const feature of best.features) missing.delete(feature);
    kept.push(best.each);
  }
  return kept;
}
