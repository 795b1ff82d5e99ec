// Shared Subscriptions: the port over functions/shared.
//
// What members leave behind is indexed in each bucket, and buckets are looked at as for Wills (looks.ts): at once where
// this node knows of something, and in turn for what others left and did not live to look after.

import type { LeftSession, Shared, SharedChoice, TakenMessage } from '@skein/broker';
import { decodeEntry } from './blob.ts';
import { bucketOf } from './bucket.ts';
import { type Argument, bytesOf, listOf, numberOf, textOf } from './calls.ts';
import type { BucketKeys, Keys } from './keys.ts';
import type { Surroundings } from './surroundings.ts';

/** How long whoever takes messages has to give them to others, in milliseconds. */
export const takenMs = 4000;
/** Choices in one call. */
const choicesMax = 500;
/** Buckets asked in one call. */
const bucketsMax = 256;
/** Sessions looked at in one call: each of them may hold many messages, and one of a thousand costs the server 1 ms. */
export const sessionsMax = 8;
/** Seqs of messages that are done, in one call: what Lua may have on its stack at once. */
const doneMax = 1000;

type Holder = Pick<LeftSession, 'clientId' | 'generation'>;

/** Shared Subscriptions in Redis. */
export class RedisShared implements Shared {
  readonly #around: Surroundings;
  /** The bucket at which the next look begins: where many Sessions wait, all buckets have their turn. */
  #begin = 0;

  constructor(surroundings: Surroundings) {
    this.#around = surroundings;
  }

