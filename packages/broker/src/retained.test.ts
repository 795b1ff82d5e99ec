import { type Packet, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { messageOn } from './contract/samples.ts';
import { BrokerTrial, connectPacket, publishPacket } from './testing/broker-trial.ts';
import { acknowledgeAll, keep, many, subscribe } from './testing/retained-trial.ts';

const packetId = 1;

describe('[MQTT-3.3.1-9] retained messages for a new Subscription', () => {
  it('come after SUBACK, with Retain, at the lower QoS, with the Subscription Identifier [MQTT-3.3.1-8]', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, [messageOn('a', 'kept', { retain: true, qos: 2 })]);
    for (const sessionExpirySeconds of [0, 3600]) {
      const lamp = await trial.connect('lamp', { sessionExpirySeconds, cleanStart: true });
      const packet = { ...subscribe('a'), properties: { subscriptionIdentifier: 5 } } as Packet;
      expect(await lamp.send(packet)).toEqual(['suback #1 0x01', 'publish a=kept q1 #1 retain ids 5']);
    }
  });

  it('come as fast as a volatile Session takes them, in any number, beside the limits of its queue', async () => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 3 });
    await keep(trial, many(500));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0, receiveMaximum: 2 });
    const said = await lamp.send(subscribe('many/+'));
    expect(said).toHaveLength(3);
    const topics = await acknowledgeAll(lamp, said);
    expect(topics.toSorted()).toEqual(
      many(500)
        .map(({ topic }) => topic)
        .toSorted(),
    );
    expect(trial.broker.counters.dropped.queue_full).toBe(0);
  });

  it('come at QoS 0 while the connection takes them, and are not dropped when it does not', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(10, { qos: 0 }));
    const lamp = await trial.connect('lamp');
    lamp.outlet.congested = true;
    expect(await lamp.send(subscribe('many/+'))).toEqual(['suback #1 0x01']);
    lamp.outlet.congested = false;
    lamp.client.drained();
    await trial.clock.settle();
    expect(lamp.outlet.take()).toHaveLength(10);
    expect(trial.broker.counters.dropped.slow_consumer).toBe(0);
  });

  it('are promised to a stored Session: it may leave and come back for them', async () => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 3 });
    await keep(trial, many(200));
    const pages = trial.holdCalls('retained.page');
    const first = await trial.connect('lamp');
    expect(await first.send(subscribe('many/+'))).toEqual(['suback #1 0x01']);
    await first.lose();
    trial.meet = (call) => call.answer();
    for (const call of pages) call.answer();
    await trial.clock.settle();
    const second = trial.open();
    const topics = await acknowledgeAll(second, await second.send(connectPacket('lamp')));
    expect(topics.toSorted()).toEqual(
      many(200)
        .map(({ topic }) => topic)
        .toSorted(),
    );
  });

  it('end with an UNSUBSCRIBE', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(10));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0, receiveMaximum: 1 });
    await lamp.send(subscribe('many/+'));
    const said = await lamp.send(
      { type: 'unsubscribe', packetId: 2, topicFilters: ['many/+'], properties: undefined },
      { type: 'puback', packetId: 1, reasonCode: ReasonCode.success, properties: undefined },
    );
    expect(said.filter((line) => line.startsWith('publish')).length).toBeLessThanOrEqual(1);
    expect(said).toContain('unsuback #2');
    expect(await acknowledgeAll(lamp, said)).toHaveLength(said.length - 1);
  });

  it('of its own are left out by No Local [MQTT-3.8.3-3]', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, [
      messageOn('a', 'own', { retain: true, publisherId: 'lamp' }),
      messageOn('b', 'other', { retain: true, qos: 0 }),
      messageOn('c', 'own', { retain: true, qos: 0, publisherId: 'lamp' }),
    ]);
    for (const sessionExpirySeconds of [0, 3600]) {
      const lamp = await trial.connect('lamp', { sessionExpirySeconds, cleanStart: true });
      expect(await lamp.send(subscribe('#', { noLocal: true }))).toEqual([
        'suback #1 0x01',
        'publish b=other q0 retain',
      ]);
    }
  });

  it('follow Retain Handling [MQTT-3.3.1-10, MQTT-3.3.1-11]', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, [messageOn('a', 'kept', { retain: true, qos: 0 })]);
    for (const sessionExpirySeconds of [0, 3600]) {
      const lamp = await trial.connect('lamp', { sessionExpirySeconds, cleanStart: true });
      const kept = 'publish a=kept q0 retain';
      expect(await lamp.send(subscribe('a', { retainHandling: 2 }))).toEqual(['suback #1 0x01']);
      expect(await lamp.send(subscribe('a', { retainHandling: 1 }))).toEqual(['suback #1 0x01']);
      expect(await lamp.send(subscribe('a', { retainHandling: 0 }))).toEqual(['suback #1 0x01', kept]);
      expect(await lamp.send(subscribe('#', { retainHandling: 1 }))).toEqual(['suback #1 0x01', kept]);
    }
  });

  it('are not taken back by another SUBSCRIBE of the same filter at Retain Handling 1', async () => {
    for (const sessionExpirySeconds of [0, 3600]) {
      const trial = await BrokerTrial.start();
      await keep(trial, many(700));
      const lamp = await trial.connect('lamp', { sessionExpirySeconds, receiveMaximum: 20 });
      const said = await lamp.send(subscribe('many/+'));
      const again = await lamp.send(subscribe('many/+', { retainHandling: 1 }));
      expect(await acknowledgeAll(lamp, [...said, ...again])).toHaveLength(700);
    }
  });

  it('are left out where a newer one went to the Client past its queue, while the page was on its way', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, [messageOn('a', 'old', { retain: true }), messageOn('b', 'kept', { retain: true })]);
    const lamp = await trial.connect('lamp');
    const pages = trial.holdCalls('retained.page');
    await lamp.send(subscribe('#'));
    for (const page of pages) page.do();
    const door = await trial.connect('door');
    await door.send(publishPacket('a', 'new', 0, 0, false, true));
    expect(lamp.outlet.said()).toEqual(['publish a=new q0']);
    trial.meet = (call) => call.answer();
    for (const page of pages) page.answer();
    expect(await lamp.send()).toEqual(['publish b=kept q1 #1 retain']);
  });

  it('are read anew where so many have been replaced meanwhile that nobody could say which', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(200, { qos: 0 }));
    const lamp = await trial.connect('lamp');
    await lamp.subscribe('news/+', 0);
    lamp.outlet.congested = true;
    await lamp.send(subscribe('many/+'));
    const door = await trial.connect('door');
    const packets = Array.from({ length: 5000 }, (_, i) => publishPacket(`news/${i}`, 'x', 0, 0, false, true));
    await door.send(...packets, publishPacket('many/7', 'new', 0, 0, false, true));
    lamp.outlet.congested = false;
    lamp.client.drained();
    const said = await lamp.send();
    expect(said).toHaveLength(200);
    expect(said.filter((line) => line.startsWith('publish many/7='))).toEqual(['publish many/7=new q0 retain']);
  });

  it('do not come by a Shared Subscription [§4.8.2]', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(3));
    for (const sessionExpirySeconds of [0, 3600]) {
      const lamp = await trial.connect('lamp', { sessionExpirySeconds, cleanStart: true });
      expect(await lamp.send(subscribe('$share/group/many/+'))).toEqual(['suback #1 0x01']);
    }
  });
});

describe('[MQTT-3.3.1-5] a message published with Retain', () => {
  it('is there for whoever subscribes after its acknowledgement, and is no retained one for those who had', async () => {
    const trial = await BrokerTrial.start();
    const before = await trial.connect('before');
    await before.subscribe('a');
    const lamp = await trial.connect('lamp');
    const publish = { ...messageOn('a', 'news'), type: 'publish', dup: false, packetId, retain: true } as Packet;
    expect(await lamp.send(publish)).toEqual(['puback #1']);
    expect(before.outlet.said()).toEqual(['publish a=news q1 #1']);
    const after = await trial.connect('after');
    expect(await after.send(subscribe('+'))).toEqual(['suback #1 0x01', 'publish a=news q1 #1 retain']);
  });
});
