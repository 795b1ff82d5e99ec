import { describe, expect, it } from 'vitest';
import { BrokerTrial, type TestConnection } from '../testing/broker-trial.ts';
import { got, gotBack, jobs, publishes, texts } from '../testing/sharing.ts';

// [§4.8.2] Shared Subscriptions as Clients meet them, on one node. Those of several are in cluster.test.ts; whom
// the strategies choose is told in choose.test.ts, and what happens if the store fails or nodes die in placement.test.ts.

describe('each message goes to one member', () => {
  for (const qos of [0, 1, 2] as const) {
    for (const isStored of [false, true]) {
      it(`QoS ${qos}, ${isStored ? 'stored' : 'volatile'} Sessions`, async () => {
        const trial = await BrokerTrial.start();
        const options = { sessionExpirySeconds: isStored ? 3600 : 0 };
        const workers = [await trial.connect('ann', options), await trial.connect('bob', options)];
        for (const worker of workers) expect(await worker.subscribe(jobs)).toEqual(['suback #1 0x02']);
        const boss = await trial.connect('boss');
        await publishes(boss, qos, '1', '2', '3', '4');

        const shares = [await got(workers[0] as TestConnection), await got(workers[1] as TestConnection)];
        expect(shares.map(({ length }) => length)).toEqual([2, 2]);
        expect(shares.flat().sort()).toEqual(['1', '2', '3', '4']);
      });
    }
  }

  it('each group has a copy, and so has each plain Subscription, of the same Client too', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann');
    await ann.subscribe(jobs, 1);
    await ann.subscribe('$share/others/jobs/a', 1);
    await ann.subscribe('$queue/jobs/#', 1);
    await ann.subscribe('jobs/a', 1);
    await publishes(await trial.connect('boss'), 1, '1');
    expect(await got(ann)).toEqual(['1', '1', '1', '1']);
  });

  it('[MQTT-4.8.2-3] at the QoS granted to that one, with the identifier of that Subscription alone', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { sessionExpirySeconds: 0 });
    const request = { topicFilter: jobs, qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const properties = { subscriptionIdentifier: 7 };
    await ann.send({ type: 'subscribe', packetId: 1, subscriptions: [request], properties });
    await publishes(await trial.connect('boss'), 2, '1');
    expect(await ann.send()).toEqual(['publish jobs/a=1 q1 #1 ids 7']);
  });

  it('until it unsubscribes, by the name that it has subscribed with', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann');
    await ann.subscribe(jobs, 1);
    const unsubscribe = (...topicFilters: string[]): Promise<string[]> =>
      ann.send({ type: 'unsubscribe', packetId: 9, topicFilters, properties: undefined });
    expect(await unsubscribe('jobs/+', '$share/other/jobs/+')).toEqual(['unsuback #9 0x11 0x11']);
    expect(await unsubscribe(jobs)).toEqual(['unsuback #9']);
    expect(await (await trial.connect('boss')).publish('jobs/a', '1')).toEqual(['puback #1 0x10']);
    expect(trial.broker.router.routes).toBe(0);
  });

  it('retained messages are not sent', async () => {
    const trial = await BrokerTrial.start();
    const boss = await trial.connect('boss');
    await boss.send({
      ...{ type: 'publish', topic: 'jobs/a', payload: new Uint8Array([49]), qos: 1, retain: true, dup: false },
      ...{ packetId: 1, properties: undefined },
    });
    for (const options of [{}, { sessionExpirySeconds: 0 }]) {
      const ann = await trial.connect('ann', { ...options, cleanStart: true });
      expect(await ann.subscribe(jobs)).toEqual(['suback #1 0x02']);
      await trial.clock.advance(1000);
      expect(await ann.send()).toEqual([]);
    }
  });
});

