// Will Messages that are due: the port over functions/wills.

import type { DueWill, Wills } from '@skein/broker';
import { bytesOf, listOf, textOf } from './calls.ts';
import { dueWillOf, pairsOf } from './sessions.ts';
import type { Surroundings } from './surroundings.ts';

/** Wills in Redis. */
export class RedisWills implements Wills {
  readonly #around: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** Takes wills that are due. Whoever does not say that they are done leaves them to another claim, 4 s later. */
  async claim(limit: number): Promise<readonly DueWill[]> {
    const { calls, keys, nowMs, willLooks } = this.#around;
    const buckets = willLooks.due();
    if (buckets.length === 0) return [];
    const named = buckets.flatMap((bucket) => {
      const { willsDue, willsClaimed, wills } = keys.buckets[bucket] as (typeof keys.buckets)[number];
      return [willsDue, willsClaimed, wills];
    });
    const [claimed, nextIn] = listOf(await calls.call('wills_claim', named, [nowMs(), limit]));
    for (const [i, next] of listOf(nextIn).entries()) {
      const text = textOf(next);
      willLooks.looked(buckets[i] as number, text === '' ? Number.POSITIVE_INFINITY : Number(text));
    }
    return pairsOf(claimed).map(([id, will]) => dueWillOf(textOf(id), bytesOf(will)));
  }

  /** @inheritdoc */
  async done(wills: readonly DueWill[]): Promise<void> {
    if (wills.length === 0) return;
    const { calls, keys } = this.#around;
    const named = wills.flatMap(({ clientId }) => {
      const { willsDue, willsClaimed, wills: held } = keys.bucketOf(clientId);
      return [willsDue, willsClaimed, held];
    });
    await calls.call(
      'wills_done',
      named,
      wills.flatMap((will) => [will.clientId, idOf(will)]),
    );
  }
}

function idOf({ clientId, generation, epoch }: DueWill): string {
  return `${epoch}\0${generation}\0${clientId}`;
}
