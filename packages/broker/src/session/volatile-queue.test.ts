import { ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { messageOn } from '../contract/samples.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import type { QueueEntry } from '../ports.ts';
import { RecordingOutlet } from '../testing/recording-outlet.ts';
import { Surroundings } from '../testing/surroundings.ts';
import { Outbound } from './outbound.ts';
import { VolatileQueue } from './volatile-queue.ts';

class Trial {
  readonly around = new Surroundings();
  readonly outlet = new RecordingOutlet();
  readonly queue: VolatileQueue;
  readonly outbound: Outbound;

  constructor(limits: Partial<Limits> = {}, inflightMax = 1) {
    const { clock, drops, counters } = this.around;
    this.queue = new VolatileQueue('lamp', { ...defaultLimits, ...limits }, drops, clock);
    this.outbound = new Outbound({
      clientId: 'lamp',
      outlet: this.outlet,
      source: this.queue,
      inflightMax,
      resendSeq: 0,
      drops,
      counters,
      clock,
    });
    this.queue.outbound = this.outbound;
  }

  push(text: string, { qos = 1 as 1 | 2, expiresAtMs = 0, always = false } = {}): boolean {
    return this.queue.push(messageOn('a', text, { expiresAtMs }), qos, false, undefined, always);
  }
}

describe('the queue of a volatile Session', () => {
  it('sends in the same breath while there is room, and keeps order when there is none', () => {
    const trial = new Trial({}, 2);
    for (const text of ['1', '2', '3', '4']) expect(trial.push(text)).toBe(true);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=2 q1 #2']);
    expect(trial.queue.length).toBe(2);
    trial.outbound.puback(1);
    trial.push('5');
    trial.outbound.puback(2);
    trial.outbound.puback(3);
    expect(trial.outlet.said()).toEqual(['publish a=3 q1 #3', 'publish a=4 q1 #4', 'publish a=5 q1 #5']);
    expect(trial.queue.length).toBe(0);
  });

  it('sends what nothing waits before past the queue, and never past a message that waits', () => {
    const trial = new Trial({}, 3);
    trial.push('1');
    expect(trial.push('late', { expiresAtMs: trial.around.clock.nowMs() })).toBe(true);
    trial.push('3');
    trial.outlet.congested = true;
    trial.push('4');
    trial.outlet.congested = false;
    trial.push('5'); // there is room, but the one before it waits
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=3 q1 #3', 'publish a=4 q1 #4']);
    expect(trial.around.counters.dropped.expired).toBe(1);
    for (const packetId of [1, 3, 4]) trial.outbound.puback(packetId);
    expect(trial.outlet.said()).toEqual(['publish a=5 q1 #5']);
    expect(trial.queue.length).toBe(0);
  });

  it('answers PUBREC at once, since nothing outlives the connection', () => {
    const trial = new Trial();
    trial.push('1', { qos: 2 });
    trial.outbound.pubrec(1, ReasonCode.success);
    trial.outbound.pubcomp(1);
    expect(trial.outlet.said()).toEqual(['publish a=1 q2 #1', 'pubrel #1']);
    expect(trial.outbound.inflight).toBe(0);
  });

  it('keeps order and count through thousands that come and go', () => {
    const trial = new Trial({ queueMaxMessages: 100_000, queueMaxBytes: 100_000_000 });
    const sent: string[] = [];
    const acknowledge = (): void => {
      trial.outbound.puback(sent.length);
      for (const packet of trial.outlet.take()) sent.push('text' in packet ? packet.text : packet.type);
    };
    const texts = Array.from({ length: 6000 }, (_, i) => `${i}`);
    for (const [i, text] of texts.entries()) {
      trial.push(text);
      if (i % 3 === 0) acknowledge();
    }
    expect(trial.queue.length).toBe(6000 - sent.length);
    while (trial.queue.length > 0) acknowledge();
    expect(sent).toEqual(texts);
  });

  it('counts what nobody will get when the Session is over', () => {
    const trial = new Trial();
    for (const text of ['1', '2', '3']) trial.push(text);
    expect(trial.queue.clear().waiting).toBe(2);
    expect(trial.queue.length).toBe(0);
    expect(trial.queue.next()).toBeUndefined();
  });
});

describe('what a volatile Session leaves', () => {
  it('a message that was taken and could not be sent yet has not been begun: others may have it [MQTT-4.8.2-4]', () => {
    for (const sharedFilter of ['$share/g/a', undefined]) {
      const trial = new Trial();
      trial.push('in flight');
      trial.queue.push(messageOn('a', 'stalled'), 2, false, undefined, false, sharedFilter);
      const stalled = trial.queue.next() as QueueEntry;
      trial.queue.outbound = { stalled } as Outbound;
      const { waiting, forOthers, begun, begunAtQos2 } = trial.queue.clear();
      expect([forOthers, waiting]).toEqual(sharedFilter === undefined ? [[], 1] : [[stalled], 0]);
      expect([begun, begunAtQos2]).toEqual([0, 0]);
    }
  });
});

describe('a full volatile queue', () => {
  it('drop-new: the newcomer is dropped and counted', () => {
    const trial = new Trial({ queueMaxMessages: 2 });
    expect(['1', '2', '3', '4'].map((text) => trial.push(text))).toEqual([true, true, true, false]);
    expect(trial.around.dropped).toEqual({ queue_full: 1 });
    trial.outbound.puback(1);
    expect(trial.push('5')).toBe(true);
    trial.outbound.puback(2);
    trial.outbound.puback(3);
    trial.outbound.puback(4);
    expect(trial.outlet.take().map((packet) => ('text' in packet ? packet.text : ''))).toEqual(['1', '2', '3', '5']);
  });

  it('drop-old: the oldest that waits makes room, never what is in flight', () => {
    const trial = new Trial({ queueMaxMessages: 2, queueFull: 'drop-old' });
    for (const text of ['1', '2', '3', '4', '5']) expect(trial.push(text)).toBe(true);
    expect(trial.around.dropped).toEqual({ queue_full: 2 });
    trial.outbound.puback(1);
    trial.outbound.puback(4);
    expect(trial.outlet.said()).toEqual(['publish a=1 q1 #1', 'publish a=4 q1 #4', 'publish a=5 q1 #5']);
  });

  it('drop-old: a message that would not even fit an empty queue goes, after all others', () => {
    const trial = new Trial({ queueMaxBytes: 1000, queueFull: 'drop-old' });
    for (const text of ['1', '2', '3']) trial.push(text);
    expect(trial.push('x'.repeat(1000))).toBe(false);
    expect(trial.queue.length).toBe(0);
    expect(trial.around.dropped).toEqual({ queue_full: 3 });
  });

  it('counts bytes, and gives them back', () => {
    const trial = new Trial({ queueMaxBytes: 5000 });
    trial.push('in flight');
    for (let i = 0; i < 4; i++) expect(trial.push('x'.repeat(1000))).toBe(true);
    expect(trial.push('x'.repeat(1000))).toBe(false);
    trial.outbound.puback(1);
    expect(trial.push('x'.repeat(1000))).toBe(true);
  });

  it('makes room by what has expired', async () => {
    const trial = new Trial({ queueMaxMessages: 3 });
    const expiresAtMs = trial.around.clock.nowMs() + 1000;
    trial.push('1');
    trial.push('2', { expiresAtMs });
    trial.push('3');
    trial.push('4', { expiresAtMs });
    expect(trial.push('5')).toBe(false);
    await trial.around.clock.advance(1000);
    expect(trial.queue.isFull(messageOn('a'))).toBe(false);
    expect(trial.push('6')).toBe(true);
    expect(trial.around.dropped).toEqual({ queue_full: 1, expired: 2 });
    expect(trial.queue.length).toBe(2);
  });

  it('is looked through for what has expired only when something may have, however often it is asked', async () => {
    const trial = new Trial({ queueMaxMessages: 2 });
    const expiresAtMs = trial.around.clock.nowMs() + 1000;
    let looks = 0;
    const watched = {
      ...messageOn('a', 'watched'),
      get expiresAtMs(): number {
        looks++;
        return 0;
      },
    };
    trial.push('in flight');
    trial.queue.push(watched, 1, false, undefined);
    trial.push('late', { expiresAtMs });
    looks = 0;
    for (let i = 0; i < 100; i++) expect(trial.queue.isFull(messageOn('a'))).toBe(true);
    expect(looks).toBe(0);
    await trial.around.clock.advance(1000);
    expect(trial.queue.isFull(messageOn('a'))).toBe(false);
    expect(trial.around.dropped).toEqual({ expired: 1 });
  });

  it('takes what its caller paces by itself', () => {
    const trial = new Trial({ queueMaxMessages: 1 });
    for (const text of ['1', '2', '3']) expect(trial.push(text, { always: true })).toBe(true);
    expect(trial.queue.length).toBe(2);
    expect(trial.queue.isFull(messageOn('a'))).toBe(true);
  });
});
