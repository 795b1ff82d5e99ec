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
import { type DataPlace, LogFile } from './log-file.ts';
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
  /** It ended, complete or not. */
  ended(): void;
}

/** A snapshot being written. Its methods are called one after the other. */
export class SnapshotFile {
  readonly #parts: SnapshotParts;
  #file: LogFile | undefined;
  #frames = 0;
  #payloadBytes = 0;
  #isOver = false;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  /** Writes one frame. @throws if the disk does not take it: then the snapshot can only be discarded */
  async write(payload: Buffer): Promise<void> {
    const file = await this.#begun();
    await file.write(file.frameOf(payload, { kind: FrameKind.records, sequence: this.#frames + 1 }));
    this.#frames += 1;
    this.#payloadBytes += payload.length;
    if (file.writtenBytes - file.syncedBytes >= portionBytes) await file.sync();
  }

  /**
   * Makes it the newest snapshot, and deletes what it supersedes.
   *
   * @throws if the disk does not take it: then it can only be discarded
   */
  async complete(): Promise<void> {
    const file = await this.#begun();
    const counts = encodeCounts({ frames: this.#frames, payloadBytes: this.#payloadBytes });
    await file.write(file.frameOf(counts, { kind: FrameKind.end, sequence: this.#frames + 1 }));
    await file.sync();
    await this.#parts.logBegun;
    if (this.#isOver) throw new Error('the snapshot was discarded');
    await file.finish(this.#parts.place);
    this.#isOver = true;
    this.#parts.ended();
    await file.close();
    await this.#parts.completed(file.writtenBytes);
  }

  /** Gives it up. What is older goes on to count. Does nothing if it is complete. */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const file = this.#file;
    this.#parts.ended();
    if (file === undefined) return;
    await file.close();
    const { disk, directory } = this.#parts.place;
    const path = join(directory, file.name);
    // Which of the two names it has depends on how far it came.
    await disk.remove(unfinishedName(path)).catch(() => disk.remove(path));
  }

  async #begun(): Promise<LogFile> {
    if (this.#isOver) throw new Error('the snapshot is complete, or was discarded');
    this.#file ??= await LogFile.begin(this.#parts.place, this.#parts.header);
    return this.#file;
  }
}
