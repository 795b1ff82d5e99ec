// Opening the store that the settings name, and holding it to what was asked of it.
//
// What only a shared store needs is loaded with it: it is half of the program, and a node that is alone starts in half
// the time without it.

import { type Clock, memoryStore, type Random, type Store } from '@skein/broker';
import type { RedisStore, RedisStoreEvent } from '@skein/redis';
import type { Logger } from 'pino';
import { type OfferedDurability, suffices } from './config/durability.ts';
import type { Config } from './config/schema.ts';
import { isShared, storeShown } from './config/store-url.ts';
import { StartRefused } from './start-refused.ts';

/** A store that was opened. */
export interface OpenedStore {
  readonly ports: Store;
  /** What it offers. */
  readonly durability: OfferedDurability;
  /** Lets go of it; what is under way may or may not happen. */
  close(): Promise<void>;
}

/** What opening a store takes. */
export interface StoreSurroundings {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * Opens the store.
 *
 * @throws StartRefused if it cannot be had, or offers less than is asked for
 */
export async function openStore({ config, clock, random, log }: StoreSurroundings): Promise<OpenedStore> {
  const { store: url, cluster, limits } = config;
  if (!isShared(url)) {
    return { ports: memoryStore(clock, random, limits), durability: 'memory', close: () => Promise.resolve() };
  }
  const { openRedisStore, RedisRefused } = await import('@skein/redis');
  let store: RedisStore;
  try {
    store = await openRedisStore({ url, cluster, limits, clock, random, onEvent: (event) => write(log, event) });
  } catch (error) {
    if (!(error instanceof RedisRefused)) throw error;
    throw new StartRefused('store', error.message, error);
  }
  const { durability } = store;
  if (config.durability !== undefined && !suffices(durability, config.durability)) {
    await store.close();
    throw new StartRefused('durability', shortfall(config.durability, durability, storeShown(url)));
  }
  return { ports: store, durability, close: () => store.close() };
}

function shortfall(asked: string, offered: OfferedDurability, place: string): string {
  const remedy =
    offered === 'unverified'
      ? 'it does not tell how it keeps its data (CONFIG is refused), so leave --durability out and see to it yourself'
      : `set it to appendonly yes and appendfsync ${asked}, or ask for less`;
  return `${asked} is asked for, and the store ${place} offers ${offered}; ${remedy}`;
}

function write(log: Logger, event: RedisStoreEvent): void {
  switch (event.is) {
    case 'lost':
      log.warn({ event: 'store_connection_lost', reason: event.reason });
      return;
    case 'found':
      log.info({ event: 'store_connection_found' });
      return;
    case 'emptied':
      log.error({ event: 'store_emptied' }, 'the store came back without its data: all Sessions and messages are gone');
      return;
    case 'routes_resynced':
      log.warn({ event: 'routes_resynced', reason: event.reason });
      return;
  }
}
