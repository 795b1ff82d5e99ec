// What every store must do with a message for a Session: what the subscriber will get is decided when it is stored, and
// a message with a name is stored once [MQTT 3.3.4, 3.8.3, 4.1, 4.5, 4.6].

import type { Message } from '../message.ts';
import type { Claim, Enqueue, EnqueueTarget } from '../ports.ts';
import { bytesOf, messageOn, subscriptionTo, textOf } from './samples.ts';
import { type OpenTrial, type TestWords, targetOf } from './trial.ts';

/** The suite of {@link Queues.enqueue}. */
export function describeEnqueue(words: TestWords, open: OpenTrial): void {
  describeDecisions(words, open);
  describeRepeats(words, open);
  describeOnlineOnly(words, open);
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
      expect(await trial.enqueue(lamp.claim, message)).toMatchObject({
        is: 'qos0',
        owner: { node: 'node-a', epoch: lamp.claim.epoch },
        entry,
      });
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

function describeRepeats({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: QoS 2, a message with a uid', () => {
    const named = (claim: Claim, uid: string, text = 'once', filters: readonly string[] = ['a']): Enqueue => ({
      message: messageOn('a', text, { qos: 2 }),
      targets: [targetOf(claim, filters)],
      isRefusable: true,
      uid,
    });

    it('is stored once for each Session, however often it is published', async () => {
      await using trial = await open();
      const { queues } = trial.store;
      const lamp = (await trial.subscribed('lamp', [subscriptionTo('a')])).claim;
      const door = (await trial.subscribed('door', [subscriptionTo('a')])).claim;
      const batch = [named(lamp, 'u1'), named(lamp, 'u2', 'second')];
      expect(await queues.enqueue(batch)).toMatchObject([[{ is: 'queued' }], [{ is: 'queued' }]]);
      // Its owner may not have been told, so it is named again.
      const owner = { node: 'node-a', epoch: lamp.epoch };
      expect(await queues.enqueue(batch)).toEqual([[{ is: 'duplicate', owner }], [{ is: 'duplicate', owner }]]);
      expect(await queues.enqueue([named(door, 'u1')])).toMatchObject([[{ is: 'queued' }]]);
      expect((await trial.readAll(lamp)).map(({ message }) => textOf(message))).toEqual(['once', 'second']);
      expect(await trial.readAll(door)).toHaveLength(1);
    });

    it('is a duplicate though the first one was acknowledged, or the Subscription is gone, or the queue is full', async () => {
      await using trial = await open({ queueMaxMessages: 1, queueFull: 'refuse' });
      const { queues, sessions } = trial.store;
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a'), subscriptionTo('b')]);
      await queues.enqueue([named(claim, 'u1')]);
      expect(await queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
      await queues.ack([{ ...claim, seqs: [1] }]);
      expect(await queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
      await sessions.unsubscribe(claim, ['a']);
      expect(await queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
    });

    it('is remembered over connections, for as long as anybody may publish it again', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a')], { sessionExpirySeconds: 36_000 });
      await trial.store.queues.enqueue([named(first.claim, 'u1')]);
      await trial.release(first);
      await trial.acquire('lamp');
      await trial.clock.advance(4 * 60_000);
      expect(await trial.store.queues.enqueue([named(first.claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
    });

    it('goes to a Session at QoS 0 once as well', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a', { qos: 0 })]);
      expect(await trial.store.queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'qos0' }]]);
      expect(await trial.store.queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'duplicate' }]]);
    });

    it('that was refused or dropped leaves no trace: it may come again', async () => {
      await using trial = await open({ queueMaxMessages: 1, queueFull: 'refuse' });
      const { queues } = trial.store;
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.queue(claim, messageOn('a', 'fills the queue'));
      expect(await queues.enqueue([named(claim, 'u1')])).toEqual([undefined]);
      await queues.ack([{ ...claim, seqs: [1] }]);
      expect(await queues.enqueue([named(claim, 'u1')])).toMatchObject([[{ is: 'queued' }]]);
    });
  });
}

