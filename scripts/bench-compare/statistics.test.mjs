// Of several rounds one figure, and of two figures a ratio, as people read them.

import { describe, expect, it } from 'vitest';
import { figure, median, minimum, ratio, times } from './statistics.mjs';

describe('several rounds', () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[10, 9, 100], 10],
    [[4, 1, 3, 2], 2.5],
    [[], undefined],
  ])('of %j the median is %s', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('are left in their order', () => {
    const rounds = [3, 1, 2];
    median(rounds);
    expect(rounds).toEqual([3, 1, 2]);
  });

  it('have a minimum, unless there are none', () => {
    expect(minimum([3, 1, 2])).toBe(1);
    expect(minimum([])).toBeUndefined();
  });
});

describe('a ratio', () => {
  it('is how many times as much the peer takes', () => {
    expect(ratio(8, 2)).toBe(4);
    expect(ratio(1, 2)).toBe(0.5);
  });

  it('is unknown where one of the two is, or ours is nothing', () => {
    expect(ratio(undefined, 2)).toBeUndefined();
    expect(ratio(2, undefined)).toBeUndefined();
    expect(ratio(2, 0)).toBeUndefined();
  });

  it.each([
    [0.5, '0.50×'],
    [0.996, '1.0×'],
    [1, '1.0×'],
    [4.23, '4.2×'],
    [9.94, '9.9×'],
    [9.96, '10×'],
    [1234.4, '1,234×'],
    [undefined, '–'],
  ])('%s is read as %s', (value, text) => {
    expect(times(value)).toBe(text);
  });
});

describe('a figure', () => {
  it.each([
    [0.0781, '0.078'],
    [0.0996, '0.10'],
    [0.781, '0.78'],
    [0.9996, '1.0'],
    [7.81, '7.8'],
    [9.96, '10'],
    [78.1, '78'],
    [7812, '7,812'],
    [99_949, '99,949'],
    [99_950, '100,000'],
    [1_234_567, '1,235,000'],
    [0, '0.000'],
    [undefined, '–'],
    [Number.NaN, '–'],
  ])('%s is read as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});
