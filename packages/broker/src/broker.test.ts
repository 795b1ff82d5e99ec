import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { acquireOf, willOn } from './contract/samples.ts';
import type { Fact } from './observer.ts';
import { BrokerTrial, connectPacket, publishPacket } from './testing/broker-trial.ts';
import type { PendingCall } from './testing/unreliable-store.ts';

describe('[MQTT-3.1.4-3] a CONNECT while another one of the same Client Identifier is under way', () => {
  it('ends with the later one connected and the earlier one refused or taken over, whoever is answered first', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const trial = await BrokerTrial.start();
      const calls = trial.holdCalls('sessions.acquire');
      const first = trial.open();
      const second = trial.open();
      await first.send(connectPacket('lamp'));
      await second.send(connectPacket('lamp'));
      for (const call of calls) call.do();
      for (const at of order) {
        calls[at]?.answer();
        await trial.clock.settle();
      }
      expect(first.outlet.closedFor).toBeDefined();
      expect(second.outlet.closedFor).toBeUndefined();
      expect(second.outlet.said()).toEqual(['connack present']);
      expect(first.outlet.said()).toEqual(order[0] === 0 ? ['connack', 'disconnect 0x8e'] : ['connack 0x89']);
      expect(trial.broker.gauges().connected).toBe(1);

      trial.meet = (call) => call.answer();
      const door = await trial.connect('door');
      await second.subscribe('a');
      await door.publish('a', 'hello');
      expect(second.outlet.said()).toEqual(['publish a=hello q1 #1']);
    }
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

describe('a store that is away', () => {
  it('refuses CONNECT with Server unavailable, and takes the next one when it is back', async () => {
    const trial = await BrokerTrial.start();
    trial.meet = (call) => call.fail();
    const lamp = trial.open();
    expect(await lamp.send(connectPacket('lamp'))).toEqual(['connack 0x88']);
    expect(lamp.outlet.closedFor).toBe('connect_refused');
    expect(trial.broker.counters.storeFailures).toBeGreaterThan(0);
    trial.meet = (call) => call.answer();
    await trial.connect('lamp');
  });

  it('refuses SUBSCRIBE and UNSUBSCRIBE in so many words, and the Client stays', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    trial.meet = (call) => call.fail();
    expect(await lamp.subscribe('a')).toEqual(['suback #1 0x80']);
    const unsubscribe = { type: 'unsubscribe', packetId: 2, topicFilters: ['a'], properties: undefined } as const;
    expect(await lamp.send(unsubscribe)).toEqual(['unsuback #2 0x80']);
    trial.meet = (call) => call.answer();
    expect(await lamp.subscribe('a', 2, 3)).toEqual(['suback #3 0x02']);
    expect(lamp.outlet.closedFor).toBeUndefined();
  });

  it('withholds acknowledgements of QoS 1 and 2 and nothing else', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    const door = await trial.connect('door');
    await door.subscribe('a');
    trial.meet = (call) => call.fail();
    expect(await lamp.publish('a', '1', 1, 1)).toEqual([]);
    expect(await lamp.publish('a', '2', 2, 2)).toEqual([]);
    expect(await lamp.publish('a', '0', 0)).toEqual([]);
    expect(await lamp.send({ type: 'pingreq' })).toEqual(['pingresp']);
    expect(door.outlet.said()).toEqual(['publish a=0 q0']);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(2000);
    expect(lamp.outlet.said()).toEqual(['puback #1', 'pubrec #2']);
    expect(door.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q2 #2']);
  });

  it('costs a Client with publishes waiting its connection after storeAwayCloseSeconds, and no other', async () => {
    const trial = await BrokerTrial.start({ storeAwayCloseSeconds: 10 });
    const waiting = await trial.connect('waiting');
    const idle = await trial.connect('idle');
    trial.meet = (call) => call.fail();
    await waiting.publish('a', '1');
    await trial.clock.advance(9000);
    expect(waiting.outlet.closedFor).toBeUndefined();
    await trial.clock.advance(2500);
    expect(waiting.outlet.said()).toEqual(['disconnect 0x88']);
    expect(waiting.outlet.closedFor).toBe('store_unavailable');
    expect(idle.outlet.closedFor).toBeUndefined();
  });

  it('lets no Will be lost and none be published twice', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    for (const fails of ['sessions.release', 'wills.done', 'queues.enqueue', 'routes.version']) {
      const lamp = await trial.connect('lamp', { will: willOn('status/lamp', 0, fails) });
      let failures = 5;
      trial.meet = (call) => (call.name === fails && failures-- > 0 ? call.fail() : call.answer());
      await lamp.lose();
      await trial.clock.advance(10_000);
      const said = watcher.outlet.said();
      expect(said.map((line) => line.slice(0, line.indexOf(' q')))).toEqual([`publish status/lamp=${fails}`]);
    }
    expect(trial.broker.counters.wills).toEqual({ published: 4, cancelled: 0, not_authorized: 0 });
  });
});

