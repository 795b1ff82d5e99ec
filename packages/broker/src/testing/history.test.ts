import { describe, expect, it } from 'vitest';
import { History, Life, type Published } from './history.ts';

/** A history of one Subscriber with one Subscription, which saw every message but for what a test says. */
class Trial {
  readonly history = new History();
  readonly life = new Life('lamp');

  constructor(...messages: Partial<Published>[]) {
    this.life.windows.push({ topicFilter: 'a', qos: 2, from: 10, until: 100 });
    this.history.lives.push(this.life);
    for (const [i, message] of messages.entries()) {
      const text = `m${i}`;
      this.history.published.set(text, {
        text,
        topic: 'a',
        qos: 2,
        stream: 's',
        number: i,
        receivedAt: 20 + i,
        acknowledgedAt: 30 + i,
        isWill: false,
        isForbidden: false,
        ...message,
      });
    }
  }

  faultsAfter(...texts: string[]): string[] {
    for (const each of texts) {
      const [text = '', dup] = each.split(' ');
      const qos = this.history.published.get(text)?.qos ?? 0;
      this.life.sent.push({ text, qos, dup: dup === 'dup', connection: 1 });
      this.life.delivered.push({ text, qos, dup: dup === 'dup', connection: 1 });
    }
    return this.history.faults();
  }
}

describe('a History', () => {
  it('without faults has none', () => {
    expect(new Trial({}, {}, { qos: 1 }).faultsAfter('m0', 'm1', 'm2')).toEqual([]);
    expect(new Trial({ qos: 1 }).faultsAfter('m0', 'm0')).toEqual([]);
  });

  it('misses what was acknowledged and not delivered', () => {
    expect(new Trial({}, {}).faultsAfter('m1')).toEqual(['lamp: m0 on a was acknowledged and never delivered']);
  });

  it('misses nothing that was not promised for certain', () => {
    for (const uncertain of [
      { acknowledgedAt: undefined },
      { receivedAt: 5 },
      { acknowledgedAt: 101 },
      { qos: 0 as const },
      { topic: 'b' },
    ]) {
      expect(new Trial(uncertain).faultsAfter()).toEqual([]);
    }
    const over = new Trial({});
    over.life.isOver = true;
    expect(over.faultsAfter()).toEqual([]);
  });

  it('sees a QoS 2 message that came twice, by a repeat or anew', () => {
    expect(new Trial({}).faultsAfter('m0', 'm0 dup')).toEqual(['lamp: m0 was delivered twice']);
    expect(new Trial({}).faultsAfter('m0', 'm0')).toEqual(['lamp: m0 was delivered twice', 'lamp: m0 was sent anew']);
    expect(new Trial({ qos: 0 }).faultsAfter('m0', 'm0')).toContain('lamp: m0 was delivered twice');
  });

  it('sees messages of one stream out of order, and lets streams pass each other', () => {
    expect(new Trial({}, {}).faultsAfter('m1', 'm0')).toEqual(['lamp: m0 came after m1']);
    expect(new Trial({}, { stream: 'other' }).faultsAfter('m1', 'm0')).toEqual([]);
    // A repeat at QoS 1 does not count; the first time does.
    expect(new Trial({ qos: 1 }, { qos: 1 }).faultsAfter('m0', 'm1', 'm0 dup')).toEqual([]);
  });

  it('sees a Will that nobody published, and owes none that was deleted', () => {
    const unpublished = { isWill: true, acknowledgedAt: undefined };
    expect(new Trial(unpublished).faultsAfter()).toEqual(['m0 was never published']);
    expect(new Trial({ ...unpublished, isForbidden: true }).faultsAfter()).toEqual([]);
    expect(new Trial({ ...unpublished, receivedAt: undefined }).faultsAfter()).toEqual([]);
  });

  it('sees what must not be, and what nobody sent', () => {
    expect(new Trial({ isForbidden: true, acknowledgedAt: undefined }).faultsAfter('m0')).toEqual([
      'lamp: m0 was published, though it must not be',
    ]);
    expect(new Trial().faultsAfter('x')).toEqual(['lamp: x came from nowhere']);
  });
});
