import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { forEachSeed } from './testing/seeds.ts';
import { Simulation } from './testing/simulation.ts';

// The promises of the broker, by chance: whatever the order in which packets, answers of the store and failures come,
// nothing acknowledged is lost, no QoS 2 message is delivered twice, order is kept, and each Will is published once.
// The story of a run that fails is left in .cache.

const rejections: unknown[] = [];
const note = (error: unknown): number => rejections.push(error);
beforeAll(() => {
  process.on('unhandledRejection', note);
});
afterAll(() => {
  process.off('unhandledRejection', note);
});

it('the promises hold in any weather', { timeout: 60_000 }, async () => {
  await forEachSeed(200, async (seed) => {
    const simulation = new Simulation(seed);
    try {
      await simulation.storm(600);
      await simulation.calm();
      expect(simulation.faults()).toEqual([]);
      expect(rejections).toEqual([]);
    } catch (error) {
      mkdirSync('.cache', { recursive: true });
      writeFileSync(`.cache/simulation-${seed}.log`, simulation.story());
      throw error;
    }
  });
});
