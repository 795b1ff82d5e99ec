// What every store must do with a message for a Session: what the subscriber will get is decided when it is stored, and
// a queue keeps to its limits [MQTT 3.3.4, 3.8.3, 4.1, 4.5, 4.6].

import type { Message } from '../message.ts';
import type { Enqueue, EnqueueTarget } from '../ports.ts';
import { bytesOf, messageOn, subscriptionTo, textOf } from './samples.ts';
import { type OpenTrial, type TestWords, targetOf } from './trial.ts';

/** The suite of {@link Queues.enqueue}. */
export function describeEnqueue(words: TestWords, open: OpenTrial): void {
  describeDecisions(words, open);
  describeLimits(words, open);
  describePolicies(words, open);
}

function describeDecisions({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('enqueue, rule: what a subscriber gets is decided once', () => {
    it('grants the lower of the QoS published and the highest that a matching Subscription has [MQTT-3.8.4-8]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('a/0', { qos: 0 }),
        subscriptionTo('a/+', { qos: 1 }),
        subscriptionTo('#', { qos: 2 }),
      ]);
      const qosOf = async (qos: 1 | 2, filters: readonly string[]): Promise<number> =>
        (await trial.queue(claim, messageOn('a/0', 'x', { qos }), filters)).entry.qos;
      expect(await qosOf(1, ['#'])).toBe(1);
      expect(await qosOf(2, ['#'])).toBe(2);
      expect(await qosOf(2, ['a/0', 'a/+'])).toBe(1);
      expect(await qosOf(2, ['a/0', 'a/+', '#'])).toBe(2);
    });

    it('hands a message granted at QoS 0 through, unstored, and names the owner there is', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a', { qos: 0, subscriptionIdentifier: 3 })]);
      const message = messageOn('a');
      const entry = { message, qos: 0, retain: false, subscriptionIdentifiers: [3] };
      expect(await trial.enqueue(lamp.claim, message)).toMatchObject({ is: 'qos0', owner: 'node-a', entry });
      await trial.release(lamp);
      expect(await trial.enqueue(lamp.claim, message)).toMatchObject({ is: 'qos0', owner: undefined });
      expect(await trial.readAll((await trial.acquire('lamp')).claim)).toEqual([]);
    });

    it('counts only Subscriptions that the Session still has', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a', { qos: 1 }), subscriptionTo('#')]);
      await trial.store.sessions.unsubscribe(claim, ['#']);
      expect((await trial.queue(claim, messageOn('a', 'x', { qos: 2 }), ['#', 'a'])).entry.qos).toBe(1);
      expect(await trial.enqueue(claim, messageOn('b'), ['#'])).toEqual({ is: 'no_subscription' });
      expect(await trial.enqueue({ ...claim, generation: 'of-long-ago' }, messageOn('a'))).toEqual({
        is: 'no_session',
      });
      expect(await trial.enqueue({ ...claim, clientId: 'nobody' }, messageOn('a'))).toEqual({ is: 'no_session' });
    });

    it('sends all Subscription Identifiers, and none where none was given [MQTT-3.3.4-3, MQTT-3.3.4-4]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('a', { subscriptionIdentifier: 9 }),
        subscriptionTo('+', { subscriptionIdentifier: 268_435_455 }),
        subscriptionTo('#'),
        subscriptionTo('a/#', { subscriptionIdentifier: 9 }),
      ]);
      const identifiersOf = async (filters: readonly string[]): Promise<readonly number[] | undefined> =>
        (await trial.queue(claim, messageOn('a'), filters)).entry.subscriptionIdentifiers;
      expect([...((await identifiersOf(['a', '+', '#', 'a/#'])) ?? [])].sort()).toEqual([268_435_455, 9, 9]);
      expect(await identifiersOf(['+', '#'])).toEqual([268_435_455]);
      expect(await identifiersOf(['#'])).toBe(undefined);
    });

    it('does not send a Client its own message where No Local forbids it [MQTT-3.8.3-3]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('a', { qos: 2, noLocal: true, subscriptionIdentifier: 1 }),
        subscriptionTo('+', { qos: 1, subscriptionIdentifier: 2 }),
      ]);
      const own = messageOn('a', 'mine', { qos: 2, publisherId: 'lamp' });
      const foreign = messageOn('a', 'theirs', { qos: 2, publisherId: 'other' });
      expect(await trial.enqueue(claim, own, ['a'])).toEqual({ is: 'skipped' });
      expect((await trial.queue(claim, own, ['a', '+'])).entry).toMatchObject({
        qos: 1,
        subscriptionIdentifiers: [2],
      });
      expect((await trial.queue(claim, foreign, ['a', '+'])).entry).toMatchObject({
        qos: 2,
        subscriptionIdentifiers: [1, 2],
      });
    });

    it('keeps the Retain flag if any of the Subscriptions wants it as published [MQTT-3.3.1-12, MQTT-3.3.1-13]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('plain'),
        subscriptionTo('as/published', { retainAsPublished: true }),
      ]);
      const retainOf = async (retain: boolean, filters: readonly string[]): Promise<boolean> =>
        (await trial.queue(claim, messageOn('any', 'x', { retain }), filters)).entry.retain;
      expect(await retainOf(true, ['plain'])).toBe(false);
      expect(await retainOf(true, ['plain', 'as/published'])).toBe(true);
      expect(await retainOf(false, ['as/published'])).toBe(false);
    });

    it('sets Retain on a retained message for a new Subscription, and lets it by the limits [MQTT-3.3.1-8]', async () => {
      await using trial = await open({ queueMaxMessages: 1 });
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(claim, messageOn('a', 'fills the queue'));
      const targets = [{ ...targetOf(claim, ['a']), retained: true }];
      const message = messageOn('a', 'kept', { retain: true });
      const [outcomes] = await trial.store.queues.enqueue([{ message, targets, isRefusable: false }]);
      expect(outcomes).toMatchObject([{ is: 'queued', entry: { seq: 2, retain: true } }]);
    });

    it('gives every message of a batch its outcome for every target, in order', async () => {
      await using trial = await open();
      const one = (await trial.subscribed('one', [subscriptionTo('a')])).claim;
      const two = (await trial.subscribed('two', [subscriptionTo('+', { qos: 1 })])).claim;
      const outcomes = await trial.store.queues.enqueue([
        batched(messageOn('a', '1', { qos: 2 }), [targetOf(one, ['a']), targetOf(two, ['+'])]),
        batched(messageOn('b', '2'), [targetOf(two, ['+'])]),
        batched(messageOn('a', '3'), []),
        batched(messageOn('a', '4'), [targetOf(two, ['+']), targetOf(one, ['a'])]),
      ]);
      expect(outcomes).toMatchObject([
        [
          { is: 'queued', entry: { seq: 1, qos: 2 } },
          { is: 'queued', entry: { seq: 1, qos: 1 } },
        ],
        [{ is: 'queued', entry: { seq: 2 } }],
        [],
        [
          { is: 'queued', entry: { seq: 3 } },
          { is: 'queued', entry: { seq: 2 } },
        ],
      ]);
      expect((await trial.readAll(one)).map(({ message }) => textOf(message))).toEqual(['1', '4']);
      expect((await trial.readAll(two)).map(({ message }) => textOf(message))).toEqual(['1', '2', '4']);
    });

    it('returns what the queue holds: message, properties and all', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const message = messageOn('a', 'tall', {
        qos: 2,
        publisherId: 'grüße/☃',
        expiresAtMs: trial.clock.nowMs() + 60_000,
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 'text/plain',
          responseTopic: 'answers',
          correlationData: bytesOf('\0\xff'),
          userProperties: [
            ['b', '2'],
            ['a', '1'],
            ['b', ''],
          ],
        },
      });
      const { entry } = await trial.queue(claim, message);
      const [read] = await trial.readAll(claim);
      for (const each of [entry, read]) {
        expect({ ...each, message: { ...each?.message, frames: undefined } }).toEqual({
          seq: 1,
          message,
          qos: 2,
          retain: false,
          subscriptionIdentifiers: undefined,
        });
      }
    });
  });
}

