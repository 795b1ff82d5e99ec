import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';
import { dice } from './payload.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

describe('a histogram', () => {
  it(`tells every percentile within 1 % of the sorted values (seed ${seed})`, () => {
    const random = dice(seed);
    const histogram = new Histogram();
    // From a microsecond to a quarter of an hour, every order of magnitude alike.
    const values = Array.from({ length: 20_000 }, () => Math.floor(10 ** (random() * 9)));
    for (const value of values) histogram.record(value);
    values.sort((a, b) => a - b);
    for (const part of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = values[Math.ceil(part * values.length) - 1] as number;
      const told = histogram.percentile(part);
      expect(told, `p${part * 100}`).toBeGreaterThanOrEqual(exact);
      expect(told, `p${part * 100}`).toBeLessThanOrEqual(exact * 1.01 + 1);
    }
    expect(histogram.count).toBe(values.length);
  });

  it('is in milliseconds for people, and nothing if nothing was counted', () => {
    const histogram = new Histogram();
    expect(histogram.latency()).toBeUndefined();
    for (let i = 1; i <= 100; i++) histogram.record(i * 1000);
    expect(histogram.latency()).toMatchObject({ count: 100, mean: 50.5, max: 100 });
    expect(histogram.latency()?.p50).toBeCloseTo(50, 0);
  });

  it('takes what another thread has counted, what is below nothing and what is beyond an hour', () => {
    const one = new Histogram();
    const other = new Histogram();
    one.record(-5);
    other.record(1e12);
    one.add(other.data);
    expect(one.count).toBe(2);
    expect(one.percentile(0.5)).toBe(0);
    expect(one.latency()?.max).toBe(1e9);
  });
});
