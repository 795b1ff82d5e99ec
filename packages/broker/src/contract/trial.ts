// One store under test, with the clock and the limits it was made with.
//
// The suites are handed the words of their test runner, so that this package needs none and every adapter can use its
// own. What they do over and over has a name here; whatever is being tested is said in the open, on the port itself.

import { defaultLimits, type Limits } from '../limits.ts';
import type { Message } from '../message.ts';
import type {
  Acquire,
  Acquired,
  Claim,
  Clock,
  EnqueueOutcome,
  EnqueueTarget,
  Fenced,
  QueueEntry,
  Random,
  Release,
  Released,
  RetainedPage,
  Store,
  StoredSubscription,
} from '../ports.ts';
import { ManualClock } from './manual-clock.ts';
import { acquireOf } from './samples.ts';
import { SeededRandom } from './seeded-random.ts';

/** What a test says it expects. */
export interface Expectation {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: object): void;
  toHaveLength(length: number): void;
  toBeGreaterThan(number: number): void;
  toBeGreaterThanOrEqual(number: number): void;
  toBeLessThan(number: number): void;
}

/** The words of a test runner that the suites use. */
export interface TestWords {
  describe(name: string, body: () => void): void;
  it(name: string, body: () => Promise<void>): void;
  expect(actual: unknown, message?: string): Expectation;
}

/** Makes an empty store that lives by the given clock; whatever it holds open it closes when disposed of. */
export type MakeStore = (clock: Clock, random: Random, limits: Limits) => Promise<Store & Partial<AsyncDisposable>>;

/** Makes an empty store for one test. */
export type OpenTrial = (limits?: Partial<Limits>) => Promise<StoreTrial>;

/** One store under test. */
export class StoreTrial implements AsyncDisposable {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly #close: () => PromiseLike<void>;

  private constructor(store: Store & Partial<AsyncDisposable>, clock: ManualClock) {
    this.store = store;
    this.clock = clock;
    this.#close = async () => store[Symbol.asyncDispose]?.();
  }

  static async open(make: MakeStore, limits: Partial<Limits> = {}): Promise<StoreTrial> {
    const clock = new ManualClock();
    return new StoreTrial(await make(clock, new SeededRandom(1), { ...defaultLimits, ...limits }), clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  /** Acquires a Session, by default a stored one that lives for an hour. */
  acquire(clientId: string, fields: Partial<Acquire> = {}): Promise<Acquired> {
    return this.store.sessions.acquire(acquireOf(clientId, fields));
  }

  /** Acquires a new Session and subscribes it. */
  async subscribed(
    clientId: string,
    subscriptions: readonly StoredSubscription[],
    fields: Partial<Acquire> = {},
  ): Promise<Acquired> {
    const acquired = await this.acquire(clientId, { cleanStart: true, ...fields });
    unfenced(await this.store.sessions.subscribe(acquired.claim, subscriptions));
    return acquired;
  }

  /** Releases a Session that lives on for an hour, its Will dropped, nothing sent. */
  async release({ claim }: Pick<Acquired, 'claim'>, fields: Partial<Release> = {}): Promise<Released> {
    return unfenced(
      await this.store.sessions.release({ claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0, ...fields }),
    );
  }

  /**
   * Stores one message of a publisher that can be told of a full queue, for one Session under filters that matched.
   *
   * @returns undefined if it was refused as a whole
   */
  async enqueue(
    claim: Claim,
    message: Message,
    topicFilters: readonly string[] = [message.topic],
  ): Promise<EnqueueOutcome | undefined> {
    const [outcomes] = await this.store.queues.enqueue([
      { message, targets: [targetOf(claim, topicFilters)], isRefusable: true, uid: undefined },
    ]);
    return outcomes?.[0];
  }

  /** Stores one message for one Session, which must take it. */
  async queue(
    claim: Claim,
    message: Message,
    topicFilters: readonly string[] = [message.topic],
  ): Promise<Extract<EnqueueOutcome, { is: 'queued' }>> {
    const outcome = await this.enqueue(claim, message, topicFilters);
    if (outcome?.is !== 'queued') throw new Error(`the message was not queued but ${outcome?.is ?? 'refused'}`);
    return outcome;
  }

  /** Everything in a Session's queue from a seq on, read as its owner. Reserves all of it. */
  async readAll(claim: Claim, fromSeq = 1): Promise<readonly QueueEntry[]> {
    const entries: QueueEntry[] = [];
    for (let seq = fromSeq; ; ) {
      const page = unfenced(await this.store.queues.read(claim, seq, 100));
      entries.push(...page.entries);
      if (page.nextSeq >= page.endSeq) return entries;
      seq = page.nextSeq;
    }
  }

  /**
   * All retained messages that a filter matches, page by page.
   *
   * @param between called after each page, with how many messages there have been
   */
  async retained(topicFilter: string, between?: (count: number) => Promise<unknown>): Promise<Message[]> {
    const found: Message[] = [];
    let pages = 0;
    for (let from: string | undefined = ''; from !== undefined; ) {
      if (++pages > pagesMax) throw new Error(`the pages of ${topicFilter} do not end`);
      const page: RetainedPage = await this.store.retained.page(topicFilter, from);
      found.push(...page.messages);
      from = page.next;
      await between?.(found.length);
    }
    return found;
  }
}

/** Nothing that the suites store takes more pages than this. */
const pagesMax = 2000;

/** A Session as a match names it. */
export function targetOf({ clientId, generation }: Claim, topicFilters: readonly string[]): EnqueueTarget {
  return { clientId, generation, topicFilters };
}

/** An answer to the current owner. @throws Error if the store takes it for an old one */
export function unfenced<Answer>(answer: Answer | Fenced): Answer {
  if (answer === 'fenced') throw new Error('the current owner was fenced');
  return answer;
}
