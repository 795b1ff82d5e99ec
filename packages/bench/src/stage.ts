// What all Clients of a thread have in common.

import type { Counts } from './counts.ts';
import type { Payloads } from './payload.ts';
import type { Plan } from './plan.ts';
import type { Checked } from './scenario.ts';
import type { Topics } from './topics.ts';
import type { Turn } from './turn.ts';

/** What can be wrong with a delivery; see {@link Checked}. */
export type Faults = Pick<
  Checked,
  'duplicates' | 'redelivered' | 'outOfOrder' | 'misrouted' | 'corrupt' | 'wrongQos' | 'foreign'
>;

/** No faults. */
export function noFaults(): Faults {
  return { duplicates: 0, redelivered: 0, outOfOrder: 0, misrouted: 0, corrupt: 0, wrongQos: 0, foreign: 0 };
}

/** What is recorded: what was due (acknowledged: sent) in this time. Milliseconds. */
export interface Recording {
  fromMs: number;
  toMs: number;
}

/** What all Clients of a thread have in common. */
export interface Stage {
  readonly plan: Plan;
  readonly worker: number;
  readonly payloads: Payloads;
  readonly topics: Topics;
  readonly turn: Turn;
  readonly counts: Counts;
  /** When the run began; milliseconds. Messages say when they were due from here on. */
  readonly epochMs: number;
  readonly recording: Recording;
  /** A delivery was not as it should be. */
  fault(what: keyof Faults): void;
  /** A message of this line, whose publisher may be another thread's, has arrived. */
  arrived(line: number): void;
  /** A message has been acknowledged or refused. */
  completed(): void;
  /** A connection ended that should not have. */
  lost(who: string, url: string | undefined, why: string): void;
}