function describeLimits({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a full queue', () => {
    it('takes no more messages than its limit', async () => {
      await using trial = await open({ queueMaxMessages: 3 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      for (const text of ['1', '2', '3']) await trial.queue(lamp.claim, messageOn('a', text));
      expect(await trial.enqueue(lamp.claim, messageOn('a', '4'))).toEqual({ is: 'full', expired: 0 });
      const { claim } = await trial.acquire('lamp');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['1', '2', '3']);
    });

    it('takes no more bytes than its limit', async () => {
      await using trial = await open({ queueMaxBytes: 10_000 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      const large = messageOn('a', 'x'.repeat(3000));
      for (let i = 0; i < 3; i++) await trial.queue(lamp.claim, large);
      expect(await trial.enqueue(lamp.claim, large)).toMatchObject({ is: 'full' });
      await trial.queue(lamp.claim, messageOn('a', 'a small one still fits'));
      await trial.store.queues.ack([{ ...lamp.claim, seqs: [1] }]);
      await trial.queue(lamp.claim, large);
    });

    it('is counted within one batch', async () => {
      await using trial = await open({ queueMaxMessages: 2 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const targets = [targetOf(lamp.claim, ['a'])];
      const outcomes = await trial.store.queues.enqueue(
        ['1', '2', '3'].map((text) => batched(messageOn('a', text), targets)),
      );
      expect(outcomes).toMatchObject([[{ is: 'queued' }], [{ is: 'queued' }], [{ is: 'full' }]]);
    });

    it('makes room by what has expired [MQTT-3.3.2-5]', async () => {
      await using trial = await open({ queueMaxMessages: 3 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      const expiresAtMs = trial.clock.nowMs() + 1000;
      await trial.queue(lamp.claim, messageOn('a', '1', { expiresAtMs }));
      await trial.queue(lamp.claim, messageOn('a', '2'));
      await trial.queue(lamp.claim, messageOn('a', '3', { expiresAtMs }));
      await trial.clock.advance(999);
      expect(await trial.enqueue(lamp.claim, messageOn('a', 'early'))).toEqual({ is: 'full', expired: 0 });
      await trial.clock.advance(1);
      expect(await trial.queue(lamp.claim, messageOn('a', '4'))).toMatchObject({ expired: 2, dropped: 0 });
      await trial.queue(lamp.claim, messageOn('a', '5'));
      expect(await trial.enqueue(lamp.claim, messageOn('a', 'late'))).toEqual({ is: 'full', expired: 0 });
      const { claim } = await trial.acquire('lamp');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['2', '4', '5']);
    });

    it('makes room by what expired while it was reserved, once it is known not to have been sent', async () => {
      await using trial = await open({ queueMaxMessages: 3 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      const expiresAtMs = trial.clock.nowMs() + 1000;
      for (const text of ['1', '2', '3']) await trial.queue(lamp.claim, messageOn('a', text, { expiresAtMs }));
      await trial.clock.advance(1000);
      expect(await trial.enqueue(lamp.claim, messageOn('a', '4'))).toEqual({ is: 'full', expired: 0 });
      await trial.release(lamp, { sentSeq: 1 });
      expect(await trial.queue(lamp.claim, messageOn('a', '5'))).toMatchObject({ expired: 2 });
      const { claim } = await trial.acquire('lamp');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['1', '5']);
    });

    it('is not what messages at QoS 0 are held against', async () => {
      await using trial = await open({ queueMaxMessages: 1 });
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a'), subscriptionTo('b', { qos: 0 })]);
      await trial.queue(claim, messageOn('a'));
      expect(await trial.enqueue(claim, messageOn('b'))).toMatchObject({ is: 'qos0' });
    });
  });
}

function describePolicies({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a full queue, by policy', () => {
    it('drop-old: the oldest that certainly was not sent makes room', async () => {
      await using trial = await open({ queueMaxMessages: 3, queueFull: 'drop-old' });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      for (const text of ['1', '2', '3']) await trial.queue(lamp.claim, messageOn('a', text));
      await trial.release(lamp, { sentSeq: 1 });
      expect(await trial.queue(lamp.claim, messageOn('a', '4'))).toMatchObject({ dropped: 1, entry: { seq: 4 } });
      expect(await trial.queue(lamp.claim, messageOn('a', '5'))).toMatchObject({ dropped: 1 });
      const { claim } = await trial.acquire('lamp');
      expect((await trial.readAll(claim)).map(({ message }) => textOf(message))).toEqual(['1', '4', '5']);
    });

    it('drop-old: as many go as the bytes need, and none of what may have been sent', async () => {
      await using trial = await open({ queueMaxBytes: 5000, queueFull: 'drop-old' });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      for (let i = 0; i < 4; i++) await trial.queue(lamp.claim, messageOn('a', 'x'.repeat(1000)));
      expect(await trial.queue(lamp.claim, messageOn('a', 'x'.repeat(2500)))).toMatchObject({ dropped: 2 });
      const { claim } = await trial.acquire('lamp');
      await trial.readAll(claim);
      expect(await trial.enqueue(claim, messageOn('a', 'x'.repeat(2500)))).toMatchObject({ is: 'full' });
      expect(await trial.readAll(claim)).toHaveLength(3);
    });

    it('refuse: nothing of the message is stored anywhere, and the others of the batch are', async () => {
      await using trial = await open({ queueMaxMessages: 2, queueFull: 'refuse' });
      const full = (await trial.subscribed('full', [subscriptionTo('+')])).claim;
      const empty = (await trial.subscribed('empty', [subscriptionTo('+')])).claim;
      await trial.queue(full, messageOn('a', '1'), ['+']);
      const both = [targetOf(empty, ['+']), targetOf(full, ['+'])];
      const outcomes = await trial.store.queues.enqueue([
        batched(messageOn('a', '2'), both),
        batched(messageOn('a', '3'), both),
        batched(messageOn('a', '4'), both.slice(0, 1)),
      ]);
      expect(outcomes.map((each) => each?.map(({ is }) => is))).toEqual([['queued', 'queued'], undefined, ['queued']]);
      expect((await trial.readAll(empty)).map(({ message }) => textOf(message))).toEqual(['2', '4']);
      expect((await trial.readAll(full)).map(({ message }) => textOf(message))).toEqual(['1', '2']);
    });

    it('refuse: is as drop-new for a publisher that cannot be told', async () => {
      await using trial = await open({ queueMaxMessages: 1, queueFull: 'refuse' });
      const full = (await trial.subscribed('full', [subscriptionTo('a')])).claim;
      const empty = (await trial.subscribed('empty', [subscriptionTo('a')])).claim;
      await trial.queue(full, messageOn('a', '1'));
      const outcomes = await trial.store.queues.enqueue([
        {
          message: messageOn('a', '2'),
          targets: [targetOf(full, ['a']), targetOf(empty, ['a'])],
          isRefusable: false,
        },
      ]);
      expect(outcomes).toMatchObject([[{ is: 'full' }, { is: 'queued' }]]);
      expect((await trial.readAll(full)).map(({ message }) => textOf(message))).toEqual(['1']);
    });

    it('refuse: only where the Session would get the message', async () => {
      await using trial = await open({ queueMaxMessages: 1, queueFull: 'refuse' });
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('a'),
        subscriptionTo('own', { noLocal: true }),
        subscriptionTo('zero', { qos: 0 }),
      ]);
      await trial.queue(claim, messageOn('a'));
      expect(await trial.enqueue(claim, messageOn('own', 'x', { publisherId: 'lamp' }))).toEqual({ is: 'skipped' });
      expect(await trial.enqueue(claim, messageOn('zero'))).toMatchObject({ is: 'qos0' });
      expect(await trial.enqueue(claim, messageOn('none'))).toEqual({ is: 'no_subscription' });
      expect(await trial.enqueue(claim, messageOn('a'))).toBe(undefined);
    });

    it('refuse: what has expired makes room first, if it makes enough', async () => {
      await using trial = await open({ queueMaxBytes: 5000, queueFull: 'refuse' });
      const full = await trial.subscribed('full', [subscriptionTo('a')]);
      const other = await trial.subscribed('other', [subscriptionTo('a')]);
      await trial.release(full);
      const expiresAtMs = trial.clock.nowMs() + 1000;
      await trial.queue(full.claim, messageOn('a', 'x'.repeat(1000), { expiresAtMs }));
      await trial.queue(full.claim, messageOn('a', 'x'.repeat(3000)));
      await trial.clock.advance(1000);
      const targets = [other.claim, full.claim].map((claim) => targetOf(claim, ['a']));
      const enqueueOf = (bytes: number): Promise<unknown> =>
        trial.store.queues.enqueue([batched(messageOn('a', 'x'.repeat(bytes)), targets)]);
      expect(await enqueueOf(2000)).toEqual([undefined]);
      expect(await trial.readAll(other.claim)).toEqual([]);
      expect(await enqueueOf(1000)).toMatchObject([[{ is: 'queued' }, { is: 'queued' }]]);
    });
  });
}

function batched(message: Message, targets: readonly EnqueueTarget[]): Enqueue {
  return { message, targets, isRefusable: true };
}
