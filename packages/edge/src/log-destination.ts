// Where log lines go: to whoever reads a descriptor, if anybody still does.
//
// Lines gather into pieces, because a system call for each would cost more than a connection does. A pipe takes them
// without waiting; else a thread of the runtime hands them over: a reader that stands still stops no Client.
//
// Logging never ends the node, nor keeps it from ending. When nobody reads any more, lines are let go of. What is not
// taken for another reason (a disk that is full) is tried again; meanwhile lines wait, up to a limit. How many there was no
// room for is told as soon as there is somebody to tell.

import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** Lines go out in pieces of this size, in UTF-16 units. */
const pieceLength = 4096;
/** How long a line may wait for a piece to fill, in milliseconds. */
const gatherMs = 250;
/** How soon what was not taken is tried again, in milliseconds: at first, and when it was not taken for a while. */
const firstRetryMs = 1;
const retryMs = 100;
/** A reader that has not taken a piece for so long stands still, in milliseconds; at the end nobody waits for it longer. */
const standsStillMs = 1000;
/** Lines that wait for the reader, in UTF-16 units; further ones are dropped. */
const waitingMax = 16 * 1024 * 1024;
/** What may be otherwise in a moment: a pipe or a disk that is full. */
const passing = new Set(['EAGAIN', 'EINTR', 'EBUSY', 'ENOSPC', 'EDQUOT']);
/** Nobody ever changes it: to wait for. */
const stillness = new Int32Array(new SharedArrayBuffer(4));

export interface LogDestinationOptions {
  /** Where to; 1 is standard output. */
  readonly fd: number;
  /** So many lines were dropped before this moment, since there was no room for them. */
  readonly onDropped?: (lines: number) => void;
  readonly waitingMax?: number;
}

/** Takes log lines, each with its end. */
export class LogDestination {
  readonly #fd: number;
  /** Whether a write may wait for the reader: then it is a thread that does. */
  readonly #waits: boolean;
  readonly #onDropped: (lines: number) => void;
  readonly #waitingMax: number;
  #waiting = '';
  /** What is being handed over. */
  #piece: Buffer | undefined;
  /** Goes off when it is tried again; undefined while a thread is at it. */
  #retry: NodeJS.Timeout | undefined;
  #sinceMs = 0;
  #waitMs = firstRetryMs;
  /** What waits is not to wait for a piece to fill. */
  #isHurried = false;
  /** Nobody reads any more. */
  #isGone = false;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ fd, onDropped = () => {}, waitingMax: most = waitingMax }: LogDestinationOptions) {
    const way = unblocked(fd);
    this.#fd = way ?? fd;
    this.#waits = way === undefined;
    this.#onDropped = onDropped;
    this.#waitingMax = most;
  }

  /** Takes one line, or drops it. Never throws. */
  write(line: string): void {
    if (this.#isGone) return;
    if (this.#waiting.length + line.length > this.#waitingMax) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += line;
    if (this.#waiting.length >= pieceLength) this.#send();
    else this.#sendLater();
  }

  /** Hands over all that waits, as soon as what is under way is taken. */
  flush(): void {
    this.#isHurried = true;
    this.#send();
  }

  /**
   * Hands over all that waits before it returns: for the end of the process. What its reader does not take in time, or no
   * more, is let go of.
   */
  flushSync(): void {
    const startedMs = performance.now();
    const isWithThread = this.#waits && this.#piece !== undefined && this.#retry === undefined;
    if (isWithThread && startedMs - this.#sinceMs > standsStillMs) return;
    // Nobody can be told here that the thread has done it: it mostly has by then.
    if (isWithThread) Atomics.wait(stillness, 0, 0, retryMs / 10);
    let rest = Buffer.from(this.#waiting);
    if (!isWithThread && this.#piece !== undefined) rest = Buffer.concat([this.#piece, rest]);
    if (!isWithThread) this.#piece = undefined;
    this.#waiting = '';
    this.#cancel();
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (!this.#isPassing(error) || performance.now() - startedMs > standsStillMs) return;
        Atomics.wait(stillness, 0, 0, retryMs / 10);
      }
    }
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#timer = undefined;
    this.#retry = undefined;
  }

  /** One piece at a time, so that they stay in order. */
  #send(): void {
    if (this.#piece !== undefined) return;
    this.#cancel();
    this.#isHurried = false;
    if (this.#waiting === '') return;
    this.#piece = Buffer.from(this.#waiting);
    this.#waiting = '';
    this.#handOver(this.#piece);
  }

  #handOver(piece: Buffer): void {
    this.#piece = piece;
    this.#retry = undefined;
    this.#sinceMs = performance.now();
    if (this.#waits) {
      write(this.#fd, piece, 0, piece.length, null, (error, bytes) => this.#handedOver(piece, error, bytes));
      return;
    }
    // It takes what it can at once, and so it is known at every moment how much that was.
    let bytes = 0;
    try {
      bytes = writeSync(this.#fd, piece);
    } catch (error) {
      this.#handedOver(piece, error, 0);
      return;
    }
    this.#handedOver(piece, null, bytes);
  }

  #handedOver(piece: Buffer, error: unknown, bytes: number): void {
    if (error !== null && !this.#isPassing(error)) return;
    const rest = piece.subarray(error === null ? bytes : 0);
    if (error === null) this.#waitMs = firstRetryMs;
    if (rest.length === 0) {
      this.#taken();
    } else if (error === null) {
      this.#handOver(rest);
    } else {
      this.#retry = setTimeout(() => this.#handOver(rest), this.#waitMs).unref();
      this.#waitMs = Math.min(2 * this.#waitMs, retryMs);
    }
  }

  #taken(): void {
    this.#piece = undefined;
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#onDropped(dropped);
    if (this.#isHurried || this.#waiting.length >= pieceLength) this.#send();
    else if (this.#waiting !== '') this.#sendLater();
  }

  #sendLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, gatherMs).unref();
  }

  /** Whether an error may pass; with any other one nobody reads any more. */
  #isPassing(error: unknown): boolean {
    if (passing.has((error as NodeJS.ErrnoException).code ?? '')) return true;
    this.#isGone = true;
    this.#waiting = '';
    this.#piece = undefined;
    this.#cancel();
    return false;
  }
}

/**
 * A way to the same pipe that does not wait; undefined if there is none. Whoever waits in a pipe that nobody reads cannot
 * be called back, and the end of a process waits for all its threads.
 */
function unblocked(fd: number): number | undefined {
  try {
    if (!fstatSync(fd).isFIFO()) return undefined;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
