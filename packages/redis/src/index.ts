// The one door of this package: the store in Redis.

export type { RedisDurability } from './checks.ts';
export type { RedisStore, RedisStoreEvent, RedisStoreOptions } from './connect.ts';
export { openRedisStore } from './connect.ts';
export type { ImportBeginning, ImportVerdict, RedisImport, RedisImportOptions } from './import.ts';
export { discardRedisImport, openRedisImport } from './import.ts';
export type { Counts, ImportSource } from './import-source.ts';
export { sourceOfState } from './import-memory.ts';
export { countsOf, noCounts, sumOf } from './import-source.ts';
export { RedisRefused } from './refused.ts';
export type { StoreLimits } from './surroundings.ts';
