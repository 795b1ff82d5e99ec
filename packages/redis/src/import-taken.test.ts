import { SeededRandom } from '@skein/broker/contract';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentsOf, much, sourceOf } from '../testing/import-source.ts';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { discardRedisImport, openRedisImport, type RedisImport } from './import.ts';
import type { ImportSource } from './import-source.ts';
import { RedisRefused } from './refused.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));
const random = new SeededRandom(seed);
const takenOver = /another run of skein migrate has taken over .*; this run has stopped/;

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  client = server.client();
});
afterAll(async () => {
  client.disconnect();
  await server[Symbol.asyncDispose]();
});

function open(cluster: string, source: ImportSource): Promise<RedisImport> {
  return openRedisImport({ url: server.url, cluster, source, random, time: 'source' });
}

function discard(cluster: string): Promise<boolean> {
  return discardRedisImport({ url: server.url, cluster, random });
}

/** Imports all of it in one go; what goes wrong is an answer as well. */
async function importAll(cluster: string, source: ImportSource): Promise<'complete' | RedisRefused> {
  try {
    await using importing = await open(cluster, source);
    await importing.put([...source.items()]);
    expect(await importing.complete()).toMatchObject({ isComplete: true });
    return 'complete';
  } catch (error) {
    if (error instanceof RedisRefused) return error;
    throw error;
  }
}

async function contentsAlone(source: ImportSource): Promise<Record<string, unknown>> {
  const cluster = server.newCluster();
  expect(await importAll(cluster, source)).toBe('complete');
  return await contentsOf(client, cluster);
}

async function someTurns(most: number): Promise<void> {
  let turns = Buffer.from(random.bytes(4)).readUInt32LE() % most;
  while (turns-- > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe(`of two runs of an import (SKEIN_SEED=${seed})`, () => {
  it('the later one goes on, and the earlier is told so', async () => {
    const cluster = server.newCluster();
    const items = much(200);
    await using earlier = await open(cluster, sourceOf(items));
    await earlier.put(items.slice(0, 900));
    await using later = await open(cluster, sourceOf(items));
    expect(later.beginning).toBe('continued');
    await expect(earlier.put(items.slice(900)).then(() => earlier.complete())).rejects.toThrow(takenOver);
    await later.put(items);
    expect(await later.complete()).toMatchObject({ isComplete: true });
  });

  it('nothing of the earlier one is there, if they are of two copies of a directory that went different ways', async () => {
    const cluster = server.newCluster();
    const [items, others] = [much(200), much(100, 50)];
    const copy = sourceOf(others, { state: 'as it went on' });
    const wanted = await contentsAlone(copy);
    await using earlier = await open(cluster, sourceOf(items));
    await earlier.put(items.slice(0, 900));
    // It has calls under way when the other one begins, and goes on trying.
    const under = earlier.put(items.slice(900)).catch((error: unknown) => error);
    await using later = await open(cluster, copy);
    expect(later.beginning).toBe('anew');
    const told = await under;
    if (told !== 0) expect(String(told)).toMatch(takenOver);
    await later.put(others.slice(0, 100));
    await expect(earlier.complete()).rejects.toThrow(takenOver);
    await later.put(others.slice(100));
    expect(await later.complete()).toMatchObject({ isComplete: true });
    expect(await contentsOf(client, cluster)).toEqual(wanted);
    await expect(earlier.complete()).rejects.toThrow(takenOver);
    expect(await contentsOf(client, cluster)).toEqual(wanted);
  });
});

describe(`an import that is taken back while a run is at it (SKEIN_SEED=${seed})`, () => {
  it('leaves nothing behind, whenever that is, or is complete', { timeout: 60_000 }, async () => {
    const source = sourceOf(much(200));
    const wanted = await contentsAlone(source);
    for (let round = 0; round < 8; round++) {
      const cluster = server.newCluster();
      const begun = await open(cluster, source);
      await begun.close();
      const running = importAll(cluster, source);
      await someTurns(60);
      const discarded = await discard(cluster).catch((error: unknown) => error);
      const ran = await running;
      const isThere = (await client.exists(`${cluster}:im:{nodes}`)) === 1;
      if (isThere) {
        // It had come to its end before, or began when it was taken back, and went on or anew.
        expect(ran).toBe('complete');
        expect(await contentsOf(client, cluster)).toEqual(wanted);
        if (discarded !== true) expect(discarded).toBeInstanceOf(RedisRefused);
      } else {
        expect([discarded, String(ran)]).toEqual([true, expect.stringMatching(takenOver)]);
        expect(await client.keys(`${cluster}:*`)).toEqual([`${cluster}:meta`]);
      }
      await using store = await openStore(server.url, cluster);
      expect(await store.store.sessions.count()).toBe(isThere ? 200 : 0);
    }
  });

  it('is not removed from under a run that began meanwhile', { timeout: 60_000 }, async () => {
    const source = sourceOf(much(200));
    const wanted = await contentsAlone(source);
    for (let round = 0; round < 8; round++) {
      const cluster = server.newCluster();
      const first = await open(cluster, source);
      await first.put([...source.items()]);
      await first.close();
      const discarding = discard(cluster).catch((error: unknown) => error);
      await someTurns(30);
      const ran = await importAll(cluster, source);
      const discarded = await discarding;
      if (ran !== 'complete') {
        expect([discarded, ran.message]).toEqual([true, expect.stringMatching(takenOver)]);
        expect(await client.keys(`${cluster}:*`)).toEqual([`${cluster}:meta`]);
        continue;
      }
      expect(await contentsOf(client, cluster)).toEqual(wanted);
      if (discarded !== true) expect(String(discarded)).toMatch(/another run|is complete since/);
      await using store = await openStore(server.url, cluster);
      expect(await store.store.sessions.count()).toBe(200);
    }
  });
});
