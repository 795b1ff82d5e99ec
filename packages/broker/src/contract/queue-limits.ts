// What every store must do with a queue that is full: keep to the limit, make room by what has expired, and let the
// policy say who goes without [MQTT 4.1].

import type { Message } from '../message.ts';
import type { Enqueue, EnqueueTarget } from '../ports.ts';
import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { type OpenTrial, type TestWords, targetOf } from './trial.ts';

/** The suite of what {@link Queues.enqueue} does at the limits. */
export function describeQueueLimits(words: TestWords, open: OpenTrial): void {
  describeLimits(words, open);
  describePolicies(words, open);
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

    it('counts what a message says of itself, not only what it carries', async () => {
      await using trial = await open({ queueMaxBytes: 10_000 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('a')]);
      await trial.release(lamp);
      const userProperties = [['why', 'x'.repeat(6000)]] as const;
      const talkative = { ...messageOn('a', ''), properties: { userProperties } };
      await trial.queue(lamp.claim, talkative);
      expect(await trial.enqueue(lamp.claim, talkative)).toMatchObject({ is: 'full' });
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
      // Whatever removes an entry advances the head, so that no reader has to pass over what is gone.
      const { claim, headSeq } = await trial.acquire('lamp');
      expect(headSeq).toBe(2);
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
          uid: undefined,
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
  return { message, targets, isRefusable: true, uid: undefined };
}
