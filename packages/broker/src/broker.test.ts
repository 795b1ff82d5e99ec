import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { acquireOf, subscriptionTo, willOn } from './contract/samples.ts';
import type { Fact } from './observer.ts';
import { BrokerTrial, connectPacket, publishPacket } from './testing/broker-trial.ts';

describe('[MQTT-3.1.4-3] a CONNECT while another one of the same Client Identifier is under way', () => {
  it('waits for it: the earlier one is connected, then taken over', async () => {
    const trial = await BrokerTrial.start();
    const calls = trial.holdCalls('sessions.acquire');
    const first = trial.open();
    const second = trial.open();
    await first.send(connectPacket('lamp'));
    await second.send(connectPacket('lamp'));
    expect(calls).toHaveLength(1);
    calls[0]?.answer();
    await trial.clock.settle();
    expect(first.outlet.said()).toEqual(['connack']);
    calls[1]?.answer();
    await trial.clock.settle();
    expect(first.outlet.said()).toEqual(['disconnect 0x8e']);
    expect(first.outlet.closedFor).toBe('session_taken_over');
    expect(second.outlet.said()).toEqual(['connack present']);
    expect(trial.broker.gauges().connected).toBe(1);

    trial.meet = (call) => call.answer();
    const door = await trial.connect('door');
    await second.subscribe('a');
    await door.publish('a', 'hello');
    expect(second.outlet.said()).toEqual(['publish a=hello q1 #1']);
  });

  it('is not kept waiting for ever by one that the store does not answer, nor are other Clients at all', async () => {
    const trial = await BrokerTrial.start({ storeDeadlineMs: 5000 });
    const calls = trial.holdCalls('sessions.acquire');
    const first = trial.open();
    const second = trial.open();
    await first.send(connectPacket('lamp'));
    await second.send(connectPacket('lamp'));
    trial.meet = (call) => call.answer();
    await trial.connect('door');
    await trial.clock.advance(5000);
    expect(second.outlet.said()).toEqual(['connack 0x88']);
    calls[0]?.fail();
    await trial.clock.settle();
    expect(first.outlet.said()).toEqual(['connack 0x88']);
    await trial.connect('lamp');
  });

  it('tells the Client that was connected, and closes it', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    await first.subscribe('a');
    const second = await trial.connect('lamp');
    expect(first.outlet.said()).toEqual(['disconnect 0x8e']);
    expect(first.outlet.closedFor).toBe('session_taken_over');
    expect(trial.broker.counters.takeovers).toBe(1);
    expect(trial.broker.gauges()).toMatchObject({ connected: 1, subscriptions: 1 });
    await first.lose();
    expect(trial.broker.gauges()).toMatchObject({ connected: 1, subscriptions: 1 });
    await second.lose();
    expect(trial.broker.gauges()).toMatchObject({ connected: 0, subscriptions: 0 });
  });
});

describe('a kick from another node', () => {
  it('that overtakes the answer to our own acquire ends the Client all the same [MQTT-3.1.4-3]', async () => {
    const trial = await BrokerTrial.start();
    const calls = trial.holdCalls('sessions.acquire');
    const lamp = trial.open();
    await lamp.send(connectPacket('lamp', { sessionExpirySeconds: 0 }));
    calls[0]?.do();
    const { claim } = await trial.behind.sessions.acquire(acquireOf('lamp', { owner: 'elsewhere:1' }));
    trial.broker.kicked(claim);
    calls[0]?.answer();
    await trial.clock.settle();
    expect(lamp.outlet.said()).toEqual(['connack', 'disconnect 0x8e']);
    expect(trial.broker.gauges().connected).toBe(0);
  });

  it('of an earlier connection ends nobody', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    trial.broker.kicked({ clientId: 'lamp', epoch: 1 });
    expect(await lamp.send({ type: 'pingreq' })).toEqual(['pingresp']);
  });
});

describe('a CONNECT that has to wait', () => {
  it('keeps its Will and its password, though the bytes it came in are used again', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const first = await trial.connect('lamp');
    const calls = trial.holdCalls('sessions.release');
    await first.lose();
    let password: string | undefined;
    trial.authenticate = async (credentials) => {
      await undefined;
      password = new TextDecoder().decode(credentials.password);
      return { accepted: true };
    };
    const read = new TextEncoder().encode('gone....secret');
    const will = { ...willOn('status/lamp'), payload: read.subarray(0, 4) };
    const second = trial.open();
    second.client.receive({ ...connectPacket('lamp', { will }), username: 'ann', password: read.subarray(8) });
    read.fill(0x2e);
    await trial.clock.settle();
    trial.meet = (call) => call.answer();
    for (const call of calls) call.answer();
    await trial.clock.settle();
    expect(second.outlet.said()).toEqual(['connack present']);
    await second.lose();
    await trial.clock.advance(2000);
    expect(watcher.outlet.said()).toEqual(['publish status/lamp=gone q1 #1']);
    expect(password).toBe('secret');
  });
});

