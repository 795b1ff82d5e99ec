import { describe, expect, it } from 'vitest';
import { messageOn } from './contract/samples.ts';
import { BrokerTrial, publishPacket, type TestConnection } from './testing/broker-trial.ts';
import { acknowledgeAll, keep, many, sorted, subscribe } from './testing/retained-trial.ts';
import type { PendingCall } from './testing/unreliable-store.ts';

// What may come between a Subscription and its retained messages: another SUBSCRIBE, older messages, a flood of newer
// ones, a store that is away. None of it may cost a retained message that stays.

const topicsOf = (messages: readonly { readonly topic: string }[]): string[] =>
  sorted(messages.map(({ topic }) => topic));

/** Publishes more retained topics than anybody remembers. */
async function flood(trial: BrokerTrial): Promise<void> {
  const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
  await publisher.send(...Array.from({ length: 4200 }, (_, i) => publishPacket(`news/${i}`, 'x', 0, 0, false, true)));
}

/** Takes all packets there are, and acknowledges them. @returns what was published, as topic=payload */
async function takeAll({ clock }: BrokerTrial, lamp: TestConnection): Promise<string[]> {
  const texts: string[] = [];
  for (let idle = 0; idle < 3; idle++) {
    await clock.advance(10);
    for (const packet of lamp.outlet.take()) {
      if (packet.type !== 'publish') continue;
      idle = 0;
      texts.push(`${packet.topic}=${packet.text}`);
      const { packetId, qos } = packet;
      if (qos === 1) lamp.client.receive({ type: 'puback', packetId, reasonCode: 0, properties: undefined });
    }
  }
  return texts;
}

describe('a retained message that stays reaches a new Subscription', () => {
  it('though the same filter is subscribed to again before its first page is queued [MQTT-3.3.1-9]', async () => {
    const trial = await BrokerTrial.start();
    const messages = many(600).map((message, i) => ({ ...message, qos: (i % 2) as 0 | 1 }));
    await keep(trial, messages);
    const lamp = await trial.connect('lamp');
    const held: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'queues.append' && held.length === 0 ? held.push(call) : call.answer());
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    held[0]?.answer();
    await trial.clock.settle();
    const topics = (await takeAll(trial, lamp)).map((text) => text.split('=')[0] as string);
    expect(sorted(new Set(topics))).toEqual(topicsOf(messages));
  });

  it('though more has come than anybody remembers while its page was read', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(300));
    const lamp = await trial.connect('lamp');
    await lamp.subscribe('news/+', 0);
    const held = trial.holdCalls('retained.page');
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    await flood(trial);
    trial.meet = (call) => call.answer();
    held[0]?.answer();
    lamp.outlet.take();
    await trial.clock.settle();
    expect(sorted((await takeAll(trial, lamp)).map((text) => text.split('=')[0] as string))).toEqual(
      topicsOf(many(300)),
    );
  });

  it('though more has come than anybody remembers, and new topics before it, while it was waiting', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(200, { qos: 0 }));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    await lamp.subscribe('news/+', 0);
    let count = 0;
    const { publish } = lamp.outlet;
    lamp.outlet.publish = (...args) => {
      if (++count === 50) lamp.outlet.congested = true;
      return publish.apply(lamp.outlet, args);
    };
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    await flood(trial);
    await keep(
      trial,
      Array.from({ length: 300 }, (_, i) => messageOn(`many/!${i}`, 'new', { retain: true, qos: 0 })),
    );
    lamp.outlet.congested = false;
    lamp.client.drained();
    for (let turns = 0; turns < 200; turns++) await trial.clock.settle();
    const old = (await takeAll(trial, lamp))
      .map((text) => text.split('=')[0] as string)
      .filter((topic) => !/news|!/.test(topic));
    expect(sorted(old)).toEqual(topicsOf(many(200)));
  });

  it('though an older message of its topic, from the queue, goes out meanwhile', async () => {
    const trial = await BrokerTrial.start();
    const before = await trial.connect('lamp');
    await before.subscribe('a', 1);
    await before.lose();
    const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
    await publisher.send(publishPacket('a', 'old', 1, 1, false, true));

    const reads = trial.holdCalls('queues.read');
    const lamp = await trial.connect('lamp');
    await lamp.send({ type: 'unsubscribe', packetId: 1, topicFilters: ['a'], properties: undefined });
    await publisher.send(publishPacket('a', 'new', 1, 2, false, true));
    const pages: PendingCall[] = [];
    trial.meet = (call) => (call.name === 'retained.page' ? pages.push(call) : call.answer());
    await lamp.send(subscribe('a', { qos: 0 }));
    reads[0]?.answer();
    await trial.clock.settle();
    pages[0]?.answer();
    await trial.clock.settle();
    expect(await takeAll(trial, lamp)).toEqual(['a=old', 'a=new']);
  });

  it('though the Client takes no more again at the very moment when it did', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(10, { qos: 0 }));
    const lamp = await trial.connect('lamp', { sessionExpirySeconds: 0 });
    let count = 0;
    const { publish } = lamp.outlet;
    lamp.outlet.publish = (...args) => {
      if (++count === 5) lamp.outlet.congested = true;
      return publish.apply(lamp.outlet, args);
    };
    const topics = await acknowledgeAll(lamp, await lamp.send(subscribe('many/+')));
    lamp.outlet.congested = false;
    lamp.client.drained();
    lamp.outlet.congested = true;
    await trial.clock.settle();
    lamp.outlet.congested = false;
    lamp.client.drained();
    topics.push(...(await acknowledgeAll(lamp, await lamp.send())));
    expect(sorted(topics)).toEqual(topicsOf(many(10)));
  });

  it('though a SUBSCRIBE to the same filter failed half way, in the middle of them', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(900));
    const lamp = await trial.connect('lamp', { receiveMaximum: 20 });
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    trial.meet = (call) => (call.name === 'routes.put' ? call.fail() : call.answer());
    lamp.client.receive(subscribe('many/+'));
    await trial.clock.settle();
    trial.meet = (call) => call.answer();
    const topics = (await takeAll(trial, lamp)).map((text) => text.split('=')[0] as string);
    expect(sorted(new Set(topics))).toEqual(topicsOf(many(900)));
  });

  it('though the first SUBSCRIBE failed half way, under Retain Handling 1 [MQTT-3.3.1-10]', async () => {
    const trial = await BrokerTrial.start();
    await keep(trial, many(1));
    const lamp = await trial.connect('lamp');
    trial.meet = (call) => (call.name === 'routes.put' ? call.fail() : call.answer());
    expect(await lamp.send(subscribe('many/+', { retainHandling: 1 }))).toEqual(['suback #1 0x80']);
    trial.meet = (call) => call.answer();
    expect(await lamp.send(subscribe('many/+', { retainHandling: 1 }))).toEqual([
      'suback #1 0x01',
      'publish many/0=0 q1 #1 retain',
    ]);
    expect(await lamp.send(subscribe('many/+', { retainHandling: 1 }))).toEqual(['suback #1 0x01']);
  });
});

