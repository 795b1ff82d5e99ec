// The memory store is the model: whatever is asked of both, in whatever order, the store on disk answers the same, also
// when its process ends in between, well or badly, and begins again on what the directory holds.
//
// Where the store begins again, the model lets go of what was owned, as a start does, and forgets what no directory
// holds: who asked what before, and how nodes stand to each other.

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, defaultLimits, type Limits, memory, memoryStore, type Store } from '@skein/broker';
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
import { describe, expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './open.ts';

/** `SKEIN_SEED` repeats a run, `SKEIN_RUNS` makes it longer. */
const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const runs = Number(process.env.SKEIN_RUNS ?? 30);

/** Stands for a command; a smaller one stands for any other. */
const number = fc.noShrink(fc.integer());
/** Of so many commands one is an end of the process. */
const endEvery = 12;

/** As many are drawn for a generation, and for nothing else. */
const generationBytes = 6;

type End = { readonly is: 'stopped' } | { readonly is: 'killed' };

describe(`the store on disk answers as the model does (SKEIN_SEED=${seed})`, () => {
  const limits: readonly (readonly [string, Partial<Limits>])[] = [
    ['drop-new, few messages', { queueMaxMessages: 4, queueFull: 'drop-new', retainedMaxMessages: 3 }],
    ['drop-old, few messages', { queueMaxMessages: 4, queueFull: 'drop-old' }],
    ['drop-old, few bytes', { queueMaxBytes: 47_000, queueMaxMessages: 5, queueFull: 'drop-old' }],
    ['refuse, few messages', { queueMaxMessages: 3, queueFull: 'refuse' }],
    ['many messages', {}],
  ];
  it.each(limits)('%s', { timeout: 2000 * runs }, async (name, changed) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(number, { minLength: 10, maxLength: 90, size: 'max' }),
        fc.integer({ min: 500, max: 20_000 }),
        (numbers, journalMaxBytes) =>
          runBoth(numbers.map(commandOrEnd), { ...defaultLimits, ...changed }, journalMaxBytes),
      ),
      // Each goes a way of its own.
      { seed: seed + limits.findIndex(([each]) => each === name), numRuns: runs, interruptAfterTimeLimit: 1500 * runs },
    );
  });
});

function commandOrEnd(drawn: number): Command | End {
  if (drawn % endEvery === 0) return { is: drawn % 2 === 0 ? 'stopped' : 'killed' };
  return commandOf(drawn);
}

async function runBoth(sequence: readonly (Command | End)[], limits: Limits, journalMaxBytes: number): Promise<void> {
  const clock = new ManualClock();
  await using directories = new Directories();
  const real = new Lives(await directories.open(clock, limits, journalMaxBytes));
  const model = new Lives(new Model(clock, limits, new SeededRandom(seed)));
  for (const { side } of [model, real]) await side.follow();
  for (const [i, command] of [...prologue, ...sequence].entries()) {
    if (command.is === 'advance') {
      await clock.advance(command.ms);
      if (command.ms === longMs) for (const { side } of [model, real]) side.forgotten++;
      continue;
    }
    if (command.is === 'stopped' || command.is === 'killed') {
      await real.store.end(command);
      real.store = await directories.open(clock, limits, journalMaxBytes);
      model.store = (model.store as Model).again();
      for (const { side } of [model, real]) await side.follow();
    } else {
      const nowMs = clock.nowMs();
      const wanted = await answer(model.side, command, nowMs);
      expect(await answer(real.side, command, nowMs), `command ${i}: ${JSON.stringify(command)}`).toEqual(wanted);
    }
    expect(real.side.told.splice(0), `routes after command ${i}`).toEqual(model.side.told.splice(0));
  }
  // What is left in the end is the same too: every Session, what it owes, and its queue.
  for (const clientId of ['c0', 'c1', 'c2'] as const) {
    const fixed = { is: 'acquire', node: 0, clean: false, expiry: 100, receiveMaximum: 3, repeat: false } as const;
    const acquire = { ...fixed, clientId, will: undefined };
    expect(await answer(real.side, acquire, 0)).toEqual(await answer(model.side, acquire, 0));
    const read = { is: 'read', claim: 0, from: 0, limit: 100 } as const;
    expect(await answer(real.side, read, 0)).toEqual(await answer(model.side, read, 0));
  }
  await clock.advance(11_000);
  for (const is of ['left', 'ended'] as const) {
    const command = is === 'left' ? { is } : { is, forget: false };
    expect(await answer(real.side, command, 0), is).toEqual(await answer(model.side, command, 0));
  }
  for (const node of nodes.keys()) {
    const reap = { is: 'reap', node } as const;
    expect(await answer(real.side, reap, 0)).toEqual(await answer(model.side, reap, 0));
  }
  await real.store.end({ is: 'stopped' });
}

