// Whether the journal is still where the next start will look for it.
//
// A file that was removed can be written to and synced as if nothing had happened, and so can one whose directory was
// moved away or replaced; but nobody will find there what was acknowledged. So it is looked, every second, which file the
// name of the log leads to. If it is not the log, that is as bad as a disk that has failed.

import { join } from 'node:path';
import type { Clock } from '@skein/broker';
import type { DataPlace, LogFile } from './log-file.ts';

/** How often it is looked, in milliseconds. */
const everyMs = 1000;

/** What was written is not where it should be. */
export class PlaceLost extends Error {
  override readonly name = 'PlaceLost';

  constructor(path: string) {
    super(
      `${path} is gone, or another file has its name: the data directory was removed, moved or replaced under the ` +
        'process that has it. The next start begins with what it finds there: put it back before, or name where it is now',
    );
  }
}

export interface PlaceWatchOptions {
  readonly place: DataPlace;
  readonly clock: Pick<Clock, 'after'>;
  /** The log that is written to at present. */
  log(): LogFile;
  onLost(error: PlaceLost): void;
  /** It could not be learnt; told once until it can be. */
  onTrouble(error: unknown): void;
}

/** Watches whether the log is where it should be. */
export class PlaceWatch {
  readonly #options: PlaceWatchOptions;
  #isTroubled = false;
  #isClosed = false;
  #cancel: () => void = () => {};

  constructor(options: PlaceWatchOptions) {
    this.#options = options;
    this.#lookLater();
  }

  /** Looks now. Never throws. */
  async look(): Promise<void> {
    const { place, log, onLost, onTrouble } = this.#options;
    const looked = log();
    let isInPlace = true;
    try {
      isInPlace = await looked.isInPlace(place);
      this.#isTroubled = false;
    } catch (error) {
      if (!this.#isTroubled && !this.#isClosed) onTrouble(error);
      this.#isTroubled = true;
    }
    // Another log may have followed meanwhile, and then this one is deleted sooner or later.
    if (isInPlace || this.#isClosed || looked !== log()) return;
    this.close();
    onLost(new PlaceLost(join(place.directory, looked.name)));
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #lookLater(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.after(everyMs, () => void this.look().then(() => this.#lookLater()));
  }
}
