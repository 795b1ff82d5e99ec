// How much of another store's state is in Redis: counted there, by what is found under the names of its Sessions and by
// what buckets and partitions say of themselves.

import { type Argument, type Calls, listOf, numberOf } from './calls.ts';
import type { Counts } from './import-source.ts';
import type { WrittenSession } from './import-writer.ts';
import type { Keys } from './keys.ts';

/** Sessions counted in one call: some microseconds each. */
const sessionsMax = 200;
/** Calls that are under way together. */
const callsMax = 50;

/** What buckets and partitions say of themselves. */
export type Totals = Pick<Counts, 'sessions' | 'wills' | 'retained'>;

/** Adds up what all buckets and partitions have. */
export async function totalsIn(calls: Calls, keys: Keys): Promise<Totals> {
  const named = keys.buckets.flatMap(({ bucket, willsDue, willsClaimed }) => [bucket, willsDue, willsClaimed]);
  const topics = keys.partitions.map((partition) => partition.topics);
  const reply = listOf(await calls.call('import_total', [...named, ...topics], [keys.buckets.length])).map(numberOf);
  const [sessions = 0, wills = 0, retained = 0] = reply;
  return { sessions, wills, retained };
}

/** Counts what there is of these Sessions, by generation, and all the rest. */
export async function countsIn(
  calls: Calls,
  keys: Keys,
  sessions: ReadonlyMap<string, WrittenSession>,
): Promise<Counts> {
  const sums = [0, 0, 0, 0, 0];
  let under: Promise<void>[] = [];
  let named: string[] = [];
  let args: Argument[] = [];
  const ask = async (keysOfSome: readonly string[], of: readonly Argument[]): Promise<void> => {
    for (const [i, count] of listOf(await calls.call('import_count', keysOfSome, of)).entries()) {
      sums[i] = (sums[i] as number) + numberOf(count);
    }
  };
  for (const [generation, { clientId, lost }] of sessions) {
    const [u, q, r, , i, , , y] = keys.generation(clientId, generation);
    named.push(keys.session(clientId), u as string, q as string, r as string, i as string, y as string);
    args.push(generation, lost);
    if (args.length < 2 * sessionsMax) continue;
    under.push(ask(named, args));
    named = [];
    args = [];
    if (under.length < callsMax) continue;
    await Promise.all(under);
    under = [];
  }
  if (args.length > 0) under.push(ask(named, args));
  await Promise.all(under);
  const [found = 0, subscriptions = 0, messages = 0, releases = 0, inbound = 0] = sums;
  const totals = await totalsIn(calls, keys);
  // What buckets say of themselves has to be true too.
  let living = 0;
  for (const { isOver } of sessions.values()) if (!isOver) living++;
  const counted = found === living ? totals.sessions : found;
  return { ...totals, sessions: counted, subscriptions, messages, releases, inbound };
}
