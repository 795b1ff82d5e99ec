// A file, seen through a window that moves on: large reads, few copies.
//
// What is asked for mostly lies in the window already, and then costs a comparison. Where it does not, the window is
// moved there, and takes a long step. Its bytes are good until it moves.

import type { DiskFile } from './disk.ts';
import { frameBytes, frameLength } from './frame.ts';

/** What one read takes: long enough that the way to the disk and back does not count. */
const stepBytes = 4 * 1024 * 1024;

/** Reads a file from its beginning to its end. */
export class FileWindow {
  readonly #file: Pick<DiskFile, 'read'>;
  /** Where the file ends, or how far it is to be read. */
  readonly #end: number;
  #memory: Buffer;
  /** Where in the file the window begins. */
  #base = 0;
  #length = 0;

  /** @param end how far it may be read, in bytes from its beginning; not beyond its end */
  constructor(file: Pick<DiskFile, 'read'>, end: number) {
    this.#file = file;
    this.#end = end;
    this.#memory = Buffer.allocUnsafeSlow(Math.min(stepBytes, Math.max(end, 1)));
  }

  /** What the window shows, and more behind it: another one once it has moved. */
  get memory(): Buffer {
    return this.#memory;
  }

  /** Where in {@link memory} a piece of the file is; -1 if the window does not show all of it. */
  find(at: number, length: number): number {
    const from = at - this.#base;
    return from >= 0 && from + length <= this.#length ? from : -1;
  }

  /** The length of the frame that begins at a place, if the window shows all of it; 0 if that cannot be told yet. */
  frame(at: number, mark: number): number {
    const from = this.find(at, frameBytes);
    if (from < 0) return 0;
    const length = frameLength(this.#memory, from, mark) ?? 0;
    return from + length <= this.#length ? length : 0;
  }

  /** As {@link frame}, once the window has moved there; a text says why there is none. */
  async frameMovedTo(at: number, mark: number): Promise<number | string> {
    await this.move(at, frameBytes);
    const from = this.find(at, frameBytes);
    if (from < 0) return 'ends in the middle of a frame';
    const length = frameLength(this.#memory, from, mark);
    if (length === undefined) return 'goes on with something else than a frame';
    if (at + length > this.#end) return 'ends in the middle of a frame';
    if (this.find(at, length) < 0) await this.move(at, length);
    return this.find(at, length) < 0 ? 'ends in the middle of a frame' : length;
  }

  /** Everything from a place in the file to the end of the window. */
  rest(at: number): Buffer {
    return this.#memory.subarray(Math.max(0, at - this.#base), this.#length);
  }

  /**
   * Moves the window so that it begins at a place, and is at least so long, or up to the end of the file.
   * What it showed is no more to be looked at.
   */
  async move(at: number, length: number): Promise<void> {
    const wanted = Math.min(Math.max(length, stepBytes), Math.max(0, this.#end - at));
    const shown = this.find(at, 0) < 0 ? Buffer.alloc(0) : this.rest(at);
    if (wanted > this.#memory.length) {
      const memory = Buffer.allocUnsafeSlow(wanted);
      shown.copy(memory);
      this.#memory = memory;
    } else {
      shown.copy(this.#memory);
    }
    this.#base = at;
    this.#length = shown.length;
    while (this.#length < wanted) {
      const read = await this.#file.read(this.#memory.subarray(this.#length, wanted), at + this.#length);
      // Shorter than it said it was.
      if (read === 0) return;
      this.#length += read;
    }
  }
}
