import { Counters } from '@skein/broker';
import { describe, expect, it } from 'vitest';
import { CountersKept } from './counters-kept.ts';

describe('the counters of brokers that follow one another', () => {
  it('add up, whatever their shape', () => {
    const kept = new CountersKept();
    const first = new Counters();
    first.queued = 5;
    first.publishReceived[2] = 7;
    first.dropped.queue_full = 3;
    expect(kept.with(first)).toEqual({ ...first });
    kept.keep(first);
    expect(kept.with(undefined)).toEqual({ ...first });

    const second = new Counters();
    second.queued = 1;
    second.publishReceived[2] = 1;
    second.dropped.queue_full = 1;
    second.wills.published = 1;
    const both = kept.with(second);
    expect(both).toMatchObject({ queued: 6, publishReceived: [0, 0, 8], dropped: { queue_full: 4, expired: 0 } });
    expect(both.wills.published).toBe(1);
    second.queued += 1;
    expect(kept.with(second).queued).toBe(7);
  });
});
