// How long a start waits for a disk that hangs: for ever would be without a word.
//
// Reading has no deadline, as there may be much to read. But a start writes little, and what it writes has to be on the
// disk before anybody is served.

import type { Clock } from '@skein/broker';
import type { LogFile } from './log-file.ts';
import { StoreRefused } from './refusal.ts';

/** In milliseconds. A disk that is very busy takes some seconds. */
const deadlineMs = 30_000;

/** The disk has not answered, and may still do what it was asked for. */
class DiskLate extends StoreRefused {}

/**
 * Waits for what a start has asked the disk to keep.
 *
 * @throws StoreRefused as {@link letGo} knows it, if the disk has not said so in time; whether it will is not known
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
      refuse(new DiskLate(`The data directory ${directory} cannot be used: ${what}; ${remedy}`));
    });
  });
  try {
    return await Promise.race([keeping, late]);
  } finally {
    cancel();
  }
}

/**
 * Lets go of a directory after a start that failed. What hangs in the disk keeps it until that is over, and nobody waits
 * for it: it could strike what another process has written by then.
 *
 * @param beginning the log that was to be begun, if it came to that
 */
export async function letGo(
  lock: { release(): Promise<void> },
  error: unknown,
  beginning: Promise<LogFile> | undefined,
): Promise<void> {
  if (!(error instanceof DiskLate)) {
    await lock.release();
    return;
  }
  const isOver = beginning?.then((log) => log.close()).catch(() => {});
  void isOver?.then(() => lock.release()).catch(() => {});
}
