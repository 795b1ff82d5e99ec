// What every store must do when retained messages are read: find what a Topic Filter means, page by page, from a cursor
// that stays good whatever comes and goes [MQTT 3.3.1.3, 4.7].

import type { Message } from '../message.ts';
import type { RetainedPage, RetainedSet } from '../ports.ts';
import { matches } from '../topic/filter.ts';
import { messageOn, textOf } from './samples.ts';
import { SeededRandom } from './seeded-random.ts';
import type { OpenTrial, StoreTrial, TestWords } from './trial.ts';

/** The suite of {@link Retained.page}. */
export function describeRetainedPages(words: TestWords, open: OpenTrial): void {
  describeMatches(words, open);
  describePages(words, open);
}

function describeMatches({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('retained messages that a filter matches', () => {
    const topics = [
      '/',
      '//',
      '/a',
      'a',
      'a/',
      'a//',
      'a//b',
      'a/b',
      'a/b/c',
      'ab',
      'ab/c',
      'b',
      'b/a',
      '$SYS/a',
      '$x',
    ];

    const foundBy = async (trial: StoreTrial, filter: string): Promise<string[]> =>
      (await trial.retained(filter)).map(({ topic }) => topic).sort();

    it('are those it means, the parent level of # too [MQTT-4.7.1-1, MQTT-4.7.1-2]', async () => {
      await using trial = await open();
      await trial.store.retained.set(topics.map((topic) => keep(topic)));
      const found = (filter: string): Promise<string[]> => foundBy(trial, filter);
      expect(await found('a')).toEqual(['a']);
      expect(await found('a/#')).toEqual(['a', 'a/', 'a//', 'a//b', 'a/b', 'a/b/c']);
      expect(await found('a/b/#')).toEqual(['a/b', 'a/b/c']);
      expect(await found('a/+')).toEqual(['a/', 'a/b']);
      expect(await found('+')).toEqual(['a', 'ab', 'b']);
      expect(await found('+/+')).toEqual(['/', '/a', 'a/', 'a/b', 'ab/c', 'b/a']);
      expect(await found('+/a')).toEqual(['/a', 'b/a']);
      expect(await found('+/+/+')).toEqual(['//', 'a//', 'a//b', 'a/b/c']);
      expect(await found('+/#')).toEqual(topics.filter((topic) => !topic.startsWith('$')).sort());
      expect(await found('+/b/#')).toEqual(['a/b', 'a/b/c']);
      expect(await found('#')).toEqual(topics.filter((topic) => !topic.startsWith('$')).sort());
      expect(await found('nothing/#')).toEqual([]);
      expect(await found('b/a/+')).toEqual([]);
    });

    it('are told apart by empty levels', async () => {
      await using trial = await open();
      await trial.store.retained.set(topics.map((topic) => keep(topic)));
      const found = (filter: string): Promise<string[]> => foundBy(trial, filter);
      expect(await found('/')).toEqual(['/']);
      expect(await found('//')).toEqual(['//']);
      expect(await found('/+')).toEqual(['/', '/a']);
      expect(await found('/#')).toEqual(['/', '//', '/a']);
      expect(await found('a/')).toEqual(['a/']);
      expect(await found('a//b')).toEqual(['a//b']);
      expect(await found('a/+/b')).toEqual(['a//b']);
      expect(await found('a//+')).toEqual(['a//', 'a//b']);
      expect(await found('a//#')).toEqual(['a/', 'a//', 'a//b']);
      expect(await found('+//#')).toEqual(['/', '//', 'a/', 'a//', 'a//b']);
    });

    it('do not begin with $ where the filter begins with a wildcard [MQTT-4.7.2-1]', async () => {
      await using trial = await open();
      await trial.store.retained.set([...topics, '$', '$/a', '#a'.replace('#', '%')].map((topic) => keep(topic)));
      const found = (filter: string): Promise<string[]> => foundBy(trial, filter);
      expect(await found('+/a')).toEqual(['/a', 'b/a']);
      expect(await found('+')).toEqual(['%a', 'a', 'ab', 'b']);
      expect((await found('#')).filter((topic) => topic.startsWith('$'))).toEqual([]);
      expect(await found('$SYS/#')).toEqual(['$SYS/a']);
      expect(await found('$SYS/+')).toEqual(['$SYS/a']);
      expect(await found('$/#')).toEqual(['$', '$/a']);
      expect(await found('$x')).toEqual(['$x']);
    });

    it('may have topics that begin alike, of characters from the lowest to the highest', async () => {
      await using trial = await open();
      const levels = [
        'a',
        'a\u0001',
        'a\u0001b',
        'a ',
        'a.',
        'a0',
        'a\u007f',
        'aä',
        'a\ud7ff',
        'a\ue000',
        'a\uffff',
        'a\u{10ffff}',
      ];
      const all = levels.flatMap((level) => [level, `${level}/x`, `x/${level}`, `x/${level}/x`, `${level}/${level}`]);
      await trial.store.retained.set(all.map((topic) => keep(topic)));
      for (const filter of [
        '#',
        '+',
        '+/x',
        'x/+',
        'x/+/x',
        '+/+',
        ...levels.flatMap((level) => [level, `${level}/#`, `${level}/+`, `+/${level}`, `+/${level}/#`, `x/${level}/#`]),
      ]) {
        const wanted = all.filter((topic) => matches(filter, topic)).sort();
        expect(await foundBy(trial, filter), JSON.stringify(filter)).toEqual(wanted);
      }
    });

    it('agree with the rule for single pairs, for any topics and filters', async () => {
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
        const found = (await trial.retained(filter)).map((message) => `${message.topic} ${textOf(message)}`);
        expect(found.sort(), `seed ${seed}, message ${i}, ${filter}`).toEqual(wanted.sort());
      }
      expect(await trial.store.retained.count()).toBe(kept.size);
    });
  });
}

