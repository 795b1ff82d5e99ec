// How Sessions end by time, and how what they leave behind is dismantled: over functions/ended.
//
// A generation that holds messages which other members of a shared group may have waits for them (shared.ts). Where nobody
// could say that at its end, it is looked at here.
//
// Each step asks Redis for what the next one has to name: which Sessions are past their expiry, what became of them,
// what they leave. Between the steps another node may do the same; every step looks again before it acts.

import type { EndedSession } from '@skein/broker';
import { bucketOf } from './bucket.ts';
import { listOf, numberOf, type Reply, textOf } from './calls.ts';
import { holderKeys, sessionOf, sessionsMax } from './shared.ts';
import type { Surroundings } from './surroundings.ts';

/** Buckets asked in one call. */
const bucketsMax = 256;

/** Ends Sessions, and forgets them. */
export class Endings {
  readonly #around: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** @see Sessions.ended */
  async ended(limit: number): Promise<readonly EndedSession[]> {
    const names: string[] = [];
    const buckets = this.#around.endings.due();
    for (let at = 0; at < buckets.length && names.length < limit; at += bucketsMax) {
      names.push(...(await this.#look(buckets.slice(at, at + bucketsMax), limit)));
    }
    return this.#read(names.slice(0, limit));
  }

  /** @see Sessions.forget */
  async forget(sessions: readonly EndedSession[]): Promise<void> {
    if (sessions.length === 0) return;
    const { calls, keys } = this.#around;
    const named = sessions.flatMap(({ clientId, generation }) => [
      keys.bucketOf(clientId).ended,
      ...keys.generation(clientId, generation),
    ]);
    await calls.call('ended_forget', named, sessions.map(nameOf));
  }

  /** Ends what is past its expiry in some buckets. @returns generations there to be dismantled, by name */
  async #look(buckets: readonly number[], limit: number): Promise<string[]> {
    const { calls, keys, endings, nowMs, willLooks, leftLooks } = this.#around;
    const named = buckets.flatMap((bucket) => {
      const { expiries, ended } = keys.buckets[bucket] as (typeof keys.buckets)[number];
      return [expiries, ended];
    });
    const looks = listOf(await calls.call('ended_look', named, [nowMs(), limit]));
    const names: string[] = [];
    const past: string[] = [];
    const unknown: string[] = [];
    for (const [i, look] of looks.entries()) {
      const [nextIn, pastThere, endedThere, unknownThere] = listOf(look);
      const clientIds = listOf(pastThere).map(textOf);
      const found = listOf(endedThere).map(textOf);
      past.push(...clientIds);
      names.push(...found);
      const unknownFound = listOf(unknownThere).map(textOf);
      unknown.push(...unknownFound);
      const next = textOf(nextIn);
      const isBusy = clientIds.length + found.length + unknownFound.length > 0;
      endings.looked(buckets[i] as number, isBusy ? 0 : next === '' ? Number.POSITIVE_INFINITY : Number(next));
    }
    const expired = past.slice(0, limit);
    if (expired.length > 0) {
      for (const clientId of expired) willLooks.expect(bucketOf(clientId), 0);
      for (const { name, isUnknown } of await this.#expire(expired)) (isUnknown ? unknown : names).push(name);
    }
    names.push(...(await this.#waitless(unknown)));
    for (const name of unknown) leftLooks.expect(bucketOf(name.slice(name.indexOf('\0') + 1)), 0);
    return names;
  }

  /** Those of some generations that hold nothing for others. */
  async #waitless(names: readonly string[]): Promise<string[]> {
    const { calls, keys, nowMs } = this.#around;
    const found: string[] = [];
    for (let at = 0; at < names.length; at += sessionsMax) {
      const some = names.slice(at, at + sessionsMax);
      const sessions = some.map(sessionOf);
      const reply = await calls.call(
        'shared_look',
        sessions.flatMap((session) => holderKeys(keys, session)),
        [nowMs(), ...sessions.flatMap(({ clientId, generation }) => [clientId, generation])],
      );
      found.push(...some.filter((_, i) => listOf(reply)[i] === 1));
    }
    return found;
  }

  async #expire(clientIds: readonly string[]): Promise<{ readonly name: string; readonly isUnknown: boolean }[]> {
    const { calls, keys, nowMs } = this.#around;
    const named = clientIds.flatMap((clientId) => {
      const { bucket, expiries, ended, willsDue, left } = keys.bucketOf(clientId);
      return [keys.session(clientId), bucket, expiries, ended, willsDue, left];
    });
    const replies = listOf(await calls.call('ended_expire', named, [nowMs(), ...clientIds]));
    return replies
      .filter((reply: Reply) => reply !== null)
      .map((reply) => ({ name: textOf(listOf(reply)[0]), isUnknown: listOf(reply)[1] === 1 }));
  }

  async #read(names: readonly string[]): Promise<EndedSession[]> {
    if (names.length === 0) return [];
    const { calls, keys } = this.#around;
    const sessions = names.map(sessionOf);
    const named = sessions.flatMap(({ clientId, generation }) => [
      keys.subscriptions(clientId, generation),
      keys.queue(clientId, generation),
    ]);
    const replies = listOf(await calls.call('ended_read', named));
    return sessions.map((session, i) => {
      const [undelivered, filters] = listOf(replies[i]);
      return { ...session, undelivered: numberOf(undelivered), topicFilters: listOf(filters).map(textOf) };
    });
  }
}

function nameOf({ clientId, generation }: EndedSession): string {
  return `${generation}\0${clientId}`;
}
