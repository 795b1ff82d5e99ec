// The way of an import to Redis: one connection, and what its end means.

import { StoreUnavailable } from '@skein/broker';
import { Redis, ReplyError } from 'ioredis';
import { Calls, FunctionFailed } from './calls.ts';
import { isClusterName, Keys } from './keys.ts';
import { parseRedisUrl, placeOf, RedisRefused, refusalOf } from './refused.ts';

const connectTimeoutMs = 5000;
/** How long one call may take: a server that saves its data to a slow disk answers late. */
const callTimeoutMs = 60_000;

/** Where an import goes. */
export interface ImportPlace {
  readonly redis: Redis;
  readonly calls: Calls;
  readonly keys: Keys;
  /** For messages. */
  readonly place: string;
}

/**
 * Connects to a Redis, for an import.
 *
 * @throws RedisRefused if it cannot be reached, or the cluster cannot be called so
 */
export async function connectToImport({
  url: text,
  cluster,
}: {
  readonly url: string;
  readonly cluster: string;
}): Promise<ImportPlace> {
  const url = parseRedisUrl(text);
  if (!isClusterName(cluster)) {
    throw new RedisRefused(
      `the cluster name ${JSON.stringify(cluster)} may hold only letters, digits, . _ - and at most 64`,
    );
  }
  const place = placeOf(url);
  const redis = new Redis(url.href, {
    // A connection that breaks ends the run: what was under way may or may not be stored, and the next one finds out.
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: callTimeoutMs,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: 100,
    noDelay: true,
    protocol: 2,
    disableClientInfo: true,
    connectionName: `skein-${cluster}-import`,
    lazyConnect: true,
    enableReadyCheck: false,
  });
  let firstError: Error | undefined;
  redis.on('error', (error: Error) => {
    firstError ??= error;
  });
  try {
    await redis.connect();
    await redis.select(redis.options.db ?? 0);
  } catch (error) {
    redis.disconnect();
    throw refusalOf(firstError ?? (error as Error), place);
  }
  const calls = new Calls(redis);
  calls.setAway(undefined);
  redis.on('close', () => calls.setAway(firstError?.message ?? 'the connection was closed'));
  return { redis, calls, keys: new Keys(cluster), place };
}

/** Another run has come, and has the import now. */
export function takenOver(place: string, because?: ErrorOptions): RedisRefused {
  return new RedisRefused(
    `another run of skein migrate has taken over what is copied to Redis at ${place}, or takes it back; ` +
      'this run has stopped, and writes nothing more',
    because,
  );
}

/** What a failure means to whoever started us. */
export function explained(error: unknown, place: string): unknown {
  if (error instanceof FunctionFailed && error.message.includes('TAKEN ')) return takenOver(place, { cause: error });
  if (!(error instanceof StoreUnavailable || error instanceof ReplyError)) return error;
  const { message } = error as Error;
  const why = message.includes('OOM')
    ? `Redis at ${place} has no memory left for more (maxmemory); give it more`
    : `Redis at ${place} has stopped answering well (${message}); when it does again, go on`;
  return new RedisRefused(`${why} and run the same command again: it goes on where it was stopped`, { cause: error });
}
