// Opening the store that the settings name, and holding it to what was asked of it.
//
// What only one kind of store needs is loaded with it: what a shared one needs is half of the program, and a node that
// is alone starts in half the time without it.

import { memoryStore, type Random, type Store } from '@skein/broker';
import type { EmbeddedGauges, EmbeddedOpened } from '@skein/embedded';
import type { RedisStore, RedisStoreEvent } from '@skein/redis';
import type { Logger } from 'pino';
import type { SettableClock } from './clock.ts';
import { type OfferedDurability, suffices } from './config/durability.ts';
import type { Config } from './config/schema.ts';
import { storeKind, storeShown } from './config/store-url.ts';
import { StartRefused } from './start-refused.ts';
import { openOnDisk } from './store-on-disk.ts';

/** A store that was opened. */
export interface OpenedStore {
  readonly ports: Store;
  /** What it offers. */
  readonly durability: OfferedDurability;
  /** Of a data directory. */
  readonly disk?: DataDirectory;
  /** Lets go of it; what is under way may or may not happen. */
  close(): Promise<void>;
}

/** A data directory, as whoever runs the node sees it. */
export interface DataDirectory {
  /** From the root. */
  readonly directory: string;
  /** What was found in it. */
  readonly opened: EmbeddedOpened;
  /** By how much the machine's clock was behind what was stored last. */
  readonly aheadMs: number;
  readonly gauges: () => EmbeddedGauges;
}

/** What opening a store takes. */
export interface StoreSurroundings {
  readonly config: Config;
  readonly clock: SettableClock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * Opens the store.
 *
 * @throws StartRefused if it cannot be had, or offers less than is asked for
 */
export async function openStore(around: StoreSurroundings): Promise<OpenedStore> {
  switch (storeKind(around.config.store)) {
    case 'memory': {
      const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      const ports = memoryStore(around.clock, around.random, around.config.limits, undefined, othersTurn);
      return { ports, durability: 'memory', close: () => Promise.resolve() };
    }
    case 'embedded':
      return await openOnDisk(around);
    case 'redis':
      return await openShared(around);
  }
}

async function openShared({ config, clock, random, log }: StoreSurroundings): Promise<OpenedStore> {
  const { store: url, cluster, limits } = config;
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
