// Shared Subscriptions of two members, in every version, by every kind of Client [§4.8.2].

import { expect } from 'vitest';
import { until } from '../support/deadline.ts';
import { fresh } from '../support/fresh.ts';
import { processMs } from '../support/process.ts';
import { tellStories } from './matrix.ts';
import { mosquitto } from './mosquitto.ts';
import { mqttjs } from './mqttjs.ts';
import { pahoC, pahoPython } from './paho.ts';
import { numbers, payloads } from './stage.ts';
import type { Stories } from './stories.ts';

const stories: Stories = {
  'each message goes to one of two members, and all messages to the two of them': async (stage) => {
    const topic = fresh('work');
    const topicFilter = `$share/${fresh('group')}/${topic}`;
    // On two nodes there is a member on either.
    await using one = await stage.near();
    await one.subscribe(topicFilter, { qos: 2 });
    await using other = await stage.far();
    await other.subscribe(topicFilter, { qos: 2 });
    await using outsider = await stage.near();
    await outsider.subscribe(topic, { qos: 2 });
    await using publisher = await stage.far();
    for (const qos of [1, 2] as const) {
      await publisher.publish(...numbers(20).map((number) => ({ topic, payload: `${qos}.${number}`, qos })));
    }
    const expected = [1, 2].flatMap((qos) => numbers(20).map((number) => `${qos}.${number}`));
    const shared = (): readonly string[] => payloads([...one.arrived, ...other.arrived]);
    await until('all messages', () => shared().length >= expected.length || undefined, processMs);
    await until('those of the outsider', () => outsider.arrived.length >= expected.length || undefined, processMs);
    expect(shared().toSorted()).toEqual(expected.toSorted());
    expect(payloads(outsider.arrived)).toEqual(expected);
    expect(one.arrived).not.toEqual([]);
    expect(other.arrived).not.toEqual([]);
    // What came to one of them twice, or to both, would have come by now.
    await publisher.publish({ topic, payload: 'end', qos: 2 });
    await until('the last message', () => shared().length > expected.length || undefined, processMs);
    expect(shared().toSorted()).toEqual([...expected, 'end'].toSorted());
  },

  'a member that leaves leaves its share to the other': async (stage) => {
    const topic = fresh('work');
    const topicFilter = `$share/${fresh('group')}/${topic}`;
    await using staying = await stage.near();
    await staying.subscribe(topicFilter, { qos: 1 });
    await using leaving = await stage.far(); // a Session that ends with its connection
    await leaving.subscribe(topicFilter, { qos: 1 });
    await leaving.disconnect();
    await using publisher = await stage.near();
    await publisher.publish(...numbers(10).map((payload) => ({ topic, payload, qos: 1 as const })));
    await until('all messages', () => staying.arrived.length >= 10 || undefined, processMs);
    expect(payloads(staying.arrived).toSorted()).toEqual(numbers(10));
  },
};

tellStories([mqttjs, mosquitto, pahoPython(), pahoC()], stories);
