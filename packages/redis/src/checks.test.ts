import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../testing/open.ts';
import { RedisServer } from '../testing/redis-server.ts';
import { libraryName, librarySource, libraryVersion, versionOf } from './library.ts';
import { RedisRefused } from './refused.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Expects that a store is refused, and why. */
async function refused(url: string, why: RegExp, cluster: string = server.newCluster()): Promise<void> {
  const opening = openStore(url, cluster);
  await expect(opening).rejects.toThrow(RedisRefused);
  await expect(opening).rejects.toThrow(why);
}

describe('a store is refused, with what is wrong and what to do', () => {
  it('where nothing listens', async () => {
    await refused('redis://127.0.0.1:1', /127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\).*Is it running/);
    await refused('redis://no-such-host.invalid:6379', /no-such-host\.invalid:6379 cannot be reached/);
  });

  it('for a URL that names no Redis, without repeating it: there may be a password in it', async () => {
    await refused('here', /the store is no URL; write redis:/);
    await refused('http://127.0.0.1', /begins with http:/);
    await refused('redis://127.0.0.1:6379/main', /database main; a database is a number/);
    await refused('redis:///0', /names no host/);
    await refused(server.url, /cluster name "a b" may hold only/, 'a b');
  });

  it('for a database that the server does not have', async () => {
    await refused(`${server.url}/99`, /no such database/);
  });

  it('without its password, with a wrong one, with a wrong user', async () => {
    await using locked = await RedisServer.start(['--requirepass', 'secret']);
    const { port } = locked;
    await refused(locked.url, /wants a password; name it in the URL/);
    await refused(`redis://:guess@127.0.0.1:${port}`, /does not know this user name and password/);
    await refused(`redis://ada:secret@127.0.0.1:${port}`, /does not know this user name and password/);
    await using opened = await openStore(`redis://:secret@127.0.0.1:${port}`, 'a');
    expect(await opened.store.sessions.count()).toBe(0);
  });

  it('to a user who may not do what it needs', async () => {
    const admin = server.client();
    await admin.call('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@read', '+@connection', '+info');
    admin.disconnect();
    await refused(`redis://reader:pw@127.0.0.1:${server.port}`, /does not permit its user|may not load them/);
  });

  it('on a read-only replica', async () => {
    await using replica = await RedisServer.start(['--replicaof', '127.0.0.1', '1']);
    await refused(replica.url, /read-only replica of 127\.0\.0\.1:\d+; name its master/);
  });

  it('where memory that is full would cost Sessions', async () => {
    await using evicting = await RedisServer.start(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    await refused(evicting.url, /maxmemory-policy allkeys-lru.*set maxmemory-policy noeviction/);
  });

  it('in cluster mode', async () => {
    await using cluster = await RedisServer.start(['--cluster-enabled', 'yes']);
    await refused(cluster.url, /cluster mode/);
  });

  it('among keys of another program', async () => {
    const client = server.client();
    await client.set('taken:something', 1);
    await client.set('odd:meta', 1);
    await client.hset('newer:meta', { format: 3, dataset: 'x' });
    client.disconnect();
    await refused(server.url, /keys of another program under taken: \(taken:something\)/, 'taken');
    await refused(server.url, /keys of another program under odd:/, 'odd');
    await refused(server.url, /has format 3, and this node reads 2/, 'newer');
  });

  it('where a newer node has been, or a library of that name is not ours', async () => {
    await using other = await RedisServer.start();
    const client = other.client();
    const register = (name: string): string => `redis.register_function('${name}_f', function() return 1 end)`;
    const newer = libraryName(libraryVersion + 1);
    const marked = librarySource().split('\n')[1];
    await client.call('FUNCTION', 'LOAD', `#!lua name=${newer}\n${marked}\n${register(newer)}`);
    await refused(other.url, new RegExp(`newer nodes: it has the functions ${newer}.*update this node`));
    await client.call('FUNCTION', 'DELETE', newer);
    const ours = libraryName(libraryVersion);
    await client.call('FUNCTION', 'LOAD', `#!lua name=${ours}\n${register(ours)}`);
    await refused(other.url, /function library skein_v3 that is not ours; remove it/);
    await client.call('FUNCTION', 'DELETE', ours);
    await client.call(
      'FUNCTION',
      'LOAD',
      `#!lua name=other\nredis.register_function('${ours}_acquire', function() return 1 end)`,
    );
    await refused(other.url, /has a function called skein_v3_acquire or alike that is not ours/);
    client.disconnect();
  });
});

describe('a Redis that will do', () => {
  it('says how durable it is', async () => {
    await using everysec = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'everysec']);
    await using always = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    await using managed = await RedisServer.start(['--appendonly', 'yes', '--rename-command', 'CONFIG', '']);
    const found: string[] = [];
    for (const { url } of [server, everysec, always, managed]) {
      await using opened = await openStore(url, 'durable');
      found.push(opened.store.durability);
      expect(opened.store.serverVersion).toMatch(/^[7-9]\./);
    }
    expect(found).toEqual(['memory', 'everysec', 'always', 'unverified']);
  });

  it('holds several clusters, which see nothing of one another', async () => {
    await using one = await openStore(server.url, server.newCluster());
    await using other = await openStore(server.url, server.newCluster());
    const route = { topicFilter: 'a', clientId: 'lamp', generation: 'g' };
    await one.store.routes.put([route]);
    const told: unknown[] = [];
    await other.store.routes.follow((changes) => told.push(...changes));
    expect(told).toEqual([]);
    expect(await other.store.routes.version()).toBe(0);
  });

  it('is marked once by nodes that start at the same moment', async () => {
    await using own = await RedisServer.start();
    for (let round = 0; round < 5; round++) {
      const open = async (): ReturnType<typeof openStore> => {
        const opened = await openStore(own.url, `round${round}`);
        await opened.store.routes.put([{ topicFilter: 'a', clientId: 'lamp', generation: 'g' }]);
        return opened;
      };
      const opened = await Promise.all(Array.from({ length: 4 }, open));
      for (const each of opened) await each[Symbol.asyncDispose]();
      const client = own.client();
      expect(await client.hlen(`round${round}:meta`)).toBe(2);
      client.disconnect();
    }
  });

  it('loads the functions again if somebody removed them, with the next connection', async () => {
    await using own = await RedisServer.start();
    await using opened = await openStore(own.url, 'a');
    const client = own.client();
    await client.call('FUNCTION', 'FLUSH');
    await expect(opened.store.sessions.count()).rejects.toThrow(/functions of the store were removed/);
    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    client.disconnect();
    await opened.happened('found');
    expect(await opened.store.sessions.count()).toBe(0);
  });
});

describe('the function library', () => {
  it('knows its versions by name', () => {
    expect(versionOf(libraryName(12))).toBe(12);
    for (const name of ['skein', 'skein_v', 'skein_v0', 'skein_vx', 'skein_v1x', 'other_v1']) {
      expect(versionOf(name)).toBeUndefined();
    }
  });
});
