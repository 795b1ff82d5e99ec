import { describe, expect, it } from 'vitest';
import { type Link, type Ticker, type Timed, tickMs, ticksOf, Wheel } from './keep-alive.ts';

/** A wheel whose time is pushed on by hand. */
class Time {
  ms = 0;
  isTicking = false;
  #turn: () => void = () => {};
  readonly wheel: Wheel = new Wheel(() => this.ms, ((turn) => {
    this.isTicking = true;
    this.#turn = turn;
    return () => {
      this.isTicking = false;
    };
  }) satisfies Ticker);

  /** Lets time pass; the ticker fires every `everyMs`. */
  pass(durationMs: number, everyMs: number = tickMs): void {
    const endMs = this.ms + durationMs;
    while (this.ms + everyMs <= endMs) {
      this.ms += everyMs;
      if (this.isTicking) this.#turn();
    }
    this.ms = endMs;
  }

  /** Nothing runs for a while, then the ticker fires. */
  standStill(durationMs: number): void {
    this.ms += durationMs;
    this.#turn();
  }
}

/** A Client with a Keep Alive: it remembers when it was last heard. */
class Heard implements Timed {
  next: Link | undefined;
  previous: Link | undefined;
  readonly #time: Time;
  readonly #silenceTicks: number;
  heardTick: number;
  looks = 0;
  closedAtMs: number | undefined;

  constructor(time: Time, keepAliveSeconds: number) {
    this.#time = time;
    this.#silenceTicks = ticksOf(keepAliveSeconds * 1500);
    this.heardTick = time.wheel.now;
    time.wheel.place(this, this.heardTick + this.#silenceTicks);
  }

  speak(): void {
    this.heardTick = this.#time.wheel.now;
  }

  due(now: number): number {
    this.looks += 1;
    if (now < this.heardTick + this.#silenceTicks) return this.heardTick + this.#silenceTicks;
    this.closedAtMs = this.#time.ms;
    return 0;
  }
}

describe('[MQTT-3.1.2-22] a Client that is silent for one and a half Keep Alives', () => {
  for (const keepAliveSeconds of [1, 2, 3, 60, 600]) {
    it(`is noticed after ${keepAliveSeconds * 1.5} s, not before and half a second late at most`, () => {
      const time = new Time();
      // Another one keeps the wheel turning, so that stamps are made at any point of a tick.
      const other = new Heard(time, 65_535);
      time.pass(1000);
      for (const intoTickMs of [0, 1, 60, 124]) {
        time.pass(intoTickMs);
        const startedMs = time.ms;
        const client = new Heard(time, keepAliveSeconds);
        time.pass(keepAliveSeconds * 1500 + 1000);
        expect(client.closedAtMs).toBeDefined();
        expect(client.closedAtMs! - startedMs).toBeGreaterThanOrEqual(keepAliveSeconds * 1500);
        expect(client.closedAtMs! - startedMs).toBeLessThanOrEqual(keepAliveSeconds * 1500 + 500);
      }
      expect(other.closedAtMs).toBeUndefined();
    });
  }

  it('is not while it speaks now and then', () => {
    const time = new Time();
    const client = new Heard(time, 2);
    for (let seconds = 0; seconds < 100; seconds += 2) {
      time.pass(2000);
      client.speak();
    }
    expect(client.closedAtMs).toBeUndefined();
    time.pass(3600);
    expect(client.closedAtMs).toBeDefined();
  });

  it('costs a look for each deadline, not one for each packet or tick', () => {
    const time = new Time();
    const client = new Heard(time, 10);
    for (let count = 0; count < 1000; count += 1) {
      time.pass(100);
      client.speak();
    }
    expect(client.looks).toBeLessThan(10);
  });

  it('is never noticed early though the ticker lags by more than a tick', () => {
    const time = new Time();
    for (const everyMs of [tickMs, tickMs + 1, 2 * tickMs + 100, 3 * tickMs - 1]) {
      const lagged = new Heard(time, 60);
      time.pass(everyMs - 1, everyMs);
      const client = new Heard(time, 4);
      const startedMs = time.ms;
      time.pass(60_000, everyMs);
      expect(client.closedAtMs! - startedMs).toBeGreaterThanOrEqual(6000);
      time.wheel.remove(lagged);
    }
  });
});

describe('time in which the process stood still', () => {
  it('does not count as silence, because nobody was there to listen', () => {
    const time = new Time();
    const client = new Heard(time, 2);
    time.pass(1000);
    time.standStill(60_000);
    expect(client.closedAtMs).toBeUndefined();
    time.pass(1000);
    expect(client.closedAtMs).toBeUndefined();
    time.pass(1500);
    expect(client.closedAtMs).toBeDefined();
  });
});

describe('the wheel', () => {
  it('does not tick when it has no members', () => {
    const time = new Time();
    expect(time.isTicking).toBe(false);
    const client = new Heard(time, 1);
    expect(time.isTicking).toBe(true);
    time.wheel.remove(client);
    expect(time.isTicking).toBe(false);
    expect(time.wheel.members).toBe(0);
    const late = new Heard(time, 1);
    time.pass(2000);
    expect(late.closedAtMs).toBeDefined();
    expect(time.isTicking).toBe(false);
  });

  it('forgets whoever is removed while it looks at others', () => {
    const time = new Time();
    const second: Timed & { looked: boolean } = {
      next: undefined,
      previous: undefined,
      looked: false,
      due() {
        this.looked = true;
        return 0;
      },
    };
    const first: Timed = {
      next: undefined,
      previous: undefined,
      due: () => {
        time.wheel.remove(second);
        return 0;
      },
    };
    time.wheel.place(first, time.wheel.now + 2);
    time.wheel.place(second, time.wheel.now + 2);
    time.pass(1000);
    expect(second.looked).toBe(false);
    expect(time.wheel.members).toBe(0);
  });

  it('keeps the place that a member took while it was looked at', () => {
    const time = new Time();
    const lookedAt: number[] = [];
    const member: Timed = {
      next: undefined,
      previous: undefined,
      due: (now) => {
        lookedAt.push(now);
        if (lookedAt.length === 1) time.wheel.place(member, now + 3);
        return 0;
      },
    };
    const began = time.wheel.now;
    time.wheel.place(member, began + 2);
    time.pass(2000);
    expect(lookedAt).toEqual([began + 2, began + 5]);
    expect(time.wheel.members).toBe(0);
  });

  it('looks in time at what is due after several rounds', () => {
    const time = new Time();
    const client = new Heard(time, 3600);
    time.pass(5_399_000);
    expect(client.closedAtMs).toBeUndefined();
    time.pass(2000);
    expect(client.closedAtMs).toBeDefined();
  });
});
