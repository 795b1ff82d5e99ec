// The memory store is the model: whatever is asked of both, in whatever order, Redis answers the same.
//
// Both live by one clock that stands still. What may differ is taken out before answers are compared: names that each
// store makes for itself (generations, epochs) become numbers in the order of their appearance, and a head of a queue that
// lags behind is as good as one that does not.

import { defaultLimits, type Limits, memoryStore } from '@skein/broker';
import {
  answer,
  type Command,
  commandOf,
  longMs,
  ManualClock,
  nodes,
  prologue,
  SeededRandom,
  Side,
} from '@skein/broker/contract';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../testing/redis-server.ts';
import { openRedisStore } from './connect.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 40);

/** Stands for a command; a smaller one stands for any other. */
const number = fc.noShrink(fc.integer());

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describe(`Redis answers as the model does (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-new, few messages', { queueMaxMessages: 4, queueFull: 'drop-new', retainedMaxMessages: 3 }],
    ['drop-old, few messages', { queueMaxMessages: 4, queueFull: 'drop-old' }],
    ['drop-old, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'drop-old' }],
    ['refuse, few messages', { queueMaxMessages: 3, queueFull: 'refuse' }],
    ['refuse, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'refuse' }],
  ];
  it.each(limits)('%s', { timeout: 2000 * runs }, async (name, changed) => {
    await fc.assert(
      fc.asyncProperty(fc.array(number, { minLength: 10, maxLength: 60, size: 'max' }), (numbers) =>
        runBoth(numbers.map(commandOf), { ...defaultLimits, ...changed }),
      ),
      // Each goes a way of its own.
      { seed: seed + limits.findIndex(([each]) => each === name), numRuns: runs, interruptAfterTimeLimit: 1500 * runs },
    );
  });
});

async function runBoth(sequence: readonly Command[], limits: Limits): Promise<void> {
  const clock = new ManualClock();
  await using redis = await openRedisStore({
    url: server.url,
    cluster: server.newCluster(),
    limits,
    clock,
    random: new SeededRandom(seed),
    onEvent: () => undefined,
    time: 'clock',
  });
  const model = new Side(memoryStore(clock, new SeededRandom(seed), limits));
  const real = new Side(redis);
  for (const side of [model, real]) await side.follow();
  for (const [i, command] of [...prologue, ...sequence].entries()) {
    if (command.is === 'advance') {
      await clock.advance(command.ms);
      if (command.ms === longMs) for (const side of [model, real]) side.forgotten++;
      continue;
    }
    const nowMs = clock.nowMs();
    const wanted = await answer(model, command, nowMs);
    const got = await answer(real, command, nowMs);
    const [levelGot, levelWanted] = levelled(got, wanted);
    expect(real.told.splice(0), `routes after command ${i}`).toEqual(model.told.splice(0));
    expect(levelGot, `command ${i}: ${JSON.stringify(command)}`).toEqual(levelWanted);
  }
  // What is left in the end is the same too: every Session, what it owes, and its queue.
  for (const clientId of ['c0', 'c1', 'c2'] as const) {
    const acquire = {
      is: 'acquire',
      clientId,
      node: 0,
      clean: false,
      expiry: 100,
      will: undefined,
      receiveMaximum: 3,
      repeat: false,
    } as const;
    const [got, wanted] = levelled(await answer(real, acquire, 0), await answer(model, acquire, 0));
    expect(got).toEqual(wanted);
    const read = { is: 'read', claim: 0, from: 0, limit: 100 } as const;
    expect(await answer(real, read, 0)).toEqual(await answer(model, read, 0));
  }
  // What members left behind is named, however long ago that was.
  await clock.advance(11_000);
  for (const is of ['left', 'ended'] as const) {
    const command = is === 'left' ? { is } : { is, forget: false };
    expect(await answer(real, command, 0), is).toEqual(await answer(model, command, 0));
  }
  // And so is who owns what.
  for (const node of nodes.keys()) {
    expect(await answer(real, { is: 'reap', node }, 0)).toEqual(await answer(model, { is: 'reap', node }, 0));
  }
}

/** Lets a head that lags behind catch up with the other's, and what was sent with it: nothing live lies between. */
function levelled(one: unknown, other: unknown): readonly [unknown, unknown] {
  if (!hasQueue(one) || !hasQueue(other)) return [one, other];
  const headSeq = Math.max(one.queue.headSeq, other.queue.headSeq);
  const level = (answered: HasQueue): HasQueue => ({
    ...answered,
    queue: { headSeq, sentSeq: Math.max(answered.queue.sentSeq, headSeq - 1) },
  });
  return [level(one), level(other)];
}

interface HasQueue {
  readonly queue: { readonly headSeq: number; readonly sentSeq: number };
}

function hasQueue(answered: unknown): answered is HasQueue {
  return typeof answered === 'object' && answered !== null && 'queue' in answered;
}
