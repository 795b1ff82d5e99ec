// Will Messages of Clients whose node dies, or leaves: each comes once, in time, unless its Client is back before.

import { ReasonCode } from '@skein/protocol';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { type LogLine, reapMs, startCluster } from '../support/cluster.ts';
import { soonMs, stopwatch } from '../support/deadline.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import type { WillOptions } from '../support/packets.ts';
import { text } from '../support/payload.ts';
import { processMs } from '../support/process.ts';
import { lasting, sessionKinds } from '../support/sessions.ts';

const cluster = await startCluster({ name: 'wills' });
afterAll(() => cluster[Symbol.asyncDispose]());

/** For each conversation all nodes run, and nobody is left of the one before. */
beforeEach(async () => {
  for (const node of cluster.nodes) if (!node.isRunning) await node.start();
  await cluster.untilAllMeet();
}, 2 * processMs);

const delaySeconds = 3;
/** When Wills are due of Clients whose node is killed, at the latest; this machine may stand still for a while meanwhile. */
const lateMs = reapMs + 2000;

/** A Will that says whose it is. @param area the first level of its topic, each conversation has one of its own */
function willOf(area: string, name: string, delayed = false): WillOptions {
  const will = { topic: `${area}/${name}`, payload: name, qos: 1 as const };
  return delayed ? { ...will, properties: { willDelayInterval: delaySeconds } } : will;
}

/** Receives messages until all of these have come, and returns when each did, in milliseconds since the stopwatch. */
async function receiveAll(
  watcher: RawClient,
  names: readonly string[],
  sinceMs: () => number,
): Promise<ReadonlyMap<string, number>> {
  const came = new Map<string, number>();
  while (came.size < names.length) {
    const name = text((await watcher.receiveMessage(reapMs + delaySeconds * 1000 + soonMs)).payload);
    expect(names).toContain(name);
    expect([...came.keys()]).not.toContain(name);
    came.set(name, sinceMs());
  }
  return came;
}

describe('the Wills of Clients whose node is killed', () => {
  it('come once, at their time, to all who watch; but not of those who are back before', async () => {
    const area = fresh('will');
    const [dying, first, second] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    const watchers: RawClient[] = [];
    for (const node of [first, second]) {
      for (const { session } of sessionKinds) {
        const watcher = await node.connect(session);
        await watcher.subscribe(`${area}/#`, { qos: 2 });
        watchers.push(watcher);
      }
    }
    // A watcher who is away when they come has them later.
    const sleeper = await second.connect(lasting);
    await sleeper.subscribe(`${area}/#`, { qos: 2 });
    await sleeper.disconnect();

    const plain = ['volatile', 'stored', 'old'];
    await dying.connect({ will: willOf(area, 'volatile') });
    await dying.connect({ ...lasting, will: willOf(area, 'stored') });
    await dying.connect({ ...lasting, version: 4, will: willOf(area, 'old') });
    await dying.connect({ ...lasting, will: willOf(area, 'delayed', true) });
    // Its Session ends with its connection, and that ends the delay [MQTT-3.1.3-9].
    await dying.connect({ will: willOf(area, 'ended', true) });
    const left = await dying.connect({ will: willOf(area, 'left') });
    await left.disconnect();
    await dying.connect({ ...lasting, clientId: 'back at once', will: willOf(area, 'back at once', true) });
    await dying.connect({ ...lasting, clientId: 'back later', will: willOf(area, 'back later', true) });

    await dying.kill();
    const sinceMs = stopwatch();
    const back = [await first.connect({ ...lasting, clientId: 'back at once' })];
    const receiving = Promise.all(
      watchers.map((watcher) => receiveAll(watcher, [...plain, 'ended', 'delayed'], sinceMs)),
    );
    await cluster.untilReaped(dying.node);
    back.push(await second.connect({ ...lasting, clientId: 'back later' }));
    expect(back.map(({ connack }) => connack.sessionPresent)).toEqual([true, true]);

    for (const came of await receiving) {
      for (const name of [...plain, 'ended']) expect(came.get(name), name).toBeLessThan(lateMs);
      expect(came.get('delayed')).toBeLessThan(lateMs + delaySeconds * 1000);
      expect((came.get('delayed') as number) - (came.get('stored') as number)).toBeGreaterThan(delaySeconds * 900);
    }
    // Those that were taken back were due with the delayed one: what has not come by now will not.
    const publisher = await first.connect();
    await publisher.publish({ topic: `${area}/end`, qos: 1, payload: 'end' });
    for (const watcher of watchers) {
      expect(text((await watcher.receiveMessage()).payload)).toBe('end');
      await watcher.expectNothing();
    }
    const awake = await first.connect({ ...lasting, clientId: sleeper.clientId });
    const late = await receiveAll(awake, [...plain, 'ended', 'delayed', 'end'], sinceMs);
    expect(late.size).toBe(6);
    await awake.expectNothing();
  }, 60_000);

  it('come, though the next node dies before it has published them', async () => {
    const area = fresh('will');
    const watcher = await cluster.node(2).connect();
    await watcher.subscribe(`${area}/#`, { qos: 2 });
    const names = Array.from({ length: 40 }, (_, i) => `lamp ${i}`);
    for (const name of names) await cluster.node(0).connect({ clientId: name, will: willOf(area, name) });
    const name = cluster.node(0).node;
    await cluster.node(0).kill();
    const sinceMs = stopwatch();
    const receiving = receiveAll(watcher, names, sinceMs);
    await cluster.logLine('the death to be found', (line) => line.event === 'node_dead' && line.node === name);
    await cluster.node(1).kill();
    await receiving;
    await watcher.expectNothing();
  }, 60_000);
});

describe('a node that is told to stop', () => {
  it('tells its Clients, and leaves nothing to be reaped; their Wills come once', async () => {
    const area = fresh('will');
    const [leaving, staying] = [cluster.node(0), cluster.node(1)];
    const watcher = await staying.connect();
    await watcher.subscribe([`${area}/#`, 'news'], { qos: 2 });
    const [volatile, stored] = [
      await leaving.connect({ will: willOf(area, 'volatile') }),
      await leaving.connect({ ...lasting, will: willOf(area, 'stored') }),
    ];
    await stored.subscribe('news', { qos: 1 });
    const name = leaving.node;
    const sinceMs = stopwatch();
    const receiving = receiveAll(watcher, ['volatile', 'stored'], sinceMs);
    const ended = leaving.stop();
    await expectDisconnect(volatile, ReasonCode.serverShuttingDown);
    await expectDisconnect(stored, ReasonCode.serverShuttingDown);
    expect(await ended).toMatchObject({ exitCode: 0 });
    for (const atMs of (await receiving).values()) expect(atMs).toBeLessThan(soonMs);

    const back = await staying.connect({ ...lasting, clientId: stored.clientId });
    expect(back.connack.sessionPresent).toBe(true);
    // Its leaving is seen at once, and there was nothing that others had to release.
    const leftAs = (event: string) => (line: LogLine) => line.event === event && line.node === name;
    await staying.logLine('the leaving', (line) => leftAs('node_reaped')(line) || leftAs('node_left')(line));
    await cluster.untilAllMeet();
    const reaped = cluster.nodes.flatMap(({ logLines }) => logLines).filter(leftAs('node_reaped'));
    for (const line of reaped) expect(line).toMatchObject({ sessions: 0 });
    await back.publish({ topic: 'news', qos: 1, payload: 'after' });
    expect(text((await back.receiveMessage()).payload)).toBe('after');
    expect(text((await watcher.receiveMessage()).payload)).toBe('after');
    await watcher.expectNothing();
  }, 30_000);
});
