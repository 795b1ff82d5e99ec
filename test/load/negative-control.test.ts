// A check that never fails proves nothing: the same load through a proxy that does one thing wrong must be found out.

import { describe, expect, it } from 'vitest';
import { chooseSeed } from '../history/random.ts';
import { broken } from '../history/story.ts';
import { startBroker } from '../support/broker.ts';
import { faults } from './faults.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import { type LoadResult, runMixedLoad } from './mixed-load.ts';

const seed = chooseSeed();

/** Whoever is away for long must find everything. */
const limits = { queueMaxMessages: 100_000, queueMaxBytes: 1_000_000_000 };

/** A small load, on the broker's url or a proxy's. */
function load(url: string): Promise<LoadResult> {
  return runMixedLoad({ url, seed, messages: 3000, publishers: 6, subscribers: 8, disturbances: 40, drainMs: 500 });
}

describe(`a load through a proxy (SKEIN_SEED=${seed})`, () => {
  it('that does nothing wrong is found right', async () => {
    await using broker = await startBroker({ limits });
    await using proxy = await FaultyProxy.start(broker.url, {});
    const { explanation, problems } = await load(proxy.url);
    expect(explanation).toBe('ok');
    expect(problems).toEqual([]);
  });

  it.each(faults)('that $name is found out', async ({ breaks, hasConsequences = false, make }) => {
    await using broker = await startBroker({ limits });
    await using proxy = await FaultyProxy.start(broker.url, make());
    const { verdict, explanation } = await load(proxy.url);
    expect(verdict.is, explanation).toBe('violation');
    const found = Object.keys(broken(verdict));
    if (hasConsequences) expect(found, explanation).toContain(breaks);
    else expect(found, explanation).toEqual([breaks]);
  });
});
