// Watching the connection: what calls may leave on, and when.
//
// A connection that breaks mends itself after a while. But behind the same address there may be another server then, or
// the same without its data or its functions; so calls wait until it has been looked over like the first one.

import type { Redis } from 'ioredis';
import type { Calls } from './calls.ts';
import type { CheckedRedis } from './checks.ts';

/** How long until a server that was found wanting is looked over again. */
const lookAgainMs = 1000;

/** What happens to a connection. */
export type ConnectionEvent =
  /** It broke, or was found wanting; calls fail until `found`. */
  | { readonly is: 'lost'; readonly reason: string }
  | { readonly is: 'found' }
  /** Redis came back without its data: every Session, queue and retained message is gone. */
  | { readonly is: 'emptied' };

/** What watching takes. */
export interface Watching {
  readonly redis: Redis;
  readonly calls: Calls;
  /** What the server was like when the store was opened. */
  readonly first: CheckedRedis;
  check(): Promise<CheckedRedis>;
  onEvent(event: ConnectionEvent): void;
}

/**
 * Lets calls through while the connection is good.
 *
 * @returns ends it
 */
export function watch({ redis, calls, first, check, onEvent }: Watching): () => void {
  let { dataset } = first;
  let isOver = false;
  let lastError: Error | undefined;
  let again: NodeJS.Timeout | undefined;

  redis.on('error', (error: Error) => {
    lastError = error;
  });
  redis.on('close', () => {
    const reason = lastError?.message ?? 'the connection was closed';
    lastError = undefined;
    if (calls.away !== undefined || isOver) return;
    calls.setAway(reason);
    onEvent({ is: 'lost', reason });
  });
  redis.on('ready', () => {
    clearTimeout(again); // the connection that it was to cut is gone
    check().then(
      (found) => {
        if (isOver) return;
        calls.setAway(undefined);
        if (found.dataset !== dataset) onEvent({ is: 'emptied' });
        dataset = found.dataset;
        onEvent({ is: 'found' });
      },
      (error: Error) => {
        if (isOver) return;
        calls.setAway(error.message);
        again = setTimeout(() => {
          if (redis.status === 'ready') redis.disconnect(true);
        }, lookAgainMs).unref();
      },
    );
  });
  return () => {
    isOver = true;
    clearTimeout(again);
  };
}
