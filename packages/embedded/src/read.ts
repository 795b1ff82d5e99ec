// Reading a data directory without serving it: for whoever carries what it holds elsewhere.

import { defaultLimits, memory } from '@skein/broker';
import { type Disk, systemDisk } from './disk.ts';
import { recover } from './recovery.ts';
import { refusalOf, StoreRefused } from './refusal.ts';
import { callsVersion, StateReplay } from './replay.ts';

/** What a data directory holds. It is nobody else's until this is disposed of. */
export interface ReadDirectory extends AsyncDisposable {
  /** All Sessions in it have been let go. */
  readonly memory: memory.MemoryState;
  /** Names the directory for ever. */
  readonly id: string;
  /** Names what it holds: the same again as long as nobody has served it. */
  readonly state: string;
  readonly place: string;
  nowMs(): number;
}

/**
 * Reads a data directory, and changes nothing in it. Sessions that were owned are let go as of the last call, their Wills
 * due, as a start would do.
 *
 * @throws StoreRefused if there is none, another process has it, or it is damaged
 */
export async function readDataDirectory(directory: string, disk: Disk = systemDisk): Promise<ReadDirectory> {
  try {
    await disk.list(directory); // it must be there: looking at it makes none
    const lock = await disk.lock(directory, '');
    try {
      const replay = new StateReplay(directory, defaultLimits);
      const onEvent = (): void => {}; // a torn end is no concern of a reader
      const found = await recover({ directory, disk, callsVersion, onEvent }, replay);
      if (found.directoryId === undefined) throw new StoreRefused(`The directory ${directory} holds no data of Skein`);
      const aheadMs = Math.max(0, replay.lastMs - Date.now());
      const state = replay.finish(replay.lastMs);
      if (found.mayHaveLost) memory.sessions.skipAhead(state, memory.sessions.seqJump);
      memory.sessions.restart(state, replay.lastMs);
      return {
        memory: state,
        id: found.directoryId,
        state: `${found.nextNumber}.${found.nextSequence}`,
        place: directory,
        nowMs: () => Date.now() + aheadMs,
        [Symbol.asyncDispose]: () => lock.release(),
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw refusalOf(directory, error);
  }
}
