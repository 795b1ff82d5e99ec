// A checker that is slower than what it checks is not used for long.

import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import type { Happening } from './event.ts';
import type { Content } from './payload.ts';

describe('a history of a million events', () => {
  it('is judged in seconds', () => {
    const checker = new Checker();
    let atMs = 0;
    let events = 0;
    const before = process.cpuUsage();
    const tell = (happening: Happening): void => {
      checker.observe({ ...happening, atMs: ++atMs });
      events++;
    };
    const readers = Array.from({ length: 20 }, (_, i) => `reader-${i}`);
    for (const client of readers) {
      tell({ is: 'connecting', client, cleanStart: true, sessionExpirySeconds: 3600 });
      tell({ is: 'connected', client, sessionPresent: false });
      for (const topicFilter of ['house/+/state', `house/${client}/#`, '#']) {
        const options = { qos: 2, noLocal: false, retainAsPublished: false } as const;
        tell({ is: 'subscribing', client, topicFilter, ...options });
        tell({ is: 'subscribed', client, topicFilter, qos: 2 });
      }
    }
    for (let message = 0; events < 1_000_000; message++) {
      const publisher = `lamp-${message % 20}`;
      const n = Math.floor(message / 20) + 1;
      const topic = `house/room-${message % 100}/state`;
      const content: Content = { publisher, n, qos: 1, topic };
      tell({ is: 'published', publisher, n, topic, qos: 1, retain: false });
      tell({ is: 'acknowledged', publisher, n });
      for (const client of readers) {
        tell({ is: 'delivered', client, content, topic, qos: 1, retain: false, dup: false, packetId: 1 });
      }
    }
    expect(checker.outstanding).toBe(0);
    expect(checker.verdict()).toMatchObject({ is: 'ok', counts: { owed: expect.any(Number) } });
    // Of the processor, whoever else wants it.
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(10);
  }, 60_000);
});
