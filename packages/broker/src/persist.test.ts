import { describe, expect, it } from 'vitest';
import { persist } from './persist.ts';
import { StoreUnavailable } from './ports.ts';
import { Surroundings } from './testing/surroundings.ts';

describe('rule: Unknown outcome', () => {
  it('repeats a call until it succeeds, more and more rarely, at least once a second', async () => {
    const { persistence, clock, counters, observer } = new Surroundings();
    const atMs: number[] = [];
    let failures = 9;
    const outcome = persist(persistence, 'enqueue', async () => {
      atMs.push(clock.monotonicMs());
      if (failures-- > 0) throw new StoreUnavailable('away');
      return 'stored';
    });
    await clock.advance(60_000);
    expect(await outcome).toBe('stored');
    expect(atMs.slice(0, 4)).toEqual([0, 20, 60, 140]);
    const waits = atMs.slice(1).map((at, i) => at - (atMs[i] as number));
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(Math.max(...waits)).toBe(1000);
    expect(counters.storeFailures).toBe(9);
    expect(observer.of('store_failed').map(({ operation }) => operation)).toEqual(new Array(9).fill('enqueue'));
    expect(clock.timers).toBe(0);
  });

  it('knows since when the store has been away, and that it is back', async () => {
    const { persistence, clock } = new Surroundings();
    let away = true;
    const call = async (): Promise<void> => {
      if (away) throw new StoreUnavailable('away');
    };
    await clock.advance(5000);
    const first = persist(persistence, 'ack', call);
    await clock.advance(10_000);
    const second = persist(persistence, 'rec', call);
    await clock.advance(10_000);
    expect(persistence.awaySinceMs).toBe(5000);
    away = false;
    await clock.advance(1000);
    await Promise.all([first, second]);
    expect(persistence.awaySinceMs).toBeUndefined();
  });

  it('passes on what is no failure of the store, at once', async () => {
    const { persistence, counters } = new Surroundings();
    const mistake = new TypeError('our own');
    await expect(persist(persistence, 'ack', () => Promise.reject(mistake))).rejects.toBe(mistake);
    expect(counters.storeFailures).toBe(0);
  });

  it('gives up once the broker has stopped', async () => {
    const { persistence, clock } = new Surroundings();
    let calls = 0;
    const outcome = persist(persistence, 'ack', async () => {
      calls++;
      throw new StoreUnavailable('away');
    });
    const refused = expect(outcome).rejects.toThrow(StoreUnavailable);
    await clock.advance(30);
    persistence.stop();
    await clock.advance(60_000);
    await refused;
    expect(calls).toBe(2);
    expect(clock.timers).toBe(0);
  });
});