  /** @inheritdoc */
  async choose(choices: readonly SharedChoice[]): Promise<readonly string[]> {
    const chosen: string[] = [];
    for (let at = 0; at < choices.length; at += choicesMax) {
      chosen.push(...(await this.#choose(choices.slice(at, at + choicesMax))));
    }
    return chosen;
  }

  async #choose(choices: readonly SharedChoice[]): Promise<string[]> {
    const { calls, keys, nowMs } = this.#around;
    const numbers = new Map<BucketKeys, number>();
    const args: Argument[] = [nowMs()];
    for (const { uid, sharedFilter, member, instead } of choices) {
      const bucket = keys.bucketOf(uid);
      if (!numbers.has(bucket)) numbers.set(bucket, numbers.size + 1);
      args.push(numbers.get(bucket) as number, `${uid}\0${sharedFilter}`, member, instead ?? '');
    }
    const named = Array.from(numbers.keys(), (bucket) => [bucket.choices, bucket.choiceTimes]).flat();
    return listOf(await calls.call('shared_choose', named, args)).map(textOf);
  }

  /** @inheritdoc */
  async left(limit: number): Promise<readonly LeftSession[]> {
    const worthALook = this.#around.leftLooks.due();
    const behind = worthALook.filter((bucket) => bucket >= this.#begin);
    const buckets = [...behind, ...worthALook.slice(0, worthALook.length - behind.length)];
    const found: LeftSession[] = [];
    for (let at = 0; at < buckets.length && found.length < limit; at += bucketsMax) {
      const due = await this.#due(buckets.slice(at, at + bucketsMax), limit);
      for (let of = 0; of < due.length && found.length < limit; of += sessionsMax) {
        found.push(...(await this.#look(due.slice(of, of + sessionsMax))));
      }
    }
    const named = found.slice(0, limit);
    const last = named.at(-1);
    if (named.length === limit && last !== undefined) this.#begin = bucketOf(last.clientId) + 1;
    return named;
  }

  /** Generations of some buckets that are to be looked at. */
  async #due(buckets: readonly number[], limit: number): Promise<Holder[]> {
    const { calls, keys, leftLooks, nowMs } = this.#around;
    const named = buckets.map((bucket) => (keys.buckets[bucket] as BucketKeys).left);
    const found: Holder[] = [];
    for (const [i, reply] of listOf(await calls.call('shared_due', named, [nowMs(), limit])).entries()) {
      const [nextIn, due] = listOf(reply);
      const next = textOf(nextIn);
      const names = listOf(due).map(textOf);
      found.push(...names.map(sessionOf));
      leftLooks.looked(
        buckets[i] as number,
        names.length > 0 ? 0 : next === '' ? Number.POSITIVE_INFINITY : Number(next),
      );
    }
    return found;
  }

  async #look(holders: readonly Holder[]): Promise<LeftSession[]> {
    const { calls, keys, nowMs } = this.#around;
    const named = holders.flatMap((holder) => holderKeys(keys, holder));
    const args = holders.flatMap(({ clientId, generation }) => [clientId, generation]);
    const found: LeftSession[] = [];
    for (const [i, reply] of listOf(await calls.call('shared_look', named, [nowMs(), ...args])).entries()) {
      const holder = holders[i] as Holder;
      if (reply === 1) this.#dismantle(holder);
      const [isOver, ...filters] = listOf(reply);
      if (filters.length > 0) {
        found.push({ ...holder, isOver: isOver === 1, sharedFilters: filters.map(textOf).sort() });
      }
    }
    return found;
  }

  /** @inheritdoc */
  async take(session: LeftSession, sharedFilters: readonly string[], limit: number): Promise<readonly TakenMessage[]> {
    const { calls, keys, leftLooks, nowMs } = this.#around;
    const { clientId, generation } = session;
    const { left, ended } = keys.bucketOf(clientId);
    const named = [
      keys.session(clientId),
      keys.queue(clientId, generation),
      keys.releases(clientId, generation),
      keys.times(clientId, generation),
      keys.held(clientId, generation),
      keys.taken(clientId, generation),
      left,
      ended,
    ];
    const reply = await calls.call('shared_take', named, [nowMs(), clientId, generation, limit, ...sharedFilters]);
    // What is left in the queue can be had at once.
    leftLooks.expect(bucketOf(clientId), 0);
    const flat = listOf(reply);
    return Array.from({ length: flat.length / 2 }, (_, i) => {
      const { seq, message, sharedFilter = '' } = decodeEntry(numberOf(flat[i * 2]), bytesOf(flat[i * 2 + 1]));
      return { clientId, generation, sharedFilter, uid: `again-${generation}-${seq}`, message };
    });
  }

  /** @inheritdoc */
  async done(taken: readonly TakenMessage[]): Promise<void> {
    const { calls, keys, leftLooks, nowMs } = this.#around;
    for (let at = 0; at < taken.length; at += doneMax) {
      const seqs = new Map<string, string[]>();
      for (const { clientId, generation, uid } of taken.slice(at, at + doneMax)) {
        const name = `${generation}\0${clientId}`;
        const known = seqs.get(name);
        const seq = uid.slice(uid.lastIndexOf('-') + 1);
        if (known === undefined) seqs.set(name, [seq]);
        else known.push(seq);
      }
      const holders = Array.from(seqs.keys(), sessionOf);
      const named = holders.flatMap((holder) => holderKeys(keys, holder));
      const args = Array.from(seqs, ([name, each]): Argument[] => {
        const { clientId, generation } = sessionOf(name);
        return [clientId, generation, each.length, ...each];
      });
      const reply = listOf(await calls.call('shared_done', named, [nowMs(), ...args.flat()]));
      for (const [i, holder] of holders.entries()) {
        leftLooks.expect(bucketOf(holder.clientId), 0);
        if (reply[i] === 1) this.#dismantle(holder);
      }
    }
  }

  /** @inheritdoc */
  async pass(session: LeftSession): Promise<void> {
    const { calls, keys, leftLooks, nowMs } = this.#around;
    const { clientId, generation, isOver } = session;
    const args = [nowMs(), clientId, generation, isOver ? 1 : 0];
    const reply = await calls.call('shared_pass', holderKeys(keys, session), args);
    if (reply === 1) this.#dismantle(session);
    else leftLooks.expect(bucketOf(clientId), takenMs);
  }

  #dismantle({ clientId }: Holder): void {
    this.#around.endings.expect(bucketOf(clientId), 0);
  }
}

/** The keys by which functions tell what a generation holds for others: s q h y hd e. */
export function holderKeys(keys: Keys, { clientId, generation }: Holder): string[] {
  const { left, ended } = keys.bucketOf(clientId);
  return [
    keys.session(clientId),
    keys.queue(clientId, generation),
    keys.held(clientId, generation),
    keys.taken(clientId, generation),
    left,
    ended,
  ];
}

/** A generation as a bucket's indexes name it. */
export function sessionOf(name: string): Holder {
  const [generation = '', clientId = ''] = name.split('\0');
  return { clientId, generation };
}
