import { StoreUnavailable } from '@skein/broker';
import { SeededRandom } from '@skein/broker/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentsOf, message, much, session, sourceOf } from '../testing/import-source.ts';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { discardRedisImport, type ImportVerdict, openRedisImport, type RedisImport } from './import.ts';
import type { ImportSource, StateItem } from './import-source.ts';
import { RedisRefused } from './refused.ts';

const seed = Number(process.env.SKEIN_SEED ?? Math.trunc(Math.random() * 0x7fffffff));

/** Names runs, each another way. */
const random = new SeededRandom(1);

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(cluster: string, source: ImportSource, url: string = server.url): Promise<RedisImport> {
  return openRedisImport({ url, cluster, source, random, time: 'source' });
}

async function importAll(cluster: string, source: ImportSource, url: string = server.url): Promise<ImportVerdict> {
  await using importing = await open(cluster, source, url);
  for (const item of source.items()) await importing.put([item]);
  return await importing.complete();
}

describe(`an import that is stopped (SKEIN_SEED=${seed})`, () => {
  it('goes on where it was, wherever that is, and ends as if it had not been', { timeout: 60_000 }, async () => {
    const moments = new SeededRandom(seed);
    const upTo = (most: number): number => Buffer.from(moments.bytes(4)).readUInt32LE() % most;
    const items = much(200);
    const source = sourceOf(items);
    const whole = server.newCluster();
    expect(await importAll(whole, source)).toMatchObject({
      isComplete: true,
      found: { sessions: 200, messages: 1000 },
    });
    const client = server.client();
    const wanted = await contentsOf(client, whole);
    expect(Object.keys(wanted).length).toBeGreaterThan(200 * 8);
    for (let round = 0; round < 2; round++) {
      const cluster = server.newCluster();
      let passed = 0;
      for (let stop = 0; stop < 3; stop++) {
        const importing = await open(cluster, source);
        expect(importing.beginning).toBe(stop === 0 ? 'new' : 'continued');
        const putting = importing.put(items.slice(0, 200 + upTo(items.length - 200))).catch(() => undefined);
        // In the middle of whatever it does, and of its connection.
        for (let turn = upTo(60); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
        await importing.close();
        await putting;
        expect(importing.journal.pieces).toBeGreaterThanOrEqual(passed);
        passed = importing.journal.pieces;
      }
      expect(await importAll(cluster, source)).toMatchObject({ isComplete: true });
      expect(await contentsOf(client, cluster)).toEqual(wanted);
    }
    client.disconnect();
  });

  it('passes over what is stored', { timeout: 60_000 }, async () => {
    const cluster = server.newCluster();
    const items = much(200);
    const source = sourceOf(items);
    const first = await open(cluster, source);
    expect(await first.put(items.slice(0, 900))).toBe(0);
    await first.close();
    await using second = await open(cluster, source);
    expect(await second.put(items)).toBeGreaterThan(300);
    expect(await second.complete()).toMatchObject({ isComplete: true });
  });

  it('begins anew on a clean table if its source has changed since', { timeout: 60_000 }, async () => {
    const cluster = server.newCluster();
    const items = much(200);
    const first = await open(cluster, sourceOf(items));
    await first.put(items);
    await first.close();
    const changed = sourceOf(much(1), { state: 'another one' });
    await using second = await open(cluster, changed);
    expect(second.beginning).toBe('anew');
    await second.put([...changed.items()]);
    expect(await second.complete()).toMatchObject({ isComplete: true, found: { sessions: 1, retained: 1 } });
    const client = server.client();
    const other = server.newCluster();
    await importAll(other, changed);
    expect(await contentsOf(client, cluster)).toEqual(await contentsOf(client, other));
    client.disconnect();
  });

  it('begins anew after a run that was stopped while it began anew, or took back what was copied', async () => {
    const cluster = server.newCluster();
    const source = sourceOf(much(100));
    const first = await open(cluster, source);
    await first.put([...source.items()]);
    await first.close();
    const client = server.client();
    // As it is then: some of it is gone, and the journal says that nothing is known.
    await client.hset(`${cluster}:im:{nodes}`, { state: '', pieces: '0', checksum: '0' });
    client.disconnect();
    const second = await open(cluster, source);
    expect(second.beginning).toBe('anew');
    await second.close();
    const third = await open(cluster, source);
    expect([third.beginning, third.journal.pieces]).toEqual(['continued', 0]);
    await third.close();
    expect(await importAll(cluster, source)).toMatchObject({ isComplete: true });
  });

  it('begins anew if what is told is not what was', async () => {
    const cluster = server.newCluster();
    const items = much(200);
    const first = await open(cluster, sourceOf(items));
    await first.put(items);
    await first.close();
    const [epoch, ...rest] = items as [StateItem, ...StateItem[]];
    const turned = sourceOf([...rest, epoch]);
    await expect(importAll(cluster, turned)).rejects.toThrow(/tells something else .* it begins anew/);
    expect(await importAll(cluster, turned)).toMatchObject({ isComplete: true });
  });

  it('goes on when Redis has memory again', { timeout: 60_000 }, async () => {
    await using small = await RedisServer.start(['--maxmemory', '5mb', '--maxmemory-policy', 'noeviction']);
    const source = sourceOf(much(800, 4000));
    await expect(importAll('full', source, small.url)).rejects.toThrow(
      /has no memory left for more \(maxmemory\); give it more and run the same command again/,
    );
    await expect(importAll('full', source, small.url)).rejects.toThrow(RedisRefused);
    const client = small.client();
    await client.config('SET', 'maxmemory', '500mb');
    await using again = await open('full', source, small.url);
    expect(again.beginning).toBe('continued');
    expect(await again.put([...source.items()])).toBeGreaterThan(100);
    expect(await again.complete()).toMatchObject({ isComplete: true });
    client.disconnect();
  });
});

describe('while an import is not complete', () => {
  it('no node starts, nor joins that had started before', async () => {
    const cluster = server.newCluster();
    const member = { node: 'n1-1', nodeId: 'n1', address: '127.0.0.1:1', secret: 'hush' };
    await using early = await openStore(server.url, cluster);
    const source = sourceOf(much(2));
    const importing = await open(cluster, source);
    await expect(openStore(server.url, cluster)).rejects.toThrow(
      /still being migrated there from \.\/skein-data, since \d{4}-.*skein migrate/,
    );
    await expect(early.store.members.join(member)).rejects.toThrow(StoreUnavailable);
    await importing.put([...source.items()]);
    expect(await importing.complete()).toMatchObject({ isComplete: true });
    await importing.close();
    await early.store.members.join(member);
    await using late = await openStore(server.url, cluster);
    expect(await late.store.sessions.count()).toBe(2);
  });

  it('it is what was counted that says so: a difference keeps nodes out, and the next run begins anew', async () => {
    const cluster = server.newCluster();
    const items = much(2);
    const honest = sourceOf(items);
    const source = sourceOf(items, { counts: () => ({ ...honest.counts(), messages: 11 }) });
    const verdict = await importAll(cluster, source);
    expect(verdict).toMatchObject({
      isComplete: false,
      wanted: { messages: 11 },
      found: { messages: 10, sessions: 2 },
    });
    await expect(openStore(server.url, cluster)).rejects.toThrow(/still being migrated/);
    await using again = await open(cluster, honest);
    expect(again.beginning).toBe('anew');
    await again.put(items);
    expect(await again.complete()).toMatchObject({ isComplete: true });
  });

  it('what is missing in Redis is found', { timeout: 60_000 }, async () => {
    const client = server.client();
    const wrong: [string, (cluster: string) => Promise<unknown>][] = [
      ['sessions', (cluster) => delFirst(`${cluster}:s:*`)],
      ['messages', (cluster) => delFirst(`${cluster}:q:*`)],
      ['subscriptions', (cluster) => delFirst(`${cluster}:u:*`)],
      ['inbound', (cluster) => delFirst(`${cluster}:i:*`)],
      ['releases', (cluster) => delFirst(`${cluster}:r:*`)],
      ['retained', (cluster) => delFirst(`${cluster}:kl:*`)],
      ['wills', (cluster) => delFirst(`${cluster}:wd:*`)],
    ];
    async function delFirst(pattern: string): Promise<void> {
      const [key] = await client.keys(pattern);
      expect(await client.del(key ?? '')).toBe(1);
    }
    for (const [name, harm] of wrong) {
      const cluster = server.newCluster();
      const source = sourceOf(much(120));
      const importing = await open(cluster, source);
      await importing.put([...source.items()]);
      await harm(cluster);
      const { isComplete, wanted, found } = await importing.complete();
      expect({ name, isComplete }).toEqual({ name, isComplete: false });
      const differing = Object.entries(wanted).filter(([each, count]) => found[each as keyof typeof found] !== count);
      expect(differing.map(([each]) => each)).toEqual([name]);
      await importing.close();
    }
    client.disconnect();
  });

  it('it can be taken back', async () => {
    const cluster = server.newCluster();
    const source = sourceOf(much(200));
    const importing = await open(cluster, source);
    await importing.put([...source.items()]);
    await importing.close();
    expect(await discardRedisImport({ url: server.url, cluster, random })).toBe(true);
    expect(await discardRedisImport({ url: server.url, cluster, random })).toBe(false);
    const client = server.client();
    expect(await client.keys(`${cluster}:*`)).toEqual([`${cluster}:meta`]);
    client.disconnect();
    await using store = await openStore(server.url, cluster);
    expect(await store.store.sessions.count()).toBe(0);
  });
});

describe('an import that is complete', () => {
  it('says so, when it is run again while nodes run, and is not taken back', async () => {
    const cluster = server.newCluster();
    const source = sourceOf(much(2));
    await importAll(cluster, source);
    await using node = await openStore(server.url, cluster);
    await node.store.members.join({ node: 'n1-1', nodeId: 'n1', address: '127.0.0.1:1', secret: 'hush' });
    await using again = await open(cluster, source);
    expect(again.beginning).toBe('complete');
    expect(again.journal.doneAt).toMatch(/^\d{4}-\d\d-\d\dT/);
    await expect(discardRedisImport({ url: server.url, cluster, random })).rejects.toThrow(
      /is complete since .* not taken back/,
    );
  });

  it('is not taken for that of what the directory holds now, if a node has used it since', async () => {
    const cluster = server.newCluster();
    const source = sourceOf(much(2));
    await importAll(cluster, source);
    await expect(open(cluster, { ...source, state: 'used since' })).rejects.toThrow(
      /holds what \.\/skein-data held until .*; a node has used the directory since/,
    );
  });
});

describe('an import is refused', () => {
  it('into a cluster whose nodes run', async () => {
    const cluster = server.newCluster();
    await using node = await openStore(server.url, cluster);
    await node.store.members.join({ node: 'n1-1', nodeId: 'n1', address: '127.0.0.1:1', secret: 'hush' });
    await expect(open(cluster, sourceOf([]))).rejects.toThrow(/is in use: its nodes n1-1 are running.*--cluster/);
  });

  it('into one that holds something', async () => {
    const cluster = server.newCluster();
    await using node = await openStore(server.url, cluster);
    await node.store.retained.set([{ message: message('a', 'x', { retain: true }), uid: undefined, order: undefined }]);
    await expect(open(cluster, sourceOf([]))).rejects.toThrow(
      /in use: it holds 0 Sessions, 1 retained messages and 0 Wills/,
    );
  });

  it('into one that is being filled, or was, from another directory', async () => {
    const cluster = server.newCluster();
    const other = sourceOf([], { id: 'directory-2', place: '/elsewhere' });
    const first = await open(cluster, other);
    await expect(open(cluster, sourceOf([]))).rejects.toThrow(
      /is being filled from \/elsewhere since .* another data directory.*--discard/,
    );
    await first.complete();
    await first.close();
    await expect(open(cluster, sourceOf([]))).rejects.toThrow(/holds what was migrated from \/elsewhere until/);
  });

  it('under a name that is none, at a place where there is no Redis, among keys of another program', async () => {
    await expect(open('a b', sourceOf([]))).rejects.toThrow(/cluster name "a b" may hold only/);
    await expect(open('a', sourceOf([]), 'redis://127.0.0.1:1')).rejects.toThrow(/cannot be reached \(ECONNREFUSED\)/);
    const client = server.client();
    await client.set('foreign:something', 1);
    client.disconnect();
    await expect(open('foreign', sourceOf([]))).rejects.toThrow(/keys of another program under foreign:/);
  });

  it('[MQTT-3.1.4-3] of a Session that a node still owns: whoever reads the source lets it go first', async () => {
    const source = sourceOf([session('lamp', { owner: 'n1' })]);
    await expect(importAll(server.newCluster(), source)).rejects.toThrow(/Session of lamp was not let go/);
  });
});
