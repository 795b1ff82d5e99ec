// The one door of this package: the store in Redis.

export type { RedisDurability } from './checks.ts';
export type { RedisStore, RedisStoreEvent, RedisStoreOptions } from './connect.ts';
export { openRedisStore } from './connect.ts';
export { RedisRefused } from './refused.ts';
export type { StoreLimits } from './surroundings.ts';
