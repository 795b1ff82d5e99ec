// Opening a store in tests, with what hardly ever matters filled in.

import { defaultLimits, type Limits } from '@skein/broker';
import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { openRedisStore, type RedisStore, type RedisStoreEvent } from '../src/connect.ts';

/** A store and what happened to it. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: RedisStore;
  readonly clock: ManualClock;
  readonly events: readonly RedisStoreEvent[];
  /** Resolves when an event of a kind has come, counted from the first event on. */
  happened(kind: RedisStoreEvent['is']): Promise<RedisStoreEvent>;
}

/** What else may matter. */
export interface OpenOptions {
  readonly clock?: ManualClock;
  /** Whose clock says what time it is: that clock (default), or the server's, as in production. */
  readonly time?: 'server' | 'clock';
}

/** Opens a store that lives by a clock of its own. */
export async function openStore(
  url: string,
  cluster: string,
  limits: Partial<Limits> = {},
  { clock = new ManualClock(), time = 'clock' }: OpenOptions = {},
): Promise<OpenedStore> {
  const events: RedisStoreEvent[] = [];
  let waiting: (() => void)[] = [];
  const store = await openRedisStore({
    url,
    cluster,
    limits: { ...defaultLimits, ...limits },
    clock,
    random: new SeededRandom(process.pid),
    onEvent: (event) => {
      events.push(event);
      const told = waiting;
      waiting = [];
      for (const resolve of told) resolve();
    },
    time,
  });
  return {
    store,
    clock,
    events,
    happened: async (kind) => {
      for (;;) {
        const event = events.find(({ is }) => is === kind);
        if (event !== undefined) return event;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}
