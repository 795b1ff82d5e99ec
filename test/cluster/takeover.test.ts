// [MQTT-3.1.4-3] A second CONNECT with the same Client Identifier, at another node.

import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { stopwatch, until } from '../support/deadline.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { bytes, text } from '../support/payload.ts';
import { allSessions, lasting } from '../support/sessions.ts';

const cluster = await startCluster({ name: 'takeover', isBreakable: true });
afterAll(() => cluster[Symbol.asyncDispose]());

/** A fence that nobody told of is found out at the next look of the old node, in milliseconds. */
const fenceMs = 25_000;

describe.each(allSessions)(
  'a $kind Session taken over at another node, at level $version',
  ({ version, kind, session }) => {
    it('is closed at the first one: Session taken over', async () => {
      const clientId = fresh('lamp');
      const first = await cluster.node(0).connect({ ...session, clientId });
      const second = await cluster.node(1).connect({ ...session, clientId });
      expect(second.connack.sessionPresent).toBe(version !== 3 && kind === 'stored');
      await expectDisconnect(first, ReasonCode.sessionTakenOver);
      await second.expectNothing();
    });

    it('ends its Will as its version says', async () => {
      const [clientId, topic] = [fresh('lamp'), fresh('will')];
      const watcher = await cluster.node(2).connect();
      await watcher.subscribe(`${topic}/#`, { qos: 1 });
      const will = { topic: `${topic}/1`, payload: 'gone', qos: 1 as const };
      await cluster.node(0).connect({ ...session, clientId, will });
      const second = await cluster.node(1).connect({ ...session, clientId });
      expect(text((await watcher.receiveMessage()).payload)).toBe('gone');
      // What the Client says now comes after what was said for it.
      await second.publish({ topic: `${topic}/2`, qos: 1, payload: 'here' });
      expect(text((await watcher.receiveMessage()).payload)).toBe('here');
      await watcher.expectNothing();
    });
  },
);

describe('the delayed Will of a Session taken over at another node [MQTT-3.1.3-9]', () => {
  const delayed = { willDelayInterval: 30 };

  it('is not published if the Session goes on', async () => {
    const [clientId, topic] = [fresh('lamp'), fresh('will')];
    const watcher = await cluster.node(2).connect();
    await watcher.subscribe(topic, { qos: 1 });
    const will = { topic, payload: 'gone', qos: 1 as const, properties: delayed };
    const first = await cluster.node(0).connect({ ...lasting, clientId, will });
    const second = await cluster.node(1).connect({ ...lasting, clientId });
    await expectDisconnect(first, ReasonCode.sessionTakenOver);
    await second.publish({ topic, qos: 1, payload: 'here' });
    expect(text((await watcher.receiveMessage()).payload)).toBe('here');
    await watcher.expectNothing();
  });

  it('is published at once if the Session ends', async () => {
    const [clientId, topic] = [fresh('lamp'), fresh('will')];
    const watcher = await cluster.node(2).connect();
    await watcher.subscribe(topic, { qos: 1 });
    const will = { topic, payload: 'gone', qos: 1 as const, properties: delayed };
    await cluster.node(0).connect({ ...lasting, clientId, will });
    await cluster.node(1).connect({ clientId, cleanStart: true });
    expect(text((await watcher.receiveMessage()).payload)).toBe('gone');
    await watcher.expectNothing();
  });
});

describe('three CONNECTs at three nodes at once', () => {
  it('leave exactly one connected each time, and lose no message [rule: One owner]', async () => {
    const [clientId, topic] = [fresh('storm'), fresh('storm')];
    await (await cluster.node(0).connect({ ...lasting, clientId })).subscribe(topic, { qos: 1 });
    const publisher = await cluster.node(1).connect();
    for (let round = 0; round < 50; round++) {
      const publishing = publisher.publish({ topic, qos: 1, payload: `${round}` });
      // One that has lost may be told so before it is told that it had won.
      const attempts = await Promise.allSettled(cluster.nodes.map((node) => node.connect({ ...lasting, clientId })));
      const connected = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
      const survivor = await theOneLeft(connected);
      expect((await publishing)?.reasonCode).toBe(ReasonCode.success);
      // Whoever has lost may have been sent it too, and has not acknowledged it.
      expect(text((await survivor.receiveMessage()).payload)).toBe(`${round}`);
      await survivor.expectNothing();
    }
  }, 60_000);

  /** Waits until all but one are closed. */
  async function theOneLeft(connected: readonly RawClient[]): Promise<RawClient> {
    const open = new Set(connected);
    for (const client of connected) {
      client.closed.then(
        () => open.delete(client),
        () => {}, // the one that is left
      );
    }
    await until('all but one to be closed', () => open.size <= 1 || undefined);
    const [survivor] = open;
    if (survivor === undefined) throw new Error('nobody is left');
    return survivor;
  }
});

describe('a takeover of which the old node is not told', () => {
  it('is found out by it, and until then it changes nothing of the Session [rule: Fence]', async () => {
    const [clientId, topic] = [fresh('lamp'), fresh('news')];
    const old = await cluster.node(0).connect({ ...lasting, clientId });
    await old.subscribe(topic, { qos: 1 });
    cluster.node(0).peerWay.cut();
    try {
      const sinceMs = stopwatch();
      const taken = await cluster.node(1).connect({ ...lasting, clientId });
      expect(taken.connack.sessionPresent).toBe(true);
      // The old node does not know: what it is asked to do is refused by the store.
      old.send({ type: 'unsubscribe', packetId: 77, topicFilters: [topic], properties: undefined });
      expect(await old.closedWithin(fenceMs)).toBe(true);
      expect(old.waiting.some(({ type }) => type === 'unsuback')).toBe(false);
      expect(sinceMs()).toBeLessThan(fenceMs);
      const publisher = await cluster.node(2).connect();
      await publisher.publish({ topic, qos: 1, payload: 'still subscribed' });
      expect(await taken.receiveMessage()).toMatchObject({ payload: bytes('still subscribed') });
    } finally {
      cluster.node(0).peerWay.open();
    }
  }, 40_000);

  it.each(['cut', 'hold'] as const)(
    '(%s) is found out though the old connection says nothing',
    async (how) => {
      const clientId = fresh('lamp');
      const old = await cluster.node(0).connect({ ...lasting, clientId });
      cluster.node(0).peerWay[how]();
      try {
        const taken = await cluster.node(1).connect({ ...lasting, clientId });
        expect(await old.closedWithin(fenceMs)).toBe(true);
        await taken.expectNothing();
      } finally {
        cluster.node(0).peerWay.open();
      }
    },
    40_000,
  );
});
