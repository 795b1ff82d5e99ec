// What only MQTT 5.0 has, each as a story that any kind of Client tells: properties from end to end, and of the hop.

import { expect } from 'vitest';
import { stopwatch, until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import type { Message } from './foreign.ts';
import { arrivals, lasting, numbers, payloads } from './stage.ts';
import type { Stories } from './stories.ts';

/** Stories of MQTT 5.0. */
export const stories5: Stories = {
  'User Properties, Content Type and Payload Format Indicator arrive as they were sent': async (stage) => {
    const topic = fresh('sensor');
    await using subscriber = await stage.near();
    await subscriber.subscribe(topic, { qos: 2 });
    await using publisher = await stage.far();
    const properties = {
      userProperties: [
        ['unit', 'celsius'],
        ['unit', 'kelvin'],
        ['küche', '温度'],
      ],
      contentType: 'text/plain',
      payloadFormat: 1,
    } as const;
    for (const qos of [2, 1, 0] as const) await publisher.publish({ topic, payload: '21', qos, ...properties });
    for (const arrived of await arrivals(subscriber, 3)) expect(arrived.properties).toEqual(properties);
  },

  'a request and its response, by Response Topic and Correlation Data': async (stage) => {
    const [questions, answers] = [fresh('questions'), fresh('answers')];
    await using oracle = await stage.near();
    await oracle.subscribe(questions, { qos: 1 });
    await using asker = await stage.far();
    await asker.subscribe(answers, { qos: 1 });
    const asked = { responseTopic: answers, correlationData: 'no.7' };
    await asker.publish({ topic: questions, payload: 'why?', qos: 1, ...asked });
    const [question] = await arrivals(oracle, 1);
    expect(question?.properties).toEqual(asked);
    const { responseTopic = '', correlationData = '' } = question?.properties ?? {};
    await oracle.publish({ topic: responseTopic, payload: 'because', qos: 1, correlationData });
    const [answer] = await arrivals(asker, 1);
    expect(answer).toMatchObject({ topic: answers, properties: { correlationData: 'no.7' } });
    expect(answer?.payload.toString()).toBe('because');
  },

  'Message Expiry: what is left of it arrives, what has run out does not': async (stage) => {
    const [clientId, topic] = [fresh('sleeper'), fresh('expiring')];
    await using sleeper = await stage.near(lasting(clientId));
    await sleeper.subscribe(topic, { qos: 1 });
    await sleeper.disconnect();
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'too old', qos: 1, messageExpirySeconds: 1 });
    await publisher.publish({ topic, payload: 'good', qos: 1, messageExpirySeconds: 1000 });
    const elapsedMs = stopwatch();
    await until('a second to pass', () => elapsedMs() > 2100 || undefined);
    await using back = await stage.near(lasting(clientId));
    const [message] = await arrivals(back, 1);
    expect(message?.payload.toString()).toBe('good');
    expect(message?.properties.messageExpirySeconds).toBeLessThanOrEqual(998);
    expect(message?.properties.messageExpirySeconds).toBeGreaterThan(900);
    await publisher.publish({ topic, payload: 'end', qos: 1 });
    expect(payloads(await arrivals(back, 2))).toEqual(['good', 'end']);
  },

  'a Session ends when its Session Expiry Interval has passed': async (stage) => {
    const [clientId, topic] = [fresh('sleeper'), fresh('missed')];
    const brief = { clientId, clean: false, sessionExpirySeconds: 1 };
    await using sleeper = await stage.near(brief);
    await sleeper.subscribe(topic, { qos: 1 });
    await sleeper.disconnect();
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'lost', qos: 1 });
    const elapsedMs = stopwatch();
    await until('a second to pass', () => elapsedMs() > 2100 || undefined);
    await using back = await stage.near(brief);
    if (back.sessionPresent !== undefined) expect(back.sessionPresent).toBe(false);
    await back.subscribe(topic, { qos: 1 });
    await publisher.publish({ topic, payload: 'found', qos: 1 });
    expect(payloads(await arrivals(back, 1))).toEqual(['found']);
  },

  'the Subscription Identifier of a subscription': async (stage) => {
    const topic = fresh('numbered');
    await using subscriber = await stage.near();
    await subscriber.subscribe(topic, { qos: 1, subscriptionIdentifier: 268_435_455 });
    await using publisher = await stage.far();
    await publisher.publish({ topic, payload: 'which?', qos: 1 });
    const [message] = await arrivals(subscriber, 1);
    expect(message?.properties.subscriptionIdentifiers).toEqual([268_435_455]);
  },

  'Topic Alias of the Client: it names the Topic once': async (stage) => {
    const topic = fresh('alias');
    await using subscriber = await stage.near();
    await subscriber.subscribe(topic, { qos: 1 });
    await using publisher = await stage.far();
    const messages = numbers(5).map(
      (payload, index): Message => ({ topic: index === 0 ? topic : '', payload, qos: 1, topicAlias: 3 }),
    );
    await publisher.publish(...messages);
    const arrived = await arrivals(subscriber, 5);
    expect(payloads(arrived)).toEqual(numbers(5));
    expect(new Set(arrived.map((each) => each.topic))).toEqual(new Set([topic]));
  },

  'Topic Alias of the Server: whoever allows them gets all Topic Names right': async (stage) => {
    const level = fresh('alias');
    await using subscriber = await stage.near({ topicAliasMaximum: 2 });
    await subscriber.subscribe(`${level}/+`, { qos: 1 });
    await using publisher = await stage.far();
    const topics = ['a', 'a', 'b', 'a', 'c', 'b', 'c', 'd', 'a'].map((name) => `${level}/${name}`);
    for (const topic of topics) await publisher.publish({ topic, payload: topic, qos: 1 });
    const arrived = await arrivals(subscriber, topics.length);
    expect(arrived.map(({ topic }) => topic)).toEqual(topics);
    expect(payloads(arrived)).toEqual(topics);
  },

  'Receive Maximum: a narrow window gets all of it, in order': async (stage) => {
    const topic = fresh('narrow');
    await using subscriber = await stage.near({ receiveMaximum: 1 });
    await subscriber.subscribe(topic, { qos: 2 });
    await using publisher = await stage.far();
    for (const qos of [1, 2] as const) {
      await publisher.publish(...numbers(25).map((payload) => ({ topic, payload, qos })));
    }
    expect(payloads(await arrivals(subscriber, 50))).toEqual([...numbers(25), ...numbers(25)]);
  },
};
