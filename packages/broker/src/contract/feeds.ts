// What every store must do with retained messages for a new Subscription of a stored Session: a cursor says what is left,
// and moves with what was queued [MQTT 3.3.1.3, 3.8.3.1].

import type { Message } from '../message.ts';
import type { Appended, Claim, Feed } from '../ports.ts';
import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { type OpenTrial, type StoreTrial, type TestWords, unfenced } from './trial.ts';

/** The suite of {@link Queues.append}, and of the cursors that {@link Sessions.subscribe} sets. */
export function describeFeeds(words: TestWords, open: OpenTrial): void {
  describeCursors(words, open);
  describeAppend(words, open);
  describeRaces(words, open);
}

function describeCursors({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('the cursor of the retained messages of a Subscription', () => {
    it('is set by a SUBSCRIBE as its Retain Handling says [MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [
        subscriptionTo('always', { retainHandling: 0 }),
        subscriptionTo('new', { qos: 1, retainHandling: 1 }),
        subscriptionTo('never', { retainHandling: 2 }),
        subscriptionTo('zero', { qos: 0 }),
        subscriptionTo('$share/group/shared'),
        subscriptionTo('$queue/shared'),
      ]);
      expect(await feedsOf(trial)).toEqual(['always ', 'new ']);
      const { claim: now } = await trial.acquire('lamp');
      expect(now.generation).toBe(claim.generation);
    });

    it('is set anew, left alone, or dropped by another SUBSCRIBE', async () => {
      await using trial = await open();
      const { queues, sessions } = trial.store;
      const filters = ['a', 'b', 'c', 'd'];
      const { claim } = await trial.subscribed(
        'lamp',
        filters.map((filter) => subscriptionTo(filter)),
      );
      for (const topicFilter of filters) {
        const page = { claim, topicFilter, from: '', to: 'on', messages: [], sinceSeq: 1 };
        expect(await queues.append(page)).toMatchObject({ is: 'appended' });
      }
      unfenced(
        await sessions.subscribe(claim, [
          subscriptionTo('a', { retainHandling: 0 }),
          subscriptionTo('b', { retainHandling: 1 }),
          subscriptionTo('c', { retainHandling: 2 }),
          subscriptionTo('d', { qos: 0 }),
        ]),
      );
      expect(await feedsOf(trial)).toEqual(['a ', 'b on']);
    });

    it('does not come back with a SUBSCRIBE at Retain Handling 1 that replaces one', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a'), subscriptionTo('b', { qos: 0 })]);
      expect(await append(trial, claim, { topicFilter: 'a', to: undefined })).toMatchObject({ is: 'appended' });
      const again = [subscriptionTo('a', { retainHandling: 1 }), subscriptionTo('b', { retainHandling: 1 })];
      expect(await trial.store.sessions.subscribe(claim, again)).toEqual([true, true]);
      expect(await feedsOf(trial)).toEqual([]);
    });

    it('is dropped with the Subscription, and ends with the Session', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('a'), subscriptionTo('b')]);
      unfenced(await trial.store.sessions.unsubscribe(claim, ['a', 'a']));
      expect(await feedsOf(trial)).toEqual(['b ']);
      expect((await trial.acquire('lamp', { cleanStart: true })).feeds).toEqual([]);
    });

    it('is named to whoever acquires the Session, until the last page is queued', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('a/#', { subscriptionIdentifier: 3 })]);
      expect(first.feeds).toEqual([]);
      await append(trial, first.claim, { topicFilter: 'a/#', to: 'a\0here /☃' });
      await trial.release(first);
      const second = await trial.acquire('lamp');
      expect(second.feeds).toEqual([{ topicFilter: 'a/#', from: 'a\0here /☃' }]);
      const last = { topicFilter: 'a/#', from: 'a\0here /☃', to: undefined };
      expect(await append(trial, second.claim, last)).toMatchObject({ is: 'appended' });
      expect((await trial.acquire('lamp')).feeds).toEqual([]);
    });
  });
}

