// The memory store is the model here too: a state that many commands have made is taken down, and made again twice, in
// memory and, imported, in Redis. Whatever both are asked from then on, in whatever order, they answer the same.
//
// What may differ is taken out as in differential.test.ts. Where retained messages go on for a Subscription is named by a
// topic in one store, and otherwise in the other, so only their beginning is made here (import.test.ts has the rest); of the
// uids of retained messages only those are carried whose messages may come again.

import { defaultLimits, type Limits, memory, memoryStore } from '@skein/broker';
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
import { openRedisImport } from './import.ts';
import { sourceOfState } from './import-memory.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 12);

/** Stands for a command; a smaller one stands for any other. */
const number = fc.noShrink(fc.integer());

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

describe(`Redis, imported, answers as the model does, restored (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-new', { queueMaxMessages: 6, queueFull: 'drop-new' }],
    ['drop-old', { queueMaxMessages: 6, queueFull: 'drop-old' }],
    ['refuse', { queueMaxMessages: 6, queueFull: 'refuse' }],
  ];
  const sequence = fc.array(number, { minLength: 10, maxLength: 60, size: 'max' });
  it.each(limits)('%s', { timeout: 5000 * runs }, async (name, changed) => {
    await fc.assert(
      fc.asyncProperty(sequence, sequence, (before, after) =>
        runBoth(before.map(commandOf), after.map(commandOf), { ...defaultLimits, ...changed }),
      ),
      { seed: seed + limits.findIndex(([each]) => each === name), numRuns: runs, interruptAfterTimeLimit: 3000 * runs },
    );
  });
});

async function runBoth(before: readonly Command[], after: readonly Command[], limits: Limits): Promise<void> {
  const clock = new ManualClock();
  const state = new memory.MemoryState(limits);
  const first = new Side(memoryStore(clock, new SeededRandom(seed), limits, state));
  await first.follow();
  for (const command of [...prologue, ...before.map(carried)]) {
    if (command.is === 'advance') await advance(clock, command.ms, first);
    else await answer(first, command, clock.nowMs());
  }
  for (const node of nodes.keys()) await answer(first, { is: 'reap', node }, clock.nowMs());

  const cluster = server.newCluster();
  const named = { id: 'a', state: 'b', place: 'memory', nowMs: () => clock.nowMs() };
  const source = sourceOfState(state, named);
  const restoration = new memory.Restoration(limits);
  {
    const options = { url: server.url, cluster, source, random: new SeededRandom(seed), time: 'source' } as const;
    await using importing = await openRedisImport(options);
    for (const item of source.items()) {
      restoration.add(item);
      await importing.put([item]);
    }
    const { isComplete, wanted, found } = await importing.complete();
    expect(found).toEqual(wanted);
    expect(isComplete).toBe(true);
  }
  const restored = restoration.finish(clock.nowMs());
  memory.putRoutes(restored);

  await using redis = await openRedisStore({
    url: server.url,
    cluster,
    limits,
    clock,
    random: new SeededRandom(seed + 1),
    onEvent: () => undefined,
    time: 'clock',
  });
  const model = new Side(memoryStore(clock, new SeededRandom(seed + 1), limits, restored));
  const real = new Side(redis);
  for (const side of [model, real]) {
    side.claims.push(...first.claims);
    for (const claim of first.claims) side.claimed(claim); // both know them by the same names
    side.taken.push(...first.taken);
    side.forgotten = first.forgotten;
    await side.follow();
  }
  expect(real.told.splice(0), 'routes at the start').toEqual(model.told.splice(0));
  const last = (['c0', 'c1', 'c2'] as const).flatMap((clientId): Command[] => [
    {
      is: 'acquire',
      clientId,
      node: 0,
      clean: false,
      expiry: 100,
      will: undefined,
      receiveMaximum: 3,
      repeat: false,
    },
    { is: 'read', claim: 0, from: 0, limit: 100 },
  ]);
  const end: Command[] = [{ is: 'advance', ms: 11_000 }, { is: 'left' }, { is: 'ended', forget: false }];
  for (const [i, command] of [...after, ...last, ...end].entries()) {
    if (command.is === 'advance') {
      await advance(clock, command.ms, model, real);
      continue;
    }
    const nowMs = clock.nowMs();
    const wanted = await answer(model, command, nowMs);
    const got = await answer(real, command, nowMs);
    const [levelGot, levelWanted] = levelled(got, wanted);
    expect(levelGot, `command ${i}: ${JSON.stringify(command)}`).toEqual(levelWanted);
    expect(real.told.splice(0), `routes after command ${i}`).toEqual(model.told.splice(0));
  }
}

/** A command as far as what it leaves behind is carried. */
function carried(command: Command): Command {
  if (command.is === 'append') return { ...command, to: command.to === 'x' ? '' : command.to };
  if (command.is !== 'retain') return command;
  return { ...command, messages: command.messages.map((each) => ({ ...each, uid: undefined })) };
}

async function advance(clock: ManualClock, ms: number, ...sides: readonly Side[]): Promise<void> {
  await clock.advance(ms);
  if (ms === longMs) for (const side of sides) side.forgotten++;
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
