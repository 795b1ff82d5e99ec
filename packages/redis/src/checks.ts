// What is asked of a Redis before it is trusted with Sessions: at start, and again with every new connection.

import type { Redis } from 'ioredis';
import { listOf, type Reply, textOf } from './calls.ts';
import { type Keys, storeFormat } from './keys.ts';
import {
  calledName,
  libraryMark,
  libraryName,
  librarySource,
  libraryStem,
  libraryVersion,
  versionOf,
} from './library.ts';
import { RedisRefused } from './refused.ts';

/** The oldest version that has functions. */
const oldestMajor = 7;
/** Keys looked at for ones that are not ours, in a database that we have not used yet. */
const scanRounds = 100;
const scanCount = 10_000;

/**
 * What an acknowledgement survives: nothing but the end of this process, a killed server, or a loss of power too.
 * `unverified` where the server does not tell.
 */
export type RedisDurability = 'memory' | 'everysec' | 'always' | 'unverified';

/** What was found out about a Redis. */
export interface CheckedRedis {
  /** Of the server. */
  readonly version: string;
  readonly durability: RedisDurability;
  /** Names the data: another name later means that the data is gone. */
  readonly dataset: string;
}

/**
 * Looks a Redis over, and prepares it: loads the functions, marks the database as ours.
 *
 * @param place for messages
 * @param dataset a new name, taken if there is no data yet
 * @param purpose whether a node is to serve from it, or what another store held is to be imported
 * @throws RedisRefused if it cannot hold the store; ReplyError, Error if it does not answer
 */
export async function checkRedis(
  redis: Redis,
  keys: Keys,
  place: string,
  dataset: string,
  purpose: 'serve' | 'import' = 'serve',
): Promise<CheckedRedis> {
  // The client library goes on in another database where the one it was given does not exist.
  await redis.select(redis.options.db ?? 0);
  const info = infoOf(await redis.info());
  const version = info.get('redis_version') ?? '0';
  if (Number.parseInt(version, 10) < oldestMajor) {
    throw new RedisRefused(`Redis at ${place} has version ${version}; the store needs ${oldestMajor}.0 or later`);
  }
  if (info.get('loading') === '1') {
    throw new RedisRefused(`Redis at ${place} is still loading its data; start again in a while`);
  }
  if (info.get('cluster_enabled') === '1') {
    throw new RedisRefused(
      `Redis at ${place} runs in cluster mode, which the store cannot use yet; name a standalone server`,
    );
  }
  if (info.get('role') !== 'master') {
    throw new RedisRefused(
      `Redis at ${place} is a read-only replica of ${info.get('master_host')}:${info.get('master_port')}; name its master`,
    );
  }
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  if (policy !== 'noeviction') {
    throw new RedisRefused(
      `Redis at ${place} evicts keys when its memory is full (maxmemory-policy ${policy}), and Sessions with them; ` +
        'set maxmemory-policy noeviction',
    );
  }
  await checkLibrary(redis, place);
  const found = await markDatabase(redis, keys, place, dataset);
  if (purpose === 'serve') await refuseUnfinishedImport(redis, keys, place);
  return { version, durability: await durabilityOf(redis, info), dataset: found };
}

