import { describe, expect, it, vi } from 'vitest';
import { Broker } from './broker.ts';
import { SeededRandom } from './contract/index.ts';
import { acquireOf, messageOn, thisNode } from './contract/samples.ts';
import { defaultLimits } from './limits.ts';
import { defaultPolicy } from './policy.ts';
import { BrokerTrial, connectPacket, TestConnection, type TestNode } from './testing/broker-trial.ts';
import {
  acknowledgeAll,
  acknowledgeSome,
  isFeeding,
  keep,
  many,
  manyth,
  sorted,
  subscribe,
} from './testing/retained-trial.ts';

/** Another start of the broker, on the same store. */
async function restarted({ behind, clock, observer }: BrokerTrial): Promise<TestNode> {
  const broker = new Broker(
    {
      ...behind,
      authenticator: { authenticate: async () => ({ accepted: true }) },
      authenticationMethods: [],
      authorizer: { mayPublish: () => true, maySubscribe: () => true },
      clock,
      random: new SeededRandom(3),
      observer,
      nodeId: `${thisNode} again`,
      cluster: undefined,
    },
    defaultLimits,
    defaultPolicy,
  );
  await broker.start();
  return { broker, clock };
}

describe('retained messages on their way to a new Subscription', () => {
  it('wait for a store that is away, and go on where they were, for whoever is still there', async () => {
    for (const options of [{ sessionExpirySeconds: 0 }, { sessionExpirySeconds: 3600 }, { qos: 0 } as const]) {
      const trial = await BrokerTrial.start();
      await keep(trial, many(600));
      let calls = 0;
      trial.meet = (call) => (isFeeding(call) && ++calls % 3 === 0 ? call.fail() : call.answer());
      const lamp = await trial.connect('lamp', options);
      const topics: string[] = [];
      for (let round = 0; round < 100 && topics.length < 600; round++) {
        topics.push(
          ...(await acknowledgeAll(lamp, await lamp.send(...(round === 0 ? [subscribe('many/+', options)] : [])))),
        );
        await trial.clock.advance(200);
      }
      expect(calls).toBeGreaterThan(3);
      expect(sorted(topics)).toEqual(sorted(many(600).map(({ topic }) => topic)));
      expect(lamp.outlet.closedFor).toBeUndefined();
    }
  });

  it('are asked for no more once the Client is gone, though the store was away', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(10));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    let calls = 0;
    trial.meet = (call) => {
      if (!isFeeding(call)) return call.answer();
      calls++;
      return call.fail();
    };
    await lamp.send(subscribe('#'));
    await trial.clock.advance(1000);
    expect(calls).toBe(6);
    await lamp.lose();
    await trial.clock.advance(1000);
    expect(calls).toBe(6);
  });

  it('that were queued, though nobody said so, are not queued again', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(300));
    const lamp = await trial.connect('lamp');
    let isLost = false;
    trial.meet = (call) => {
      if (call.name !== 'queues.append' || isLost) return call.answer();
      isLost = true;
      call.do();
      return call.fail();
    };
    const topics = await acknowledgeAll(lamp, await lamp.send(subscribe('many/+')));
    await trial.clock.advance(200);
    topics.push(...(await acknowledgeAll(lamp, await lamp.send())));
    expect(sorted(topics)).toEqual(sorted(many(300).map(({ topic }) => topic)));
  });

  it('come to the end beside a stream of others that are acknowledged at once', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(600));
    const lamp = await trial.connect('lamp');
    await lamp.subscribe('stream');
    const { claim } = trial.broker.sessionOf('lamp') ?? {};
    if (claim === undefined) throw new Error('lamp is not there');
    let n = 0;
    let unsure = 0;
    // Whenever a page is about to be appended, something comes, goes to the Client, and is acknowledged.
    trial.meet = async (call) => {
      if (call.name === 'queues.append') {
        await stream();
        unsure++;
      }
      call.answer();
    };
    const stream = async (): Promise<void> => {
      const [outcomes] = await trial.behind.queues.enqueue([
        {
          message: messageOn('stream', `${n++}`, { retain: true }),
          targets: [{ ...claim, topicFilters: ['stream'] }],
          isRefusable: false,
          uid: undefined,
        },
      ]);
      const outcome = outcomes?.[0];
      if (outcome?.is === 'queued') trial.broker.sessionOf('lamp')?.push(outcome.entry, outcome.sentSeq);
      for (const sent of lamp.outlet.take()) {
        if (sent.type !== 'publish') continue;
        seen.push(sent.topic);
        lamp.client.receive({ type: 'puback', packetId: sent.packetId, reasonCode: 0, properties: undefined });
      }
      for (let i = 0; i < 20; i++) await undefined;
      trial.clock.endTurn();
      for (let i = 0; i < 20; i++) await undefined;
    };
    const seen: string[] = [];
    seen.push(...(await acknowledgeAll(lamp, await lamp.send(subscribe('many/+')))));
    expect(sorted(seen.filter((topic) => topic !== 'stream'))).toEqual(sorted(many(600).map(({ topic }) => topic)));
    expect(unsure).toBeGreaterThan(3);
  });

  it('reach a slow reader whole, however many, and never wait for it in numbers', async () => {
    const count = 100_000;
    const trial = await BrokerTrial.start();
    for (let i = 0; i < count; i += 1000) {
      await trial.behind.retained.set(
        Array.from({ length: 1000 }, (_, n) => ({ message: manyth(i + n), uid: undefined, order: undefined })),
      );
    }
    const lamp = await trial.connect('lamp', { receiveMaximum: 500 });
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    const session = trial.broker.sessionOf('lamp');
    if (session === undefined) throw new Error('lamp is not there');
    const topics = new Set<string>();
    let waitingMax = 0;
    for (;;) {
      const published = lamp.outlet.take().filter((packet) => packet.type === 'publish');
      if (published.length === 0) break;
      for (const { topic, packetId: id } of published) {
        topics.add(topic);
        lamp.client.receive({ type: 'puback', packetId: id, reasonCode: 0, properties: undefined });
      }
      await trial.clock.settle();
      const [end] = await trial.behind.queues.ends([session.claim]);
      waitingMax = Math.max(waitingMax, (end as number) - 1 - session.outbound.sentSeq);
    }
    expect(topics.size).toBe(count);
    expect(waitingMax).toBeLessThan(1000);
    expect(Object.values(trial.broker.counters.dropped).reduce((sum, each) => sum + each)).toBe(0);
  }, 60_000);

  it('let others have their turn, however fast the Client and the store are', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(600, { qos: 0 }));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    let passedMs = 0;
    vi.spyOn(trial.clock, 'monotonicMs').mockImplementation(() => passedMs++ * 10);
    let count = (await lamp.send(subscribe('many/+'))).length - 1;
    for (let turns = 0; count < 600; turns++) {
      expect(count).toBeLessThanOrEqual(turns * 256);
      await trial.clock.advance(0);
      count += (await lamp.send()).length;
    }
    expect(count).toBe(600);
  });

  it('go on after the node has died in the middle of them', async () => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 3 });
    await keep(trial, many(1000));
    const first = await trial.connect('lamp', { receiveMaximum: 50 });
    await first.subscribe('other', 1, 2);
    const topics = await acknowledgeSome(first, await first.send(subscribe('many/+')), 300);
    trial.meet = () => undefined;

    const next = await restarted(trial);
    const second = new TestConnection(next);
    topics.push(...(await acknowledgeAll(second, await second.send(connectPacket('lamp', { receiveMaximum: 50 })))));
    expect(topics.length).toBeLessThan(1100);
    expect(sorted(new Set(topics))).toEqual(sorted(many(1000).map(({ topic }) => topic)));
    expect((await trial.behind.sessions.acquire(acquireOf('lamp'))).feeds).toEqual([]);
  });

  it('go on with the next connection before what comes anew is asked for twice', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(700));
    const first = await trial.connect('lamp', { receiveMaximum: 20 });
    await first.send(subscribe('many/+'));
    await first.lose();
    const second = trial.open();
    const resumed = await second.send(connectPacket('lamp', { receiveMaximum: 20 }));
    const again = await second.send(subscribe('many/+', { retainHandling: 1 }));
    const topics = await acknowledgeAll(second, [...resumed, ...again]);
    expect(sorted(new Set(topics))).toEqual(sorted(many(700).map(({ topic }) => topic)));
    expect(topics).toHaveLength(700);
  });
});
