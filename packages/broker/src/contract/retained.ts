// What every store must do with retained messages: keep the last one of each topic, whoever was late [MQTT 3.3.1.3].

import type { Message } from '../message.ts';
import type { RetainedSet } from '../ports.ts';
import { messageOn, textOf } from './samples.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Retained.set}. */
export function describeRetained(words: TestWords, open: OpenTrial): void {
  describeSet(words, open);
  describeRepeats(words, open);
  describeOrder(words, open);
}

function describeSet({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('a retained message', () => {
    it('takes the place of the last one of its topic [MQTT-3.3.1-5]', async () => {
      await using trial = await open();
      expect(await trial.store.retained.set([keep('a', '1'), keep('b', '2'), keep('a', '3')])).toEqual([
        true,
        true,
        true,
      ]);
      expect(await texts(trial, '#')).toEqual(['a 3', 'b 2']);
      await trial.store.retained.set([keep('a', '4')]);
      expect(await texts(trial, 'a')).toEqual(['a 4']);
      expect(await trial.store.retained.count()).toBe(2);
    });

    it('goes when an empty one is published, of which nothing stays [MQTT-3.3.1-6, MQTT-3.3.1-7]', async () => {
      await using trial = await open();
      await trial.store.retained.set([keep('a', '1'), keep('a/b', '2'), keep('a/b/c', '3')]);
      expect(await trial.store.retained.set([keep('a/b', ''), keep('unknown', '')])).toEqual([true, true]);
      expect(await texts(trial, '#')).toEqual(['a 1', 'a/b/c 3']);
      await trial.store.retained.set([keep('a', '4'), keep('a', '')]);
      expect(await texts(trial, '#')).toEqual(['a/b/c 3']);
      expect(await trial.store.retained.count()).toBe(1);
    });

    it('keeps all it was published with', async () => {
      await using trial = await open();
      const set = keep('a', 'tall', {
        qos: 2,
        publisherId: 'lamp',
        expiresAtMs: trial.clock.nowMs() + 1000,
        properties: { messageExpiryInterval: 1, userProperties: [['k', 'v']], contentType: 'text/plain' },
      });
      await trial.store.retained.set([set]);
      const found = await all(trial, 'a');
      expect(found.map((each) => ({ ...each, frames: undefined }))).toEqual([set.message]);
    });

    it('is not found once it has expired, and a later one without expiry stays [MQTT-3.3.2-5]', async () => {
      await using trial = await open();
      const expiresAtMs = trial.clock.nowMs() + 1000;
      await trial.store.retained.set([
        keep('a', '1', { expiresAtMs }),
        keep('b', '2', { expiresAtMs }),
        keep('b', '3'),
      ]);
      await trial.clock.advance(999);
      expect(await texts(trial, '#')).toEqual(['a 1', 'b 3']);
      await trial.clock.advance(1);
      expect(await texts(trial, '#')).toEqual(['b 3']);
      expect(await texts(trial, 'a')).toEqual([]);
    });

    it('is refused beyond the limit of topics, unless its topic has one', async () => {
      await using trial = await open({ retainedMaxMessages: 2 });
      const { retained } = trial.store;
      expect(await retained.set([keep('a', '1'), keep('b', '2'), keep('c/d', '3'), keep('a', '4')])).toEqual([
        true,
        true,
        false,
        true,
      ]);
      expect(await retained.set([keep('b', ''), keep('c/d', '5'), keep('e', '')])).toEqual([true, true, true]);
      expect(await texts(trial, '#')).toEqual(['a 4', 'c/d 5']);
    });

    it('that has expired makes room for another', async () => {
      await using trial = await open({ retainedMaxMessages: 1 });
      await trial.store.retained.set([keep('a', '1', { expiresAtMs: trial.clock.nowMs() + 1000 })]);
      expect(await trial.store.retained.set([keep('b', '2')])).toEqual([false]);
      await trial.clock.advance(1000);
      expect(await trial.store.retained.set([keep('b', '2')])).toEqual([true]);
      expect(await trial.store.retained.count()).toBe(1);
    });
  });
}

function describeRepeats({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: QoS 2, a retained message that is published again under its uid', () => {
    it('does not take the place of a newer one', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([named('will', keep('lamp', 'offline'))]);
      await retained.set([keep('lamp', 'online')]);
      expect(await retained.set([named('will', keep('lamp', 'offline'))])).toEqual([true]);
      expect(await texts(trial, '#')).toEqual(['lamp online']);
      await retained.set([named('next', keep('lamp', 'offline'))]);
      expect(await texts(trial, '#')).toEqual(['lamp offline']);
    });

    it('nor of one that came in the same call, nor is it there again where it was removed', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const [first, again] = [named('u', keep('a', '1')), named('v', keep('b', '1'))];
      expect(await retained.set([first, keep('a', '2'), first, again, keep('b', ''), again])).toEqual(
        Array.from({ length: 6 }, () => true),
      );
      expect(await texts(trial, '#')).toEqual(['a 2']);
      expect(await retained.count()).toBe(1);
    });

    it('removes nothing again', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const removal = named('u', keep('a', ''));
      await retained.set([keep('a', '1'), removal]);
      await retained.set([keep('a', '2')]);
      expect(await retained.set([removal])).toEqual([true]);
      expect(await texts(trial, '#')).toEqual(['a 2']);
    });

    it('is known for as long as it may be, which is 5 minutes', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const message = named('u', keep('a', '1'));
      await retained.set([message, keep('a', '2')]);
      await trial.clock.advance(4 * 60 * 1000);
      // Others have come meanwhile, by which what is too old is forgotten.
      await retained.set([named('v', keep('a', '3'))]);
      await retained.set([message]);
      expect(await texts(trial, '#')).toEqual(['a 3']);
    });

    it('is set the second time if the first time it was refused', async () => {
      await using trial = await open({ retainedMaxMessages: 1 });
      const { retained } = trial.store;
      const message = named('u', keep('b', '1'));
      expect(await retained.set([keep('a', '1'), message])).toEqual([true, false]);
      expect(await retained.set([keep('a', ''), message])).toEqual([true, true]);
      expect(await texts(trial, '#')).toEqual(['b 1']);
    });
  });
}

