// An enqueue that is done in slices: what others do in between, and that it comes to the same as in one breath.

import { describe, expect, it } from 'vitest';
import { dump } from '../contract/dump.ts';
import { ManualClock } from '../contract/manual-clock.ts';
import { acquireOf, messageOn, subscriptionTo, textOf } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { unfenced } from '../contract/trial.ts';
import { defaultLimits } from '../limits.ts';
import type { Claim, Enqueue, EnqueueOutcome, Store } from '../ports.ts';
import { enqueue } from './queues.ts';
import * as sessions from './sessions.ts';
import { isLong, SlicedEnqueue } from './slices.ts';
import { Snapshot } from './snapshot.ts';
import { MemoryState, type QueueLimits } from './state.ts';
import { memoryStore } from './store.ts';

/** `SKEIN_SEED` repeats a run. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
/** More than go in one breath. */
const many = 10_000;

/** A store with very many Sessions that have subscribed to `news`, and whose Clients are away. */
class Town {
  readonly clock: ManualClock = new ManualClock();
  readonly state: MemoryState;
  readonly store: Store;
  readonly claims: Claim[] = [];
  /** Those who wait until others have had their turn. */
  readonly #waiting: (() => void)[] = [];

  constructor(limits: Partial<QueueLimits> = {}) {
    this.state = new MemoryState({ ...defaultLimits, ...limits });
    const othersTurn = (): Promise<void> => new Promise((resolve) => this.#waiting.push(resolve));
    this.store = memoryStore(this.clock, new SeededRandom(1), this.state.limits, this.state, othersTurn);
    for (let i = 0; i < many; i++) this.claims.push(away(this.state, `c${i}`, this.clock.nowMs()));
  }

  claim(i: number): Claim {
    return this.claims.at(i) as Claim;
  }

  /** Publishes to all of them, or to some. */
  publish(text: string, claims: readonly Claim[] = this.claims, fields: Partial<Enqueue> = {}): Publication {
    const publication: Publication = { outcomes: undefined };
    const item = { message: messageOn('news', text), targets: targetsOf(claims), isRefusable: false, uid: undefined };
    void this.store.queues.enqueue([{ ...item, ...fields }]).then(([outcomes]) => {
      publication.outcomes = outcomes ?? 'refused';
    });
    return publication;
  }

  /** What a Session has in its queue. */
  queueOf(claim: Claim): string[] {
    return Array.from(this.state.sessions.get(claim.clientId)?.queue.values() ?? [], ({ message }) => textOf(message));
  }

  /** A Client comes back. */
  async acquire({ clientId }: Claim): Promise<Claim> {
    return (await this.store.sessions.acquire(acquireOf(clientId))).claim;
  }

  /** Ends a turn of the event loop. @returns false if nobody waited for it */
  async turn(): Promise<boolean> {
    await this.clock.settle();
    const goOn = this.#waiting.shift();
    goOn?.();
    await this.clock.settle();
    return goOn !== undefined;
  }

  async finish(): Promise<void> {
    while (await this.turn());
  }
}

interface Publication {
  outcomes: readonly EnqueueOutcome[] | 'refused' | undefined;
}

function away(state: MemoryState, clientId: string, nowMs: number): Claim {
  const { claim } = sessions.acquire(state, acquireOf(clientId), `generation of ${clientId}`, nowMs);
  sessions.subscribe(state, claim, [subscriptionTo('news')]);
  sessions.release(state, { claim, sessionExpirySeconds: 3600, will: 'drop', sentSeq: 0 }, nowMs);
  return claim;
}

function targetsOf(claims: readonly Claim[]): Enqueue['targets'] {
  return claims.map(({ clientId, generation }) => ({ clientId, generation, topicFilters: ['news'] }));
}

describe('a message for very many stored Sessions', () => {
  it('lets others have their turn, and is answered when all have it', async () => {
    const town = new Town();
    const news = town.publish('news');
    let turns = 0;
    for (; news.outcomes === undefined; turns++) {
      expect(await town.store.sessions.count()).toBe(many); // answered in between
      if (turns === 0) expect([town.queueOf(town.claim(0)), town.queueOf(town.claim(-1))]).toEqual([['news'], []]);
      await town.turn();
    }
    expect(turns).toBeGreaterThan(2);
    expect(new Set(town.claims.map((claim) => town.queueOf(claim).join()))).toEqual(new Set(['news']));
    expect(news.outcomes).toHaveLength(many);
    expect((news.outcomes as EnqueueOutcome[]).every(({ is }) => is === 'queued')).toBe(true);
  });

  it('takes smaller slices while a snapshot is under way, since each Session is written down first', async () => {
    const town = new Town();
    const turnsOf = async (text: string): Promise<number> => {
      const news = town.publish(text);
      let turns = 0;
      for (; news.outcomes === undefined; turns++) await town.turn();
      return turns;
    };
    const without = await turnsOf('one');
    const snapshot = new Snapshot(town.state, () => {});
    expect(await turnsOf('two')).toBeGreaterThan(2 * without);
    snapshot.end();
  });

  it('is never overtaken by a later one, however few that one is for', async () => {
    const town = new Town();
    const last = town.claim(-1);
    const first = town.publish('first');
    await town.clock.settle();
    const second = town.publish('second', [last]);
    const third = town.publish('third');
    await town.turn();
    const fourth = town.publish('fourth', [last]);
    expect([first, second, third, fourth].map(({ outcomes }) => outcomes)).toEqual(Array(4).fill(undefined));
    await town.finish();
    expect(town.queueOf(last)).toEqual(['first', 'second', 'third', 'fourth']);
    expect([first, second, third, fourth].map(({ outcomes }) => outcomes?.length)).toEqual([many, 1, many, 1]);
  });

  it('is lost by no Session whose Client comes back meanwhile, be it before its slice or after it', async () => {
    const town = new Town();
    const news = town.publish('news');
    await town.turn();
    const [had, toCome] = [town.claim(0), town.claim(-1)];
    const [hadClaim, toComeClaim] = [await town.acquire(had), await town.acquire(toCome)];
    // The one reads what it has; the other is told of it, as the owner that it is by then.
    const { entries } = unfenced(await town.store.queues.read(hadClaim, 1, 10));
    expect(entries.map(({ message }) => textOf(message))).toEqual(['news']);
    expect(unfenced(await town.store.queues.read(toComeClaim, 1, 10)).entries).toEqual([]);
    await town.finish();
    const outcomes = news.outcomes as readonly EnqueueOutcome[];
    expect(outcomes[0]).toMatchObject({ is: 'queued', owner: undefined });
    expect(outcomes.at(-1)).toMatchObject({ is: 'queued', owner: { epoch: toComeClaim.epoch } });
    expect(town.queueOf(toCome)).toEqual(['news']);
  });

  it('finds each Session as it is when its slice is done', async () => {
    const town = new Town();
    const news = town.publish('news');
    await town.turn();
    const over = await town.acquire(town.claim(-1));
    await town.store.sessions.release({ claim: over, sessionExpirySeconds: 0, will: 'drop', sentSeq: 0 });
    const without = await town.acquire(town.claim(-2));
    await town.store.sessions.unsubscribe(without, ['news']);
    const anew = town.claim(-3);
    await town.store.sessions.acquire(acquireOf(anew.clientId, { cleanStart: true }));
    await town.finish();
    const outcomes = news.outcomes as readonly EnqueueOutcome[];
    expect(outcomes.slice(-4).map(({ is }) => is)).toEqual(['queued', 'no_session', 'no_subscription', 'no_session']);
  });

  it('under a uid is stored once, though it comes again', async () => {
    const town = new Town();
    const news = town.publish('news', town.claims, { uid: 'the one' });
    const again = town.publish('news', town.claims, { uid: 'the one' });
    await town.finish();
    expect((news.outcomes as EnqueueOutcome[]).every(({ is }) => is === 'queued')).toBe(true);
    expect((again.outcomes as EnqueueOutcome[]).every(({ is }) => is === 'duplicate')).toBe(true);
    expect(town.queueOf(town.claim(-1))).toEqual(['news']);
  });
});

describe('a message for very many stored Sessions that a full queue refuses', () => {
  it('goes into none, though the full queue is the last that is looked at', async () => {
    const town = new Town({ queueFull: 'refuse', queueMaxMessages: 1 });
    town.publish('before', [town.claim(-1)]);
    await town.finish();
    const news = town.publish('news', town.claims, { isRefusable: true });
    const after = town.publish('after', [town.claim(0)]);
    await town.finish();
    expect(news.outcomes).toBe('refused');
    expect(after.outcomes).toHaveLength(1);
    expect([0, 1, -1].map((i) => town.queueOf(town.claim(i)))).toEqual([['after'], [], ['before']]);
  });

  it('is dropped for a Session whose queue becomes full when others have it already', async () => {
    const town = new Town({ queueFull: 'refuse', queueMaxMessages: 1 });
    const news = town.publish('news', town.claims, { isRefusable: true });
    while (town.queueOf(town.claim(0)).length === 0) await town.turn();
    const last = await town.acquire(town.claim(-1));
    const page = { claim: last, topicFilter: 'news', from: '', to: undefined, sinceSeq: 1 };
    const kept = await town.store.queues.append({ ...page, messages: [messageOn('news', 'kept', { retain: true })] });
    expect(kept.is).toBe('appended');
    await town.finish();
    const outcomes = news.outcomes as readonly EnqueueOutcome[];
    expect(outcomes.slice(-2).map(({ is }) => is)).toEqual(['queued', 'full']);
    expect(town.queueOf(last)).toEqual(['kept']);
  });
});

describe(`slices come to the same as one breath (SKEIN_SEED=${seed})`, () => {
  const policies = ['drop-new', 'drop-old', 'refuse'] as const;
  it.each(policies)('with %s, and as the calls that they name', (queueFull) => {
    const random = new SeededRandom(seed);
    const limits = { ...defaultLimits, queueFull, queueMaxMessages: 6 };
    const [whole, cut, again] = [new MemoryState(limits), new MemoryState(limits), new MemoryState(limits)];
    const claims: Claim[] = [];
    for (const state of [whole, cut, again]) {
      claims.splice(0);
      for (let i = 0; i < 700; i++) claims.push(away(state, `c${i}`, 0));
    }
    for (let round = 0; round < 4; round++) {
      const batch = Array.from({ length: 10 }, (_, i): Enqueue => {
        // Some for nobody, some for all, most for some.
        const from = random.below(700);
        const targets = targetsOf(random.oneIn(6) ? claims : claims.slice(from, from + random.below(700)));
        const uid = random.oneIn(2) ? undefined : `uid-${random.below(round * 10 + 10)}`;
        const expiresAtMs = random.oneIn(3) ? 10 + random.below(30) : 0;
        const message = messageOn('news', `${round} ${i}`, { expiresAtMs });
        return { message, targets, isRefusable: random.oneIn(2), uid };
      });
      const nowMs = round * 10;
      const wanted = enqueue(whole, batch, nowMs);
      const sliced = new SlicedEnqueue(cut, batch);
      while (!sliced.isOver) {
        const slice = sliced.step(nowMs);
        expect(slice.batch.reduce((sum, { targets }) => sum + targets.length, 0)).toBeLessThan(4096);
        expect(enqueue(again, slice.batch, nowMs)).toEqual(slice.outcomes);
      }
      expect(sliced.outcomes).toEqual(wanted);
    }
    expect(dump(cut, 0)).toEqual(dump(whole, 0));
    expect(dump(again, 0)).toEqual(dump(whole, 0));
  });

  it('and what a turn brings in as a rule is not cut', () => {
    const state = new MemoryState(defaultLimits);
    const claims = Array.from({ length: 10 }, (_, i) => away(state, `c${i}`, 0));
    const one = { message: messageOn('news'), targets: targetsOf(claims), isRefusable: true, uid: undefined };
    expect(isLong(state, Array(400).fill(one))).toBe(false);
    expect(isLong(state, Array(500).fill(one))).toBe(true);
  });
});
