import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answer } from '../contract/answers.ts';
import { commandOf, longMs, prologue } from '../contract/commands.ts';
import { dump } from '../contract/dump.ts';
import { ManualClock } from '../contract/manual-clock.ts';
import { acquireOf, messageOn, subscriptionTo, willOn } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { Side } from '../contract/side.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import type { Claim, Route } from '../ports.ts';
import { packetIdOf } from '../session/outbound.ts';
import type { StateItem } from './items.ts';
import * as queues from './queues.ts';
import { putRoutes, Restoration } from './restore.ts';
import * as sessions from './sessions.ts';
import * as shared from './shared.ts';
import { Snapshot } from './snapshot.ts';
import { MemoryState } from './state.ts';
import { memoryStore } from './store.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 40);

const number = fc.noShrink(fc.integer());

describe(`a state that was put together from its pieces (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-old, few messages', { queueMaxMessages: 4, queueFull: 'drop-old', retainedMaxMessages: 3 }],
    ['refuse, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'refuse' }],
    ['many messages', {}],
  ];
  it.each(limits)('answers as the one that it was taken from: %s', { timeout: 1500 * runs }, async (_, changed) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(number, { maxLength: 60, size: 'max' }),
        fc.array(number, { maxLength: 60, size: 'max' }),
        async (before, after) => {
          const life = new Run(new MemoryState({ ...defaultLimits, ...changed }));
          for (const each of [...prologue, ...before.map(commandOf)]) await life.give(each);
          const again = restored(piecesOf(life.state), life.clock.nowMs());
          again.limits = life.state.limits;
          const one = await life.goOn(life.state);
          const other = await life.goOn(again);
          for (const [i, command] of after.map(commandOf).entries()) {
            if (restsOnMore(command)) continue;
            const [wanted, got] = [await one.give(command), await other.give(command)];
            expect(got, `command ${i}: ${JSON.stringify(command)}`).toEqual(wanted);
          }
          const nowMs = one.clock.nowMs();
          expect(other.clock.nowMs()).toBe(nowMs);
          expect(dump(other.state, nowMs)).toEqual(dump(one.state, nowMs));
        },
      ),
      { seed, numRuns: runs },
    );
  });

  it('names in the end all that was to be named for others, sooner perhaps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(number, { maxLength: 60, size: 'max' }), async (before) => {
        const one = new Run(new MemoryState({ ...defaultLimits, queueMaxMessages: 4 }));
        for (const each of [...prologue, ...before.map(commandOf)]) await one.give(each);
        const nowMs = one.clock.nowMs();
        const state = restored(piecesOf(one.state), nowMs);
        const names = (of: MemoryState, atMs: number) => shared.left(of, 100, atMs).map(({ generation }) => generation);
        expect(names(state, nowMs)).toEqual(expect.arrayContaining(names(one.state, nowMs)));
        expect(names(state, nowMs + 11_000).sort()).toEqual(names(one.state, nowMs + 11_000).sort());
      }),
      { seed, numRuns: runs },
    );
  });

  it('does what was chosen where the order of what is due, or of Sessions, may be another', async () => {
    const nowMs = 400_000_000;
    await fc.assert(
      fc.asyncProperty(fc.array(number, { maxLength: 60, size: 'max' }), async (before) => {
        const run = new Run(new MemoryState({ ...defaultLimits, queueMaxMessages: 4 }));
        for (const each of [...prologue, ...before.map(commandOf)]) await run.give(each);
        const one = run.state;
        const other = restored(piecesOf(one).reverse().sort(sessionsFirst), nowMs);
        for (let i = 0; i < 3; i++) {
          const owned = sessions.ownedBy(one, 'node-a', 1);
          const expired = sessions.expired(one, 1, nowMs);
          for (const each of [one, other]) {
            sessions.letGo(each, owned, nowMs);
            sessions.expire(each, expired, nowMs);
          }
          const due = sessions.dueWills(one, 1, nowMs);
          const taken = [one, other].map((each) => sessions.takeWills(each, due, nowMs));
          expect(taken[1]).toEqual(taken[0]);
          expect(dump(other, nowMs)).toEqual(dump(one, nowMs));
        }
      }),
      { seed, numRuns: runs },
    );
  });

  it('has its queues in order, in whatever order the entries came', () => {
    const state = new MemoryState(defaultLimits);
    const claim = subscribed(state, 'lamp', ['a', '$share/g/b']);
    for (let i = 0; i < 20; i++) enqueue(state, claim, i % 3 === 0 ? '$share/g/b' : 'a');
    const items = piecesOf(state, 3);
    const entries = items.filter(({ is }) => is === 'entries').reverse();
    expect(entries).toHaveLength(7);
    const again = restored([...items.filter(({ is }) => is !== 'entries'), ...entries], 0);
    expect([...(again.sessions.get('lamp')?.queue.keys() ?? [])]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(dump(again, 0)).toEqual(dump(state, 0));
  });

  it('takes no messages of a Session that nobody has named', () => {
    const restoration = new Restoration(defaultLimits);
    expect(() => restoration.add({ is: 'entries', generation: 'g', entries: [] })).toThrow(RangeError);
  });

  it('leads to the stored Sessions by routes, as if their Clients were away', () => {
    const state = new MemoryState(defaultLimits);
    subscribed(state, 'lamp', ['a', '$share/g/b']);
    subscribed(state, 'fleeting', ['c'], 0);
    const over = subscribed(state, 'over', ['$share/g/b']);
    enqueue(state, over, '$share/g/b');
    sessions.release(state, { claim: over, sessionExpirySeconds: 0, will: 'drop', sentSeq: 0 }, 0);
    expect(state.over.size).toBe(1);

    const again = restored(piecesOf(state), 0);
    putRoutes(again);
    let routes: readonly Route[] = [];
    again.routes.follow((changes) => {
      routes = changes.map(({ present, version, ...route }) => route);
    });
    const of = { clientId: 'lamp', generation: 'lamp 1' };
    expect(routes).toEqual([
      { topicFilter: 'a', ...of },
      { topicFilter: '$share/g/b', ...of, isStored: true, heldBy: '' },
    ]);
  });
});

describe('a start after another life', () => {
  it('lets go of every Session, with its Will, and takes all that was reserved for sent', () => {
    const state = new MemoryState(defaultLimits);
    const claim = subscribed(state, 'lamp', ['a'], 3600, 2);
    subscribed(state, 'fleeting', [], 0, 3);
    for (let i = 0; i < 50; i++) enqueue(state, claim, 'a');
    const reserved = state.sessions.get('lamp')?.sentSeq;
    expect(reserved).toBeLessThan(50);

    sessions.restart(state, 1000);

    expect(sessions.claimWills(state, 10, 1000).map(({ clientId }) => clientId)).toEqual(['fleeting']);
    expect(sessions.claimWills(state, 10, 3000).map(({ clientId }) => clientId)).toEqual(['lamp']);
    expect([...state.sessions.keys()]).toEqual(['lamp']);
    expect(state.sessions.get('lamp')).toMatchObject({ owner: undefined, sentSeq: reserved, disconnectedAtMs: 1000 });
    expect(sessions.abandonable(state, 'lamp', 'lamp 1')).toBeUndefined();
  });

  it('uses no Packet Identifier that was used shortly before, however many starts follow each other', () => {
    const state = new MemoryState(defaultLimits);
    const claim = subscribed(state, 'lamp', ['a']);
    subscribed(state, 'empty', ['a']);
    for (let i = 0; i < 3; i++) enqueue(state, claim, 'a');
    const used = [packetIdOf(3)];
    for (let start = 0; start < 20; start++) {
      sessions.skipAhead(state, sessions.seqJump);
      const packetId = packetIdOf(enqueue(state, claim, 'a'));
      // Of all gaps that are left the widest: no start comes closer to another than a half of what would be even.
      for (const before of used) expect(distance(packetId, before)).toBeGreaterThan(65_535 / used.length / 4);
      used.push(packetId);
    }
    const { queue, headSeq } = state.sessions.get('lamp') ?? {};
    expect([...(queue?.keys() ?? [])].slice(0, 4)).toEqual([1, 2, 3, 4 + sessions.seqJump]);
    expect(headSeq).toBe(1);
    const empty = state.sessions.get('empty');
    expect(empty?.headSeq).toBe(1 + 20 * sessions.seqJump);
    expect(empty?.nextSeq).toBe(empty?.headSeq);
  });
});

/** How far apart two Packet Identifiers are, the shorter way round. */
function distance(one: number, other: number): number {
  const apart = Math.abs(one - other);
  return Math.min(apart, 65_535 - apart);
}

/** Pieces may come in any order but for a Session before its entries, and Wills of one Client, oldest first. */
function sessionsFirst(one: StateItem, other: StateItem): number {
  if (one.is === 'will' && other.is === 'will') return one.epoch - other.epoch;
  return rankOf(one) - rankOf(other);
}

function rankOf({ is }: StateItem): number {
  return is === 'session' ? 0 : is === 'will' ? 1 : 2;
}

/** What no piece tells: routes, nodes, what an acquire answered, and when somebody is to be named for others. */
function restsOnMore({ is }: ReturnType<typeof commandOf>): boolean {
  return is === 'route' || is === 'member' || is === 'abandon' || is === 'left';
}

/** A store that is given commands. */
class Run {
  readonly state: MemoryState;
  readonly clock: ManualClock = new ManualClock();
  readonly #side: Side;

  /** @param generations the seed of their names */
  constructor(state: MemoryState, generations: number = seed) {
    this.state = state;
    this.#side = new Side(memoryStore(this.clock, new SeededRandom(generations), state.limits, state));
  }

  /** Goes on with another state, at this time, under these claims. */
  async goOn(state: MemoryState): Promise<Run> {
    const run = new Run(state, seed + 1);
    await run.clock.advance(this.clock.nowMs() - run.clock.nowMs());
    run.#side.claims.push(...this.#side.claims);
    // They have their names before anything is answered: what is due at one time may be answered in another order.
    for (const claim of run.#side.claims) run.#side.claimed(claim);
    run.#side.taken.push(...this.#side.taken);
    run.#side.forgotten = this.#side.forgotten;
    return run;
  }

  async give(command: ReturnType<typeof commandOf>): Promise<unknown> {
    if (command.is !== 'advance') return answer(this.#side, command, this.clock.nowMs());
    await this.clock.advance(command.ms);
    if (command.ms === longMs) this.#side.forgotten++;
    return undefined;
  }
}

/** All pieces of a state, copied as if they had been written down and read. */
function piecesOf(state: MemoryState, stepPieces?: number): StateItem[] {
  const items: StateItem[] = [];
  const snapshot = new Snapshot(state, (item) => items.push(structuredClone(item)), stepPieces);
  while (snapshot.step());
  return items;
}

function restored(items: readonly StateItem[], nowMs: number): MemoryState {
  const restoration = new Restoration(defaultLimits);
  for (const item of items) restoration.add(item);
  return restoration.finish(nowMs);
}

/** A new Session with Subscriptions, and a Will if a delay is given. */
function subscribed(
  state: MemoryState,
  clientId: string,
  filters: readonly string[],
  sessionExpirySeconds = 3600,
  willDelaySeconds?: number,
): Claim {
  const will = willDelaySeconds === undefined ? undefined : willOn('gone', willDelaySeconds);
  const request = acquireOf(clientId, { sessionExpirySeconds, will, nonce: `${clientId} 1` });
  const { claim } = sessions.acquire(state, request, `${clientId} 1`, 0);
  sessions.subscribe(
    state,
    claim,
    filters.map((topicFilter) => subscriptionTo(topicFilter)),
  );
  return claim;
}

/** @returns the seq of the message */
function enqueue(state: MemoryState, { clientId, generation }: Claim, topicFilter: string): number {
  const targets = [{ clientId, generation, topicFilters: [topicFilter] }];
  const message = messageOn('a', 'hello', { qos: 1 });
  const [outcomes] = queues.enqueue(state, [{ message, targets, isRefusable: false, uid: undefined }], 0);
  const [outcome] = outcomes ?? [];
  if (outcome?.is !== 'queued') throw new Error(`the message was not queued but ${outcome?.is}`);
  return outcome.entry.seq;
}
