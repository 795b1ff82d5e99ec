// A snapshot on its way to the disk.
//
// It grows under the name of an unfinished file, and gets its own name when all of it is on the disk, its last frame too,
// which counts those before it, and when the log that goes on from it is there. From then on it stands for all that is
// older. Until then, whatever happens, it is as if it had never been begun.
//
// It is handed to the disk in portions: the sync of a whole one would keep the journal's own waiting behind it.

import { join } from 'node:path';
import type { FileHeader } from './file-header.ts';
import { FrameKind } from './frame.ts';
import { type DataPlace, LogFile, SyncFailed } from './log-file.ts';
import { encodeCounts } from './reading.ts';
import { unfinishedName } from './segments.ts';

/** After so many bytes they are synced. */
const portionBytes = 16 * 1024 * 1024;

export interface SnapshotParts {
  readonly place: DataPlace;
  readonly header: FileHeader;
  /** Resolves when the log that goes on from the snapshot is on the disk. */
  readonly logBegun: Promise<void>;
  /** The snapshot is complete: what is older is superseded. */
  completed(bytes: number): Promise<void>;
  /** It ended, complete or not, and nobody is at its file any more. */
  ended(): void;
}

/** A snapshot being written: one call after the other. Only {@link discard} may come while another one is under way. */
export class SnapshotFile {
  readonly #parts: SnapshotParts;
  #file: LogFile | undefined;
  #frames = 0;
  #payloadBytes = 0;
  #isOver = false;
  #isComplete = false;
  /** Whether the file may have its own name, though it is not known to be complete. */
  #mayBeNamed = false;
  /** Ends the wait for the log that goes on from it. */
  #stopWaiting: (() => void) | undefined;
  /** What is under way; never rejects. */
  #running: Promise<unknown> = Promise.resolve();
  /** Why the log that goes on from it will not come. */
  #failure: unknown;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
    // Whatever is still to be written would be in vain then.
    parts.logBegun.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Writes one frame. @throws if the disk does not take it: then the snapshot can only be discarded */
  write(payload: Buffer): Promise<void> {
    return this.#run(async () => {
      const file = await this.#begun();
      await file.write(file.frameOf(payload, { kind: FrameKind.records, sequence: this.#frames + 1 }));
      this.#frames += 1;
      this.#payloadBytes += payload.length;
      if (file.writtenBytes - file.syncedBytes >= portionBytes) await file.sync();
    });
  }

  /**
   * Makes it the newest snapshot, and deletes what it supersedes.
   *
   * @throws if the disk does not take it: then it can only be discarded
   */
  complete(): Promise<void> {
    return this.#run(async () => {
      const file = await this.#begun();
      const counts = encodeCounts({ frames: this.#frames, payloadBytes: this.#payloadBytes });
      await file.write(file.frameOf(counts, { kind: FrameKind.end, sequence: this.#frames + 1 }));
      await file.sync();
      await this.#logBegun();
      await file.finish(this.#parts.place).catch((error: unknown) => {
        this.#mayBeNamed = error instanceof SyncFailed;
        throw error;
      });
      // From here on it counts, whoever would rather not have it.
      this.#isOver = true;
      this.#isComplete = true;
      try {
        await file.close();
        await this.#parts.completed(file.writtenBytes);
      } finally {
        this.#parts.ended();
      }
    });
  }

  /**
   * Gives it up. What is older goes on to count. Does nothing if it is complete. What is under way ends first, since
   * the disk is at the file: where the disk hangs, this does too.
   */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopWaiting?.();
    await this.#running;
    if (this.#isComplete) return;
    try {
      const file = this.#file;
      if (file === undefined) return;
      await file.close();
      const { disk, directory } = this.#parts.place;
      await disk.remove(join(directory, this.#mayBeNamed ? file.name : unfinishedName(file.name)));
    } finally {
      this.#parts.ended();
    }
  }

  #run(work: () => Promise<void>): Promise<void> {
    const done = work();
    this.#running = done.catch(() => {}); // whoever asked for it is told
    return done;
  }

  async #logBegun(): Promise<void> {
    await new Promise<void>((begun, failed) => {
      this.#stopWaiting = () => failed(new Error('the snapshot was discarded'));
      if (this.#isOver) this.#stopWaiting();
      this.#parts.logBegun.then(begun, failed);
    });
  }

  async #begun(): Promise<LogFile> {
    if (this.#isOver) throw new Error('the snapshot is complete, or was discarded');
    if (this.#failure !== undefined) throw this.#failure;
    this.#file ??= await LogFile.begin(this.#parts.place, this.#parts.header);
    return this.#file;
  }
}