function describePages({ describe, it, expect }: TestWords, open: OpenTrial): void {
  describe('pages of retained messages', () => {
    it('have every message once that was there and still is, while others come and go', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set(Array.from({ length: 1000 }, (_, i) => keep(`many/${i}`, `${i}`)));
      let pages = 0;
      const found = await trial.retained('many/+', async () => {
        const [come, stays] = [`many/new-${pages}`, `many/${pages}-new`];
        await retained.set([keep(come), keep(stays), keep(come, ''), keep(`other/${pages}`)]);
        pages++;
      });
      expect(pages).toBeGreaterThan(3);
      const times = new Map<string, number>();
      for (const { topic } of found) times.set(topic, (times.get(topic) ?? 0) + 1);
      const wanted = Array.from({ length: 1000 }, (_, i) => `many/${i}`);
      expect(wanted.filter((topic) => times.get(topic) !== 1)).toEqual([]);
      expect([...times.values()].filter((count) => count !== 1)).toEqual([]);
    });

    it('go on from their cursor though all that had been read is gone, and the next one too', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      const topics = Array.from({ length: 700 }, (_, i) => `many/${i}`);
      await retained.set(topics.map((topic) => keep(topic)));
      const [first, from] = await firstPage(trial, 'many/#');
      const read = new Set(first.map(({ topic }) => topic));
      await retained.set([...read].map((topic) => keep(topic, '')));
      const [second] = await firstPage(trial, 'many/#', from);
      const gone = second[0]?.topic as string;
      await retained.set([keep(gone, '')]);
      const rest = (await restOf(trial, 'many/#', from)).map(({ topic }) => topic);
      expect(rest.sort()).toEqual(topics.filter((topic) => !read.has(topic) && topic !== gone).sort());
    });

    it('tell what there is when they are read, and may be read again', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set(Array.from({ length: 600 }, (_, i) => keep(`many/${i}`, 'old')));
      const [first, from] = await firstPage(trial, 'many/#');
      await retained.set(Array.from({ length: 600 }, (_, i) => keep(`many/${i}`, 'new')));
      const rest = await restOf(trial, 'many/#', from);
      expect(rest.filter((message) => textOf(message) !== 'new')).toEqual([]);
      expect(first.length + rest.length).toBe(600);
      expect((await restOf(trial, 'many/#', from)).map(({ topic }) => topic)).toEqual(rest.map(({ topic }) => topic));
      expect(await trial.retained('many/#')).toHaveLength(600);
    });

    it('leave out what has expired since the first of them [MQTT-3.3.2-5]', async () => {
      await using trial = await open();
      const expiresAtMs = trial.clock.nowMs() + 1000;
      const sets = Array.from({ length: 600 }, (_, i) => keep(`many/${i}`, 'x', i % 2 === 0 ? {} : { expiresAtMs }));
      await trial.store.retained.set(sets);
      const [first, from] = await firstPage(trial, '#');
      await trial.clock.advance(1000);
      const rest = await restOf(trial, '#', from);
      expect(rest.filter((message) => message.expiresAtMs > 0)).toEqual([]);
      const topics = new Set([...first, ...rest].map(({ topic }) => topic));
      expect(sets.filter(({ message }) => message.expiresAtMs === 0 && !topics.has(message.topic))).toEqual([]);
    });

    it('are no longer than 256 messages, and no larger than a message or two beyond 1 MiB', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      await retained.set(Array.from({ length: 300 }, (_, i) => keep(`small/${i}`)));
      const payload = new Uint8Array(400_000);
      for (let i = 0; i < 8; i++) await retained.set([keep(`large/${i}`, '', { payload })]);
      await retained.set([keep('huge', '', { payload: new Uint8Array(3_000_000) })]);
      let count = 0;
      for (let from: string | undefined = ''; from !== undefined; ) {
        const page: RetainedPage = await retained.page('#', from);
        expect(page.messages.length <= 256).toBe(true);
        expect(page.messages.filter(({ topic }) => topic.startsWith('large/')).length < 6).toBe(true);
        count += page.messages.length;
        from = page.next;
      }
      expect(count).toBe(309);
      expect((await retained.page('huge', '')).messages).toHaveLength(1);
    });

    it('come to an end where little matches among much, in a bounded number of steps each', async () => {
      await using trial = await open();
      const { retained } = trial.store;
      for (let part = 0; part < 10; part++) {
        const sets = Array.from({ length: 500 }, (_, i) => keep(`dev/${part * 500 + i}/state`));
        await retained.set(sets);
      }
      await retained.set([keep('dev/77/alarm'), keep('dev/4999/alarm'), keep('dev/zzz/alarm/1')]);
      const found = (await trial.retained('dev/+/alarm')).map(({ topic }) => topic);
      expect(found.sort()).toEqual(['dev/4999/alarm', 'dev/77/alarm']);
      expect(await trial.retained('dev/+/alarm/+')).toHaveLength(1);
      expect(await trial.retained('+/+/+')).toHaveLength(5002);
    });

    it('of a filter without wildcards are one', async () => {
      await using trial = await open();
      await trial.store.retained.set([keep('a', '1'), keep('a/b', '2')]);
      const { messages, next } = await trial.store.retained.page('a', '');
      expect(messages.map(textOf)).toEqual(['1']);
      expect(next).toBe(undefined);
      expect(await trial.store.retained.page('b', '')).toEqual({ messages: [], next: undefined });
    });
  });
}

/** The first page from a cursor on that is not empty, and the cursor of the one after it, which there must be. */
async function firstPage(
  trial: StoreTrial,
  topicFilter: string,
  from = '',
): Promise<readonly [readonly Message[], string]> {
  for (let at = from; ; ) {
    const { messages, next } = await trial.store.retained.page(topicFilter, at);
    if (next === undefined) throw new Error(`${topicFilter} has one page alone`);
    if (messages.length > 0) return [messages, next];
    at = next;
  }
}

async function restOf(trial: StoreTrial, topicFilter: string, from: string): Promise<readonly Message[]> {
  const found: Message[] = [];
  for (let at: string | undefined = from; at !== undefined; ) {
    const page: RetainedPage = await trial.store.retained.page(topicFilter, at);
    found.push(...page.messages);
    at = page.next;
  }
  return found;
}

function keep(topic: string, text = 'x', fields: Partial<Message> = {}): RetainedSet {
  return { message: messageOn(topic, text, { retain: true, ...fields }), uid: undefined, order: undefined };
}
