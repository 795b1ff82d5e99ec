import type { Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { willOn } from './contract/samples.ts';
import { BrokerTrial, connectPacket, publishPacket } from './testing/broker-trial.ts';

describe('a store that is away', () => {
  it('refuses CONNECT with Server unavailable, and takes the next one when it is back', async () => {
    const trial = await BrokerTrial.start();
    trial.meet = (call) => call.fail();
    const lamp = trial.open();
    expect(await lamp.send(connectPacket('lamp'))).toEqual(['connack 0x88']);
    expect(lamp.outlet.closedFor).toBe('connect_refused');
    expect(trial.broker.counters.storeFailures).toBeGreaterThan(0);
    const again = trial.open();
    expect(await again.send(connectPacket('lamp'))).toEqual([]);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(1000);
    expect(again.outlet.said()).toEqual(['connack']);
  });

  it('that did acquire a Session, but whose answer was lost, leaves no deaf Client behind [MQTT-3.1.4-3]', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const first = await trial.connect('lamp', { will: willOn('status/first') });
    trial.meet = (call) => {
      call.do();
      if (call.name === 'sessions.acquire') call.fail();
      else call.answer();
    };
    const second = trial.open();
    expect(await second.send(connectPacket('lamp', { will: willOn('status/second') }))).toEqual(['connack 0x88']);
    await trial.clock.advance(2000);
    expect(first.outlet.said()).toEqual(['disconnect 0x8e']);
    expect(watcher.outlet.said()).toEqual(['publish status/first=gone q1 #1']);
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

  it('closes a Client before 5.0 on UNSUBSCRIBE: its UNSUBACK could not say that messages go on coming [MQTT-3.10.4-2]', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { protocolVersion: 4, cleanStart: false });
    await lamp.subscribe('a');
    trial.meet = (call) => call.fail();
    await lamp.send({ type: 'unsubscribe', packetId: 2, topicFilters: ['a'], properties: undefined });
    expect(lamp.outlet.closedFor).toBe('store_unavailable');
    expect(lamp.outlet.said()).not.toContain('unsuback #2');
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

  it('delivers QoS 0 live though it was to be retained, and counts what is not retained', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    const door = await trial.connect('door');
    await door.subscribe('#');
    trial.meet = (call) => call.fail();
    const retained = (text: string): Packet => ({ ...publishPacket('a', text, 0, 0), retain: true }) as Packet;
    // The first is under way when the store is found away: it is delivered, and stored later.
    await lamp.send(retained('first'));
    expect(door.outlet.said()).toEqual(['publish a=first q0']);
    await lamp.send(retained('second'), publishPacket('b', 'behind', 0, 0));
    expect(door.outlet.said()).toEqual(['publish a=second q0', 'publish b=behind q0']);
    expect(trial.broker.counters.retainedNotStored).toBe(1);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(2000);
    expect(door.outlet.said()).toEqual([]);
    const late = await trial.connect('late');
    expect(await late.subscribe('a')).toEqual(['suback #1 0x02', 'publish a=first q0 retain']);
    await lamp.send(retained('third'));
    expect(door.outlet.said()).toEqual(['publish a=third q0']);
    expect(trial.broker.counters.retainedNotStored).toBe(1);
  });

  it('does not make a QoS 0 message wait that came before it was known to be away', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    const door = await trial.connect('door');
    await door.subscribe('#');
    const held = trial.holdCalls('routes.version');
    await lamp.publish('a', '1', 1, 1);
    await lamp.send({ ...publishPacket('a', 'gathered', 0, 0), retain: true } as Packet);
    expect(door.outlet.said()).toEqual([]);
    trial.meet = (call) => call.fail();
    for (const call of held) call.fail();
    await trial.clock.settle();
    expect(door.outlet.said()).toEqual(['publish a=gathered q0']);
    expect(trial.broker.counters.retainedNotStored).toBe(1);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(2000);
    expect(door.outlet.said()).toEqual(['publish a=1 q1 #1']);
    expect(lamp.outlet.said()).toEqual(['puback #1']);
  });

  it('lets a SUBSCRIBE pass that would wait for publishes before it, so that the Client is heard', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp');
    const held = trial.holdCalls('routes.version');
    await lamp.publish('a', '1', 1, 1);
    expect(await lamp.subscribe('b', 1, 2)).toEqual([]);
    expect(lamp.outlet.held).toBe(true);
    trial.meet = (call) => call.fail();
    for (const call of held) call.fail();
    await trial.clock.settle();
    expect(lamp.outlet.said()).toEqual(['suback #2 0x80']);
    expect(lamp.outlet.held).toBe(false);
    expect(await lamp.send({ type: 'pingreq' })).toEqual(['pingresp']);
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

  it('lets a Will wait in its place once, however long that takes', async () => {
    const trial = await BrokerTrial.start();
    const watcher = await trial.connect('watcher');
    await watcher.subscribe('status/#');
    const lamp = await trial.connect('lamp', { will: willOn('status/lamp') });
    trial.meet = (call) => (call.name === 'routes.version' ? call.fail() : call.answer());
    await lamp.lose();
    await trial.clock.advance(60_000);
    trial.meet = (call) => call.answer();
    await trial.clock.advance(10_000);
    expect(watcher.outlet.said()).toEqual(['publish status/lamp=gone q1 #1']);
    expect(trial.broker.counters.wills.published).toBe(1);
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