it('what a Client acknowledges reaches the store, though the store gives no retained messages', async () => {
  const trial = await BrokerTrial.start();
  await keep(trial, many(1));
  const lamp = await trial.connect('lamp');
  await lamp.subscribe('stream', 1);
  const { claim } = trial.broker.sessionOf('lamp') ?? {};
  if (claim === undefined) throw new Error('lamp is not there');
  const stream = async (): Promise<void> => {
    const message = messageOn('stream', 'x', { retain: true });
    const targets = [{ ...claim, topicFilters: ['stream'] }];
    const [outcomes] = await trial.behind.queues.enqueue([{ message, targets, isRefusable: false, uid: undefined }]);
    const outcome = outcomes?.[0];
    if (outcome?.is !== 'queued') throw new Error('not queued');
    trial.broker.sessionOf('lamp')?.push(outcome.entry, outcome.sentSeq);
    lamp.client.receive({ type: 'puback', packetId: outcome.entry.seq, reasonCode: 0, properties: undefined });
  };
  let isAway = false;
  let acks = 0;
  trial.meet = async (call) => {
    if (call.name === 'queues.append' && !isAway) {
      await stream();
      await trial.behind.queues.ack([{ ...claim, seqs: [1] }]);
      isAway = true; // what came is gone already: the page is read anew
    }
    if (call.name === 'queues.ack') acks++;
    if (call.name === 'retained.page' && isAway) return call.fail();
    call.answer();
  };
  await lamp.send(subscribe('many/+'));
  await trial.clock.advance(1000);
  const before = acks;
  await stream();
  await trial.clock.advance(1000);
  expect(isAway).toBe(true);
  expect(acks).toBeGreaterThan(before);
});

it('live messages find room in the queue of a Client that is slow to acknowledge retained ones [MQTT-3.3.1-8]', async () => {
  const trial = await BrokerTrial.start();
  await keep(trial, many(3000));
  const lamp = await trial.connect('lamp');
  await lamp.subscribe('live', 1);
  lamp.client.receive(subscribe('many/+'));
  await trial.clock.advance(1000);
  const publisher = await trial.connect('publisher', { sessionExpirySeconds: 0 });
  await publisher.send(...Array.from({ length: 200 }, (_, i) => publishPacket('live', `${i}`, 1, i + 1)));
  await trial.clock.advance(1000);
  expect(trial.broker.counters.dropped.queue_full).toBe(0);
  const texts = await takeAll(trial, lamp);
  expect(texts.filter((text) => text.startsWith('live'))).toHaveLength(200);
  expect(texts).toHaveLength(3200);
});
