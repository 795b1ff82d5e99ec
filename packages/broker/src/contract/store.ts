// The contract of the store: what every adapter of the ports must do, the memory store first.
//
// A suite speaks to the ports alone, by a clock that stands still. It asks for nothing that a store far away could not
// promise; what only this or that store promises (how long it takes, how durable it is) is tested beside that store.

import { describeDeliveries } from './deliveries.ts';
import { describeExpiry } from './expiry.ts';
import { describeFeeds } from './feeds.ts';
import { describeInbound2 } from './inbound2.ts';
import { describeMemberRoutes } from './member-routes.ts';
import { describeMembers } from './members.ts';
import { describeQueueLimits } from './queue-limits.ts';
import { describeEnqueue } from './queues.ts';
import { describeReap } from './reap.ts';
import { describeRetained } from './retained.ts';
import { describeRetainedPages } from './retained-pages.ts';
import { describeRoutes } from './routes.ts';
import { describeSessions } from './sessions.ts';
import { describeShared } from './shared.ts';
import { describeSharedOver } from './shared-over.ts';
import { type MakeStore, type OpenTrial, StoreTrial, type TestWords } from './trial.ts';
import { describeWills } from './wills.ts';

/**
 * Describes what a store must do.
 *
 * @param words of the test runner: `{ describe, it, expect }` of vitest will do
 * @param name of the store, as the report will show it
 * @param make an empty store, made anew for each test
 */
export function describeStore(words: TestWords, name: string, make: MakeStore): void {
  const open: OpenTrial = (limits) => StoreTrial.open(make, limits);
  words.describe(name, () => {
    describeSessions(words, open);
    describeExpiry(words, open);
    describeWills(words, open);
    describeEnqueue(words, open);
    describeQueueLimits(words, open);
    describeDeliveries(words, open);
    describeInbound2(words, open);
    describeRetained(words, open);
    describeRetainedPages(words, open);
    describeFeeds(words, open);
    describeRoutes(words, open);
    describeMemberRoutes(words, open);
    describeShared(words, open);
    describeSharedOver(words, open);
    describeMembers(words, open);
    describeReap(words, open);
  });
}
