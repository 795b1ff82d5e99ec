// What a store decides about Wills, noted for the History at the moment it is decided.
//
// Where there are several nodes only the store can tell whether a DISCONNECT came in time to delete a Will: another
// node may have acquired the Session just before, and has the Will to publish by then.

import { textOf } from '../contract/samples.ts';
import type { DueWill, Store } from '../ports.ts';
import type { History, Published } from './history.ts';

/** Now, as the History counts and as the clock shows it. */
export interface Now {
  readonly step: number;
  readonly ms: number;
}

/** @returns a store that does the same and notes what it means */
export function watchWills(store: Store, history: History, now: () => Now): Store {
  const byEpoch = new Map<number, Published>();
  const publishedOf = ({ will }: Pick<DueWill, 'will'>): Published | undefined => history.published.get(textOf(will));
  /** What is published again later, under the same name, is owed to those who had subscribed the first time. */
  const claimed = (wills: readonly DueWill[]): void => {
    for (const will of wills) {
      const message = publishedOf(will);
      if (message?.times === undefined || message.times.claimedMs !== undefined) continue;
      const { step, ms } = now();
      message.times.claimedMs = ms;
      message.receivedAt = step;
    }
  };
  const { sessions, wills } = store;
  return {
    ...store,
    sessions: {
      ...sessions,
      acquire: async (request) => {
        const message = request.will && publishedOf({ will: request.will });
        // A Client's Wills come in the order of its connections, which is the order in which they had the Session.
        if (message !== undefined) message.number = now().step;
        const acquired = await sessions.acquire(request);
        if (message !== undefined) byEpoch.set(acquired.claim.epoch, message);
        claimed(acquired.wills);
        return acquired;
      },
      release: async (request) => {
        const answer = await sessions.release(request);
        const message = byEpoch.get(request.claim.epoch);
        if (message !== undefined && answer !== 'fenced' && request.will === 'drop') message.isForbidden = true;
        return answer;
      },
    },
    wills: {
      ...wills,
      claim: async (limit) => {
        const due = await wills.claim(limit);
        claimed(due);
        return due;
      },
    },
  };
}
