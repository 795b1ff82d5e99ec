// MQTT 5.0 chapter 3.8.2.1.2, Subscription Identifiers: which of them come with a message, and in which form.

import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { fresh } from '../support/fresh.ts';
import { bytes } from '../support/payload.ts';
import { sessionKinds } from '../support/sessions.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

describe.each(sessionKinds)(
  '[MQTT-3.3.4-3] [MQTT-3.3.4-4] the identifiers of a message, $kind Session',
  ({ session }) => {
    it.each([1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455])('may be %i', async (identifier) => {
      const topic = fresh('size');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 1, subscriptionIdentifier: identifier });
      await client.publish({ topic, qos: 1 });
      expect((await client.receiveMessage()).properties?.subscriptionIdentifiers).toEqual([identifier]);
    });

    it('are of matching Subscriptions only, one for each, though several have the same', async () => {
      const level = fresh('overlap');
      const client = await broker.connect(session);
      await client.subscribe(`${level}/#`, { qos: 0, subscriptionIdentifier: 1 });
      await client.subscribe(`${level}/+`, { qos: 2, subscriptionIdentifier: 2 });
      await client.subscribe(`${level}/a`, { qos: 1 });
      await client.subscribe(`${level}/b`, { qos: 1, subscriptionIdentifier: 4 });
      await client.publish({ topic: `${level}/a`, qos: 2 });
      const message = await client.receiveMessage();
      expect(message.qos).toBe(2);
      expect(message.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 2]);
      await client.expectNothing();
    });

    it('leave out that of a Subscription with No Local, for a message of its own', async () => {
      const level = fresh('own');
      const client = await broker.connect(session);
      await client.subscribe(`${level}/#`, { qos: 1, noLocal: true, subscriptionIdentifier: 1 });
      await client.subscribe(`${level}/+`, { qos: 1, subscriptionIdentifier: 2 });
      await client.publish({ topic: `${level}/a`, qos: 1, payload: 'mine' });
      const own = await client.receiveMessage();
      expect(own).toMatchObject({ payload: bytes('mine'), properties: { subscriptionIdentifiers: [2] } });
      const other = await broker.connect();
      await other.publish({ topic: `${level}/a`, qos: 1, payload: 'theirs' });
      const theirs = await client.receiveMessage();
      expect(theirs.payload).toEqual(bytes('theirs'));
      expect(theirs.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 2]);
    });

    it('do not come from the publisher, nor go with the message to others', async () => {
      const topic = fresh('others');
      const client = await broker.connect(session);
      await client.subscribe(topic, { qos: 1, subscriptionIdentifier: 7 });
      const plain = await broker.connect({ version: 4 });
      await plain.subscribe(topic, { qos: 1 });
      const bare = await broker.connect();
      await bare.subscribe(topic, { qos: 1 });
      await bare.publish({ topic, qos: 1 });
      expect((await client.receiveMessage()).properties?.subscriptionIdentifiers).toEqual([7]);
      expect((await bare.receiveMessage()).properties?.subscriptionIdentifiers).toBeUndefined();
      expect((await plain.receiveMessage()).properties?.subscriptionIdentifiers).toBeUndefined();
    });
  },
);
