// The journal: what has changed the state, in order, and who waits for it to be stored.
//
// Records gather in memory; the batch of a turn goes out as one frame in one write, and what gathers while a write is
// under way goes out in the next. So the more there is to do, the less each record costs. Nothing is taken back: a record
// belongs to a change that has happened. While the disk takes nothing, `isStuck` tells those who would change more.
//
// Batches are numbered, and the number of a batch is that of its frame. An answer waits for the batch that was the last
// one when it was asked for.

import { join } from 'node:path';
import { type Clock, type Random, StoreUnavailable } from '@skein/broker';
import { Writer } from '@skein/stored';
import { type Disk, systemDisk } from './disk.ts';
import type { FileHeader, JournalClass } from './file-header.ts';
import { FrameKind, frameBytes, payloadMaxBytes } from './frame.ts';
import type { JournalEvent } from './journal-event.ts';
import { type DataPlace, LogFile, SyncFailed } from './log-file.ts';
import { Outgoing } from './outgoing.ts';
import { type Recovered, type Replay, recover } from './recovery.ts';
import { refusalOf } from './refusal.ts';
import { chainOf, listSegments } from './segments.ts';
import { SnapshotFile } from './snapshot-file.ts';
import { SpaceWatch } from './space.ts';
import { keptInTime, letGo } from './start-deadline.ts';
import { Waiting } from './waiting.ts';

export type { JournalClass } from './file-header.ts';
export type { JournalEvent } from './journal-event.ts';
export type { Replay } from './recovery.ts';
export type { SnapshotFile } from './snapshot-file.ts';

export interface JournalOptions {
  readonly directory: string;
  readonly durability: JournalClass;
  readonly disk?: Disk;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs' | 'after' | 'endOfTurn'>;
  readonly random: Random;
  /** How long an answer waits for the disk, in milliseconds. */
  readonly deadlineMs: number;
  /** What must stay free on the disk. */
  readonly minFreeBytes: number;
  /** The version of what calls do: only calls of the same version are replayed. */
  readonly callsVersion: number;
  /** What this process is called, for another one that wants the directory. */
  readonly nodeId?: string;
  onEvent(event: JournalEvent): void;
}

/** A journal, and what its directory held. */
export interface OpenedJournal extends Omit<Recovered, 'superseded'> {
  readonly journal: Journal;
}

/** A batch is closed when it has so many bytes, so that no frame is much longer. */
const batchMaxBytes = 1024 * 1024;
/** So that what one call appends fits into a frame, whatever has gathered before it. */
const appendMaxBytes = payloadMaxBytes - batchMaxBytes;
/** In class `memory` answers wait too while so many bytes have not been written: a disk may be slower than Clients. */
const backlogMaxBytes = 64 * 1024 * 1024;

/**
 * Takes a directory for this process, makes it if need be, and reads back what it holds.
 *
 * The first record of a start should say whether calls may have been lost: until something is stored, the next start
 * will be told so again.
 *
 * @throws StoreRefused in all its kinds: the directory cannot be used
 */
export async function openJournal(options: JournalOptions, replay: Replay): Promise<OpenedJournal> {
  const { directory, disk = systemDisk } = options;
  try {
    await disk.makeDirectory(directory);
    const lock = await disk.lock(directory, options.nodeId ?? '');
    if (lock.isWeak === true) options.onEvent({ is: 'weak_lock' });
    let beginning: Promise<LogFile> | undefined;
    try {
      const { superseded, ...recovered } = await recover({ ...options, disk }, replay);
      const place = { disk, directory };
      beginning = LogFile.beginLog(place, {
        kind: 'log',
        number: recovered.nextNumber,
        directoryId: recovered.directoryId ?? Buffer.from(options.random.bytes(16)).toString('hex'),
        callsVersion: options.callsVersion,
        durability: options.durability,
        bootId: (await disk.bootId()) ?? '',
        begunMs: options.clock.nowMs(),
        mark: drawMark(options.random),
        firstSequence: recovered.nextSequence,
        previousBytes: recovered.previousBytes,
        afterLoss: recovered.mayHaveLost,
      });
      const log = await keptInTime(options.clock, directory, beginning);
      const journal = new Journal({ ...options, place, log, recovered, lock });
      await journal.start(superseded);
      return { ...recovered, journal };
    } catch (error) {
      await letGo(lock, error, beginning);
      throw error;
    }
  } catch (error) {
    throw refusalOf(directory, error instanceof SyncFailed ? error.cause : error);
  }
}