function infoOf(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

async function durabilityOf(redis: Redis, info: ReadonlyMap<string, string>): Promise<RedisDurability> {
  if (info.get('aof_enabled') === '0') return 'memory';
  try {
    const [, fsync] = (await redis.config('GET', 'appendfsync')) as string[];
    if (fsync === 'always' || fsync === 'everysec') return fsync;
    return fsync === 'no' ? 'memory' : 'unverified';
  } catch {
    // A managed server keeps its configuration to itself.
    return 'unverified';
  }
}

/** Loads the functions, unless they are there. A newer library means newer data, which this node cannot read. */
async function checkLibrary(redis: Redis, place: string): Promise<void> {
  const libraries = listOf(
    (await redis.callBuffer('FUNCTION', 'LIST', 'LIBRARYNAME', `${libraryStem}*`, 'WITHCODE')) as Reply,
  );
  const source = librarySource();
  const ours = libraryName(libraryVersion);
  for (const library of libraries) {
    const fields = listOf(library).map((field) => (Array.isArray(field) ? '' : textOf(field as Reply)));
    const name = fields[fields.indexOf('library_name') + 1] ?? '';
    const code = fields[fields.indexOf('library_code') + 1] ?? '';
    const version = versionOf(name);
    if (version === undefined) continue;
    if (!code.includes(libraryMark)) {
      throw new RedisRefused(
        `Redis at ${place} has a function library ${name} that is not ours; remove it (FUNCTION DELETE ${name}) or use another Redis`,
      );
    }
    if (version > libraryVersion) {
      throw new RedisRefused(
        `Redis at ${place} is used by newer nodes: it has the functions ${name}, and this node knows ${ours}; update this node`,
      );
    }
    if (name === ours && code === source) return;
  }
  try {
    await redis.call('FUNCTION', 'LOAD', 'REPLACE', source);
  } catch (error) {
    const { message } = error as Error;
    if (message.startsWith('NOPERM')) {
      throw new RedisRefused(
        `Redis at ${place} lacks the functions ${ours}, and its user may not load them; permit FUNCTION or let another user load them`,
        { cause: error },
      );
    }
    if (message.includes('already exists')) {
      throw new RedisRefused(
        `Redis at ${place} has a function called ${calledName('acquire')} or alike that is not ours: ${message}`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** Marks an unused database as this cluster's, and knows it again. @returns the name of its data */
async function markDatabase(redis: Redis, keys: Keys, place: string, dataset: string): Promise<string> {
  const foreign = (await isMarked(redis, keys, place)) ? undefined : await foreignKey(redis, keys);
  // Where there was no mark, another node may have set it meanwhile, and begun to use the database.
  if (foreign !== undefined && !(await isMarked(redis, keys, place))) {
    throw new RedisRefused(
      `Redis at ${place} has keys of another program under ${keys.prefix} (${foreign}); ` +
        'use another cluster name or another database',
    );
  }
  await redis.hsetnx(keys.meta, 'dataset', dataset);
  await redis.hsetnx(keys.meta, 'format', storeFormat);
  return (await redis.hget(keys.meta, 'dataset')) ?? dataset;
}

/**
 * Whether a database bears our mark, be it only half of it: another node may be at it.
 *
 * @throws RedisRefused if its data is in a format that we do not read
 */
async function isMarked(redis: Redis, keys: Keys, place: string): Promise<boolean> {
  if ((await redis.type(keys.meta)) !== 'hash') return false;
  const { format, dataset } = await redis.hgetall(keys.meta);
  if (format !== undefined && Number(format) !== storeFormat) {
    throw new RedisRefused(
      `the data of cluster ${clusterOf(keys)} in Redis at ${place} has format ${format}, and this node reads ${storeFormat}; ` +
        'update this node, or use another cluster name',
    );
  }
  return dataset !== undefined;
}

/** Nobody serves what is there in part: Clients would find their Sessions gone, and make new ones. */
async function refuseUnfinishedImport(redis: Redis, keys: Keys, place: string): Promise<void> {
  const [state, from, begunAt] = await redis.hmget(keys.imported, 'is', 'from', 'begunAt');
  if (state !== 'open') return;
  throw new RedisRefused(
    `what the cluster ${clusterOf(keys)} in Redis at ${place} is to hold is still being migrated there ` +
      `from ${from}, since ${begunAt}; let skein migrate finish, running it again if it was stopped, ` +
      'or take back what it has copied with skein migrate --discard',
  );
}

async function foreignKey(redis: Redis, keys: Keys): Promise<string | undefined> {
  let cursor = '0';
  for (let round = 0; round < scanRounds; round++) {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${keys.prefix}*`, 'COUNT', scanCount);
    const [foreign] = found;
    if (foreign !== undefined) return foreign;
    if (next === '0') return undefined;
    cursor = next;
  }
  return undefined;
}

function clusterOf(keys: Keys): string {
  return keys.prefix.slice(0, -1);
}