function describeOnlineOnly({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Shared groups, enqueue for a member only if it is online', () => {
    const shared = '$share/group/a';

    const offered = (claim: Claim, uid?: string, text = 'once', qos: 1 | 2 = 2): Enqueue => ({
      message: messageOn('a', text, { qos }),
      targets: [{ ...targetOf(claim, [shared]), onlineOnly: true }],
      isRefusable: true,
      uid,
    });

    it('is as any other while the Client is connected', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo(shared, { qos: 1, subscriptionIdentifier: 5 })]);
      expect(await trial.store.queues.enqueue([offered(claim)])).toMatchObject([
        [
          {
            is: 'queued',
            owner: { node: 'node-a', epoch: claim.epoch },
            entry: { seq: 1, qos: 1, subscriptionIdentifiers: [5] },
          },
        ],
      ]);
    });

    it('stores nothing while it is not, and says so', async () => {
      await using trial = await open();
      const { queues } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo(shared)]);
      await trial.release(lamp);
      expect(await queues.enqueue([offered(lamp.claim)])).toEqual([[{ is: 'offline' }]]);
      const anyway = { ...offered(lamp.claim), targets: [targetOf(lamp.claim, [shared])] };
      expect(await queues.enqueue([anyway])).toMatchObject([[{ is: 'queued', owner: undefined }]]);
      const { claim } = await trial.acquire('lamp');
      expect(await trial.readAll(claim)).toHaveLength(1);
    });

    it('says so of a message granted at QoS 0 as well', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo(shared, { qos: 0 })]);
      expect(await trial.store.queues.enqueue([offered(lamp.claim)])).toMatchObject([[{ is: 'qos0' }]]);
      await trial.release(lamp);
      expect(await trial.store.queues.enqueue([offered(lamp.claim)])).toEqual([[{ is: 'offline' }]]);
    });

    it('finds a Session or a Subscription that is gone before anything else', async () => {
      await using trial = await open();
      const lamp = await trial.subscribed('lamp', [subscriptionTo('other')]);
      await trial.release(lamp);
      expect(await trial.store.queues.enqueue([offered(lamp.claim)])).toEqual([[{ is: 'no_subscription' }]]);
      const gone = { ...lamp.claim, generation: 'gone' };
      expect(await trial.store.queues.enqueue([offered(gone)])).toEqual([[{ is: 'no_session' }]]);
    });

    it('lets no full queue make room for it, nor refuse it for all: another member gets it', async () => {
      for (const queueFull of ['drop-new', 'drop-old', 'refuse'] as const) {
        await using trial = await open({ queueMaxMessages: 1, queueFull });
        const { claim } = await trial.subscribed('lamp', [subscriptionTo(shared)]);
        // In flight, it could not be dropped in any case; so what fills the queue was not sent.
        await trial.release({ claim });
        const first = { ...offered(claim, undefined, 'first'), targets: [targetOf(claim, [shared])] };
        await trial.store.queues.enqueue([first]);
        const { claim: back } = await trial.acquire('lamp');
        expect(await trial.store.queues.enqueue([offered(back)]), queueFull).toEqual([[{ is: 'full', expired: 0 }]]);
        expect(
          (await trial.readAll(back)).map(({ message }) => textOf(message)),
          queueFull,
        ).toEqual(['first']);
      }
    });

    it('remembers a refusal under the uid: whoever comes late, or again, gets the same one', async () => {
      await using trial = await open({ queueMaxMessages: 1 });
      const { queues, sessions } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo(shared)]);
      await queues.enqueue([offered(lamp.claim, undefined, 'first')]);
      expect(await queues.enqueue([offered(lamp.claim, 'u1')])).toEqual([[{ is: 'full', expired: 0 }]]);
      await queues.ack([{ ...lamp.claim, seqs: [1] }]);
      await sessions.unsubscribe(lamp.claim, [shared]);
      expect(await queues.enqueue([offered(lamp.claim, 'u2')])).toEqual([[{ is: 'no_subscription' }]]);
      await sessions.subscribe(lamp.claim, [subscriptionTo(shared)]);
      await trial.release(lamp);
      expect(await queues.enqueue([offered(lamp.claim, 'u3')])).toEqual([[{ is: 'offline' }]]);
      const { claim } = await trial.acquire('lamp');
      const refusals = { u1: { is: 'full', expired: 0 }, u2: { is: 'no_subscription' }, u3: { is: 'offline' } };
      for (const [uid, refusal] of Object.entries(refusals)) {
        expect(await queues.enqueue([offered(claim, uid), offered(claim, uid)]), uid).toEqual([[refusal], [refusal]]);
      }
      expect(await trial.readAll(claim)).toEqual([]);
      expect(await queues.enqueue([offered(claim, 'u4')])).toMatchObject([[{ is: 'queued' }]]);
    });

    it('remembers it within one batch, and whether or not a repeat is for whoever is away as well', async () => {
      await using trial = await open();
      const { queues } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo(shared)]);
      await trial.release(lamp);
      const anyway = { ...offered(lamp.claim, 'u1'), targets: [targetOf(lamp.claim, [shared])] };
      const outcomes = await queues.enqueue([offered(lamp.claim, 'u1'), anyway, { ...anyway, uid: 'u2' }]);
      expect(outcomes).toMatchObject([[{ is: 'offline' }], [{ is: 'offline' }], [{ is: 'queued' }]]);
    });

    it('says that it has the message, once it has, whatever has become of the Session since', async () => {
      await using trial = await open();
      const { queues, sessions } = trial.store;
      const lamp = await trial.subscribed('lamp', [subscriptionTo(shared)]);
      expect(await queues.enqueue([offered(lamp.claim, 'u1')])).toMatchObject([[{ is: 'queued' }]]);
      await sessions.unsubscribe(lamp.claim, [shared]);
      await trial.release(lamp);
      expect(await queues.enqueue([offered(lamp.claim, 'u1')])).toEqual([[{ is: 'duplicate', owner: undefined }]]);
    });

    it('leaves no trace of a refusal where it is any target', async () => {
      await using trial = await open({ queueMaxMessages: 1 });
      const { queues } = trial.store;
      const { claim } = await trial.subscribed('lamp', [subscriptionTo(shared)]);
      await queues.enqueue([offered(claim, undefined, 'first')]);
      const anyway = { ...offered(claim, 'u1'), targets: [targetOf(claim, [shared])] };
      expect(await queues.enqueue([anyway])).toMatchObject([[{ is: 'full' }]]);
      await queues.ack([{ ...claim, seqs: [1] }]);
      expect(await queues.enqueue([anyway])).toMatchObject([[{ is: 'queued' }]]);
    });
  });
}

function batched(message: Message, targets: readonly EnqueueTarget[]): Enqueue {
  return { message, targets, isRefusable: true, uid: undefined };
}
