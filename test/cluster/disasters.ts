// What befalls a cluster: each kind of it, and how it is made good again.
//
// A disaster ends with everybody alive and connected again, so that the next one finds two survivors. How long it takes
// is told in messages published meanwhile where the load goes on, in milliseconds where it may stand still.

import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../history/random.ts';
import type { Cluster } from '../support/cluster.ts';
import type { KillLoad } from './kill-load.ts';

/** What a disaster strikes. */
export interface Scene {
  readonly cluster: Cluster;
  readonly load: KillLoad;
  readonly random: Random;
}

/** A node is killed, and started again after a moment: under its name it releases itself what it held. */
export async function killAndRestart({ cluster, load, random }: Scene): Promise<void> {
  const node = random.pick(cluster.nodes);
  await node.kill();
  await load.progress(random.between(10, 100));
  await node.start();
  await load.progress(random.between(20, 150));
}

/** A node is killed, and stays dead until the others have found out and released what it held. */
export async function killAndReap({ cluster, load, random }: Scene): Promise<void> {
  const node = random.pick(cluster.nodes);
  const name = node.node;
  await node.kill();
  await cluster.untilReaped(name);
  await node.start();
  await load.progress(random.between(50, 300));
}

/** A node stands still: for less than its lease, or for more. */
export async function pauseNode({ cluster, load, random }: Scene): Promise<void> {
  const node = random.pick(cluster.nodes);
  node.pause();
  await pause(random.between(500, 12_000));
  node.wake();
  await settleDown({ cluster, load, random });
}

/** A node alone cannot reach Redis. */
export async function cutFromStore({ cluster, load, random }: Scene): Promise<void> {
  const way = random.pick(cluster.nodes).storeWay;
  await breakFor(
    random,
    () => (random.percent(50) ? way.cut() : way.hold()),
    () => way.open(),
  );
  await settleDown({ cluster, load, random });
}

/** Nobody can reach one node, which can reach the others. */
export async function cutFromPeers({ cluster, load, random }: Scene): Promise<void> {
  const way = random.pick(cluster.nodes).peerWay;
  await breakFor(
    random,
    () => (random.percent(50) ? way.cut() : way.hold()),
    () => way.open(),
  );
  await settleDown({ cluster, load, random });
}

/** Redis stands still for all: nobody may be taken for dead. */
export async function pauseRedis({ cluster, load, random }: Scene): Promise<void> {
  cluster.redis.pause();
  await pause(random.pick([1000, 5000, 10_000, 30_000]));
  cluster.redis.wake();
  await settleDown({ cluster, load, random });
}

/** Redis is killed, and has after its start what it had written. */
export async function restartRedis({ cluster, load, random }: Scene): Promise<void> {
  await cluster.redis.kill();
  await pause(random.between(0, 3000));
  await cluster.redis.start();
  await settleDown({ cluster, load, random });
}

async function breakFor(random: Random, breakIt: () => void, mend: () => void): Promise<void> {
  breakIt();
  await pause(random.between(200, 9000));
  mend();
}

/** Everybody is there, and messages flow. */
async function settleDown({ cluster, load, random }: Scene): Promise<void> {
  await cluster.untilAllMeet();
  await load.progress(random.between(50, 300));
}
