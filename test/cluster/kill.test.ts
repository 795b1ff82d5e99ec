// Death of any node at any moment loses nothing that was acknowledged to a publisher for a stored Session, duplicates no
// QoS 2 delivery, and fires each Will once.
//
// `npm run chaos` asks for more of it by SKEIN_CHAOS: so many disasters, of every kind.

import { describe, expect, it } from 'vitest';
import { chooseSeed, Random } from '../history/random.ts';
import { reapMs, startCluster } from '../support/cluster.ts';
import { RedisProcess } from '../support/redis.ts';
import * as disasters from './disasters.ts';
import { KillLoad } from './kill-load.ts';

const seed = chooseSeed();

/** Disasters in one run; each run has a cluster of its own. */
const perRun = 20;

/** Whoever is to publish a Will may die as well: then somebody else does so when this time has passed and it looks again. */
const claimMs = 4000 + 1000;

/** What a machine takes that has more to do than it can: several nodes start and are found dead at the same time. */
const busyMs = 7000;

/** A Redis that stands still delays the finding of a death by as long, and by what it has to make up for. */
const pausedRedisMs = 45_000;

/** Whoever is away for long must find everything. */
const args = ['--limits-queue-max-messages', '100000', '--limits-queue-max-bytes', '1000000000'];

const drainMs = 40_000;

const chaos = Number(process.env.SKEIN_CHAOS ?? 0);

describe.skipIf(chaos > 0)(`${perRun} kills of nodes under load (SKEIN_SEED=${seed})`, () => {
  it('lose no acknowledged message, double none at QoS 2, and every Will comes once and in time', async () => {
    await using cluster = await startCluster({ name: 'kill', args });
    const load = new KillLoad({
      urls: cluster.nodes.map(({ url }) => url),
      seed,
      willLateMs: reapMs + claimMs + busyMs,
      answerMs: 30_000,
    });
    const scene = { cluster, load, random: new Random(seed + 1) };
    await load.start();
    for (let kill = 1; kill <= perRun; kill++) {
      await (kill % 6 === 0 ? disasters.killAndReap(scene) : disasters.killAndRestart(scene));
    }
    const { verdict, explanation, problems } = await load.settle(drainMs);
    expect(explanation, explanation).toBe('ok');
    expect(problems).toEqual([]);
    // The load was what it is meant to be.
    const { counts } = verdict;
    expect(counts.acknowledged).toBeGreaterThan(5000);
    expect(counts.owed).toBeGreaterThan(20_000);
    expect(counts.repeated).toBeGreaterThan(0);
    expect(counts.wills).toBeGreaterThan(10);
  }, 600_000);
});

describe.runIf(chaos > 0)(`${chaos} disasters of every kind under load`, () => {
  const runs = Array.from({ length: Math.ceil(chaos / perRun) }, (_, i) => ({
    runSeed: seed + i,
    count: Math.min(perRun, chaos - i * perRun),
  }));
  const weighted = [
    ...[disasters.killAndRestart, disasters.killAndRestart, disasters.killAndRestart, disasters.killAndReap],
    ...[disasters.pauseNode, disasters.pauseNode, disasters.cutFromStore, disasters.cutFromPeers],
    ...[disasters.pauseRedis, disasters.restartRedis],
  ];

  it.each(runs)(
    'lose nothing: $count of them, SKEIN_SEED=$runSeed',
    async ({ runSeed, count }) => {
      // With everysec a slow disk may keep the last two seconds from the file, acknowledged or not.
      await using redis = await RedisProcess.start(['--appendfsync', 'always']);
      await using cluster = await startCluster({ name: `chaos-${runSeed}`, args, isBreakable: true, redis });
      const load = new KillLoad({
        urls: cluster.nodes.map(({ url }) => url),
        seed: runSeed,
        willLateMs: reapMs + claimMs + busyMs + pausedRedisMs,
        answerMs: 90_000,
      });
      const scene = { cluster, load, random: new Random(runSeed + 1) };
      await load.start();
      for (let number = 1; number <= count; number++) {
        const disaster = scene.random.pick(weighted);
        console.log(`seed ${runSeed}: ${number}. ${disaster.name}`);
        await disaster(scene);
      }
      const { verdict, explanation, problems } = await load.settle(2 * drainMs);
      console.log(`seed ${runSeed}: ${JSON.stringify(verdict.counts)}`);
      expect(explanation, explanation).toBe('ok');
      expect(problems).toEqual([]);
    },
    perRun * 60_000,
  );
});
