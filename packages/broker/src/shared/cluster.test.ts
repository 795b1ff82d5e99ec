import { describe, expect, it } from 'vitest';
import { ClusterTrial } from '../testing/cluster-trial.ts';
import { got, jobs, publishes } from '../testing/sharing.ts';
import type { PendingCall } from '../testing/unreliable-store.ts';

// [§4.8.2] Shared Subscriptions whose members are connected to several nodes.

describe('the group is one in the whole cluster', () => {
  for (const qos of [0, 1, 2] as const) {
    it(`QoS ${qos}: members on three nodes share what any node is given`, async () => {
      const trial = await ClusterTrial.start(3);
      const workers = [
        await trial.node(0).connect('ann', { sessionExpirySeconds: 0 }),
        await trial.node(1).connect('bob'),
        await trial.node(2).connect('cyd', { sessionExpirySeconds: 0 }),
        await trial.node(2).connect('dan'),
      ];
      for (const worker of workers) await worker.subscribe(jobs);
      await trial.clock.advance(1000);
      for (const at of [0, 1, 2]) {
        const boss = await trial.node(at).connect(`boss-${at}`);
        await publishes(boss, qos, ...['a', 'b', 'c', 'd'].map((letter) => `${at}${letter}`));
      }
      await trial.clock.advance(100);
      const shares = await Promise.all(workers.map((worker) => got(worker)));
      expect(shares.map(({ length }) => length)).toEqual([3, 3, 3, 3]);
      expect(new Set(shares.flat()).size).toBe(12);
    });
  }

  it('SUBACK: from then on a volatile member gets what any node acknowledges', async () => {
    const trial = await ClusterTrial.start(2);
    const boss = await trial.node(1).connect('boss');
    const ann = await trial.node(0).connect('ann', { sessionExpirySeconds: 0 });
    expect(await ann.subscribe(jobs)).toEqual(['suback #1 0x02']);
    expect(await boss.publish('jobs/a', '1', 1)).toEqual(['puback #1']);
    expect(await got(ann)).toEqual(['1']);
  });

  it('routes say who is where: here, elsewhere, away, gone', async () => {
    const trial = await ClusterTrial.start(2);
    const where = async (): Promise<string[]> => {
      await trial.clock.advance(100);
      const routes = await trial.routes();
      return routes.map((route) => ('heldBy' in route ? `${route.clientId} ${route.heldBy}` : 'other')).sort();
    };
    const ann = await trial.node(0).connect('ann');
    const bob = await trial.node(0).connect('bob', { sessionExpirySeconds: 0 });
    for (const worker of [ann, bob]) await worker.subscribe(jobs);
    expect(await where()).toEqual(['ann n0', 'bob n0']);
    await ann.lose();
    expect(await where()).toEqual(['ann ', 'bob n0']);
    await trial.node(1).connect('ann');
    expect(await where()).toEqual(['ann n1', 'bob n0']);
    await trial.node(0).connect('ann');
    expect(await where()).toEqual(['ann n0', 'bob n0']);
    await bob.lose();
    expect(await where()).toEqual(['ann n0']);
    trial.kill(0);
    await trial.clock.advance(12_000);
    expect(await where()).toEqual(['ann ']);
  });

  it('a volatile Session that unsubscribes, and then subscribes again at once, has its route', async () => {
    const trial = await ClusterTrial.start(2);
    const ann = await trial.node(0).connect('ann', { sessionExpirySeconds: 0 });
    await ann.subscribe(jobs);
    ann.client.receive({ type: 'unsubscribe', packetId: 2, topicFilters: [jobs], properties: undefined });
    await ann.subscribe(jobs);
    await trial.clock.advance(5000);
    expect(await trial.routes()).toMatchObject([{ clientId: 'ann', heldBy: 'n0' }]);
  });

  it('what comes for a member that has just gone is given to another one, wherever that is', async () => {
    for (const qos of [1, 2] as const) {
      const trial = await ClusterTrial.start(2);
      const ann = await trial.node(0).connect('ann', { sessionExpirySeconds: 0 });
      await ann.subscribe(jobs);
      const boss = await trial.node(1).connect('boss');
      await trial.clock.advance(100);
      trial.hub.delay('n1', 'n0', 50);
      await publishes(boss, qos, '1', '2');
      const bob = await trial.node(1).connect('bob', { sessionExpirySeconds: 0 });
      await bob.subscribe(jobs);
      await ann.lose();
      await trial.clock.advance(200);
      expect((await got(bob)).sort()).toEqual(['1', '2']);
    }
  });

  it('the node of a volatile member dies: QoS 1 goes to another one, QoS 2 is counted', async () => {
    for (const qos of [1, 2] as const) {
      const trial = await ClusterTrial.start(2);
      const ann = await trial.node(0).connect('ann', { sessionExpirySeconds: 0 });
      await ann.subscribe(jobs);
      const [boss, bob] = [await trial.node(1).connect('boss'), await trial.node(1).connect('bob')];
      await trial.clock.advance(100);
      trial.kill(0);
      expect(await boss.publish('jobs/a', '1', qos)).toEqual([]);
      await bob.subscribe(jobs);
      await trial.clock.advance(15_000);
      expect(boss.outlet.said()).toEqual([qos === 1 ? 'puback #1' : 'pubrec #1']);
      expect(await got(bob)).toEqual(qos === 1 ? ['1'] : []);
      expect(trial.dropped).toEqual(qos === 1 ? {} : { member_gone: 1 });
    }
  });

  it('the node of a stored member dies: what waits for it goes to another one', async () => {
    const trial = await ClusterTrial.start(2);
    const ann = await trial.node(0).connect('ann', { receiveMaximum: 1 });
    await ann.subscribe(jobs);
    const boss = await trial.node(1).connect('boss');
    await publishes(boss, 1, '1', '2', '3');
    trial.kill(0);
    const bob = await trial.node(1).connect('bob');
    await bob.subscribe(jobs);
    await trial.clock.advance(16_000);
    expect(await got(bob)).toEqual(['1', '2', '3']);
  });

  it('a node that stops in good order leaves what its Clients had to the others', async () => {
    const trial = await ClusterTrial.start(2);
    const ann = await trial.node(0).connect('ann', { sessionExpirySeconds: 0, receiveMaximum: 1 });
    await ann.subscribe(jobs);
    const boss = await trial.node(1).connect('boss');
    await trial.clock.advance(100);
    await publishes(boss, 1, '1', '2');
    await trial.clock.advance(100);
    const bob = await trial.node(1).connect('bob', { sessionExpirySeconds: 0 });
    await bob.subscribe(jobs);
    const stopped = trial.node(0).broker.stop(5000);
    await trial.clock.advance(1000);
    await stopped;
    expect(await got(bob)).toEqual(['1', '2']);
    expect(await trial.routes()).toMatchObject([{ clientId: 'bob' }]);
  });

  it('a node that leaves sees to what the others have just given it', async () => {
    const trial = await ClusterTrial.start(2);
    const [leaving, staying] = [trial.node(0), trial.node(1)];
    const ann = await leaving.connect('ann', { sessionExpirySeconds: 0 });
    await ann.subscribe(jobs);
    const boss = await staying.connect('boss');
    await trial.clock.advance(100);
    trial.hub.delay('n1', 'n0', 50);
    await boss.publish('jobs/a', '1', 1);
    const bob = await staying.connect('bob');
    await bob.subscribe(jobs);
    // It arrives while the node takes its name off the register, and the store is slow to take it.
    const held: PendingCall[] = [];
    leaving.meet = (call) => {
      if (call.name === 'members.bury') held.push(call);
      else if (call.name === 'queues.enqueue') trial.clock.after(500, () => call.answer());
      else call.answer();
    };
    const stopped = leaving.broker.stop(5000);
    await trial.clock.advance(100);
    expect(boss.outlet.said()).toEqual(['puback #1']);
    for (const call of held) call.answer();
    await trial.clock.advance(1000);
    await stopped;
    expect(await got(bob)).toEqual(['1']);
  });
});
