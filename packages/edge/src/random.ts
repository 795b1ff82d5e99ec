// Randomness for the broker: identifiers that nobody can guess.
//
// Asking the operating system takes 10 µs however little is asked for, so it is asked for a few hundred identifiers'
// worth at a time. What was handed out is never handed out again, and nobody else holds that memory.

import { randomFillSync } from 'node:crypto';
import type { Random } from '@skein/broker';

const reserveBytes = 4096;

/** The operating system's generator, asked in bulk. */
export class SystemRandom implements Random {
  #reserve: Uint8Array = new Uint8Array(0);
  /** What comes before has been handed out. */
  #at = 0;

  /** @inheritdoc */
  bytes(length: number): Uint8Array {
    if (length > reserveBytes) return randomFillSync(new Uint8Array(length));
    if (this.#reserve.length - this.#at < length) {
      this.#reserve = randomFillSync(new Uint8Array(reserveBytes));
      this.#at = 0;
    }
    this.#at += length;
    return this.#reserve.subarray(this.#at - length, this.#at);
  }
}
