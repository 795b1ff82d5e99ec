import { describe, expect, it } from 'vitest';
import { Stillness } from './stillness.ts';

/** A watch over a loop whose time is played. */
function watch(): { stillness: Stillness; gaps: number[]; pass(ms: number): void; beat(): void; beats: () => number } {
  let nowMs = 1_000_000;
  let onBeat: (() => void) | undefined;
  const gaps: number[] = [];
  const stillness = new Stillness({
    monotonicMs: () => nowMs,
    longestMs: 4000,
    found: (gapMs) => gaps.push(gapMs),
    beats: (beat) => {
      onBeat = beat;
      return () => {
        onBeat = undefined;
      };
    },
  });
  return {
    stillness,
    gaps,
    pass: (ms) => {
      nowMs += ms;
    },
    beat: () => onBeat?.(),
    beats: () => (onBeat === undefined ? 0 : 1),
  };
}

describe('a process that stood still', () => {
  it('is found out by the first that happens after it, be it a turn or a beat', () => {
    for (const first of ['turn', 'beat'] as const) {
      const { stillness, gaps, pass, beat } = watch();
      stillness.start();
      pass(4001);
      if (first === 'turn') stillness.look();
      beat();
      stillness.look();
      expect(gaps).toEqual([4001]);
    }
  });

  it('is not one in which little happens, as long as the beat goes on', () => {
    const { stillness, gaps, pass, beat } = watch();
    stillness.start();
    for (let seconds = 0; seconds < 60; seconds += 1) {
      pass(1000);
      beat();
    }
    pass(900);
    stillness.look();
    pass(4000);
    stillness.look();
    expect(gaps).toEqual([]);
  });

  it('is found out each time', () => {
    const { stillness, gaps, pass } = watch();
    stillness.start();
    for (const ms of [5000, 10, 6000]) {
      pass(ms);
      stillness.look();
    }
    expect(gaps).toEqual([5000, 6000]);
  });

  it('is nobody’s business before the watch begins and after it has ended', () => {
    const { stillness, gaps, pass, beats } = watch();
    stillness.look();
    pass(10_000);
    stillness.look();
    stillness.start();
    stillness.start();
    expect(beats()).toBe(1);
    stillness.look();
    stillness.stop();
    expect(beats()).toBe(0);
    pass(10_000);
    stillness.look();
    stillness.start();
    stillness.look();
    expect(gaps).toEqual([]);
  });

  it('is watched for by a timer that does not keep the process alive', () => {
    const stillness = new Stillness({ monotonicMs: () => performance.now(), longestMs: 4000, found: () => {} });
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    stillness.start();
    // A timer that is unref'd is not listed as keeping the process alive.
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(before);
    stillness.stop();
  });
});
