// Members of a shared group as the suites need them: with messages, away, over.

import type { Acquire, Acquired, Claim, LeftSession, TakenMessage } from '../ports.ts';
import { messageOn, subscriptionTo, textOf } from './samples.ts';
import { type StoreTrial, targetOf } from './trial.ts';

/** The filter that members share unless another is named. */
export const jobs = '$share/workers/jobs';
/** How long a Client may be away before others get what it has not begun. */
export const awayMs = 5000;
/** How long whoever takes messages has to give them to others. */
export const takenMs = 4000;

/** A Session that shares filters, lives for an hour, and is owned. */
export async function member(
  trial: StoreTrial,
  clientId: string,
  sharedFilters: readonly string[] = [jobs],
  fields: Partial<Acquire> = {},
): Promise<Acquired> {
  return trial.subscribed(
    clientId,
    sharedFilters.map((filter) => subscriptionTo(filter)),
    fields,
  );
}

/** Stores messages for a member of a group. */
export async function give(
  trial: StoreTrial,
  claim: Claim,
  messages: readonly string[],
  qos: 1 | 2 = 1,
  sharedFilter: string = jobs,
): Promise<void> {
  const targets = [targetOf(claim, [sharedFilter])];
  const outcomes = await trial.store.queues.enqueue(
    messages.map((text) => ({ message: messageOn('jobs', text, { qos }), targets, isRefusable: true, uid: undefined })),
  );
  const outcomesOfOne = outcomes.map((each) => each?.[0]?.is);
  if (outcomesOfOne.some((is) => is !== 'queued')) throw new Error(`messages were not queued but ${outcomesOfOne}`);
}

/** What is said of a member whose Client is away. */
export function leftOf({ clientId, generation }: Claim, sharedFilters: readonly string[] = [jobs]): LeftSession {
  return { clientId, generation, isOver: false, sharedFilters };
}

/** A member `one` that holds messages and whose Client has been away for 5 seconds. */
export async function leftSession(trial: StoreTrial, messages: readonly string[]): Promise<LeftSession> {
  const one = await member(trial, 'one');
  await give(trial, one.claim, messages);
  await trial.release(one);
  await trial.clock.advance(awayMs);
  return leftOf(one.claim);
}

/** A member `one` that held messages it had not begun, and is over. */
export async function overSession(trial: StoreTrial, messages: readonly string[]): Promise<LeftSession> {
  const one = await member(trial, 'one');
  await give(trial, one.claim, messages, 2);
  await trial.release(one, { sessionExpirySeconds: 0 });
  return { ...leftOf(one.claim), isOver: true };
}

/** The texts of what is taken from a member now. */
export async function texts(trial: StoreTrial, left: LeftSession): Promise<string[]> {
  const taken: readonly TakenMessage[] = await trial.store.shared.take(left, left.sharedFilters, 100);
  return taken.map(({ message }) => textOf(message));
}
