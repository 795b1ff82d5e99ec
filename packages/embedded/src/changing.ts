// Which calls leave anything behind that has to last. What does not is not recorded: it neither costs nor waits.

import type { Acquire, Enqueue, EnqueueOutcome, Limits, memory } from '@skein/broker';

/**
 * Whether an acquire makes a Session of which nothing will be left: one that ends with its Network Connection, has no
 * Will, and takes the place of nothing but another such one.
 */
export function leavesNoTrace(state: memory.MemoryState, request: Acquire): boolean {
  const { clientId, sessionExpirySeconds, will } = request;
  if (sessionExpirySeconds > 0 || will !== undefined || state.pendingWills.has(clientId)) return false;
  const before = state.sessions.get(clientId);
  return before === undefined || (!before.stored && before.will === undefined);
}

/** Those of a batch that have changed something: mostly all, and then it is the batch itself. */
export function changing(
  batch: readonly Enqueue[],
  outcomes: readonly (readonly EnqueueOutcome[] | undefined)[],
  limits: Pick<Limits, 'queueFull'>,
): readonly Enqueue[] {
  let kept: Enqueue[] | undefined;
  for (let i = 0; i < batch.length; i++) {
    const item = batch[i] as Enqueue;
    if (hasChanged(item, outcomes[i], limits)) kept?.push(item);
    else kept ??= batch.slice(0, i);
  }
  return kept ?? batch;
}

function hasChanged(
  item: Enqueue,
  outcomes: readonly EnqueueOutcome[] | undefined,
  limits: Pick<Limits, 'queueFull'>,
): boolean {
  if (outcomes === undefined) return false;
  for (const outcome of outcomes) if (changes(item, outcome, limits)) return true;
  return false;
}

function changes({ uid }: Enqueue, outcome: EnqueueOutcome, { queueFull }: Pick<Limits, 'queueFull'>): boolean {
  switch (outcome.is) {
    case 'queued':
      return true;
    case 'full':
      // Older ones may have been removed in vain.
      return uid !== undefined || outcome.expired > 0 || queueFull === 'drop-old';
    case 'qos0':
    case 'offline':
    case 'no_subscription':
      return uid !== undefined; // it is remembered
    case 'duplicate':
    case 'skipped':
    case 'no_session':
    case 'refused':
      return false;
  }
}
