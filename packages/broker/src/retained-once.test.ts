import type { Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { BrokerTrial, publishPacket, type TestConnection } from './testing/broker-trial.ts';
import { acknowledgeAll, keep, many, manyth, subscribe } from './testing/retained-trial.ts';

// Retained messages come after the SUBACK, and later the more there are. What is published with Retain meanwhile comes
// its own way at once, and is on the page as well that is read after it.

/** Retained messages that come by three filters, of which the first alone takes several pages. */
const filters = ['many/+', 'one', 'other'];

function subscribeAll(qos: 0 | 1): Packet {
  const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const subscriptions = filters.map((topicFilter) => ({ topicFilter, ...options }));
  return { type: 'subscribe', packetId: 1, subscriptions, properties: undefined };
}

/** What a Client gets of some topics, with all that comes before and after. */
async function timesOf(lamp: TestConnection, first: readonly string[], topics: readonly string[]): Promise<number[]> {
  const got = await acknowledgeAll(lamp, first);
  return topics.map((topic) => got.filter((each) => each === topic).length);
}

const sessions = [
  { name: 'a stored Session at QoS 1', sessionExpirySeconds: 3600, qos: 1 },
  { name: 'a stored Session at QoS 0', sessionExpirySeconds: 3600, qos: 0 },
  { name: 'a volatile Session at QoS 1', sessionExpirySeconds: 0, qos: 1 },
  { name: 'a volatile Session at QoS 0', sessionExpirySeconds: 0, qos: 0 },
] as const;

describe.each(sessions)('rule: Retained, to $name', ({ sessionExpirySeconds, qos }) => {
  it('what is published after the SUBACK comes once, though the feed waits for its turn', async () => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { sessionExpirySeconds });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    await lamp.subscribe('elsewhere');
    await trial.clock.advance(5); // everybody else has a turn, then
    const first = await lamp.send(subscribe('+', { qos }));
    expect(first).toHaveLength(1); // the SUBACK
    await publisher.send(publishPacket('a', 'new', 1, 1, false, true));
    const live = lamp.outlet.said();
    expect(live).toHaveLength(1);
    await trial.clock.advance(1);
    expect(await timesOf(lamp, [...live, ...lamp.outlet.said()], ['a'])).toEqual([1]);
  });

  it('so it does if its page is not the first, or its filter not the first of the SUBSCRIBE', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(600));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    const pages = trial.holdCalls('retained.page');
    lamp.client.receive(subscribeAll(qos));
    await trial.clock.settle();
    expect(pages).toHaveLength(1);
    // By topic: this one is on the last page of the first filter.
    for (const topic of ['many/599', 'one', 'other']) {
      await publisher.send(publishPacket(topic, 'new', 1, 1, false, true));
    }
    trial.meet = (call) => call.answer();
    pages[0]?.answer();
    await trial.clock.settle();
    expect(await timesOf(lamp, lamp.outlet.said(), ['many/0', 'many/599', 'one', 'other'])).toEqual([1, 1, 1, 1]);
  });

  it('what came before a SUBSCRIBE comes again for it [MQTT-3.3.1-9], though others are on their way still', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(300));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    const pages = trial.holdCalls('retained.page');
    const got = await lamp.send(subscribe('#', { qos }));
    await publisher.send(publishPacket('a', 'new', 1, 1, false, true));
    got.push(...(await lamp.send(subscribe('a', { qos }))));
    trial.meet = (call) => call.answer();
    pages[0]?.answer();
    await trial.clock.settle();
    expect(await timesOf(lamp, [...got, ...lamp.outlet.said()], ['a', 'many/7'])).toEqual([2, 1]);
  });

  it('what one filter was fed with comes again by another one of the same SUBSCRIBE', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(3));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds });
    const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = ['many/+', '#'].map((topicFilter) => ({ topicFilter, ...options }));
    const first = await lamp.send({ type: 'subscribe', packetId: 1, subscriptions, properties: undefined });
    expect(await timesOf(lamp, first, ['many/0', 'many/1', 'many/2'])).toEqual([2, 2, 2]);
  });
});