/** A store that may end and begin again, under the eyes of one side. */
interface Life {
  readonly ports: Store;
  end(how: End): Promise<void>;
}

class Lives {
  store: Life;
  readonly side: Side;

  constructor(store: Life) {
    this.store = store;
    const now = (): Store => this.store.ports;
    this.side = new Side({
      get sessions(): Store['sessions'] {
        return now().sessions;
      },
      get queues(): Store['queues'] {
        return now().queues;
      },
      get inbound(): Store['inbound'] {
        return now().inbound;
      },
      get retained(): Store['retained'] {
        return now().retained;
      },
      get routes(): Store['routes'] {
        return now().routes;
      },
      get wills(): Store['wills'] {
        return now().wills;
      },
      get members(): Store['members'] {
        return now().members;
      },
      get shared(): Store['shared'] {
        return now().shared;
      },
    });
  }
}

class Model implements Life {
  readonly ports: Store;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #random: SeededRandom;
  readonly #state: memory.MemoryState;

  constructor(clock: Clock, limits: Limits, random: SeededRandom, state = new memory.MemoryState(limits)) {
    this.#clock = clock;
    this.#limits = limits;
    this.#random = random;
    this.#state = state;
    this.ports = memoryStore(clock, random, limits, state);
  }

  async end(): Promise<void> {}

  /** What lasts of it, in another process. */
  again(): Model {
    const restoration = new memory.Restoration(this.#limits);
    const snapshot = new memory.Snapshot(this.#state, (item) => restoration.add(structuredClone(item)));
    while (snapshot.step());
    const state = restoration.finish(this.#clock.nowMs());
    memory.sessions.restart(state, this.#clock.nowMs());
    memory.putRoutes(state);
    return new Model(this.#clock, this.#limits, this.#random, state);
  }
}

/** One store after another, in directories that are removed in the end. */
class Directories implements AsyncDisposable {
  /** The same as the model's; what else is drawn is no concern of the model. */
  readonly #generations: SeededRandom = new SeededRandom(seed);
  readonly #others: SeededRandom = new SeededRandom(seed);
  readonly #stores: EmbeddedStore[] = [];
  readonly #made: string[] = [];
  /** What the next one begins with. */
  #next: string | undefined;

  async open(clock: ManualClock, limits: Limits, journalMaxBytes: number): Promise<Life> {
    const directory = this.#next ?? (await this.#make());
    const store = await openEmbeddedStore({
      directory,
      durability: 'everysec',
      limits,
      clock: turning(clock),
      random: { bytes: (length) => (length === generationBytes ? this.#generations : this.#others).bytes(length) },
      onEvent: (event) => {
        if (event.is === 'snapshot') return;
        throw new Error(`${event.is} was not expected`, { cause: 'error' in event ? event.error : event });
      },
      journalMaxBytes,
    });
    this.#stores.push(store);
    const end = async ({ is }: End): Promise<void> => {
      this.#next = directory;
      if (is === 'stopped') await store.close();
      else {
        // What a process leaves behind that is killed now.
        this.#next = await this.#copy(directory);
      }
    };
    return { ports: store, end };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) await store.close();
    for (const directory of this.#made) await rm(directory, { recursive: true, force: true });
  }

  /** Files may go while they are copied, when a snapshot is complete: then the copy is of no moment. */
  async #copy(directory: string): Promise<string> {
    for (;;) {
      const copy = await this.#make();
      try {
        await cp(directory, copy, { recursive: true, filter: (path) => !path.includes('lock') });
        return copy;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
  }

  async #make(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'skein-differential-'));
    this.#made.push(directory);
    return directory;
  }
}

/** A clock that a test moves by hand, but for the turns of the event loop: the disk goes by them. */
function turning(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
    endOfTurn: (task) => void setImmediate(task),
  };
}
