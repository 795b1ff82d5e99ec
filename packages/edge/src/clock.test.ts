import { describe, expect, it } from 'vitest';
import { SystemClock } from './clock.ts';
import { SystemRandom } from './random.ts';
import { Turn } from './turn.ts';

describe('the wall clock', () => {
  it('stands still within a turn and goes on in the next', async () => {
    const clock = new SystemClock(new Turn());
    const began = clock.nowMs();
    const busyUntilMs = performance.now() + 5;
    while (performance.now() < busyUntilMs);
    expect(clock.nowMs()).toBe(began);
    await new Promise((resolve) => setImmediate(resolve));
    expect(clock.nowMs()).toBeGreaterThanOrEqual(began + 4);
    expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(1000);
  });

  it("may be ahead of the machine's, at once", () => {
    const clock = new SystemClock(new Turn());
    const began = clock.nowMs();
    clock.setAhead(60_000);
    expect(clock.nowMs() - began).toBeGreaterThanOrEqual(60_000);
    expect(clock.nowMs() - began).toBeLessThan(61_000);
  });
});

describe('a task for later', () => {
  it('is not early', async () => {
    const clock = new SystemClock(new Turn());
    for (const delayMs of [0, 1, 7.5, 20]) {
      const beganMs = clock.monotonicMs();
      await new Promise<void>((resolve) => clock.after(delayMs, resolve));
      expect(clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(delayMs);
    }
  });

  it('does not come when it was cancelled', async () => {
    const clock = new SystemClock(new Turn());
    let came = false;
    const cancel = clock.after(5, () => {
      came = true;
    });
    cancel();
    await new Promise<void>((resolve) => clock.after(20, resolve));
    expect(came).toBe(false);
  });

  it('does not come at once because its delay is more than a timer can hold', async () => {
    const clock = new SystemClock(new Turn());
    let came = false;
    const cancel = clock.after(0xffffffff * 1000, () => {
      came = true;
    });
    await new Promise<void>((resolve) => clock.after(20, resolve));
    expect(came).toBe(false);
    cancel();
  });
});

describe('random bytes', () => {
  it('are as many as asked for, and never the same memory twice', () => {
    const random = new SystemRandom();
    const seen = new Set<string>();
    for (let count = 0; count < 2000; count += 1) {
      const bytes = random.bytes(16);
      expect(bytes).toHaveLength(16);
      seen.add(Buffer.from(bytes).toString('hex'));
    }
    expect(seen.size).toBe(2000);
    expect(random.bytes(100_000)).toHaveLength(100_000);
  });
});
