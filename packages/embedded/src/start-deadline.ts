// How long a start waits for a disk that hangs: for ever would be without a word.
//
// Reading has no deadline, as there may be much to read. But a start writes little, and what it writes has to be on the
// disk before anybody is served.

import type { Clock } from '@skein/broker';
import { StoreRefused } from './refusal.ts';

/** In milliseconds. A disk that is very busy takes some seconds. */
const deadlineMs = 30_000;

/**
 * Waits for what a start has asked the disk to keep.
 *
 * @throws StoreRefused if the disk has not said so in time; whether it will is not known
 */
export async function keptInTime<Result>(
  clock: Pick<Clock, 'after'>,
  directory: string,
  keeping: Promise<Result>,
): Promise<Result> {
  let cancel: () => void = () => {};
  const late = new Promise<never>((_, refuse) => {
    cancel = clock.after(deadlineMs, () => {
      const what = `the disk was asked to keep what the start wrote, and has not answered for ${deadlineMs / 1000} s`;
      const remedy = 'look at the log of the operating system, or choose another directory with --store file:DIR';
      refuse(new StoreRefused(`The data directory ${directory} cannot be used: ${what}; ${remedy}`));
    });
  });
  try {
    return await Promise.race([keeping, late]);
  } finally {
    cancel();
  }
}