describe('an UNSUBSCRIBE whose answer is on its way while the Client has moved to another node', () => {
  it('does not take away the route that the Client has put there [rule: Marks]', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    await lamp.subscribe('a');
    const calls = trial.holdCalls('sessions.unsubscribe');
    await lamp.send({ type: 'unsubscribe', packetId: 2, topicFilters: ['a'], properties: undefined });
    calls[0]?.do();
    const { claim } = await trial.behind.sessions.acquire(acquireOf('lamp', { owner: 'elsewhere:1' }));
    const { clientId, generation } = claim;
    await trial.behind.sessions.subscribe(claim, [subscriptionTo('a')]);
    await trial.behind.routes.put([{ topicFilter: 'a', clientId, generation }]);
    calls[0]?.answer();
    await trial.clock.settle();
    const routes: unknown[] = [];
    await trial.behind.routes.follow((changes) => routes.push(...changes));
    expect(routes).toMatchObject([{ topicFilter: 'a', clientId, generation, present: true }]);
  });
});

describe('a Network Connection that is lost while its Session is being acquired', () => {
  it('leaves the Session released, and its Will unpublished, since it was never accepted', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const calls = trial.holdCalls('sessions.acquire');
    const lamp = trial.open();
    await lamp.send(connectPacket('lamp', { sessionExpirySeconds: 10, will: willOn('status/lamp') }));
    await lamp.lose();
    calls[0]?.answer();
    await trial.clock.advance(5000);
    expect(watcher.outlet.said()).toEqual([]);
    expect(lamp.outlet.said()).toEqual([]);
    await trial.clock.advance(10_000);
    expect(await trial.behind.sessions.count()).toBe(1);
    expect(trial.broker.gauges().connected).toBe(1);
  });

  it('ends the Client that had the Session before: it has lost it [MQTT-3.1.4-3]', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const first = await trial.connect('lamp', { will: willOn('status/lamp') });
    await first.subscribe('a');
    const calls = trial.holdCalls('sessions.acquire');
    const second = trial.open();
    await second.send(connectPacket('lamp', { will: willOn('status/never') }));
    calls[0]?.do();
    await second.lose();
    calls[0]?.answer();
    await trial.clock.settle();
    expect(first.outlet.said()).toEqual(['disconnect 0x8e']);
    expect(first.outlet.closedFor).toBe('session_taken_over');
    expect(watcher.outlet.said()).toEqual(['publish status/lamp=gone q1 #1']);
    expect(trial.broker.gauges().connected).toBe(1);

    trial.meet = (call) => call.answer();
    await watcher.publish('a', 'for later');
    const third = trial.open();
    expect(await third.send(connectPacket('lamp'))).toEqual(['connack present', 'publish a=for later q1 #1']);
  });

  it('says nothing to a connection that is gone, though the Authenticator answers late', async () => {
    const trial = await BrokerTrial.start();
    let answer = (): void => {};
    trial.authenticate = () =>
      new Promise((resolve) => {
        answer = () => resolve({ accepted: true });
      });
    const lamp = trial.open();
    await lamp.send(connectPacket('lamp'));
    await lamp.lose();
    answer();
    await trial.clock.settle();
    expect(lamp.outlet.said()).toEqual([]);
    expect(await trial.behind.sessions.count()).toBe(0);
  });
});

describe('a Session that is being released', () => {
  it('is found by the next connection as the last one left it, though the store is slow [MQTT-3.14.4-3]', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const lamp = await trial.connect('lamp', { will: willOn('status/lamp') });
    let failures = 3;
    trial.meet = (call) => (call.name === 'sessions.release' && failures-- > 0 ? call.fail() : call.answer());
    await lamp.disconnect();
    const again = trial.open();
    expect(await again.send(connectPacket('lamp'))).toEqual([]);
    await trial.clock.advance(1000);
    expect(again.outlet.said()).toEqual(['connack present']);
    expect(watcher.outlet.said()).toEqual([]);
  });

  it('makes the next connection wait no longer than the store may take', async () => {
    const trial = await BrokerTrial.start({ storeDeadlineMs: 5000 });
    const lamp = await trial.connect('lamp');
    trial.meet = (call) => (call.name === 'sessions.release' ? call.fail() : call.answer());
    await lamp.lose();
    const again = trial.open();
    await again.send(connectPacket('lamp'));
    await trial.clock.advance(5000);
    expect(again.outlet.said()).toEqual(['connack 0x88']);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(1000);
    await trial.connect('lamp');
  });
});

