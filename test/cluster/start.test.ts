// Starting a node with a Redis, or a name, that will not do: exit status 78, and a message that says what is wrong.

import { describe, expect, it, vi } from 'vitest';
import { startCluster } from '../support/cluster.ts';
import { fresh } from '../support/fresh.ts';
import { processMs, runSkein } from '../support/process.ts';
import { RedisProcess } from '../support/redis.ts';
import { lasting } from '../support/sessions.ts';

// Each starts processes, one after the other.
vi.setConfig({ testTimeout: 4 * processMs });

const anyPort = ['--listen', 'mqtt://127.0.0.1:0', '--admin', '127.0.0.1:0', '--peer', '127.0.0.1:0'];

/** Starts a node that must refuse to run. @returns what it says, as one line */
async function refusal(store: string, ...args: readonly string[]): Promise<string> {
  await using skein = runSkein(['start', ...anyPort, '--store', store, ...args]);
  const { exitCode, stderr, stdout } = await skein.ended();
  expect(exitCode, stdout + stderr).toBe(78);
  expect(stdout).not.toContain('"event":"ready"');
  return stderr.replaceAll(/\s+/g, ' ');
}

describe('a node whose Redis will not do says so and ends', () => {
  it('when there is none', async () => {
    const redis = await RedisProcess.start();
    await redis[Symbol.asyncDispose]();
    expect(await refusal(redis.url)).toMatch(new RegExp(`127.0.0.1:${redis.port}.*(refused|reach)`, 'i'));
  });

  it('when it wants another password, which it does not repeat', async () => {
    await using redis = await RedisProcess.start(['--requirepass', 'open sesame']);
    expect(await refusal(redis.url)).toMatch(/password/i);
    const wrong = await refusal(`redis://:guess1234@127.0.0.1:${redis.port}`);
    expect(wrong).toMatch(/password/i);
    expect(wrong).not.toContain('guess1234');
  });

  it('when it is a replica, which takes no writes', async () => {
    await using primary = await RedisProcess.start();
    await using replica = await RedisProcess.start(['--replicaof', '127.0.0.1', `${primary.port}`]);
    expect(await refusal(replica.url)).toMatch(/replica/i);
  });

  it('when it throws keys away to make room', async () => {
    await using redis = await RedisProcess.start(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    const said = await refusal(redis.url);
    expect(said).toMatch(/maxmemory-policy/);
    expect(said).toMatch(/noeviction/);
  });

  it('when somebody else keeps things under our names', async () => {
    await using redis = await RedisProcess.start();
    await redis.ask('SET', 'mine:meta', 'something else');
    expect(await refusal(redis.url, '--cluster', 'mine')).toMatch(/another program under mine/);
  });

  it('when it keeps less than is asked for', async () => {
    await using redis = await RedisProcess.start(['--appendonly', 'no']);
    expect(await refusal(redis.url, '--durability', 'everysec')).toMatch(/durability.*everysec/);
  });
});

describe('two nodes', () => {
  it('of one name: the second one is refused, and the first one goes on', async () => {
    await using cluster = await startCluster({ name: 'same-name', nodes: 1 });
    const node = cluster.node(0);
    const client = await node.connect();
    const said = await refusal(cluster.redis.url, '--cluster', 'test', '--node-id', node.nodeId);
    expect(said).toMatch(/n1.*(taken|alive)/);
    await client.expectNothing();
    expect(node.logLines.filter(({ event }) => event === 'fenced')).toEqual([]);
  });

  it('of one name started together: one of them runs', async () => {
    await using redis = await RedisProcess.start();
    const start = () => runSkein(['start', ...anyPort, '--store', redis.url, '--node-id', 'twin']);
    await using one = start();
    await using other = start();
    const ends = await Promise.race([one.ended(), other.ended()]);
    expect(ends.exitCode).toBe(78);
    const ready = await Promise.race([one.ready(), other.ready()]);
    expect(ready.event).toBe('ready');
  });

  it('without a name, on one machine, are two', async () => {
    await using redis = await RedisProcess.start();
    await using one = runSkein(['start', ...anyPort, '--store', redis.url]);
    await using other = runSkein(['start', ...anyPort, '--store', redis.url]);
    await one.ready();
    await other.ready();
    await one.logLine('the other', (line) => line.event === 'node_joined');
  });
});

describe('two clusters on one database', () => {
  it('know nothing of each other: not a Session, not a message, not a node', async () => {
    await using redis = await RedisProcess.start();
    await using one = await startCluster({ name: 'two-clusters-1', nodes: 1, cluster: 'one', redis });
    await using other = await startCluster({ name: 'two-clusters-2', nodes: 1, cluster: 'other', redis });
    const [here, there] = [one.node(0), other.node(0)];
    const topic = fresh('news');
    const clientId = fresh('lamp');
    const first = await here.connect({ ...lasting, clientId });
    await first.subscribe(topic, { qos: 1 });
    const second = await there.connect({ ...lasting, clientId });
    expect(second.connack.sessionPresent).toBe(false);
    const publisher = await there.connect();
    await publisher.publish({ topic, qos: 1, retain: true, payload: 'there' });
    await second.subscribe(topic, { qos: 1 });
    expect(await second.receiveMessage()).toMatchObject({ retain: true });
    // The first is still connected, and has got nothing.
    await first.expectNothing();
    for (const node of [here, there]) expect(await node.metric('mqtt_cluster_members')).toBe(1);
  });
});