function describeAppend({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('append', () => {
    it('queues a page with Retain, at the lower QoS, with the Subscription Identifier [MQTT-3.3.1-8]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#', { qos: 1, subscriptionIdentifier: 7 })]);
      await trial.queue(claim, messageOn('live'), ['#']);
      const messages = [kept('a', { qos: 2 }), kept('b', { qos: 1 })];
      const appended = await append(trial, claim, { topicFilter: '#', messages, sinceSeq: 2 });
      const wanted = messages.map((message, i) => ({
        seq: i + 2,
        message,
        qos: 1,
        retain: true,
        subscriptionIdentifiers: [7],
      }));
      expect(appended).toMatchObject({ is: 'appended' });
      expect(entriesOf(appended)).toEqual(wanted);
      expect((await trial.readAll(claim)).slice(1).map(plain)).toEqual(wanted);
      expect(await trial.store.queues.ends([claim])).toEqual([4]);
    });

    it('lets it by the limits of the queue, and keeps the policy from making room for it', async () => {
      for (const queueFull of ['drop-new', 'drop-old', 'refuse'] as const) {
        await using trial = await open({ queueMaxMessages: 1, queueFull });
        const lamp = await trial.subscribed('lamp', [subscriptionTo('#')]);
        await trial.release(lamp);
        await trial.queue(lamp.claim, messageOn('live'), ['#']);
        const { claim } = await trial.acquire('lamp');
        await append(trial, claim, { topicFilter: '#', messages: [kept('a'), kept('b')], sinceSeq: 2 });
        expect(
          (await trial.readAll(claim)).map(({ message }) => message.topic),
          queueFull,
        ).toEqual(['live', 'a', 'b']);
      }
    });

    it('leaves out the Client’s own, where No Local says so [MQTT-3.8.3-3]', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#', { noLocal: true })]);
      const messages = [kept('own', { publisherId: 'lamp' }), kept('other')];
      expect(topicsOf(await append(trial, claim, { topicFilter: '#', messages }))).toEqual(['other']);
    });

    it('reserves for an owner that can send at once, as an enqueue does', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')], { receiveMaximum: 4 });
      const appended = await append(trial, claim, { topicFilter: '#', messages: [kept('a'), kept('b')] });
      expect(appended.is === 'appended' && appended.sentSeq >= 2).toBe(true);
      expect((await trial.acquire('lamp')).sentSeq).toBe(2);
    });

    it('lets an entry expire as any other that was not sent [MQTT-3.3.2-5]', async () => {
      await using trial = await open({ queueMaxMessages: 1 });
      const lamp = await trial.subscribed('lamp', [subscriptionTo('#')]);
      const expiresAtMs = trial.clock.nowMs() + 1000;
      await append(trial, lamp.claim, { topicFilter: '#', messages: [kept('a', { expiresAtMs }), kept('b')] });
      await trial.release(lamp);
      await trial.clock.advance(1000);
      const { claim } = await trial.acquire('lamp');
      expect((await trial.readAll(claim)).map(({ message }) => message.topic)).toEqual(['b']);
    });

    it('moves the cursor with a page that has no messages', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      expect(await append(trial, claim, { topicFilter: '#', to: 'on' })).toMatchObject({ is: 'appended', entries: [] });
      expect(await feedsOf(trial)).toEqual(['# on']);
    });
  });

  describe('append, where the cursor is elsewhere', () => {
    it('queues no page a second time', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      const page = { topicFilter: '#', to: 'on', messages: [kept('a')] };
      expect(await append(trial, claim, page)).toMatchObject({ is: 'appended' });
      expect(await append(trial, claim, page)).toEqual({ is: 'moved' });
      const last = { topicFilter: '#', from: 'on', to: undefined, messages: [kept('b')], sinceSeq: 2 };
      expect(await append(trial, claim, last)).toMatchObject({ is: 'appended' });
      expect(await append(trial, claim, last)).toEqual({ is: 'moved' });
      expect((await trial.readAll(claim)).map(({ message }) => message.topic)).toEqual(['a', 'b']);
    });

    it('queues nothing for a Subscription that is gone, never was, or was made anew', async () => {
      await using trial = await open();
      const { sessions } = trial.store;
      const { claim } = await trial.subscribed(
        'lamp',
        ['a', 'b'].map((filter) => subscriptionTo(filter)),
      );
      await append(trial, claim, { topicFilter: 'b', to: 'on' });
      unfenced(await sessions.unsubscribe(claim, ['a']));
      unfenced(await sessions.subscribe(claim, [subscriptionTo('b')]));
      const messages = [kept('a')];
      expect(await append(trial, claim, { topicFilter: 'a', messages })).toEqual({ is: 'moved' });
      expect(await append(trial, claim, { topicFilter: 'never', messages })).toEqual({ is: 'moved' });
      expect(await append(trial, claim, { topicFilter: 'b', from: 'on', messages })).toEqual({ is: 'moved' });
      expect(await trial.readAll(claim)).toEqual([]);
      expect(await feedsOf(trial)).toEqual(['b ']);
    });

    it('refuses whoever is not the owner', async () => {
      await using trial = await open();
      const first = await trial.subscribed('lamp', [subscriptionTo('#')]);
      const second = await trial.acquire('lamp');
      const page = { topicFilter: '#', messages: [kept('a')] };
      expect(await append(trial, first.claim, page)).toEqual({ is: 'fenced' });
      await trial.release(second);
      expect(await append(trial, second.claim, page)).toEqual({ is: 'fenced' });
      expect(await append(trial, { ...second.claim, clientId: 'nobody' }, page)).toEqual({ is: 'fenced' });
      expect(await feedsOf(trial)).toEqual(['# ']);
    });
  });
}