describe('stop', () => {
  it('tells every Client that the server is shutting down, publishes their Wills, and keeps their Sessions', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { will: willOn('status/lamp') });
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    await watcher.lose();
    await trial.stop(5000);
    expect(lamp.outlet.said()).toEqual(['disconnect 0x8b']);
    expect(lamp.outlet.closedFor).toBe('server_shutting_down');
    expect(trial.clock.timers).toBe(0);
    const resumed = await trial.behind.sessions.acquire(acquireOf('watcher'));
    expect(resumed.sessionPresent).toBe(true);
    expect(await trial.behind.queues.read(resumed.claim, 1, 10)).toMatchObject({
      entries: [{ message: { topic: 'status/lamp' } }],
    });
  });

  it('stores what was received before it', async () => {
    const trial = await BrokerTrial.start();
    const door = await trial.connect('door');
    await door.subscribe('a');
    const lamp = await trial.connect('lamp');
    lamp.client.receive(publishPacket('a', 'last', 1, 1));
    await trial.stop(5000);
    const resumed = await trial.behind.sessions.acquire(acquireOf('door'));
    expect(await trial.behind.queues.read(resumed.claim, 1, 10)).toMatchObject({ entries: [{ seq: 1 }] });
  });

  it('waits for a slow store no longer than its deadline, and leaves nothing running', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { will: willOn('status/lamp') });
    await lamp.subscribe('a');
    trial.meet = (call) => call.fail();
    await lamp.publish('a', '1', 2, 1);
    let stopped = false;
    const stop = trial.broker.stop(3000).then(() => {
      stopped = true;
    });
    await trial.clock.advance(2999);
    expect(stopped).toBe(false);
    await trial.clock.advance(1);
    await stop;
    await trial.clock.advance(60_000);
    expect(trial.clock.timers).toBe(0);
    expect(trial.observer.of('internal_error')).toEqual([]);
  });

  it('refuses a CONNECT that is under way, and lets go of what it acquires', async () => {
    const trial = await BrokerTrial.start();
    const calls = trial.holdCalls('sessions.acquire');
    const lamp = trial.open();
    await lamp.send(connectPacket('lamp', { sessionExpirySeconds: 1 }));
    const stop = trial.broker.stop(1000);
    calls[0]?.answer();
    await trial.clock.advance(1000);
    await stop;
    expect(lamp.outlet.said()).toEqual(['connack 0x8b']);
    await trial.clock.advance(1000);
    expect(await trial.behind.sessions.ended(10)).toMatchObject([{ clientId: 'lamp' }]);
  });
});

describe('what the broker tells', () => {
  it('tells the end of a Session once, however it ends', async () => {
    const trial = await BrokerTrial.start();
    const ended = (): string[] => trial.observer.of('session_ended').map(({ clientId }) => clientId);
    const stored = await trial.connect('stored');
    await stored.send({
      type: 'disconnect',
      reasonCode: ReasonCode.normalDisconnection,
      properties: { sessionExpiryInterval: 0 },
    });
    const expired = await trial.connect('expired', { sessionExpirySeconds: 5 });
    await expired.subscribe('a');
    await expired.lose();
    const replaced = await trial.connect('replaced');
    await replaced.lose();
    await trial.connect('replaced', { cleanStart: true });
    await trial.clock.advance(10_000);
    expect(ended().toSorted()).toEqual(['expired', 'replaced', 'stored']);
    expect(trial.broker.router.match('a').stored).toEqual([]);
  });

  it('tells of each Client that it came, and why it went', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { username: 'ada' });
    await lamp.disconnect();
    const broken = await trial.connect('broken');
    await broken.send(connectPacket('broken'));
    const said = trial.observer.facts.map((fact: Fact) =>
      fact.is === 'client_disconnected' ? `${fact.clientId} ${fact.reason}` : fact.is,
    );
    expect(said).toEqual(['client_connected', 'lamp client_disconnect', 'client_connected', 'broken protocol_error']);
    expect(trial.observer.of('client_connected')[0]).toMatchObject({ clientId: 'lamp', username: 'ada' });
  });

  it('lets a mistake of ours end one Client, and no other', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    const door = await trial.connect('door');
    trial.mayPublish = (clientId) => {
      if (clientId === 'lamp') throw new TypeError('our own');
      return true;
    };
    expect(await lamp.publish('a', '1')).toEqual(['disconnect 0x83']);
    expect(lamp.outlet.closedFor).toBe('internal_error');
    expect(await door.publish('a', '1')).toEqual(['puback #1 0x10']);
    expect(trial.observer.of('internal_error')).toHaveLength(1);
  });
});