describe('a QoS 2 PUBLISH whose Client reconnects before PUBREC', () => {
  it('is published once, though it had not reached the store when the Session was resumed [MQTT-4.3.3-10]', async () => {
    for (const isNoted of [false, true]) {
      const trial = await BrokerTrial.start();
      const door = await trial.connect('door');
      await door.subscribe('a');
      const first = await trial.connect('lamp');
      const ingresses = trial.holdCalls('inbound.ingress');
      await first.send(publishPacket('a', 'once', 2, 7));
      if (isNoted) ingresses[0]?.do();
      await first.lose();
      const second = await trial.connect('lamp');
      await second.send(publishPacket('a', 'once', 2, 7, true));
      trial.meet = (call) => call.answer();
      ingresses[0]?.answer();
      await trial.clock.settle();
      expect(second.outlet.said()).toEqual(['pubrec #7']);
      expect(door.outlet.said()).toEqual(['publish a=once q2 #1']);
      expect(await second.send({ type: 'pubrel', packetId: 7, reasonCode: 0, properties: undefined })).toEqual([
        'pubcomp #7',
      ]);
    }
  });

  it('is not answered on a connection that has lost the Session: it was not published for it', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    const ingresses = trial.holdCalls('inbound.ingress');
    await first.send(publishPacket('a', 'once', 2, 7));
    const acquires: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'sessions.acquire' ? acquires.push(call) : call.answer());
    const second = trial.open();
    await second.send(connectPacket('lamp'));
    acquires[0]?.do();
    await trial.clock.settle();
    ingresses[0]?.answer();
    await trial.clock.settle();
    expect(first.outlet.said().filter((line) => line.startsWith('pubrec'))).toEqual([]);
  });

  it('that was refused meanwhile is refused again, and its identifier is free [§4.3.3]', async () => {
    const trial = await BrokerTrial.start({ queueFull: 'refuse', queueMaxMessages: 1 });
    const door = await trial.connect('door');
    await door.subscribe('a');
    await door.lose();
    const other = await trial.connect('other');
    await other.publish('a', 'fills the queue');
    const first = await trial.connect('lamp');
    const enqueues = trial.holdCalls('queues.enqueue');
    await first.send(publishPacket('a', 'refused', 2, 7));
    await first.lose();
    trial.meet = (call) => call.answer();
    const second = await trial.connect('lamp');
    await second.send(publishPacket('a', 'refused', 2, 7, true));
    enqueues[0]?.answer();
    await trial.clock.settle();
    expect(second.outlet.said()).toEqual(['pubrec #7 0x97']);

    const again = await trial.connect('door');
    expect(again.outlet.said()).toEqual([]);
    await again.send({ type: 'puback', packetId: 1, reasonCode: 0, properties: undefined });
    expect(await second.send(publishPacket('a', 'another', 2, 7))).toEqual(['pubrec #7']);
    expect(again.outlet.said()).toEqual(['publish a=another q2 #2']);
  });
});

describe('[MQTT-4.4.0-1] a QoS 2 exchange with a subscriber that reconnects', () => {
  it('goes on with PUBREL, though its PUBREC reached the store only after the Session was resumed', async () => {
    const trial = await BrokerTrial.start();
    const first = await trial.connect('lamp');
    await first.subscribe('a');
    const door = await trial.connect('door');
    await door.publish('a', 'once', 2, 1);
    expect(first.outlet.said()).toEqual(['publish a=once q2 #1']);
    const recs = trial.holdCalls('queues.rec');
    await first.send({ type: 'pubrec', packetId: 1, reasonCode: 0, properties: undefined });
    await first.lose();
    const reads: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'queues.read' ? reads.push(call) : call.answer());
    const second = await trial.connect('lamp');
    recs[0]?.answer();
    await trial.clock.settle();
    reads[0]?.answer();
    await trial.clock.settle();
    expect(second.outlet.said()).toEqual(['pubrel #1']);
    await second.send({ type: 'pubcomp', packetId: 1, reasonCode: 0, properties: undefined });
    const third = await trial.connect('lamp');
    expect(third.outlet.said()).toEqual([]);
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

  it('answers what was received before it', async () => {
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
