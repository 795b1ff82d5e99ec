// Opening the store: one Redis, looked over, behind the broker's ports.
//
// Two connections: one for calls, in order; one that waits for changes of routes. When the first breaks, what was under
// way fails, since it may have been done; calls fail at once until a new connection has been looked over like the first.

import type { Clock, Random, Store } from '@skein/broker';
import { Redis, type RedisOptions } from 'ioredis';
import { Calls } from './calls.ts';
import { type CheckedRedis, checkRedis, type RedisDurability } from './checks.ts';
import { RedisInbound } from './inbound.ts';
import { isClusterName, Keys } from './keys.ts';
import { LeaseTime } from './lease-time.ts';
import { Looks } from './looks.ts';
import { type MembersSurroundings, RedisMembers } from './members.ts';
import { RedisQueues } from './queues.ts';
import { parseRedisUrl, placeOf, RedisRefused, refusalOf } from './refused.ts';
import { RedisRetained } from './retained.ts';
import { logWaitMs } from './route-replica.ts';
import { RedisRoutes } from './routes.ts';
import { RedisSessions } from './sessions.ts';
import { RedisShared } from './shared.ts';
import type { StoreLimits, Surroundings } from './surroundings.ts';
import { type ConnectionEvent, watch } from './watch.ts';
import { RedisWills } from './wills.ts';

/** What happens to a store, beside the answers of its ports. */
export type RedisStoreEvent =
  | ConnectionEvent
  /** The copy of the routes had to be read again. */
  | { readonly is: 'routes_resynced'; readonly reason: string };

/** What opening a store takes. */
export interface RedisStoreOptions {
  /** `redis://user:password@host:port/database`, or `rediss://` with TLS. */
  readonly url: string;
  /** Keeps the clusters of one database apart: letters, digits, `.`, `_` and `-`, at most 64. */
  readonly cluster: string;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: RedisStoreEvent) => void;
  /** Whose clock says when something expires: the server's, one for all nodes (default), or `clock`, in tests. */
  readonly time?: 'server' | 'clock';
}

/** The store in Redis. */
export interface RedisStore extends Store, AsyncDisposable {
  /** What an acknowledgement survives, as the server is configured. */
  readonly durability: RedisDurability;
  /** Version of the server. */
  readonly serverVersion: string;
  /** Ends its connections. Calls under way fail. */
  close(): Promise<void>;
}

const reconnectFirstMs = 50;
const reconnectLastMs = 2000;
const connectTimeoutMs = 5000;

/**
 * Opens the store.
 *
 * @throws RedisRefused if the Redis cannot be reached or cannot hold the store
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { cluster, limits, clock, random, onEvent } = options;
  const url = parseRedisUrl(options.url);
  if (!isClusterName(cluster)) {
    throw new RedisRefused(
      `the cluster name ${JSON.stringify(cluster)} may hold only letters, digits, . _ - and at most 64`,
    );
  }
  const place = placeOf(url);
  const keys = new Keys(cluster);
  const newDataset = (): string => Buffer.from(random.bytes(12)).toString('hex');

  let isOpen = false;
  const settings: Omit<RedisOptions, 'replyMapping'> = {
    // Nothing runs twice and nothing hangs: a broken connection fails what was under way, nothing waits for a new one.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    commandTimeout: limits.storeDeadlineMs,
    socketTimeout: limits.storeDeadlineMs,
    connectTimeout: connectTimeoutMs,
    // A server that hangs does not answer our end of the connection either.
    disconnectTimeout: 100,
    keepAlive: 5000,
    noDelay: true,
    protocol: 2,
    disableClientInfo: true,
    connectionName: `skein-${cluster}`,
    lazyConnect: true,
    // Whether it is ready is for our own check to say.
    enableReadyCheck: false,
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    retryStrategy: (times: number) =>
      isOpen ? Math.min(reconnectFirstMs * 2 ** Math.min(times - 1, 10), reconnectLastMs) : null,
  };
  const redis = new Redis(url.href, settings);
  const calls = new Calls(redis);

  // A failed connection says why by an event alone.
  let firstError: Error | undefined;
  redis.on('error', (error: Error) => {
    firstError ??= error;
  });
  let checked: CheckedRedis;
  try {
    await redis.connect();
    checked = await checkRedis(redis, keys, place, newDataset());
  } catch (error) {
    redis.disconnect();
    throw error instanceof RedisRefused ? error : refusalOf(firstError ?? (error as Error), place);
  }
  isOpen = true;
  calls.setAway(undefined);

  const tailDeadlineMs = limits.storeDeadlineMs + logWaitMs;
  const tail = redis.duplicate({
    connectionName: `skein-${cluster}-routes`,
    commandTimeout: tailDeadlineMs,
    socketTimeout: tailDeadlineMs,
  });
  tail.on('error', () => {
    // The replica hears of it by the command that fails.
  });
  await tail.connect().catch((error: Error) => {
    redis.disconnect();
    throw refusalOf(error, place);
  });

  const unwatch = watch({
    redis,
    calls,
    first: checked,
    check: () => checkRedis(redis, keys, place, newDataset()),
    onEvent,
  });
  const leaseTime = new LeaseTime();
  const surroundings: Surroundings = {
    calls,
    keys,
    limits,
    random,
    nowMs: options.time === 'clock' ? () => clock.nowMs() : () => leaseTime.now(),
    endings: new Looks(() => clock.monotonicMs()),
    willLooks: new Looks(() => clock.monotonicMs()),
    leftLooks: new Looks(() => clock.monotonicMs()),
  };
  const routes = new RedisRoutes(surroundings, tail, (reason) => onEvent({ is: 'routes_resynced', reason }));
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    isOpen = false;
    unwatch();
    calls.setAway('the store is closed');
    redis.disconnect();
    await routes.close();
  };
  return {
    ...portsOf(surroundings, routes, { leaseTime, wallMs: () => clock.nowMs() }),
    durability: checked.durability,
    serverVersion: checked.version,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The ports as plain objects: a method may be taken out of its port, or wrapped in another. */
