// Death of a node that is alone, at any moment, loses nothing that was acknowledged to a publisher for a stored Session,
// duplicates no QoS 2 delivery, and fires each Will once: what its data directory holds when it starts again is all that
// it needs.
//
// The journal is kept so short that deaths fall into snapshots too. `npm run chaos` asks for more kills by SKEIN_CHAOS.

import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { KillLoad } from '../cluster/kill-load.ts';
import { chooseSeed, Random } from '../history/random.ts';
import { startAlone } from '../support/alone.ts';

const seed = chooseSeed();

/** Kills in one run; each run has a directory of its own. */
const perRun = 20;

const args = [
  ...['--limits-queue-max-messages', '100000', '--limits-queue-max-bytes', '1000000000'],
  ...['--limits-journal-max-bytes', '200000'],
];

/**
 * A Will is looked for a second after a start, and whoever claimed it has four seconds to publish it: a life may be too
 * short for either. So every so often comes one that is long enough, and a Will may be as late as that.
 */
const longLifeEvery = 4;
const longLifeMs = 6000;
const willLateMs = 40_000;
const drainMs = 40_000;
/** A kill comes within so many milliseconds after the load has gone on, so that it falls anywhere. */
const momentsMs = 60;

const chaos = Number(process.env.SKEIN_CHAOS ?? 0);
const classes = ['always', 'everysec'] as const;
const runs = Array.from({ length: Math.max(1, Math.ceil(chaos / perRun / classes.length)) }, (_, i) => i);
const cases = runs.flatMap((i) => classes.map((durability) => ({ durability, runSeed: seed + i })));

describe(`${perRun} kills of a node that is alone, under load (SKEIN_SEED=${seed})`, () => {
  it.each(cases)(
    '$durability: lose no acknowledged message, double none at QoS 2, and every Will comes once (SKEIN_SEED=$runSeed)',
    async ({ durability, runSeed }) => {
      await using node = await startAlone({ durability, args });
      const random = new Random(runSeed + 1);
      const load = new KillLoad({ urls: [node.url], seed: runSeed, willLateMs, answerMs: 30_000 });
      await load.start();
      let snapshots = 0;
      for (let kill = 1; kill <= perRun; kill++) {
        await load.progress(random.between(20, 300));
        await pause(kill % longLifeEvery === 0 ? longLifeMs : random.between(0, momentsMs));
        snapshots += await node.metric('mqtt_store_snapshots_total');
        await node.kill();
        await node.start();
      }
      const { verdict, explanation, problems } = await load.settle(drainMs);
      expect(explanation).toBe('ok');
      expect(problems).toEqual([]);
      // The load was what it is meant to be.
      const { counts } = verdict;
      expect(counts.acknowledged).toBeGreaterThan(1500);
      expect(counts.owed).toBeGreaterThan(5000);
      expect(counts.repeated).toBeGreaterThan(0);
      expect(counts.wills).toBeGreaterThan(5);
      expect(snapshots).toBeGreaterThan(0);
    },
    600_000,
  );
});
