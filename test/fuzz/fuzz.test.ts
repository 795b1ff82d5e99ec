// Bytes of all kinds against the decoder and against a whole broker: first everything that was ever kept, then changes
// that nobody has seen, from a seed that is in the name (SEED=… repeats it).
//
// `npm run fuzz` asks for more of it by SKEIN_FUZZ_MINUTES, and then what is new goes into the corpus.

import { describe, expect, it } from 'vitest';
import { seed } from '../support/seed.ts';
import { tryConnection } from './connection-target.ts';
import { corpusOf, inWords, keep, keepFound, type TargetName } from './corpus.ts';
import { tryDecoder } from './decoder-target.ts';
import { distilled, Fuzzer, type Target } from './fuzzer.ts';
import { connectionSeeds, decoderSeeds } from './seeds.ts';

const minutes = Number(process.env.SKEIN_FUZZ_MINUTES ?? 0);
const saveMs = 300_000;
/** A busy machine is slow, in milliseconds. */
const timeout = 120_000;

/** Who is under fire, and for how much of a long run. */
const targets: readonly {
  name: TargetName;
  target: Target;
  seeds: () => ReturnType<typeof decoderSeeds>;
  share: number;
}[] = [
  { name: 'decoder', target: tryDecoder, seeds: decoderSeeds, share: 0.25 },
  { name: 'connection', target: tryConnection, seeds: connectionSeeds, share: 0.75 },
];

function fuzzer(name: TargetName, target: Target): Fuzzer {
  const made = new Fuzzer(target, seed);
  made.onFound = (found) => {
    console.error(`${name}: ${inWords(found, seed)}`);
    if (minutes > 0) keepFound(name, found, seed);
  };
  return made;
}

describe.skipIf(minutes > 0).each(targets)('the $name', ({ name, target, seeds }) => {
  it('keeps every rule with all that was ever kept, and has all its places in it', { timeout }, async () => {
    const kept = fuzzer(name, target);
    await kept.replay(corpusOf(name));
    expect(kept.found.map((found) => inWords(found, seed))).toEqual([]);
    // Whoever adds a row to the protocol's tables, or a message, may have to run `npm run fuzz` for a minute.
    expect(kept.places).toBeGreaterThan(400);
    expect(kept.pool.length).toBeGreaterThan(100);
    await kept.replay(seeds());
    expect(kept.found).toEqual([]);
  });

  it(`keeps every rule with what nobody has seen, with SEED=${seed}`, { timeout }, async () => {
    const fresh = fuzzer(name, target);
    await fresh.replay(corpusOf(name).slice(0, 150));
    const kept = fresh.executions;
    // Some for certain, however busy the machine, and what else fits into a moment.
    await fresh.run({ executions: 100 });
    await fresh.run({ executions: 20_000, ms: 1500 });
    expect(fresh.found.map((found) => inWords(found, seed))).toEqual([]);
    expect(fresh.executions).toBeGreaterThanOrEqual(kept + 100);
  });
});

describe.skipIf(minutes === 0)(`${minutes} minutes, with SEED=${seed}`, () => {
  it.each(targets)(
    'the $name keeps every rule',
    { timeout: minutes * 120_000 + 600_000 },
    async ({ name, target, seeds, share }) => {
      const long = fuzzer(name, target);
      await long.replay([...corpusOf(name), ...seeds()]);
      for (let leftMs = minutes * 60_000 * share; leftMs > 0; leftMs -= saveMs) {
        await long.run({ ms: Math.min(leftMs, saveMs) });
        keep(name, await distilled(long.pool, target));
        console.log(
          `${name}: ${long.executions} tried, ${long.places} places by ${long.pool.length}, ${long.found.length} found`,
        );
      }
      expect(long.found.map((found) => inWords(found, seed))).toEqual([]);
    },
  );
});
