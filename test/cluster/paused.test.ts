// A node that stood still, or that cannot reach Redis: others may have taken it for dead. When it comes to itself it
// lets go of everything before it does anything [rule: Fence], and begins anew.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, type ClusterNode, leaseMs, startCluster } from '../support/cluster.ts';
import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { bytes, text } from '../support/payload.ts';
import { processMs } from '../support/process.ts';
import { lasting } from '../support/sessions.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ name: 'paused', isBreakable: true });
}, 2 * processMs);
afterAll(() => cluster[Symbol.asyncDispose]());

/** A fenced node is ready again, under another name, and known to the others. */
async function untilItServesAgain(node: ClusterNode, before: string): Promise<void> {
  await node.logLine('it to be fenced', (line) => line.event === 'fenced');
  await until('another name', () => node.node !== before || undefined);
  await until('readiness', async () => ((await node.readiness()) === 200 ? true : undefined));
  await cluster.untilAllMeet();
}

describe('a node stopped in its tracks for longer than its lease', () => {
  it('is reaped; and awake again, it closes its connections before it looks at a byte of them', async () => {
    const [topic, will] = [fresh('news'), fresh('will')];
    const [sleeping, second, third] = [cluster.node(0), cluster.node(1), cluster.node(2)];
    const before = sleeping.node;
    const watcher = await third.connect();
    await watcher.subscribe(will, { qos: 1 });
    const stored = await sleeping.connect(lasting);
    await stored.subscribe(topic, { qos: 1 });
    const volatile = await sleeping.connect({ will: { topic: will, payload: 'gone', qos: 1 } });
    await volatile.subscribe(topic, { qos: 1 });
    const speaker = await sleeping.connect();

    sleeping.pause();
    const inVain = speaker.sendPublish({ topic, qos: 1, payload: 'into the dark' });
    const retained = speaker.sendPublish({ topic: `${topic}/kept`, qos: 1, retain: true, payload: 'into the dark' });
    await cluster.untilReaped(before);
    expect(text((await watcher.receiveMessage()).payload)).toBe('gone');
    const moved = await second.connect({ ...lasting, clientId: stored.clientId });
    expect(moved.connack.sessionPresent).toBe(true);
    const publisher = await third.connect();
    // No one waits for the volatile Session of a node that is gone.
    await publisher.publish({ topic, qos: 1, payload: 'while it slept' });
    expect(text((await moved.receiveMessage()).payload)).toBe('while it slept');

    sleeping.wake();
    for (const client of [stored, volatile, speaker]) expect(await client.closed).toBe(true);
    expect(stored.waiting).toEqual([]);
    expect(volatile.waiting).toEqual([]);
    const answered = speaker.waiting.map((packet) => ('packetId' in packet ? packet.packetId : 0));
    expect(answered).not.toContain(inVain.packetId);
    expect(answered).not.toContain(retained.packetId);

    await untilItServesAgain(sleeping, before);
    const again = await sleeping.connect();
    await again.subscribe(`${topic}/#`, { qos: 1 });
    await publisher.publish({ topic, qos: 1, payload: 'end' });
    // Neither was published: not live, nor retained.
    for (const client of [moved, again]) expect(text((await client.receiveMessage()).payload)).toBe('end');
    await moved.expectNothing();
    await again.expectNothing();
    await watcher.expectNothing();
  }, 60_000);

  it('and a node stopped for a moment goes on as if nothing had been', async () => {
    const topic = fresh('news');
    const [sleeping, second] = [cluster.node(1), cluster.node(2)];
    const before = sleeping.node;
    const subscriber = await sleeping.connect();
    await subscriber.subscribe(topic, { qos: 2 });
    const publisher = await second.connect();
    sleeping.pause();
    const publishing = publisher.publish({ topic, qos: 2, payload: 'late' });
    await expect(publisher.nextOf('pubrec', 1500)).rejects.toThrow('waited'); // it has not been taken charge of
    sleeping.wake();
    await publishing;
    expect(await subscriber.receiveMessage()).toMatchObject({ payload: bytes('late') });
    await subscriber.expectNothing();
    expect(sleeping.node).toBe(before);
  }, 30_000);
});

describe('a node that alone is cut off from Redis', () => {
  it.each(['cut', 'hold'] as const)(
    '(%s) lets go of its Clients in time, and begins anew when it is let',
    async (how) => {
      const topic = fresh('news');
      const [lonely, second] = [cluster.node(2), cluster.node(0)];
      const before = lonely.node;
      const fencedBefore = lonely.logLines.filter((line) => line.event === 'fenced').length;
      const stored = await lonely.connect(lasting);
      // A look for retained messages that is cut short ends the Client by itself.
      await stored.subscribe(topic, { qos: 1, retainHandling: 2 });
      lonely.storeWay[how]();
      try {
        expect(await stored.closedWithin(leaseMs + 2000)).toBe(true);
        const moved = await second.connect({ ...lasting, clientId: stored.clientId });
        expect(moved.connack.sessionPresent).toBe(true);
        await moved.publish({ topic, qos: 1, payload: 'here' });
        expect(text((await moved.receiveMessage()).payload)).toBe('here');
      } finally {
        lonely.storeWay.open();
      }
      await until(
        'it to be fenced',
        () => lonely.logLines.filter((line) => line.event === 'fenced').length > fencedBefore || undefined,
      );
      await untilItServesAgain(lonely, before);
      const client = await lonely.connect();
      await client.expectNothing();
    },
    60_000,
  );
});
