// What stands around nearly every part of the broker: time, counters, and somebody who listens.

import { ManualClock } from '../contract/manual-clock.ts';
import { Drops } from '../drops.ts';
import { Counters, type Fact, type Observer } from '../observer.ts';
import { Persistence } from '../persist.ts';

/** An Observer that remembers what it was told. */
export class RecordingObserver implements Observer {
  readonly facts: Fact[] = [];

  observe(fact: Fact): void {
    this.facts.push(fact);
  }

  /** The facts of one kind. */
  of<Is extends Fact['is']>(is: Is): Extract<Fact, { is: Is }>[] {
    return this.facts.filter((fact): fact is Extract<Fact, { is: Is }> => fact.is === is);
  }
}

/** Time that stands still, counters at zero, and the rest made from them. */
export class Surroundings {
  readonly clock: ManualClock = new ManualClock();
  readonly counters: Counters = new Counters();
  readonly observer: RecordingObserver = new RecordingObserver();
  readonly drops: Drops = new Drops(this.counters, this.observer);
  readonly persistence: Persistence = new Persistence(this.clock, this.counters, this.observer);

  /** The drops counted, without those that are none. */
  get dropped(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.counters.dropped).filter(([, count]) => count > 0));
  }
}
