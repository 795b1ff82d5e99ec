import { mark, type RouteChange, type Routes } from '@skein/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const deadline = { timeout: 10_000 };

function route(topicFilter: string, clientId = 'lamp') {
  return { topicFilter, clientId, generation: `g-${clientId}` };
}

/** A copy of the table as a follower is told of it. */
async function follow(routes: Routes): Promise<{ readonly now: () => string[]; readonly changes: RouteChange[] }> {
  const changes: RouteChange[] = [];
  const present = new Map<string, string>();
  await routes.follow((told) => {
    for (const change of told) {
      changes.push(change);
      const name = `${change.topicFilter} ${'node' in change ? change.node : change.clientId}`;
      if (change.present) present.set(name, 'node' in change ? `${name} ${change.marks}` : name);
      else present.delete(name);
    }
  });
  return { now: () => [...present.values()].sort(), changes };
}

describe('rule: Read-index, over several nodes', () => {
  it('every node is told what the others put and remove, each version once and in order', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const tables = [await follow(one.store.routes), await follow(other.store.routes)];
    const puts: Promise<number>[] = [];
    for (let i = 0; i < 50; i++) {
      puts.push(
        one.store.routes.put([route(`a/${i}`), route(`b/${i}`)]),
        other.store.routes.put([route(`c/${i}`, 'door')]),
      );
    }
    const last = Math.max(...(await Promise.all(puts)));
    for (const { changes } of tables) await expect.poll(() => changes.at(-1)?.version, deadline).toBe(last);
    const versions = Array.from({ length: last }, (_, i) => i + 1);
    for (const { changes } of tables) expect(changes.map(({ version }) => version)).toEqual(versions);

    const gone = tables[0]?.changes.filter((change) => 'clientId' in change && change.clientId === 'door') ?? [];
    await one.store.routes.removeIf(gone);
    await expect.poll(() => tables[1]?.now().length, deadline).toBe(100);
    expect(tables[0]?.now()).toEqual(tables[1]?.now());
  });

  it('a node that comes later reads the whole table, however large', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await one.store.routes.put(Array.from({ length: 3000 }, (_, i) => route(`a/${i}`)));
    await using late = await openStore(server.url, cluster);
    const { now, changes } = await follow(late.store.routes);
    expect(now()).toHaveLength(3000);
    expect(changes.map(({ version }) => version)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
  });
});

describe('rule: Marks, over several nodes', () => {
  it('every node is told which marks a route bears after each change of any of them', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const tables = [await follow(one.store.routes), await follow(other.store.routes)];
    const lamp = { topicFilter: 'a', node: 'one:1', marks: mark.any };
    await one.store.routes.put([lamp]);
    const put = await other.store.routes.put([{ ...lamp, marks: mark.volatile }, route('a')]);
    await one.store.routes.removeIf([{ ...lamp, version: put - 1 }]);
    const last = await one.store.routes.version();
    await other.store.routes.removeIf([{ ...lamp, marks: mark.volatile, version: last }]);
    for (const { changes } of tables) await expect.poll(() => changes.length, deadline).toBe(5);
    const marks = [1, 3, 0, 2, 0];
    for (const { changes, now } of tables) {
      expect(changes.map((change) => ('node' in change ? change.marks : 0))).toEqual(marks);
      expect(changes.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
      expect(changes.map(({ present }) => present)).toEqual([true, true, true, true, false]);
      expect(now()).toEqual(['a lamp']);
    }
    expect(one.events.concat(other.events)).toEqual([]);
  });

  it('a node that comes later finds the marks, and its checksum agrees', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await one.store.routes.put([
      { topicFilter: 'a', node: 'one:1', marks: mark.any },
      { topicFilter: 'a', node: 'one:1', marks: mark.volatile },
      { topicFilter: 'b', node: 'two:2', marks: mark.volatile },
      route('a'),
    ]);
    await using late = await openStore(server.url, cluster);
    const { now } = await follow(late.store.routes);
    expect(now()).toEqual(['a lamp', 'a one:1 3', 'b two:2 2']);
    // When nothing has come for a while it compares the checksum, and goes on only then.
    const client = server.client();
    await client.config('RESETSTAT');
    await expect.poll(() => client.info('commandstats'), deadline).toContain('cmdstat_mget');
    client.disconnect();
    await one.store.routes.put([route('c')]);
    await expect.poll(now, deadline).toContain('c lamp');
    expect(late.events).toEqual([]);
  });

  it('a change of marks alone is found, where the log has been cut and where a copy differs', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const { now, changes } = await follow(one.store.routes);
    const lamp = { topicFilter: 'a', node: 'one:1', marks: mark.any };
    await one.store.routes.put([lamp]);
    const client = server.client();
    // As if it had been away while the log ran over.
    await client
      .multi()
      .incrby(`${cluster}:rv:{routes}`, 5)
      .hset(`${cluster}:rt:{routes}`, 'a\0@one:1', '5\x003')
      .xtrim(`${cluster}:rl:{routes}`, 'MAXLEN', 0)
      .exec();
    await other.store.routes.put([{ ...lamp, topicFilter: 'b' }]);
    await expect.poll(now, deadline).toEqual(['a one:1 3', 'b one:1 1']);
    expect(changes.map(({ version }) => version)).toEqual([1, 5, 7]);
    expect(one.events).toContainEqual({ is: 'routes_resynced', reason: expect.stringContaining('gone from the log') });
    client.disconnect();
  });
});

