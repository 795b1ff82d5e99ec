// What every store must do with retained messages: the last one of each topic, found by Topic Filter [MQTT 3.3.1.3, 4.7].

import type { Message } from '../message.ts';
import type { RetainedSet } from '../ports.ts';
import { matches } from '../topic/filter.ts';
import { messageOn, textOf } from './samples.ts';
import { SeededRandom } from './seeded-random.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Retained}. */
export function describeRetained(words: TestWords, open: OpenTrial): void {
  describeSet(words, open);
  describeRepeats(words, open);
  describeMatch(words, open);
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

function describeMatch({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('match', () => {
    const topics = ['/', '/a', 'a', 'a/', 'a//b', 'a/b', 'a/b/c', 'b', 'b/a', '$SYS/a', '$x'];

    it('finds what a Topic Filter means [MQTT-4.7.1-2, MQTT-4.7.1-3]', async () => {
      await using trial = await open();
      await trial.store.retained.set(topics.map((topic) => keep(topic, 'x')));
      const found = async (filter: string): Promise<string[]> =>
        (await all(trial, filter)).map(({ topic }) => topic).sort();
      expect(await found('a')).toEqual(['a']);
      expect(await found('a/#')).toEqual(['a', 'a/', 'a//b', 'a/b', 'a/b/c']);
      expect(await found('a/+')).toEqual(['a/', 'a/b']);
      expect(await found('+/+')).toEqual(['/', '/a', 'a/', 'a/b', 'b/a']);
      expect(await found('+/a')).toEqual(['/a', 'b/a']);
      expect(await found('a/+/b')).toEqual(['a//b']);
      expect(await found('#')).toEqual(topics.filter((topic) => !topic.startsWith('$')));
      expect(await found('nothing/#')).toEqual([]);
    });

    it('keeps topics that begin with $ from wildcards at the first level [MQTT-4.7.2-1]', async () => {
      await using trial = await open();
      await trial.store.retained.set(topics.map((topic) => keep(topic, 'x')));
      expect(await texts(trial, '+/a')).toEqual(['/a x', 'b/a x']);
      expect(await texts(trial, '+')).toEqual(['a x', 'b x']);
      expect(await texts(trial, '$SYS/#')).toEqual(['$SYS/a x']);
      expect(await texts(trial, '$SYS/+')).toEqual(['$SYS/a x']);
      expect(await texts(trial, '$x')).toEqual(['$x x']);
    });

    it('agrees with the rule for single pairs, for any topics and filters', async () => {
      await using trial = await open();
      const seed = 20_250_714;
      const random = new SeededRandom(seed);
      const levels = (names: readonly string[]): string =>
        Array.from({ length: 1 + random.below(4) }, () => random.pick(names)).join('/');
      const kept = new Map<string, string>();
      for (let i = 0; i < 300; i++) {
        const topic = levels(['a', 'b', '', '$s', 'ö']) || '/';
        const text = random.oneIn(4) ? '' : `${i}`;
        await trial.store.retained.set([keep(topic, text)]);
        if (text === '') kept.delete(topic);
        else kept.set(topic, text);
        if (i % 10 !== 0) continue;
        const filter = `${levels(['a', 'b', '', '$s', 'ö', '+', '+'])}${random.oneIn(2) ? '/#' : ''}`;
        const wanted = [...kept].filter(([each]) => matches(filter, each)).map(([each, last]) => `${each} ${last}`);
        expect(await texts(trial, filter), `seed ${seed}, message ${i}, ${filter}`).toEqual(wanted.sort());
      }
      expect(await trial.store.retained.count()).toBe(kept.size);
    });

    it('comes in pages, complete and without repeats, while others come and go', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set(Array.from({ length: 1000 }, (_, i) => keep(`many/${i}`, `${i}`)));
      const found = new Map<string, number>();
      let pages = 0;
      for await (const page of retained.match('many/+')) {
        for (const { topic } of page) found.set(topic, (found.get(topic) ?? 0) + 1);
        await retained.set([
          keep(`many/new-${pages}`, 'x'),
          keep(`many/new-${pages}`, ''),
          keep(`other/${pages}`, 'x'),
        ]);
        pages++;
      }
      expect(pages).toBeGreaterThan(1);
      const wanted = Array.from({ length: 1000 }, (_, i) => `many/${i}`);
      expect(wanted.filter((topic) => found.get(topic) !== 1)).toEqual([]);
    });

    it('may be given up in the middle', async () => {
      await using trial = await open();
      await trial.store.retained.set(Array.from({ length: 500 }, (_, i) => keep(`many/${i}`, 'x')));
      let pages = 0;
      for await (const page of trial.store.retained.match('#')) {
        pages += page.length > 0 ? 1 : 0;
        break;
      }
      expect(pages).toBe(1);
      expect(await all(trial, '#')).toHaveLength(500);
    });
  });
}

function keep(topic: string, text: string, fields: Partial<Message> = {}): RetainedSet {
  return { message: messageOn(topic, text, { retain: true, ...fields }), uid: undefined };
}

/** The same under a uid: it may come again. */
function named(uid: string, { message }: RetainedSet): RetainedSet {
  return { message, uid };
}

async function all(trial: StoreTrial, topicFilter: string): Promise<Message[]> {
  const found: Message[] = [];
  for await (const page of trial.store.retained.match(topicFilter)) found.push(...page);
  return found;
}

/** Topic and text of each message found, sorted. */
async function texts(trial: StoreTrial, topicFilter: string): Promise<string[]> {
  return (await all(trial, topicFilter)).map((message) => `${message.topic} ${textOf(message)}`).sort();
}