function portsOf(surroundings: Surroundings, routes: RedisRoutes, membersOwn: MembersSurroundings): Store {
  const sessions = new RedisSessions(surroundings);
  const queues = new RedisQueues(surroundings);
  const inbound = new RedisInbound(surroundings);
  const retained = new RedisRetained(surroundings);
  const wills = new RedisWills(surroundings);
  const members = new RedisMembers(surroundings, membersOwn);
  const shared = new RedisShared(surroundings);
  return {
    sessions: {
      acquire: (request) => sessions.acquire(request),
      abandon: (clientId, nonce) => sessions.abandon(clientId, nonce),
      release: (request) => sessions.release(request),
      subscribe: (claim, subscriptions) => sessions.subscribe(claim, subscriptions),
      unsubscribe: (claim, topicFilters) => sessions.unsubscribe(claim, topicFilters),
      ended: (limit) => sessions.ended(limit),
      forget: (ended) => sessions.forget(ended),
      count: () => sessions.count(),
    },
    queues: {
      enqueue: (batch) => queues.enqueue(batch),
      read: (claim, fromSeq, limit) => queues.read(claim, fromSeq, limit),
      ack: (acks) => queues.ack(acks),
      rec: (recs) => queues.rec(recs),
      ends: (claims) => queues.ends(claims),
      append: (page) => queues.append(page),
    },
    inbound: {
      ingress: (received) => inbound.ingress(received),
      done: (published) => inbound.done(published),
      release: (released) => inbound.release(released),
    },
    retained: {
      set: (messages) => retained.set(messages),
      page: (topicFilter, from) => retained.page(topicFilter, from),
      count: () => retained.count(),
    },
    routes: {
      put: (put) => routes.put(put),
      removeIf: (removed) => routes.removeIf(removed),
      awayIf: (away) => routes.awayIf(away),
      version: () => routes.version(),
      follow: (changed) => routes.follow(changed),
    },
    wills: {
      claim: (limit) => wills.claim(limit),
      done: (published) => wills.done(published),
    },
    members: {
      join: (self) => members.join(self),
      renew: (node) => members.renew(node),
      bury: (node, renewals) => members.bury(node, renewals),
      reap: (node, cursor) => members.reap(node, cursor),
      forget: (node) => members.forget(node),
      miss: (node) => members.miss(node),
    },
    shared: {
      choose: (choices) => shared.choose(choices),
      left: (limit) => shared.left(limit),
      take: (session, sharedFilters, limit) => shared.take(session, sharedFilters, limit),
      done: (taken) => shared.done(taken),
      pass: (session) => shared.pass(session),
    },
  };
}
