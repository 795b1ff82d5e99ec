// Opening the data directory of a node that is alone, and what is said of it while it is open.

import { resolve } from 'node:path';
import { StoreUnavailable } from '@skein/broker';
import type { EmbeddedStore, JournalEvent } from '@skein/embedded';
import type { Logger } from 'pino';
import { presetOnDisk } from './config/durability.ts';
import { directoryOf } from './config/store-url.ts';
import { ExitCode } from './exit-code.ts';
import { StartRefused } from './start-refused.ts';
import type { OpenedStore, StoreSurroundings } from './store.ts';

/** A clock that is further behind than this, in milliseconds, is worth a word. */
const toldAheadMs = 1000;

/**
 * Opens a data directory, which is made if it is not there. The clock is set ahead if it is behind what was stored last.
 *
 * @throws StartRefused if it is another process's, damaged, or cannot be used
 */
export async function openOnDisk({ config, clock, random, log }: StoreSurroundings): Promise<OpenedStore> {
  const { limits, nodeId, durability = presetOnDisk } = config;
  const directory = resolve(directoryOf(config.store));
  const { openEmbeddedStore, StoreRefused } = await import('@skein/embedded');
  const onEvent = (event: JournalEvent): void => writeDiskEvent(log, directory, event);
  let store: EmbeddedStore;
  try {
    const { journalMaxBytes, diskFreeMinBytes: minFreeBytes } = limits;
    const sizes = { journalMaxBytes, minFreeBytes };
    store = await openEmbeddedStore({ directory, durability, limits, ...sizes, clock, random, nodeId, onEvent });
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error;
    throw new StartRefused('store', error.message, error);
  }
  const aheadMs = Math.max(0, store.aheadMs);
  if (aheadMs > 0) clock.setAhead(aheadMs);
  if (aheadMs > toldAheadMs) {
    const words = "the machine's clock is behind what was stored last: the node's time goes on from there";
    log.warn({ event: 'clock_behind', directory, aheadMs }, words);
  }
  return {
    ports: store,
    durability,
    disk: { directory, opened: store.opened, aheadMs, gauges: () => store.gauges },
    close: async () => {
      try {
        await store.close();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        const words = 'the data directory did not take everything: what was not acknowledged may be missing in it';
        log.error({ event: 'data_not_closed', directory, err: error }, words);
      }
    },
  };
}

/**
 * Writes to a log what happens to a data directory, and ends the process if it can be trusted no more. The directory is
 * named where whoever reads the line has to go and look.
 */
export function writeDiskEvent(
  log: Logger,
  directory: string,
  event: JournalEvent,
  exit: (status: ExitCode) => void = process.exit,
): void {
  switch (event.is) {
    case 'torn': {
      const { file, at, bytes } = event;
      const words = 'the end of the journal was not written whole when the last process ended, and is cut off';
      log.warn({ event: 'data_torn', directory, file, at, bytes }, words);
      return;
    }
    case 'stuck': {
      const words =
        'the data directory cannot be written to: nothing at QoS 1 and 2 is acknowledged until it can; make room, or see to the disk';
      log.error({ event: 'data_stuck', directory, err: event.error }, words);
      return;
    }
    case 'unstuck':
      log.info({ event: 'data_unstuck' }, 'the data directory can be written to again');
      return;
    case 'short': {
      const words =
        'the disk is nearly full: make room. Until more is free than limits.diskFreeMinBytes, new messages at QoS 1 and 2 ' +
        'are refused, and Clients before 5.0 that publish them are closed (store_full)';
      log.error({ event: 'data_short', directory, freeBytes: event.freeBytes }, words);
      return;
    }
    case 'roomy':
      log.info({ event: 'data_roomy', freeBytes: event.freeBytes }, 'there is room on the disk again');
      return;
    case 'weak_lock': {
      const words =
        'the file system has no lock that the kernel keeps: see to it that no other machine uses the data directory';
      log.warn({ event: 'data_weak_lock', directory }, words);
      return;
    }
    case 'hindered':
      log.warn({ event: 'data_hindered', directory, doing: event.doing, err: event.error });
      return;
    case 'snapshot':
      log.debug({ event: 'data_snapshot', file: event.file, bytes: event.bytes });
      return;
    case 'failed': {
      // What the disk says it has, it may not have: nothing may be acknowledged any more. A new process reads what is there.
      const words = 'the data directory has lost what was written to it, or may have: the process ends';
      log.fatal({ event: 'data_failed', directory, err: event.error }, words);
      exit(ExitCode.diskFailed);
      return;
    }
  }
}