describe('rule: Retained, of a message that a Client was too slow for', () => {
  it.each([
    ['none came before it', []],
    ['one that came before it is older', ['old']],
  ] as const)('the retained one comes, because that is what it has of it: %s', async (_, before) => {
    const trial = await BrokerTrial.start();
    await keep(trial, [manyth(0, { qos: 0 })]);
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    const pages = trial.holdCalls('retained.page');
    lamp.client.receive(subscribe('many/+', { qos: 0 }));
    await trial.clock.settle();
    for (const value of before) await publisher.send(publishPacket('many/0', value, 0, 0, false, true));
    lamp.outlet.congested = true;
    await publisher.send(publishPacket('many/0', 'new', 0, 0, false, true));
    lamp.outlet.take();
    lamp.outlet.congested = false;
    lamp.client.drained();
    trial.meet = (call) => call.answer();
    pages[0]?.answer();
    await trial.clock.settle();
    expect(lamp.outlet.said()).toEqual(['publish many/0=new q0 retain']);
  });

  it.each([
    ['drop-old', ['many/0=new', 'many/1=1', 'many/1=2', 'many/1=3']],
    ['drop-new', ['many/0=old', 'many/1=1', 'many/0=new']],
  ] as const)('so it does where a full queue drops: %s', async (queueFull, messages) => {
    const trial = await BrokerTrial.start({ queueMaxMessages: 2, queueFull });
    await keep(trial, [manyth(0)]);
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    await lamp.subscribe('other', 1);
    lamp.client.receive(subscribe('many/+'));
    lamp.outlet.congested = true;
    await trial.clock.settle();
    for (const [i, message] of messages.entries()) {
      const [topic = '', value = ''] = message.split('=');
      await publisher.send(publishPacket(topic, value, 1, i + 1, false, topic === 'many/0'));
    }
    lamp.outlet.congested = false;
    lamp.client.drained();
    await trial.clock.settle();
    const said = lamp.outlet.said().filter((line) => line.includes('many/0='));
    expect(said.at(-1)).toMatch(/^publish many\/0=new q1 #\d+ retain$/);
  });
});

describe('rule: Retained, to a Client that is too slow for another topic all the time', () => {
  it('what it has subscribed to comes all the same', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(2, { qos: 0 }));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    await lamp.subscribe('busy', 0);
    const pages = trial.holdCalls('retained.page');
    lamp.client.receive(subscribe('many/+', { qos: 0 }));
    const got: string[] = [];
    for (let round = 0; round < 30; round++) {
      await trial.clock.settle();
      await publisher.send(publishPacket('busy', 'sent', 0, 0, false, true));
      lamp.outlet.congested = true;
      await publisher.send(publishPacket('busy', 'dropped', 0, 0, false, true));
      lamp.outlet.congested = false;
      lamp.client.drained();
      pages.shift()?.answer();
      await trial.clock.settle();
      got.push(...lamp.outlet.said().filter((line) => line.includes('many')));
    }
    expect(got).toEqual(['publish many/0=0 q0 retain', 'publish many/1=1 q0 retain']);
  });
});

describe('rule: Retained, where No Local leaves the new Subscription out', () => {
  it('the Client’s own message by an older one is not followed by an older value', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(2));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0, receiveMaximum: 1 });
    await lamp.subscribe('+/1', 0);
    lamp.outlet.take();
    const said = await lamp.send(subscribe('many/+', { noLocal: true }));
    said.push(...(await lamp.send(publishPacket('many/1', 'new', 1, 9, false, true))));
    const topics = await acknowledgeAll(lamp, said);
    expect(said.join('; ')).toContain('publish many/1=new q0');
    expect(topics.filter((topic) => topic === 'many/1')).toHaveLength(1);
  });
});

describe('rule: Retained, of a message that an older Subscription brought at QoS 0', () => {
  it.each([0, 5])('the retained one comes at QoS 1 for the new one, which waited %i ms for its turn', async (ms) => {
    const trial = await BrokerTrial.start();
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 3600 });
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    await lamp.subscribe('#', 0);
    const stored = trial.holdCalls('queues.enqueue');
    publisher.client.receive(publishPacket('a', 'new', 1, 1, false, true));
    await trial.clock.settle();
    stored[0]?.do();
    const pages = trial.holdCalls('retained.page');
    await trial.clock.advance(ms);
    const said = await lamp.send(subscribe('a'));
    stored[0]?.answer();
    await trial.clock.settle();
    trial.meet = (call) => call.answer();
    pages[0]?.answer();
    await trial.clock.advance(1);
    said.push(...lamp.outlet.said());
    expect(said.filter((line) => line.startsWith('publish'))).toEqual([
      'publish a=new q0',
      expect.stringMatching(/^publish a=new q1 #\d+ retain$/),
    ]);
  });
});