describe('who is online comes before who is not', () => {
  it('QoS 0: nobody online, so it is dropped, and counted', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann');
    await ann.subscribe(jobs);
    await ann.lose();
    await publishes(await trial.connect('boss'), 0, '1');
    expect(trial.broker.counters.dropped.group_offline).toBe(1);
  });

  it('QoS 1: a stored member that is away gets it if nobody else can, once', async () => {
    const trial = await BrokerTrial.start();
    const [ann, bob] = [await trial.connect('ann'), await trial.connect('bob')];
    for (const worker of [ann, bob]) await worker.subscribe(jobs, 1);
    await ann.lose();
    const boss = await trial.connect('boss');
    await publishes(boss, 1, '1', '2');
    expect(await got(bob)).toEqual(['1', '2']);
    await bob.lose();
    await publishes(boss, 1, '3', '4');
    const shares = [await gotBack(trial, 'ann'), await gotBack(trial, 'bob')];
    expect(shares.flat().sort()).toEqual(['3', '4']);
  });

  it('a member whose queue is full is passed over; if all are full it is dropped, and counted once', async () => {
    for (const isStored of [false, true]) {
      const trial = await BrokerTrial.start({ queueMaxMessages: 1 });
      const options = { sessionExpirySeconds: isStored ? 3600 : 0, receiveMaximum: 1 };
      const [ann, bob] = [await trial.connect('ann', options), await trial.connect('bob', options)];
      for (const worker of [ann, bob]) await worker.subscribe(jobs, 1);
      // One on its way to each, which a stored queue counts, and one waiting for each where it does not.
      const names = ['1', '2', '3', '4'].slice(0, isStored ? 2 : 4);
      const boss = await trial.connect('boss');
      await publishes(boss, 1, ...names);
      expect(trial.broker.counters.dropped.queue_full).toBe(0);
      await publishes(boss, 1, 'one', 'too', 'many');
      expect(trial.broker.counters.dropped.queue_full).toBe(3);
      expect([...(await got(ann)), ...(await got(bob))].sort()).toEqual(names);
    }
  });

  it('refuse: the publisher is told that all are full', async () => {
    for (const isStored of [false, true]) {
      const trial = await BrokerTrial.start({ queueMaxMessages: 1, queueFull: 'refuse' });
      const options = { sessionExpirySeconds: isStored ? 3600 : 0, receiveMaximum: 1 };
      await (await trial.connect('ann', options)).subscribe(jobs, 1);
      const boss = await trial.connect('boss');
      await publishes(boss, 1, ...['1', '2'].slice(0, isStored ? 1 : 2));
      expect(await boss.publish('jobs/a', 'much', 1)).toEqual(['puback #1 0x97']);
      expect(await boss.publish('jobs/a', 'much', 2, 2)).toEqual(['pubrec #2 0x97']);
    }
  });

  it('refuse: not where a member of another group has it, who would get it twice', async () => {
    for (const isStored of [false, true]) {
      const trial = await BrokerTrial.start({ queueMaxMessages: 1, queueFull: 'refuse' });
      const options = { sessionExpirySeconds: isStored ? 3600 : 0, receiveMaximum: 1 };
      await (await trial.connect('ann', options)).subscribe(jobs, 1);
      const boss = await trial.connect('boss');
      await publishes(boss, 1, ...['1', '2'].slice(0, isStored ? 1 : 2));
      const bob = await trial.connect('bob', options);
      await bob.subscribe('$share/a/jobs/#', 1); // a group that comes before the other one, or behind it
      const cyd = await trial.connect('cyd', { sessionExpirySeconds: 3600, receiveMaximum: 1 });
      await cyd.subscribe('$share/z/jobs/#', 1);
      expect(await boss.publish('jobs/a', 'much', 1)).toEqual(['puback #1']);
      expect([...(await got(bob)), ...(await got(cyd))]).toEqual(['much', 'much']);
      expect(trial.broker.counters.dropped.queue_full).toBe(1);
    }
  });

  it('drop-old: room is made only if all are full', async () => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 1, queueFull: 'drop-old' });
    const [ann, bob] = [await trial.connect('ann'), await trial.connect('bob')];
    for (const worker of [ann, bob]) await worker.subscribe(jobs, 1);
    for (const worker of [ann, bob]) await worker.lose();
    const boss = await trial.connect('boss');
    await publishes(boss, 1, '1', '2', '3');
    await publishes(boss, 2, '4');
    const shares = [await gotBack(trial, 'ann'), await gotBack(trial, 'bob')];
    expect(shares.flat().sort().at(-1)).toBe('4');
    expect(trial.broker.counters.dropped.queue_full).toBe(4 - shares.flat().length);
  });
});

