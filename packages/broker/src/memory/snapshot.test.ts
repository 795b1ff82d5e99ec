import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answer } from '../contract/answers.ts';
import { commandOf, longMs, prologue } from '../contract/commands.ts';
import { dump } from '../contract/dump.ts';
import { ManualClock } from '../contract/manual-clock.ts';
import { acquireOf, messageOn, subscriptionTo } from '../contract/samples.ts';
import { SeededRandom } from '../contract/seeded-random.ts';
import { Side } from '../contract/side.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import type { StateItem } from './items.ts';
import * as queues from './queues.ts';
import { Restoration } from './restore.ts';
import * as sessions from './sessions.ts';
import { Snapshot } from './snapshot.ts';
import { MemoryState, type QueueLimits } from './state.ts';
import { memoryStore } from './store.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 40);

const number = fc.noShrink(fc.integer());

describe(`a snapshot (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-new, few messages', { queueMaxMessages: 4, queueFull: 'drop-new', retainedMaxMessages: 3 }],
    ['drop-old, few messages', { queueMaxMessages: 4, queueFull: 'drop-old' }],
    ['many messages', {}],
  ];
  it.each(limits)(
    'has what there was when it began, whatever is done meanwhile: %s',
    { timeout: 1500 * runs },
    async (_, changed) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(number, { maxLength: 60, size: 'max' }),
          fc.array(fc.tuple(number, fc.nat({ max: 3 })), { maxLength: 60, size: 'max' }),
          async (before, meanwhile) => {
            const run = new Run({ ...defaultLimits, ...changed });
            for (const command of prologue) await run.give(command);
            for (const each of before) await run.give(commandOf(each));

            const items: StateItem[] = [];
            const atMs = run.clock.nowMs();
            const wanted = dump(run.state, atMs);
            const snapshot = new Snapshot(run.state, (item) => items.push(structuredClone(item)), 1);
            let isMore = true;
            for (const [each, steps] of meanwhile) {
              for (let i = 0; i < steps && isMore; i++) isMore = snapshot.step();
              await run.give(commandOf(each));
            }
            while (isMore) isMore = snapshot.step();

            expect(dump(restored(items, run.state.limits, atMs), atMs)).toEqual(wanted);
          },
        ),
        { seed, numRuns: runs },
      );
    },
  );

  it('tells nothing more once it is ended', () => {
    const { state, claim } = queued(3);
    const items: StateItem[] = [];
    const snapshot = new Snapshot(state, (item) => items.push(item));
    queues.ends(state, [claim]);
    expect(items.map(({ is }) => is)).toEqual(['session']);

    snapshot.end();
    queues.ack(state, [{ ...claim, seqs: [1, 2, 3] }]);
    expect(snapshot.step()).toBe(false);
    expect(items).toHaveLength(1);
  });

  it('is one at a time', () => {
    const { state } = queued(1);
    const first = new Snapshot(state, () => undefined);
    expect(() => new Snapshot(state, () => undefined)).toThrow('under way');
    first.end();
    const items: StateItem[] = [];
    const second = new Snapshot(state, (item) => items.push(item));
    expect(second.step()).toBe(false);
    expect(items.map(({ is }) => is)).toEqual(['epoch', 'session', 'entries']);
  });

  it('tells a long queue some at a time, and a message that goes meanwhile by itself', () => {
    const { state, claim } = queued(10_000);
    const told: number[][] = [];
    const snapshot = new Snapshot(state, (item) => {
      if (item.is === 'entries') told.push(item.entries.map(({ seq }) => seq));
    });
    let steps = 1;
    for (; snapshot.step(); steps++) {
      const before = told.length;
      const seqs = [steps, 10_000 - steps];
      queues.ack(state, [{ ...claim, seqs }]);
      // The first ones have been told already.
      expect(told.slice(before)).toEqual((seqs[1] as number) > (told[before - 1]?.at(-1) ?? 0) ? [[seqs[1]]] : []);
      enqueue(state, claim, 1);
    }
    expect(steps).toBeGreaterThan(10);
    expect(Math.max(...told.map(({ length }) => length))).toBe(256);
    expect(told.flat().sort((one, other) => one - other)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
  });

  it('takes a bounded step, however many Sessions there are', () => {
    const state = new MemoryState(defaultLimits);
    for (let i = 0; i < 5000; i++) sessions.acquire(state, acquireOf(`c${i}`), `g${i}`, 0);
    let told = 0;
    const snapshot = new Snapshot(state, () => told++);
    for (let before = 0; snapshot.step(); before = told) expect(told - before).toBeLessThan(600);
    expect(told).toBe(5001);
  });
});

/** A store that is given commands. */
class Run {
  readonly clock: ManualClock = new ManualClock();
  readonly state: MemoryState;
  readonly #side: Side;

  constructor(limits: Limits) {
    this.state = new MemoryState(limits);
    this.#side = new Side(memoryStore(this.clock, new SeededRandom(seed), limits, this.state));
  }

  async give(command: ReturnType<typeof commandOf>): Promise<void> {
    if (command.is !== 'advance') {
      await answer(this.#side, command, this.clock.nowMs());
      return;
    }
    await this.clock.advance(command.ms);
    if (command.ms === longMs) this.#side.forgotten++;
  }
}

function restored(items: readonly StateItem[], limits: QueueLimits, nowMs: number): MemoryState {
  const restoration = new Restoration(limits);
  for (const item of items) restoration.add(item);
  return restoration.finish(nowMs);
}

function queued(messages: number): { readonly state: MemoryState; readonly claim: ReturnType<typeof claimOf> } {
  const state = new MemoryState({ ...defaultLimits, queueMaxMessages: 100_000 });
  const claim = claimOf(state);
  enqueue(state, claim, messages);
  return { state, claim };
}

function claimOf(state: MemoryState) {
  const { claim } = sessions.acquire(state, acquireOf('lamp'), 'g', 0);
  sessions.subscribe(state, claim, [subscriptionTo('a')]);
  return claim;
}

function enqueue(state: MemoryState, { clientId, generation }: ReturnType<typeof claimOf>, count: number): void {
  const target = { clientId, generation, topicFilters: ['a'] };
  for (let i = 0; i < count; i++) {
    const message = messageOn('a', `${i}`, { qos: 1 });
    queues.enqueue(state, [{ message, targets: [target], isRefusable: false, uid: undefined }], 0);
  }
}
