import { describe, expect, it } from 'vitest';
import { BenchError } from './bench-error.ts';
import { dueCount, dueMsOf, tickOf } from './load.ts';
import { fanOut, filtersOf, lineCount, linesOfPublisher, linesOfSubscriber, settle, topicOf } from './plan.ts';
import type { ScenarioName, ScenarioOptions } from './scenario.ts';

/** Whether a filter matches a topic [§4.7.1]. */
function matches(filter: string, topic: string): boolean {
  const pattern = filter.replace(/^\$share\/[^/]+\//, '').split('/');
  const levels = topic.split('/');
  if (pattern.at(-1) === '#') return pattern.slice(0, -1).every((level, i) => level === '+' || level === levels[i]);
  return pattern.length === levels.length && pattern.every((level, i) => level === '+' || level === levels[i]);
}

describe('a plan', () => {
  const scenarios: [ScenarioName, Partial<ScenarioOptions>][] = [
    ['p2p', { publishers: 3 }],
    ['p2p', { publishers: 3, topics: 4 }],
    ['fan-in', { publishers: 3, subscribers: 2, topics: 2 }],
    ['fan-out', { publishers: 1, subscribers: 3 }],
    ['shared', { publishers: 2, subscribers: 3 }],
    ['subs', { publishers: 2, subscribers: 3, filters: 50 }],
    ['retained', { publishers: 3, subscribers: 2, messages: 10 }],
    ['offline', { publishers: 2, subscribers: 5 }],
  ];
  for (const [scenario, options] of scenarios) {
    it(`of ${scenario} ${JSON.stringify(options)} has a publisher for each line, and filters for just its lines`, () => {
      const plan = settle({ scenario, ...options });
      const published: number[] = [];
      for (let publisher = 0; publisher < plan.publishers; publisher++) {
        const { from, count } = linesOfPublisher(plan, publisher);
        for (let line = from; line < from + count; line++) published.push(line);
      }
      expect(published).toEqual(Array.from({ length: lineCount(plan) }, (_, line) => line));
      for (const line of published) {
        let receivers = 0;
        for (let subscriber = 0; subscriber < plan.subscribers; subscriber++) {
          const matching = filtersOf(plan, subscriber).filter((filter) => matches(filter, topicOf(plan, line)));
          const { from, count } = linesOfSubscriber(plan, subscriber);
          expect(matching.length, `line ${line}, subscriber ${subscriber}`).toBe(
            line >= from && line < from + count ? 1 : 0,
          );
          receivers += matching.length;
        }
        expect(scenario === 'shared' ? 1 : receivers).toBe(fanOut(plan));
      }
    });
  }

  const wrong: [Partial<ScenarioOptions>, RegExp][] = [
    [{ payloadBytes: 23 }, /payloadBytes: 23 .*from 24/],
    [{ publishers: 0 }, /publishers: 0 .*from 1/],
    [{ subscribers: 2 }, /subscribers: p2p has one for each publisher/],
    [{ urls: ['http://localhost'] }, /url: .*mqtt:\/\/host:port/],
    [{ urls: ['mqtt://ada:secret@localhost'] }, /options of their own/],
    [{ scenario: 'offline', qos: 0 }, /qos: 0 .*1, 2/],
    [{ scenario: 'nothing' as ScenarioName }, /there is no 'nothing'; allowed: p2p/],
  ];
  for (const [options, says] of wrong) {
    it(`is refused for ${JSON.stringify(options)}, saying what is allowed and no secret`, () => {
      const attempt = (): unknown => settle({ scenario: 'p2p', ...options });
      expect(attempt).toThrow(BenchError);
      expect(attempt).toThrow(says);
      expect(attempt).not.toThrow(/secret/);
    });
  }
});

describe('a schedule', () => {
  for (const rate of [1, 3, 100, 1500, 4000, 5000, 123_456]) {
    it(`of ${rate} a second never counts a message before it is due, and all of a second in a second`, () => {
      const pace = { rate, tickMs: tickOf(rate) };
      expect(dueCount(pace, -1)).toBe(0);
      // With the first one of the second after it.
      expect(dueCount(pace, 1000 + 1e-5)).toBe(rate + 1);
      for (let number = 0; number < Math.min(rate, 300); number++) {
        const dueMs = dueMsOf(pace, number);
        expect(dueMs - (number * 1000) / rate).toBeGreaterThanOrEqual(-1e-3);
        expect(dueMs - (number * 1000) / rate).toBeLessThanOrEqual(pace.tickMs);
        expect(dueCount(pace, dueMs + 1e-5)).toBeGreaterThan(number);
        expect(dueCount(pace, dueMs - pace.tickMs / 2)).toBeLessThanOrEqual(number);
      }
    });
  }
});