describe('what a member leaves behind goes to another one', () => {
  it('a volatile Session: what waits, and what is begun at QoS 1', async () => {
    const trial = await BrokerTrial.start();
    const volatile = { sessionExpirySeconds: 0, receiveMaximum: 1 };
    const ann = await trial.connect('ann', volatile);
    await ann.subscribe(jobs);
    const boss = await trial.connect('boss');
    await publishes(boss, 1, 'begun', 'waiting');
    await publishes(boss, 2, 'too');
    expect(texts(await ann.send())).toEqual(['begun']);
    const bob = await trial.connect('bob', { sessionExpirySeconds: 0 });
    await bob.subscribe(jobs);
    await ann.lose();
    expect(await got(bob)).toEqual(['begun', 'waiting', 'too']);
  });

  it('[MQTT-4.8.2-5] a volatile Session: nobody gets what is begun at QoS 2, and it is counted', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { sessionExpirySeconds: 0 });
    await ann.subscribe(jobs);
    await publishes(await trial.connect('boss'), 2, 'begun');
    const bob = await trial.connect('bob');
    await bob.subscribe(jobs);
    await ann.lose();
    expect(await got(bob)).toEqual([]);
    expect(trial.broker.counters.dropped.member_gone).toBe(1);
  });

  it('a stored Session: after five seconds, and not before', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { receiveMaximum: 1 });
    await ann.subscribe(jobs);
    const boss = await trial.connect('boss');
    await publishes(boss, 1, 'begun', 'waiting');
    await ann.lose();
    const bob = await trial.connect('bob');
    await bob.subscribe(jobs);
    await trial.clock.advance(4000);
    expect(await got(bob)).toEqual([]);
    await trial.clock.advance(2500);
    expect(await got(bob)).toEqual(['begun', 'waiting']);
    expect(await gotBack(trial, 'ann')).toEqual([]);
  });

  it('[MQTT-4.8.2-4] a stored Session: what is begun at QoS 2 is completed when it is back', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { receiveMaximum: 1 });
    await ann.subscribe(jobs);
    const boss = await trial.connect('boss');
    await publishes(boss, 2, 'begun');
    await ann.lose();
    const bob = await trial.connect('bob');
    await bob.subscribe(jobs);
    await trial.clock.advance(20_000);
    expect(await got(bob)).toEqual([]);
    expect(await gotBack(trial, 'ann')).toEqual(['begun']);
  });

  it('a stored Session that is over: to whoever else there is, though they are away', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { sessionExpirySeconds: 3600 });
    await ann.subscribe(jobs);
    await ann.lose();
    await publishes(await trial.connect('boss'), 2, '1', '2');
    const bob = await trial.connect('bob');
    await bob.subscribe(jobs);
    await bob.lose();
    await trial.connect('ann', { cleanStart: true });
    await trial.clock.advance(3000);
    expect((await gotBack(trial, 'bob')).sort()).toEqual(['1', '2']);
    await trial.clock.advance(3000);
    expect(trial.broker.counters.dropped.session_ended).toBe(0);
    expect(trial.broker.router.routes).toBe(1);
  });

  it('a stored Session that is over, and nobody else is there: counted', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann');
    await ann.subscribe(jobs);
    await ann.lose();
    await publishes(await trial.connect('boss'), 1, '1', '2');
    await trial.connect('ann', { cleanStart: true });
    await trial.clock.advance(3000);
    expect(trial.broker.counters.dropped.session_ended).toBe(2);
    expect(trial.broker.router.routes).toBe(0);
  });

  it('back to where it was, if nobody else can take it', async () => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 1 });
    const ann = await trial.connect('ann', { receiveMaximum: 1 });
    await ann.subscribe(jobs);
    await ann.lose();
    const boss = await trial.connect('boss');
    await publishes(boss, 1, '1');
    const bob = await trial.connect('bob', { receiveMaximum: 1 });
    await bob.subscribe(jobs);
    await publishes(boss, 1, '2');
    await trial.clock.advance(30_000);
    expect(texts(await bob.send())).toEqual(['2']);
    expect(await gotBack(trial, 'ann')).toEqual(['1']);
    expect(trial.broker.counters.dropped.queue_full).toBe(0);
  });

  it('a volatile Session: nobody else is there, so it is dropped, and counted', async () => {
    const trial = await BrokerTrial.start();
    const ann = await trial.connect('ann', { sessionExpirySeconds: 0, receiveMaximum: 1 });
    await ann.subscribe(jobs);
    await publishes(await trial.connect('boss'), 1, '1', '2');
    await ann.lose();
    await trial.clock.settle();
    expect(trial.broker.counters.dropped.group_offline).toBe(2);
  });
});