function describeRaces({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('append, where something was queued since the page was read', () => {
    const live = (topic: string): Message => messageOn(topic, 'newer', { retain: true });

    it('leaves out the topics on which that was retained: they have had a newer one', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      await trial.queue(claim, live('a'), ['#']);
      const [sinceSeq] = await trial.store.queues.ends([claim]);
      await trial.queue(claim, live('b'), ['#']);
      const messages = ['a', 'b', 'c'].map((topic) => kept(topic));
      const page = { topicFilter: '#', messages, sinceSeq: sinceSeq as number };
      expect(topicsOf(await append(trial, claim, page))).toEqual(['a', 'c']);
      expect((await trial.readAll(claim)).map(({ message }) => `${message.topic} ${textOf(message)}`)).toEqual([
        'a newer',
        'b newer',
        'a kept',
        'c kept',
      ]);
    });

    it('keeps a topic on which that was not retained: its retained message is what it was', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      await trial.queue(claim, messageOn('a'), ['#']);
      expect(topicsOf(await append(trial, claim, { topicFilter: '#', messages: [kept('a')] }))).toEqual(['a']);
    });

    it('cannot tell if some of it is gone already, and does nothing', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      for (const topic of ['a', 'b']) await trial.queue(claim, live(topic), ['#']);
      await trial.store.queues.ack([{ ...claim, seqs: [1] }]);
      const messages = ['a', 'b', 'c'].map((topic) => kept(topic));
      expect(await append(trial, claim, { topicFilter: '#', messages })).toEqual({ is: 'unsure' });
      expect(await feedsOf(trial)).toEqual(['# ']);
      const { claim: now } = await trial.acquire('lamp');
      expect(await trial.readAll(now)).toHaveLength(1);
      // What went before the page was read is no matter.
      expect(topicsOf(await append(trial, now, { topicFilter: '#', messages, sinceSeq: 2 }))).toEqual(['a', 'c']);
    });

    it('nor if its PUBREC has come', async () => {
      await using trial = await open();
      const { claim } = await trial.subscribed('lamp', [subscriptionTo('#')]);
      await trial.queue(claim, { ...live('a'), qos: 2 }, ['#']);
      await trial.store.queues.rec([{ ...claim, seqs: [1] }]);
      expect(await append(trial, claim, { topicFilter: '#', messages: [kept('a')] })).toEqual({ is: 'unsure' });
    });
  });
}

interface Page {
  readonly topicFilter: string;
  readonly from?: string;
  readonly to?: string | undefined;
  readonly messages?: readonly Message[];
  readonly sinceSeq?: number;
}

/** Appends a page, by default the first and only one, read when the queue was new. */
function append(trial: StoreTrial, claim: Claim, page: Page): Promise<Appended> {
  return trial.store.queues.append({ claim, from: '', to: undefined, messages: [], sinceSeq: 1, ...page });
}

function kept(topic: string, fields: Partial<Message> = {}): Message {
  return messageOn(topic, 'kept', { retain: true, ...fields });
}

/** What is left to be fed to `lamp`, by its next connection, sorted. */
async function feedsOf(trial: StoreTrial): Promise<string[]> {
  const { feeds } = await trial.acquire('lamp');
  return feeds.map(({ topicFilter, from }: Feed) => `${topicFilter} ${from}`).sort();
}

function entriesOf(appended: Appended): object[] {
  return appended.is === 'appended' ? appended.entries.map(plain) : [];
}

function plain<Entry extends { readonly message: Message }>(entry: Entry): Entry {
  return { ...entry, message: { ...entry.message, frames: undefined } };
}

function topicsOf(appended: Appended): string[] {
  if (appended.is !== 'appended') throw new Error(`the page was not appended but ${appended.is}`);
  return appended.entries.map(({ message }) => message.topic);
}