interface JournalParts extends JournalOptions {
  readonly place: DataPlace;
  readonly log: LogFile;
  readonly recovered: Omit<Recovered, 'superseded'>;
  readonly lock: { release(): Promise<void> };
}

/** The journal of a directory. */
export class Journal {
  readonly #parts: JournalParts;
  readonly #outgoing: Outgoing;
  readonly #waiting: Waiting;
  readonly #space: SpaceWatch;
  readonly #out: Writer = new Writer();
  readonly #endTurn = (): void => {
    this.#isScheduled = false;
    this.#outgoing.run();
  };

  /** The number of the batch that gathers. */
  #batch: number;
  /** The first batch of this start. */
  readonly #firstBatch: number;
  /** The last batch that is stored in its class. */
  #storedBatch: number;
  #isScheduled = false;

  /** Of the last log that was begun, or is to be. */
  #header: Omit<FileHeader, 'previousBytes'>;
  #logs: number;
  #snapshotBytes: number;
  /** Tells the snapshot under way that the log that goes on from it will not come. */
  #snapshotFailed: ((failure: unknown) => void) | undefined;
  /** Nobody is at the last snapshot's file any more. */
  #snapshotEnded: Promise<void> | undefined;

  /** Why nothing can be appended any more. */
  #refusal: StoreUnavailable | undefined;
  #closing: Promise<void> | undefined;

  /** By {@link openJournal}. */
  constructor(parts: JournalParts) {
    const { clock, deadlineMs, durability, minFreeBytes, onEvent, place, log, recovered } = parts;
    this.#parts = parts;
    this.#header = log.header;
    this.#batch = log.header.firstSequence;
    this.#firstBatch = this.#batch;
    this.#storedBatch = this.#batch - 1;
    this.#logs = recovered.logs + 1;
    this.#snapshotBytes = recovered.snapshotBytes;
    this.#waiting = new Waiting({ clock, deadlineMs, onLate: () => this.#outgoing.late(deadlineMs) });
    this.#space = new SpaceWatch({
      ...place,
      clock,
      minFreeBytes,
      onChange: ({ isShort, freeBytes }) => onEvent({ is: isShort ? 'short' : 'roomy', freeBytes }),
      onTrouble: (error) => onEvent({ is: 'hindered', doing: 'learning how much room is left on the disk', error }),
    });
    const outgoing = {
      place,
      durability,
      clock,
      gather: () => this.#seal(),
      left: () => {
        if (this.#out.length > frameBytes) this.#schedule();
      },
      stored: (batch: number) => {
        this.#storedBatch = batch;
        this.#waiting.stored(batch);
      },
      wrote: (bytes: number) => this.#space.wrote(bytes),
      failed: (failure: StoreUnavailable) => {
        this.#refusal = failure;
        this.#waiting.fail(failure);
        this.#snapshotFailed?.(failure);
      },
      onEvent,
    };
    this.#outgoing = new Outgoing(outgoing, log, recovered.logBytes);
  }

  /** Whether there is too little room left for what would fill the disk. */
  get isShort(): boolean {
    return this.#space.isShort;
  }

  /** Whether nothing can be written: nothing more may be changed. */
  get isStuck(): boolean {
    return this.#outgoing.isStuck || this.#refusal !== undefined;
  }

  /** What was free on the disk at the last look; undefined if it is not known. */
  get freeBytes(): number | undefined {
    return this.#space.freeBytes;
  }

  /** How often a log was synced. */
  get syncs(): number {
    return this.#outgoing.syncs.count;
  }

  /** How long all of these syncs took. */
  get syncSeconds(): number {
    return this.#outgoing.syncs.totalMs / 1000;
  }

  /** Bytes of all logs since the last snapshot. */
  get logBytes(): number {
    return this.#outgoing.logBytes;
  }

  /** How many logs there are since the last snapshot: each start and each snapshot begins one. */
  get logs(): number {
    return this.#logs;
  }

  /** Bytes of the last snapshot; 0 if there is none. */
  get snapshotBytes(): number {
    return this.#snapshotBytes;
  }

  /** Looks at the disk, and clears away what is superseded. By {@link openJournal}. */
  async start(superseded: readonly string[]): Promise<void> {
    await this.#space.start();
    await this.#remove(superseded);
  }

  /**
   * Appends records of what has changed. If this throws, nothing of it is appended: then what has changed is known to
   * memory alone, and the process has to end.
   *
   * @throws StoreUnavailable if the disk has failed, or the journal is closed; RangeError if it is more than a frame holds
   */
  append(write: (out: Writer) => void): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    const out = this.#out;
    if (out.length === 0) out.room(frameBytes);
    const before = out.length;
    try {
      write(out);
      const length = out.length - before;
      if (length > appendMaxBytes) throw new RangeError(`${length} bytes in one append; allowed: ${appendMaxBytes}`);
    } catch (error) {
      out.truncate(before);
      throw error;
    }
    if (out.length >= batchMaxBytes) this.#seal();
    if (!this.#isScheduled && !this.#outgoing.isRunning) this.#schedule();
  }

  /**
   * Undefined if all that was appended is stored in its class; else resolves when it is. One promise for all who ask
   * about the same batch.
   *
   * @throws StoreUnavailable at the deadline, or if the disk has failed: the outcome is unknown
   */
  stored(): Promise<void> | undefined {
    const last = this.#out.length > frameBytes ? this.#batch : this.#batch - 1;
    if (last <= this.#storedBatch) return undefined;
    if (this.#refusal !== undefined && this.#closing === undefined) return Promise.reject(this.#refusal);
    if (this.#parts.durability === 'memory' && this.#outgoing.waitingBytes < backlogMaxBytes) return undefined;
    return this.#waiting.until(last);
  }

  /** Resolves when all that was appended is on the disk, in every class. @throws StoreUnavailable if the disk fails */
  synced(): Promise<void> {
    this.#seal();
    this.#outgoing.run();
    return this.#outgoing.synced();
  }

  /**
   * Begins a new log at this very moment, and the snapshot that it goes on from: of all that was appended until now.
   * There is one at a time.
   */
  beginSnapshot(): SnapshotFile {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#snapshotFailed !== undefined) throw new Error('a snapshot is under way');
    this.#seal();
    const { place, clock, random } = this.#parts;
    const last = this.#header;
    const header = {
      ...last,
      number: last.number + 1,
      begunMs: clock.nowMs(),
      mark: drawMark(random),
      firstSequence: this.#batch,
      afterLoss: last.afterLoss && this.#batch === this.#firstBatch,
    };
    this.#header = header;
    this.#logs += 1;
    const logBegun = new Promise<void>((begun, failed) => {
      this.#snapshotFailed = failed;
      const notBegun = (error: unknown, goesOn: FileHeader): void => {
        this.#logs -= 1;
        // The next one takes this one's place; unless one is on its way behind it, which will fail as well.
        if (this.#header === header) this.#header = goesOn;
        failed(error);
      };
      this.#outgoing.add({ is: 'log', header, begun, notBegun });
    });
    let snapshotEnded!: () => void;
    this.#snapshotEnded = new Promise((ended) => {
      snapshotEnded = ended;
    });
    this.#outgoing.run();
    return new SnapshotFile({
      place,
      header: { ...header, kind: 'snapshot', mark: drawMark(random), previousBytes: 0 },
      logBegun,
      completed: (bytes) => this.#snapshotCompleted(bytes),
      ended: () => {
        this.#snapshotFailed = undefined;
        snapshotEnded();
      },
    });
  }

  /**
   * Writes and syncs what was appended, marks the log as closed in good order, and lets go of the directory, once nothing
   * is written there any more: what hangs in the disk keeps it, at the longest until the process ends. A snapshot under
   * way should have been completed or discarded.
   *
   * @throws StoreUnavailable if the disk does not take it before the deadline
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.#parts.clock.endOfTurn(this.#endTurn);
  }

  /** Closes the batch that gathers, and sends it on its way. */
  #seal(): void {
    const out = this.#out;
    if (out.length <= frameBytes) return;
    this.#outgoing.add({ is: 'frame', bytes: out.take(), kind: FrameKind.records, batch: this.#batch });
    this.#batch += 1;
  }

  async #snapshotCompleted(bytes: number): Promise<void> {
    const { place, onEvent } = this.#parts;
    this.#snapshotBytes = bytes;
    this.#outgoing.supersedeOlder();
    this.#logs = 1;
    try {
      const { snapshot, superseded } = chainOf(await listSegments(place.directory, place.disk));
      if (snapshot !== undefined) onEvent({ is: 'snapshot', file: snapshot.name, bytes });
      await this.#remove(superseded.map(({ name }) => name));
    } catch (error) {
      onEvent({ is: 'hindered', doing: 'looking for superseded files', error });
    }
  }

  /** Deletes files that nobody needs. What cannot be deleted now is deleted at the next start. */
  async #remove(names: readonly string[]): Promise<void> {
    const { place, onEvent } = this.#parts;
    for (const name of names) {
      try {
        await place.disk.remove(join(place.directory, name));
      } catch (error) {
        // An unfinished log may have become the one that this start began.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        onEvent({ is: 'hindered', doing: `deleting ${name}`, error });
      }
    }
  }

  async #close(): Promise<void> {
    const { clock, deadlineMs } = this.#parts;
    const outgoing = this.#outgoing;
    const { promise: gaveUp, cancel } = deadline(clock, deadlineMs, () =>
      outgoing.giveUp(new StoreUnavailable(`the disk did not take everything within ${deadlineMs} ms`)),
    );
    try {
      if (this.#refusal === undefined) {
        this.#seal();
        outgoing.add({ is: 'frame', bytes: Buffer.alloc(frameBytes), kind: FrameKind.end, batch: this.#batch });
        this.#refusal = new StoreUnavailable('the store is closed');
        outgoing.run();
      }
      await Promise.race([outgoing.drained(), gaveUp]);
    } finally {
      this.#space.close();
      await Promise.race([this.#letGo(), gaveUp.catch(() => {})]);
      cancel();
    }
  }

  /** Another process may have the directory when nothing of this one is on its way there. */
  async #letGo(): Promise<void> {
    try {
      await this.#outgoing.close();
      await this.#snapshotEnded;
      await this.#parts.lock.release();
    } catch (error) {
      this.#parts.onEvent({ is: 'hindered', doing: 'letting go of the data directory', error });
    }
  }
}

/** A promise that rejects at a deadline with what `reached` says of it. */
function deadline(
  clock: Pick<Clock, 'after'>,
  afterMs: number,
  reached: () => void,
): { promise: Promise<never>; cancel: () => void } {
  let cancel!: () => void;
  const promise = new Promise<never>((_, failed) => {
    cancel = clock.after(afterMs, () => {
      reached();
      failed(new StoreUnavailable(`the disk did not take everything within ${afterMs} ms`));
    });
  });
  return { promise, cancel };
}

function drawMark(random: Random): number {
  return Buffer.from(random.bytes(4)).readUInt32BE(0);
}
