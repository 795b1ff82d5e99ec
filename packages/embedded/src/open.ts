// Opening a data directory: what it holds is read back, what the last life left is let go of, and the ports are ready.

import { performance } from 'node:perf_hooks';
import { type Clock, type Limits, memory, type Random, type Store } from '@skein/broker';
import { apply } from './apply.ts';
import { type Call, encodeCall } from './call.ts';
import type { Disk } from './disk.ts';
import type { EmbeddedGauges, EmbeddedOpened } from './gauges.ts';
import { type JournalClass, openJournal } from './journal.ts';
import type { JournalEvent } from './journal-event.ts';
import { callsVersion, holdingsOf, queueLimitsOf, StateReplay } from './replay.ts';
import { Snapshotting } from './snapshotting.ts';
import { keptInTime } from './start-deadline.ts';
import { portsOf } from './store.ts';

/** What a data directory is opened with. */
export interface EmbeddedOptions {
  readonly directory: string;
  readonly durability: JournalClass;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  /** How long the journal may become before a snapshot is taken, in bytes. */
  readonly journalMaxBytes?: number;
  /** What must stay free on the disk, in bytes. */
  readonly minFreeBytes?: number;
  /** What this process is called, for another one that wants the directory. */
  readonly nodeId?: string;
  readonly disk?: Disk;
  readonly onEvent: (event: JournalEvent) => void;
}

/** A store in a data directory. */
export interface EmbeddedStore extends Store {
  readonly durability: JournalClass;
  /** By how much the clock is behind what was stored last, in milliseconds: it is to be set ahead by that. */
  readonly aheadMs: number;
  readonly opened: EmbeddedOpened;
  readonly gauges: EmbeddedGauges;
  /** Stores what is on its way, takes a last snapshot if there is time, and lets go of the directory. */
  close(): Promise<void>;
}

const defaultJournalMaxBytes = 64 * 1024 * 1024;
const defaultMinFreeBytes = 64 * 1024 * 1024;
/** How long the last snapshot may take: a stop has to end. */
const lastSnapshotMs = 5000;

/**
 * Opens a data directory, and makes it if there is none.
 *
 * @throws StoreRefused if it cannot be used: the message says why, and what helps
 */
export async function openEmbeddedStore(options: EmbeddedOptions): Promise<EmbeddedStore> {
  const { directory, durability, limits, clock, random, onEvent } = options;
  const startedMs = performance.now();
  const replay = new StateReplay(directory, limits);
  let snapshotting: Snapshotting | undefined;
  const { journal, ...found } = await openJournal(
    {
      ...options,
      onEvent: (event) => {
        if (event.is === 'short') snapshotting?.lookForRoom();
        onEvent(event);
      },
      deadlineMs: limits.storeDeadlineMs,
      minFreeBytes: options.minFreeBytes ?? defaultMinFreeBytes,
      callsVersion,
    },
    replay,
  );
  const openedMs = clock.nowMs();
  const nowMs = Math.max(openedMs, replay.lastMs);
  const state = replay.finish(nowMs);
  const record = (call: Call): void => {
    const atMs = Math.max(clock.nowMs(), nowMs);
    apply(state, call, atMs);
    journal.append((out) => encodeCall(out, call, atMs));
  };
  const limit = (): void => record({ is: 'limits', limits: queueLimitsOf(limits) });
  try {
    // rule: Unknown Packet Identifiers. What was sent may be unknown here: what comes next must not bear the same ones.
    if (found.mayHaveLost) record({ is: 'skip_ahead', by: memory.sessions.seqJump });
    limit();
    record({ is: 'restart' });
    memory.putRoutes(state);
    // It is on the disk before anybody is served: if it were lost too, the same seqs would be given out once more.
    const isToBeSynced = found.mayHaveLost || options.durability === 'always';
    await (isToBeSynced ? keptInTime(clock, directory, journal.synced()) : journal.stored());
  } catch (error) {
    await journal.close().catch(() => {});
    throw error;
  }
  const taking = new Snapshotting({
    state,
    journal,
    clock,
    journalMaxBytes: options.journalMaxBytes ?? defaultJournalMaxBytes,
    begun: limit,
    onEvent,
  });
  snapshotting = taking;
  // After a bad end, what was read may be in the memory of the operating system alone: it is written anew.
  if (found.endedWell) taking.look();
  else taking.take();
  if (journal.isShort) taking.lookForRoom();
  const opened: EmbeddedOpened = {
    ...holdingsOf(state),
    replayedBytes: found.replayedBytes,
    tookMs: performance.now() - startedMs,
    tornBytes: found.tornBytes,
  };
  let closing: Promise<void> | undefined;
  return {
    ...portsOf({
      state,
      journal,
      clock,
      random,
      limits,
      recorded: () => taking.look(),
      failed: (error) => onEvent({ is: 'failed', error }),
      isClosing: () => taking.isStopping,
    }),
    durability,
    aheadMs: Math.max(0, nowMs - openedMs),
    opened,
    get gauges(): EmbeddedGauges {
      return {
        journalBytes: journal.logBytes,
        snapshotBytes: journal.snapshotBytes,
        snapshots: taking.count,
        snapshotSeconds: taking.lastSeconds,
        freeBytes: journal.freeBytes,
        isShort: journal.isShort,
        isStuck: journal.isStuck,
        syncs: journal.syncs,
        syncSeconds: journal.syncSeconds,
      };
    },
    close: () => {
      closing ??= taking.stop(lastSnapshotMs).finally(() => journal.close());
      return closing;
    },
  };
}
