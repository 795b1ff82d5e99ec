// A state in memory as what an import reads from.

import { memory } from '@skein/broker';
import type { Counts, ImportSource, StateItem } from './import-source.ts';

type Named = Pick<ImportSource, 'id' | 'state' | 'place' | 'nowMs'>;

/** What a state holds, as long as nobody changes it; all its Sessions have been let go. */
export function sourceOfState(state: memory.MemoryState, named: Named): ImportSource {
  return { ...named, items: () => itemsOf(state), counts: () => countsOf(state) };
}

function* itemsOf(state: memory.MemoryState): Generator<StateItem> {
  let told: StateItem[] = [];
  const snapshot = new memory.Snapshot(state, (item) => told.push(item));
  try {
    for (let isMore = true; isMore; ) {
      isMore = snapshot.step();
      const some = told;
      told = [];
      yield* some;
    }
  } finally {
    snapshot.end();
  }
}

function countsOf(state: memory.MemoryState): Counts {
  let subscriptions = 0;
  let messages = 0;
  let releases = 0;
  let inbound = 0;
  for (const records of [state.sessions, state.over]) {
    for (const record of records.values()) {
      subscriptions += record.subscriptions.size;
      messages += record.queue.size + record.taken.size;
      releases += record.releases.size;
      inbound += record.inbound.size;
    }
  }
  let wills = 0;
  for (const { pending } of state.pendingWills.values()) wills += pending.length;
  return {
    sessions: state.sessions.size,
    subscriptions,
    messages,
    releases,
    inbound,
    retained: state.retained.count,
    wills,
  };
}
