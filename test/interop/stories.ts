// What a Client of any version can ask of a Server, each as a story that any kind of Client tells.
//
// Subscribers are near, publishers far. Whether more comes than should is seen by a last message: what was to come too
// often, or not at all, would have come before it.

import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { stopwatch, until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import type { Qos } from './foreign.ts';
import { arrivals, lasting, numbers, payloads, type Stage } from './stage.ts';

/** Stories, by what they are called. */
export type Stories = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

/** Higher ones first: acknowledged, they show that the publisher's node knows of the subscription; QoS 0 waits for nobody. */
const qosDown: readonly Qos[] = [2, 1, 0];

/** mosquitto_sub takes no less, and Paho looks once a second only whether it is time: half as long again must suffice. */
const keepAliveSeconds = 5;

/** Stories of all versions. */
export const stories: Stories = {
  'messages at each QoS: all bytes, empty, of 100 KiB, under a Topic Name in UTF-8': async (stage) => {
    const level = fresh('Zürich');
    await using subscriber = await stage.near();
    expect(await subscriber.subscribe(`${level}/#`, { qos: 2 })).toBe(2);
    await using publisher = await stage.far();
    const bodies = [
      { topic: `${level}/bytes`, payload: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
      { topic: `${level}/empty`, payload: Buffer.alloc(0) },
      { topic: `${level}/large`, payload: randomBytes(100 * 1024) },
      { topic: `${level}/küche/温度/🌡`, payload: Buffer.from('21 °C') },
    ];
    for (const qos of qosDown) {
      for (const { topic, payload } of bodies) {
        const before = subscriber.arrived.length;
        await publisher.publish({ topic, payload, qos });
        const arrived = (await arrivals(subscriber, before + 1))[before];
        expect(arrived).toMatchObject({ topic, qos, retain: false });
        expect(arrived?.payload.equals(payload), `the payload of ${topic} at QoS ${qos}`).toBe(true);
      }
    }
    expect(subscriber.arrived).toHaveLength(qosDown.length * bodies.length);
  },

  'many messages at each QoS, each once and in order': async (stage) => {
    const level = fresh('many');
    await using subscriber = await stage.near();
    await subscriber.subscribe(`${level}/+`, { qos: 2 });
    await using publisher = await stage.far();
    for (const qos of qosDown) {
      const topic = `${level}/${qos}`;
      const before = subscriber.arrived.length;
      await publisher.publish(...numbers(40).map((payload) => ({ topic, payload, qos })));
      expect(payloads(await arrivals(subscriber, before + 40)).slice(before)).toEqual(numbers(40));
    }
  },

  'the wildcards + and #': async (stage) => {
    const level = fresh('house');
    await using one = await stage.near();
    await one.subscribe(`${level}/+/lamp`, { qos: 1 });
    await using all = await stage.near();
    await all.subscribe(`${level}/attic/#`, { qos: 1 });
    await using publisher = await stage.far();
    for (const topic of ['hall/lamp', 'hall/door', 'attic', 'attic/box/old', 'attics', 'attic/lamp']) {
      await publisher.publish({ topic: `${level}/${topic}`, payload: topic, qos: 1 });
    }
    expect(payloads(await arrivals(one, 2))).toEqual(['hall/lamp', 'attic/lamp']);
    expect(payloads(await arrivals(all, 3))).toEqual(['attic', 'attic/box/old', 'attic/lamp']);
  },

  'a retained message is set, found by those who subscribe, replaced and cleared': async (stage) => {
    const topic = fresh('state');
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'first', qos: 1, retain: true });
    await publisher.publish({ topic, payload: 'second', qos: 1, retain: true });
    await using subscriber = await stage.near();
    await subscriber.subscribe(topic, { qos: 1 });
    expect(await arrivals(subscriber, 1)).toMatchObject([{ topic, qos: 1, retain: true }]);
    await publisher.publish({ topic, payload: '', qos: 1, retain: true });
    await using late = await stage.near();
    await late.subscribe(topic, { qos: 1 });
    await publisher.publish({ topic, payload: 'live', qos: 1 });
    expect(await arrivals(late, 1)).toMatchObject([{ retain: false }]);
    expect(payloads(late.arrived)).toEqual(['live']);
    // To those who were there the clearing is a message like any other.
    expect(payloads(await arrivals(subscriber, 3))).toEqual(['second', '', 'live']);
    expect(subscriber.arrived.map(({ retain }) => retain)).toEqual([true, false, false]);
  },

  'a Will Message, when its Client is killed': async (stage) => {
    const topic = fresh('will');
    await using watcher = await stage.far();
    await watcher.subscribe(topic, { qos: 1 });
    await using mortal = await stage.near({ will: { topic, payload: 'farewell', qos: 1 } });
    await mortal.subscribe(fresh('nothing'), { qos: 0 });
    mortal.kill();
    expect(await arrivals(watcher, 1)).toMatchObject([{ topic, qos: 1, retain: false }]);
    expect(payloads(watcher.arrived)).toEqual(['farewell']);
  },

  'no Will Message after a DISCONNECT': async (stage) => {
    const topic = fresh('will');
    await using watcher = await stage.far();
    await watcher.subscribe(topic, { qos: 1 });
    await using polite = await stage.near({ will: { topic, payload: 'farewell', qos: 1 } });
    await polite.subscribe(fresh('nothing'), { qos: 0 });
    await polite.disconnect();
    await using publisher = await stage.near();
    await publisher.publish({ topic, payload: 'end', qos: 1 });
    expect(payloads(await arrivals(watcher, 1))).toEqual(['end']);
  },

  'a Session that was away gets all it missed, once and in order': async (stage) => {
    const [clientId, topic] = [fresh('sleeper'), fresh('missed')];
    await using sleeper = await stage.near(lasting(clientId));
    await sleeper.subscribe(topic, { qos: 2 });
    await sleeper.disconnect();
    await using publisher = await stage.far();
    for (const qos of [1, 2] as const) {
      await publisher.publish(...numbers(15).map((payload) => ({ topic, payload, qos })));
    }
    // Back at the node where it was not.
    await using back = await stage.far(lasting(clientId));
    expectSessionPresent(stage, back.sessionPresent, true);
    expect(payloads(await arrivals(back, 30))).toEqual([...numbers(15), ...numbers(15)]);
    await publisher.publish({ topic, payload: 'end', qos: 2 });
    expect(payloads(await arrivals(back, 31)).slice(30)).toEqual(['end']);
  },

  'Clean Start leaves nothing of the Session': async (stage) => {
    const [clientId, topic] = [fresh('sleeper'), fresh('missed')];
    await using sleeper = await stage.near(lasting(clientId));
    await sleeper.subscribe(topic, { qos: 1 });
    await sleeper.disconnect();
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'lost', qos: 1 });
    await using anew = await stage.near({ ...lasting(clientId), clean: true });
    expectSessionPresent(stage, anew.sessionPresent, false);
    await anew.subscribe(`${topic}/other`, { qos: 1 });
    await publisher.publish({ topic, payload: 'unheard', qos: 1 });
    await publisher.publish({ topic: `${topic}/other`, payload: 'heard', qos: 1 });
    expect(payloads(await arrivals(anew, 1))).toEqual(['heard']);
  },

  'takeover: a second Client with the same Client Identifier closes the first': async (stage) => {
    const [clientId, topic] = [fresh('twin'), fresh('news')];
    await using first = await stage.near({ clientId });
    await first.subscribe(topic, { qos: 1 });
    await using second = await stage.far({ clientId });
    await second.subscribe(topic, { qos: 1 });
    const ended = await until('the first to be closed', () => first.ended, processMs);
    if (stage.version === '5.0' && stage.kind.tellsReasonCode) expect(ended.reasonCode).toBe(0x8e);
    await using publisher = await stage.near();
    await publisher.publish({ topic, payload: 'for the second', qos: 1 });
    expect(payloads(await arrivals(second, 1))).toEqual(['for the second']);
    expect(first.arrived).toEqual([]);
    expect(second.ended).toBeUndefined();
  },

  'what was unsubscribed from comes no more': async (stage) => {
    const level = fresh('news');
    await using subscriber = await stage.near(lasting(fresh('reader')));
    await subscriber.subscribe(`${level}/sport`, { qos: 1 });
    await subscriber.subscribe(`${level}/weather`, { qos: 1 });
    await using publisher = await stage.far();
    await publisher.publish({ topic: `${level}/sport`, payload: 'goal', qos: 1 });
    await arrivals(subscriber, 1);
    await subscriber.unsubscribe(`${level}/sport`);
    await publisher.publish({ topic: `${level}/sport`, payload: 'another goal', qos: 1 });
    await publisher.publish({ topic: `${level}/weather`, payload: 'rain', qos: 1 });
    expect(payloads(await arrivals(subscriber, 2))).toEqual(['goal', 'rain']);
  },

  'a connection without traffic is kept by its pings': async (stage) => {
    const topic = fresh('idle');
    await using idle = await stage.near({ keepAliveSeconds });
    await idle.subscribe(topic, { qos: 1 });
    const elapsedMs = stopwatch();
    // Later than a Server without pings would wait [MQTT-3.1.2-22].
    const pastMs = 1600 * keepAliveSeconds;
    await until('PINGRESP', () => (idle.pings > 0 && elapsedMs() > pastMs) || undefined, pastMs + processMs);
    expect(idle.ended).toBeUndefined();
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'still there?', qos: 1 });
    expect(payloads(await arrivals(idle, 1))).toEqual(['still there?']);
  },
};

/** MQTT 3.1 has no Session Present, and some Clients do not tell. */
function expectSessionPresent({ version }: Stage, told: boolean | undefined, isPresent: boolean): void {
  if (version !== '3.1' && told !== undefined) expect(told).toBe(isPresent);
}
