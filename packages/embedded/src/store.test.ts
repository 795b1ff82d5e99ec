import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Limits, Random, Store } from '@skein/broker';
import { describeStore } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { openEmbeddedStore } from './open.ts';

/** A clock that a test moves by hand, but for the turns of the event loop: the disk goes by them. */
function turning(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
    endOfTurn: (task) => void setImmediate(task),
  };
}

async function make(
  durability: 'always' | 'everysec' | 'memory',
  clock: Clock,
  random: Random,
  limits: Limits,
): Promise<Store & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'skein-store-'));
  const store = await openEmbeddedStore({
    directory,
    durability,
    limits,
    clock: turning(clock),
    random,
    onEvent: (event) => {
      if (event.is !== 'snapshot')
        throw new Error(`${event.is} was not expected`, { cause: 'error' in event ? event.error : event });
    },
    // Snapshots come while the calls go on.
    journalMaxBytes: 2000,
  });
  return Object.assign(store, {
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

for (const durability of ['everysec', 'memory'] as const) {
  describeStore({ describe, it, expect }, `the store on disk, ${durability}`, (clock, random, limits) =>
    make(durability, clock, random, limits),
  );
}
