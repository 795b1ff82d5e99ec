// What every port of the store needs: the way to Redis, the keys, the time.

import type { Limits, Random } from '@skein/broker';
import type { Calls } from './calls.ts';
import type { Keys } from './keys.ts';
import type { Looks } from './looks.ts';

/** The limits that the store keeps to. */
export type StoreLimits = Pick<
  Limits,
  'queueMaxMessages' | 'queueMaxBytes' | 'queueFull' | 'retainedMaxMessages' | 'storeDeadlineMs'
>;

/** What a port of the store is made of. */
export interface Surroundings {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly limits: StoreLimits;
  readonly random: Random;
  /** The time that functions are given, as they take it (functions/time.lua). */
  readonly nowMs: () => number;
  /** When buckets are worth a look for Sessions that end. */
  readonly endings: Looks;
  /** The same for Wills. */
  readonly willLooks: Looks;
  /** The same for messages that members of shared groups leave behind. */
  readonly leftLooks: Looks;
}