describe('a copy of the routes that went astray', () => {
  it('is read again where the log has been cut', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    await using other = await openStore(server.url, cluster);
    const { now } = await follow(one.store.routes);
    await one.store.routes.put([route('a'), route('b')]);
    const client = server.client();
    // As if it had been away while the log ran over.
    await client.hdel(`${cluster}:rt:{routes}`, 'b\0g-lamp');
    await client
      .multi()
      .incrby(`${cluster}:rv:{routes}`, 5)
      .hset(`${cluster}:rt:{routes}`, 'c\0g-lamp', '7\0lamp')
      .xtrim(`${cluster}:rl:{routes}`, 'MAXLEN', 0)
      .exec();
    client.disconnect();
    await other.store.routes.put([route('d')]);
    await expect.poll(now, deadline).toEqual(['a lamp', 'c lamp', 'd lamp']);
    expect(one.events).toContainEqual({ is: 'routes_resynced', reason: expect.stringContaining('gone from the log') });
  });

  it('is read again where it differs at the same version', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    const { now } = await follow(one.store.routes);
    await one.store.routes.put([route('a'), route('b')]);
    const client = server.client();
    await client.hdel(`${cluster}:rt:{routes}`, 'b\0g-lamp');
    await client.set(`${cluster}:rx:{routes}`, 'ffffffffffffffff');
    await expect.poll(now, deadline).toEqual(['a lamp']);
    client.disconnect();
    expect(one.events).toContainEqual({ is: 'routes_resynced', reason: expect.stringContaining('checksum differs') });
  });

  it('is read again after the store lost its last second, and no version is given twice', async () => {
    const cluster = server.newCluster();
    await using one = await openStore(server.url, cluster);
    const { now } = await follow(one.store.routes);
    await one.store.routes.put([route('a')]);
    const client = server.client();
    const keys = ['rt', 'rv', 'rx', 'rl'].map((letters) => `${cluster}:${letters}:{routes}`);
    const before = await Promise.all(keys.map((key) => client.dumpBuffer(key)));
    const seen = await one.store.routes.put([route('b'), route('c')]);
    expect(now()).toEqual(['a lamp', 'b lamp', 'c lamp']);
    for (const [i, key] of keys.entries()) await client.restore(key, 0, before[i] as Buffer, 'REPLACE');
    client.disconnect();

    await expect(one.store.routes.version()).rejects.toThrow(/went back from 3 to 1/);
    await expect.poll(now, deadline).toEqual(['a lamp']);
    expect(await one.store.routes.put([route('d')])).toBeGreaterThan(seen);
    await expect.poll(now, deadline).toEqual(['a lamp', 'd lamp']);
    expect(await one.store.routes.version()).toBeGreaterThan(seen);
  });

  it('is mended when Redis comes back without its data', async () => {
    await using own = await RedisServer.start();
    await using opened = await openStore(own.url, 'a');
    const { now } = await follow(opened.store.routes);
    await opened.store.routes.put([route('a'), route('b')]);
    const client = own.client();
    await client.flushall();
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    client.disconnect();
    await opened.happened('emptied');
    await opened.happened('found');
    await expect.poll(now, deadline).toEqual([]);
    await opened.store.routes.put([route('c')]);
    await expect.poll(now, deadline).toEqual(['c lamp']);
  });
});
