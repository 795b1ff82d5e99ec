// A file that is written from its beginning to its end: a log, or a snapshot.
//
// Every write names its place, and the next place is only moved on when a frame is there as a whole. So what failed, or
// was taken in part, is written again to where it belongs, and nothing is lost or there twice.

import { join } from 'node:path';
import { type Disk, type DiskFile, someFile } from './disk.ts';
import { encodeHeader, type FileHeader, headerBytes } from './file-header.ts';
import { type FrameHead, frameOf, sealFrame } from './frame.ts';
import { segmentName, unfinishedName } from './segments.ts';

/** The disk did not say that it has what was written. Nobody knows what it has: asking again proves nothing. */
export class SyncFailed extends Error {
  override readonly name = 'SyncFailed';
}

/** Passes on what a sync says; a failure of it is told from others. */
export async function synced(syncing: Promise<void>): Promise<void> {
  try {
    await syncing;
  } catch (error) {
    throw new SyncFailed(`the disk could not keep what was written: ${(error as Error).message}`, { cause: error });
  }
}

/** Where files are. */
export interface DataPlace {
  readonly disk: Disk;
  readonly directory: string;
}

/**
 * Gives a file another name, in the place of one that may have it, so that it will be found after a crash too.
 *
 * @throws SyncFailed it has the new name, and nobody knows whether the disk does; with any other error it has the old one
 */
export async function renameForGood({ disk, directory }: DataPlace, from: string, to: string): Promise<void> {
  // First: what is renamed must not be left unsynced because no file can be opened.
  const names = await disk.openDirectory(directory);
  try {
    await disk.rename(join(directory, from), join(directory, to));
    await synced(names.sync());
  } finally {
    await names.close();
  }
}

/** A file being written. */
export class LogFile {
  readonly header: FileHeader;
  readonly name: string;
  readonly #file: DiskFile;
  #writtenBytes: number = headerBytes;
  #syncedBytes = 0;
  /** How much of the frame that is being written is there. */
  #partBytes = 0;
  /** Which file it is, as the disk says, once it has its name. */
  #identity: string | undefined;

  private constructor(header: FileHeader, file: DiskFile) {
    this.header = header;
    this.name = segmentName(header.kind, header.number);
    this.#file = file;
  }

  /** Makes a file under the name of an unfinished one, with its header. */
  static async begin({ disk, directory }: DataPlace, header: FileHeader): Promise<LogFile> {
    const path = join(directory, unfinishedName(segmentName(header.kind, header.number)));
    const file = await disk.create(path);
    try {
      const bytes = encodeHeader(header);
      for (let done = 0; done < bytes.length; ) done += taken(await file.write(bytes.subarray(done), done));
    } catch (error) {
      await file.close();
      // If that fails too, the next start clears it away.
      await disk.remove(path).catch(() => {});
      throw error;
    }
    return new LogFile(header, file);
  }

  /**
   * Makes a log whose header is on the disk when this resolves, and can be found there.
   *
   * @throws SyncFailed nobody knows whether it is there; with any other error it is not
   */
  static async beginLog(place: DataPlace, header: FileHeader): Promise<LogFile> {
    const log = await LogFile.begin(place, header);
    try {
      await log.sync();
      await log.finish(place);
      await log.isInPlace(place).catch(() => {}); // then the first look that succeeds counts
    } catch (error) {
      await log.close();
      if (!(error instanceof SyncFailed)) await log.#removeUnfinished(place, error);
      throw error;
    }
    return log;
  }

  /** Up to where it is written, in bytes. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Up to where it is known to be on the disk. */
  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /** Completes the head of a frame that is to be written next, whose payload lies behind room for it. */
  seal(frame: Buffer, head: Pick<FrameHead, 'kind' | 'sequence'>): void {
    sealFrame(frame, this.header.mark, { kind: head.kind, sequence: head.sequence, syncedTo: this.#syncedBytes });
  }

  /** A frame that is to be written next, around a payload. */
  frameOf(payload: Buffer, head: Pick<FrameHead, 'kind' | 'sequence'>): Buffer {
    return frameOf(payload, this.header.mark, {
      kind: head.kind,
      sequence: head.sequence,
      syncedTo: this.#syncedBytes,
    });
  }

  /**
   * Writes a sealed frame behind the last one. Once it has failed it must be called with the same frame again, which then
   * goes on where the disk left off.
   */
  async write(frame: Buffer): Promise<void> {
    while (this.#partBytes < frame.length) {
      const rest = this.#partBytes === 0 ? frame : frame.subarray(this.#partBytes);
      this.#partBytes += taken(await this.#file.write(rest, this.#writtenBytes + this.#partBytes));
    }
    this.#partBytes = 0;
    this.#writtenBytes += frame.length;
  }

  /** Resolves when every frame that was written before is on the disk. @throws SyncFailed */
  async sync(): Promise<void> {
    const upTo = this.#writtenBytes;
    await synced(this.#file.sync());
    this.#syncedBytes = Math.max(this.#syncedBytes, upTo);
  }

  /** Gives the file its name, so that it will be found after a crash too. @throws as {@link renameForGood} */
  async finish(place: DataPlace): Promise<void> {
    await renameForGood(place, unfinishedName(this.name), this.name);
  }

  /** Whether its name leads to it, or to what it led to when that was asked first. @throws if it cannot be known */
  async isInPlace({ disk, directory }: DataPlace): Promise<boolean> {
    const found = await disk.fileAt(join(directory, this.name));
    this.#identity ??= found;
    return found !== undefined && found === this.#identity;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Closes a log that came to lie where it should not, and removes it if it is certain that its name leads to it. */
  async takeBack(place: DataPlace): Promise<void> {
    const { disk, directory } = place;
    const isOurs = this.#identity !== someFile && (await this.isInPlace(place).catch(() => false));
    if (isOurs) await disk.remove(join(directory, this.name)).catch(() => {});
    await this.close();
  }

  /** That it can be removed shows that it has not got its name: some file systems rename and say that they did not. */
  async #removeUnfinished({ disk, directory }: DataPlace, failure: unknown): Promise<void> {
    try {
      await disk.remove(join(directory, unfinishedName(this.name)));
    } catch {
      throw new SyncFailed(`${this.name} may be there or not: ${(failure as Error).message}`, { cause: failure });
    }
  }
}

/** A file system that takes nothing and says nothing is as good as full. */
function taken(bytes: number): number {
  if (bytes === 0) throw new Error('the disk takes no more bytes, and does not say why');
  return bytes;
}