function describeOrder({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('rule: Retained, the order of one publisher', () => {
    const minuteMs = 60_000;

    it('keeps what its node sends late from the place of what came after, on this connection or a later one', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('a', '2'), 7, 2)]);
      expect(await retained.set([ordered(keep('a', '1'), 7, 1), ordered(keep('a', 'old'), 6, 99)])).toEqual([
        true,
        true,
      ]);
      expect(await texts(trial, '#')).toEqual(['a 2']);
      await retained.set([ordered(keep('a', '3'), 7, 3)]);
      expect(await texts(trial, '#')).toEqual(['a 3']);
      await retained.set([ordered(keep('a', '4'), 8, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 4']);
    });

    it('holds within one call as well', async () => {
      await using trial = await open();
      const set = [ordered(keep('a', '3'), 7, 3), ordered(keep('a', '2'), 7, 2), ordered(keep('b', '1'), 7, 1)];
      expect(await trial.store.retained.set(set)).toEqual([true, true, true]);
      expect(await texts(trial, '#')).toEqual(['a 3', 'b 1']);
    });

    it('puts a Will behind all that its connection has published', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('lamp', 'offline'), 7, Number.MAX_SAFE_INTEGER)]);
      await retained.set([ordered(keep('lamp', 'online'), 7, 1)]);
      expect(await texts(trial, '#')).toEqual(['lamp offline']);
      await retained.set([ordered(keep('lamp', 'online'), 8, 1)]);
      expect(await texts(trial, '#')).toEqual(['lamp online']);
    });

    it('tells epochs apart that are as large as those of stores that count by microseconds', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const epoch = 1_750_000_000_000_001;
      await retained.set([ordered(keep('a', '2'), epoch + 1, 1)]);
      await retained.set([ordered(keep('a', '1'), epoch, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 2']);
      await retained.set([ordered(keep('a', '3'), epoch + 2, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 3']);
    });

    it('says nothing of another publisher, nor of one that has no order', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('a', '1'), 9, 9)]);
      await retained.set([ordered(keep('a', '2', { publisherId: 'other' }), 1, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 2']);
      await retained.set([ordered(keep('a', '3'), 8, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 3']);
      await retained.set([keep('a', '4')]);
      await retained.set([ordered(keep('a', '5'), 1, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 5']);
    });

    it('keeps a late removal from what came after, and lets a later one through', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('a', '2'), 7, 2)]);
      await retained.set([ordered(keep('a', ''), 7, 1)]);
      expect(await texts(trial, '#')).toEqual(['a 2']);
      await retained.set([ordered(keep('a', ''), 7, 3)]);
      expect(await texts(trial, '#')).toEqual([]);
      expect(await retained.count()).toBe(0);
    });

    it('is remembered of a removal for a minute: a late value is not put back', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('a', '1'), 7, 1), ordered(keep('a', ''), 7, 3)]);
      await trial.clock.advance(minuteMs - 1);
      expect(await retained.set([ordered(keep('a', '2'), 7, 2)])).toEqual([true]);
      expect(await texts(trial, '#')).toEqual([]);
      expect(await retained.count()).toBe(0);
      await retained.set([ordered(keep('a', '4'), 7, 4)]);
      expect(await texts(trial, '#')).toEqual(['a 4']);
    });

    it('is remembered of a removal that found nothing, since what it was to remove may be on its way', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set([ordered(keep('a', ''), 8, 1)]);
      await retained.set([ordered(keep('a', 'late'), 7, 5)]);
      expect(await texts(trial, '#')).toEqual([]);
      await retained.set([ordered(keep('a', 'of another', { publisherId: 'other' }), 1, 1)]);
      expect(await texts(trial, '#')).toEqual(['a of another']);
    });

    it('lets what was left alone count as set: under its uid it does not come back once the topic is free', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const late = named('u', ordered(keep('a', '1'), 7, 1));
      await retained.set([ordered(keep('a', '2'), 7, 2), late]);
      await retained.set([keep('a', '3', { publisherId: 'other' })]);
      expect(await retained.set([late])).toEqual([true]);
      expect(await texts(trial, '#')).toEqual(['a 3']);
    });

    it('does not hold a late message against the limit of topics', async () => {
      await using trial = await open({ retainedMaxMessages: 1 });
      const { retained } = trial.store;
      await retained.set([ordered(keep('b', ''), 7, 2), keep('a', '1')]);
      expect(await retained.set([ordered(keep('b', '1'), 7, 1), ordered(keep('b', '3'), 7, 3)])).toEqual([true, false]);
      expect(await texts(trial, '#')).toEqual(['a 1']);
    });
  });
}

function keep(topic: string, text: string, fields: Partial<Message> = {}): RetainedSet {
  return { message: messageOn(topic, text, { retain: true, ...fields }), uid: undefined, order: undefined };
}

/** The same under a uid: it may come again. */
function named(uid: string, set: RetainedSet): RetainedSet {
  return { ...set, uid };
}

/** The same as a Client's n-th on the connection of an epoch. */
function ordered(set: RetainedSet, epoch: number, n: number): RetainedSet {
  return { ...set, order: { epoch, n } };
}

async function all(trial: StoreTrial, topicFilter: string): Promise<Message[]> {
  return trial.retained(topicFilter);
}

/** Topic and text of each message found, sorted. */
async function texts(trial: StoreTrial, topicFilter: string): Promise<string[]> {
  return (await all(trial, topicFilter)).map((message) => `${message.topic} ${textOf(message)}`).sort();
}
