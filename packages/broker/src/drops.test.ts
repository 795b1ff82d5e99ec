import { describe, expect, it } from 'vitest';
import { Surroundings } from './testing/surroundings.ts';

describe('Drops', () => {
  it('counts each message at once and tells sums later, for each Client and reason', () => {
    const around = new Surroundings();
    const { drops, observer } = around;
    drops.add('lamp', 'queue_full');
    drops.add('lamp', 'queue_full', 4);
    drops.add('lamp', 'expired');
    drops.add('door', 'queue_full', 2);
    drops.add('door', 'expired', 0);
    expect(around.dropped).toEqual({ queue_full: 7, expired: 1 });
    expect(observer.facts).toEqual([]);

    drops.tell();
    expect(observer.facts).toEqual([
      { is: 'messages_dropped', clientId: 'lamp', reason: 'queue_full', count: 5 },
      { is: 'messages_dropped', clientId: 'lamp', reason: 'expired', count: 1 },
      { is: 'messages_dropped', clientId: 'door', reason: 'queue_full', count: 2 },
    ]);
    drops.tell();
    expect(observer.facts).toHaveLength(3);
    drops.add('lamp', 'queue_full');
    drops.tell();
    expect(observer.facts.at(-1)).toMatchObject({ clientId: 'lamp', count: 1 });
  });

  it('counts a message without subscribers and makes no words of it', () => {
    const { drops, counters, observer } = new Surroundings();
    drops.add('lamp', 'no_subscriber', 3);
    drops.tell();
    expect(counters.dropped.no_subscriber).toBe(3);
    expect(observer.facts).toEqual([]);
  });

  it('counts all and tells of a bounded number, however many Clients lose messages', () => {
    const { drops, counters, observer } = new Surroundings();
    for (let i = 0; i < 5000; i++) drops.add(`c${i}`, 'slow_consumer');
    for (let i = 0; i < 5000; i++) drops.add(`c${i}`, 'slow_consumer');
    drops.tell();
    expect(counters.dropped.slow_consumer).toBe(10_000);
    expect(observer.facts.length).toBeLessThanOrEqual(1000);
    expect(observer.of('messages_dropped').every(({ count }) => count === 2)).toBe(true);
  });
});
