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

/** A small load through a proxy. @param drainMs how long to wait for what may never come */
function load({ url }: FaultyProxy, drainMs: number): Promise<LoadResult> {
  const size = { messages: 3000, publishers: 6, subscribers: 8, disturbances: 40 };
  return runMixedLoad({ urls: [url], seed, drainMs, ...size });
}

describe(`a load through a proxy (SKEIN_SEED=${seed})`, () => {
  it('that does nothing wrong is found right', async () => {
    await using broker = await startBroker({ limits });
    await using proxy = await FaultyProxy.start(broker.url, {});
    const { explanation, problems } = await load(proxy, 10_000);
    expect(explanation, explanation).toBe('ok');
    expect(problems).toEqual([]);
  }, 60_000);

  it.each(faults)(
    'that $name is found out',
    async ({ breaks, make }) => {
      await using broker = await startBroker({ limits });
      await using proxy = await FaultyProxy.start(broker.url, make());
      const { verdict, explanation } = await load(proxy, 500);
      // On a connection that is just being cut other things may go wrong in its wake, such as a late repetition.
      expect(Object.keys(broken(verdict)), explanation).toContain(breaks);
    },
    60_000,
  );
});
