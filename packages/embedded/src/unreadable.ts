// A file of which the disk cannot read some, read all the same.
//
// A start ends where the disk reports an error: it would begin with less than there is. Who looks what can be saved wants
// the rest. What cannot be read is shown as zeros, page by page, and remembered; frames with such a hole do not pass for
// whole, and those behind it are found.

import type { DiskFile } from './disk.ts';

/** What one error may take with it: the system reads, and fails to read, whole pages. */
const pageBytes = 4096;

/** A place that could not be read. */
export interface UnreadablePlace {
  readonly at: number;
  readonly bytes: number;
  /** What the system said. */
  readonly code: string;
}

/** A file that is read from without an error. */
export class UnreadableFile implements Pick<DiskFile, 'read'> {
  readonly #file: Pick<DiskFile, 'read' | 'size'>;
  /** Each page once, in the order in which they were met. */
  readonly #places = new Map<number, UnreadablePlace>();

  constructor(file: Pick<DiskFile, 'read' | 'size'>) {
    this.#file = file;
  }

  /** What could not be read so far. */
  get places(): readonly UnreadablePlace[] {
    return [...this.#places.values()];
  }

  /** As of the file; what cannot be read is zeros. */
  async read(into: Buffer, position: number): Promise<number> {
    const all = await this.#attempt(into, position);
    if (typeof all === 'number') return all;
    // Only as far as one page goes: it may be the one that cannot be read, or not.
    const page = position - (position % pageBytes);
    const size = await this.#file.size();
    const length = Math.min(into.length, page + pageBytes - position, size - position);
    if (length <= 0) return 0;
    const portion = into.subarray(0, length);
    const read = await this.#attempt(portion, position);
    if (typeof read === 'number') return read;
    portion.fill(0);
    this.#places.set(page, { at: page, bytes: Math.min(pageBytes, size - page), code: read });
    return length;
  }

  /** @returns how many bytes, or what the system said */
  async #attempt(into: Buffer, position: number): Promise<number | string> {
    try {
      return await this.#file.read(into, position);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      return code;
    }
  }
}
