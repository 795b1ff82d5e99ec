// The books balance: a message that a Client missed at QoS 0 is one that the broker counted as dropped, and no other is.

import { describe, expect, it } from 'vitest';
import { History } from '../history/history.ts';
import { until } from '../support/deadline.ts';
import { metricValue } from '../support/metrics.ts';
import { runSkein } from '../support/process.ts';
import { LoadClient, patienceMs } from './load-client.ts';

describe('a Client that does not read for a while', () => {
  it('misses just the QoS 0 messages that are counted as dropped, and nothing at QoS 1 and 2', async () => {
    await using skein = runSkein([
      'start',
      ...['--listen', 'mqtt://127.0.0.1:0', '--admin', '127.0.0.1:0', '--store', 'memory:'],
      ...['--limits-outbound-buffer-bytes', '65536'],
    ]);
    const { listen, admin } = await skein.ready();
    const history = new History();
    const common = { url: listen[0] as string, history, version: 5, receiveMaximum: 50, topicAliasMaximum: 0 } as const;
    const reader = new LoadClient({ ...common, clientId: 'reader', isPersistent: true, sendMaximum: 1 });
    const writer = new LoadClient({ ...common, clientId: 'writer', isPersistent: true, sendMaximum: 20 });
    await reader.connect();
    await reader.subscribe([{ topicFilter: 'news', qos: 2 }]);
    await writer.connect();

    reader.stopReading();
    // More than all the buffers on the way together will take.
    for (let message = 0; message < 6000; message++) {
      await writer.whenRoomy();
      const qos = message % 20 === 0 ? 1 : message % 20 === 10 ? 2 : 0;
      writer.publish({ topic: 'news', qos, retain: false, sizeBytes: 8000 });
      writer.flush();
    }
    await until('the answers', () => writer.unanswered === 0 || undefined, patienceMs);
    await writer.ping();
    reader.readAgain();
    await until('QoS 1 and 2', () => history.outstanding === 0 || undefined, patienceMs);
    await reader.ping();

    const verdict = history.verdict();
    expect(history.explain(verdict)).toBe('ok');
    expect(verdict.counts.owedQos0).toBe(5400);
    expect(verdict.counts.missingQos0).toBeGreaterThan(100);
    const page = await (await fetch(new URL('/metrics', admin))).text();
    const dropped = metricValue(page, 'mqtt_messages_dropped_total', { reason: 'slow_consumer' });
    expect(dropped).toBe(verdict.counts.missingQos0);
    expect(metricValue(page, 'mqtt_messages_dropped_total')).toBe(dropped);
    expect([...reader.problems, ...writer.problems]).toEqual([]);
    reader.cut();
    writer.cut();
  }, 60_000);
});
