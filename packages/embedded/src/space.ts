// The room that is left on the disk, watched.
//
// A disk that is full stops everything that changes anything, acknowledgements too. So before that, while there is still
// room for them, what would fill it is refused. Others write to the same disk, so it is looked at every second; and as
// often as a part of what must stay free has been written here.

import type { Clock } from '@skein/broker';
import type { Disk } from './disk.ts';

/** How often it is looked, in milliseconds. */
const everyMs = 1000;
/** Looks while what must stay free is written once. */
const looksPerReserve = 4;
/** How much more than the least must be free before there is room again, as a part of it: or it would flutter. */
const slack = 1 / 8;

export interface SpaceOptions {
  readonly disk: Pick<Disk, 'freeBytes'>;
  readonly directory: string;
  readonly clock: Pick<Clock, 'after'>;
  /** What must stay free. 0: it is not watched. */
  readonly minFreeBytes: number;
  onChange(change: { readonly isShort: boolean; readonly freeBytes: number }): void;
  /** It could not be learnt; told once until it can be. */
  onTrouble(error: unknown): void;
}

/** Watches how much room is left. */
export class SpaceWatch {
  readonly #options: SpaceOptions;
  #isShort = false;
  #freeBytes: number | undefined;
  #isLooking = false;
  #isTroubled = false;
  #isClosed = false;
  #writtenBytes = 0;
  #cancel: (() => void) | undefined;

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** Whether less is free than must be. */
  get isShort(): boolean {
    return this.#isShort;
  }

  /** What was free at the last look; undefined if it is not known. */
  get freeBytes(): number | undefined {
    return this.#freeBytes;
  }

  /** Looks for the first time, and from then on by itself. */
  async start(): Promise<void> {
    if (this.#options.minFreeBytes > 0) await this.#look();
  }

  /** So many bytes were written. */
  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
    const { minFreeBytes } = this.#options;
    if (this.#writtenBytes * looksPerReserve < minFreeBytes || minFreeBytes === 0 || this.#isLooking) return;
    void this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  /** Never throws. */
  async #look(): Promise<void> {
    const { disk, directory, clock, minFreeBytes, onChange, onTrouble } = this.#options;
    this.#isLooking = true;
    this.#cancel?.();
    this.#writtenBytes = 0;
    try {
      const freeBytes = await disk.freeBytes(directory);
      this.#isTroubled = false;
      this.#freeBytes = freeBytes;
      const isShort = freeBytes < minFreeBytes * (this.#isShort ? 1 + slack : 1);
      if (isShort !== this.#isShort && !this.#isClosed) {
        this.#isShort = isShort;
        onChange({ isShort, freeBytes });
      }
    } catch (error) {
      // What was known last is the best guess.
      if (!this.#isTroubled && !this.#isClosed) onTrouble(error);
      this.#isTroubled = true;
    }
    this.#isLooking = false;
    if (!this.#isClosed) this.#cancel = clock.after(everyMs, () => void this.#look());
  }
}
