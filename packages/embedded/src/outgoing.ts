// The way to the disk: frames and new logs, one after the other, one write at a time.
//
// No frame on this way is given up: what the disk refuses is tried again, as it was and where it belongs, until the disk
// takes it or the journal ends. A new log begins when the old one is on the disk as a whole, not before: so only the last
// log of a directory can have a torn end. If it cannot be made, the old one goes on: only a snapshot needs a new one, and
// can wait. A sync that fails ends everything: nobody knows then what the disk has, and to ask again would get a lie for
// an answer.

import { join } from 'node:path';
import { type Clock, StoreUnavailable } from '@skein/broker';
import type { FileHeader, JournalClass } from './file-header.ts';
import { FrameKind } from './frame.ts';
import type { JournalEvent } from './journal-event.ts';
import { type DataPlace, LogFile, SyncFailed } from './log-file.ts';
import { PlaceWatch } from './place-watch.ts';
import { segmentName } from './segments.ts';

/** How soon a write that failed is tried again, in milliseconds. */
const retryMs = 250;
/** In class `everysec`, how long what was written may wait for the disk, in milliseconds. */
const syncEveryMs = 1000;

/** What is to be done to the files. */
export type Work =
  /** `bytes` begins with room for the frame's head; `batch` is the number of the frame. */
  { readonly is: 'frame'; readonly bytes: Buffer; readonly kind: FrameKind; readonly batch: number } | NewLog;

/** A log that is to be begun behind all that was added before. */
export interface NewLog {
  readonly is: 'log';
  readonly header: Omit<FileHeader, 'previousBytes'>;
  begun(): void;
  /** It could not be begun: `header` is of the log that goes on in its place. */
  notBegun(error: unknown, header: FileHeader): void;
}

export interface OutgoingParts {
  readonly place: DataPlace;
  readonly durability: JournalClass;
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
  /** Hands over what gathered, by {@link Outgoing.add}: it is time for the next write. */
  gather(): void;
  /** Something gathered in the very moment in which the last write ended. */
  left(): void;
  /** Every batch up to this one is stored in its class. */
  stored(batch: number): void;
  /** So many bytes were written. */
  wrote(bytes: number): void;
  /** Nothing will be stored any more. */
  failed(failure: StoreUnavailable): void;
  onEvent(event: JournalEvent): void;
}

/** What is on its way to the disk. */
export class Outgoing {
  readonly #parts: OutgoingParts;
  readonly #watch: PlaceWatch;
  #log: LogFile;
  #work: Work[] = [];
  #waitingBytes = 0;
  #olderBytes: number;
  #running: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #cancelSync: (() => void) | undefined;
  /** Ends the pause before something is tried again. */
  #wake: (() => void) | undefined;
  #isStuck = false;
  #isDraining = false;
  #failure: StoreUnavailable | undefined;
  #syncs = 0;
  #syncMs = 0;

  /** @param olderBytes of the logs between the last snapshot and this log */
  constructor(parts: OutgoingParts, log: LogFile, olderBytes: number) {
    this.#parts = parts;
    this.#log = log;
    this.#olderBytes = olderBytes;
    const { place, clock, onEvent } = parts;
    this.#watch = new PlaceWatch({
      place,
      clock,
      log: () => this.#log,
      onLost: (error) => this.#fail(error),
      onTrouble: (error) => onEvent({ is: 'hindered', doing: 'looking whether the journal is where it was', error }),
    });
  }

  /** Whether something is being written, and will be followed by what has gathered meanwhile. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Whether the disk takes nothing at present. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Bytes that were added and are not written. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** How often a log was synced, and how long all of that took. */
  get syncs(): { readonly count: number; readonly totalMs: number } {
    return { count: this.#syncs, totalMs: this.#syncMs };
  }

  /** Bytes of all logs since the last snapshot. */
  get logBytes(): number {
    return this.#olderBytes + this.#log.writtenBytes;
  }

  /** The present log goes on from a snapshot: older ones count no more. */
  supersedeOlder(): void {
    this.#olderBytes = 0;
  }

  add(work: Work): void {
    this.#work.push(work);
    if (work.is === 'frame') this.#waitingBytes += work.bytes.length;
  }

  /** Sees to it that everything is written that was added or gathers, unless that is under way. */
  run(): void {
    if (this.#failure !== undefined) return;
    this.#running ??= this.#writeAll().then(
      () => {
        this.#running = undefined;
        // Either may have come after the last look, and before this.
        if (this.#work.length > 0) this.run();
        else this.#parts.left();
      },
      (error: unknown) => {
        this.#running = undefined;
        this.#fail(error);
      },
    );
  }

  /** Resolves when everything is written, and on the disk, for good. @throws StoreUnavailable if it was given up */
  async drained(): Promise<void> {
    this.#isDraining = true;
    this.#cancelSync?.();
    await this.synced();
    await this.#watch.look();
    this.#checkGoesOn();
  }

  /** Resolves when everything is written, and on the disk. @throws StoreUnavailable if it was given up */
  async synced(): Promise<void> {
    await this.#idle();
    const log = this.#log;
    if (this.#failure === undefined && log.syncedBytes < log.writtenBytes) await this.#syncBeside(log);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nobody has waited so long for an answer before. */
  late(afterMs: number): void {
    this.#stuck(new Error(`the disk has not answered for ${afterMs} ms`));
  }

  /** Gives up what is not written. */
  giveUp(failure: StoreUnavailable): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#isStuck = true;
    this.#watch.close();
    this.#cancelSync?.();
    this.#wake?.();
    this.#parts.failed(failure);
  }

  /** Closes the log once nobody is at it: where the disk hangs, that may never be. */
  async close(): Promise<void> {
    this.#watch.close();
    this.#cancelSync?.();
    await this.#idle();
    await this.#log.close();
  }

  async #idle(): Promise<void> {
    while (this.#running !== undefined || this.#syncing !== undefined) {
      await this.#running;
      await this.#syncing;
    }
  }

  /** @throws SyncFailed, StoreUnavailable */
  async #writeAll(): Promise<void> {
    const { durability, gather, stored, wrote } = this.#parts;
    const waitsForSync = durability === 'always';
    for (gather(); this.#work.length > 0; gather()) {
      const works = this.#work;
      this.#work = [];
      let last: number | undefined;
      for (const work of works) {
        if (work.is === 'log') {
          await this.#beginLog(work);
          continue;
        }
        const { bytes, kind, batch } = work;
        // So that it says that all before it is there: what is not there at the next start is damage then, and not torn.
        if (kind === FrameKind.end) await this.#syncWhole(this.#log);
        // Only now: it says how far the disk is known to have the log.
        this.#log.seal(bytes, { kind, sequence: batch });
        await this.#insist(() => this.#log.write(bytes));
        this.#waitingBytes -= bytes.length;
        wrote(bytes.length);
        if (waitsForSync) last = batch;
        else stored(batch);
      }
      if (!waitsForSync) {
        this.#syncLater();
        continue;
      }
      await this.#sync(this.#log);
      this.#unstuck();
      if (last !== undefined) stored(last);
    }
  }

  /**
   * rule: the old log is on the disk as a whole, then the new one begins, then it goes on. One that cannot be begun
   * leaves everything as it was; one that would leave a gap behind it has no place any more.
   *
   * @throws SyncFailed, StoreUnavailable
   */
  async #beginLog({ header, begun, notBegun }: NewLog): Promise<void> {
    const old = this.#log;
    await this.#syncWhole(old);
    const previousBytes = old.writtenBytes;
    // In another directory of the same name it would go on from nothing, and harm what is there.
    await this.#watch.look();
    this.#checkGoesOn();
    const { disk, directory } = this.#parts.place;
    const path = join(directory, segmentName(header.kind, header.number));
    let next: LogFile;
    try {
      if (header.number !== old.header.number + 1) throw new Error(`log ${header.number - 1} could not be begun`);
      if ((await disk.fileAt(path)) !== undefined) throw new Error(`${path} is there already`);
      next = await LogFile.beginLog(this.#parts.place, { ...header, previousBytes });
    } catch (error) {
      if (error instanceof SyncFailed) throw error;
      notBegun(error, old.header);
      return;
    }
    await this.#watch.look();
    if (this.#failure !== undefined) await next.takeBack(this.#parts.place);
    this.#checkGoesOn();
    this.#log = next;
    this.#olderBytes += previousBytes;
    begun();
    this.#unstuck();
    // One that was due while the old log was synced for good.
    await this.#syncing;
    await old.close();
    this.#checkGoesOn();
  }

  /** Does what the disk may refuse, again and again, until it succeeds. @throws SyncFailed, StoreUnavailable */
  async #insist(attempt: () => Promise<void>): Promise<void> {
    for (let isDone = false; !isDone; ) {
      try {
        await attempt();
        isDone = true;
      } catch (error) {
        if (error instanceof SyncFailed) throw error;
        this.#stuck(error);
        if (this.#failure === undefined) await this.#pause();
      }
      this.#checkGoesOn();
    }
    this.#unstuck();
  }

  /** Whoever was given up while the disk hung does nothing more when it answers. @throws StoreUnavailable */
  #checkGoesOn(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #pause(): Promise<void> {
    await new Promise<void>((wake) => {
      const cancel = this.#parts.clock.after(retryMs, wake);
      this.#wake = () => {
        cancel();
        wake();
      };
    });
    this.#wake = undefined;
  }

  #stuck(error: unknown): void {
    if (this.#isStuck) return;
    this.#isStuck = true;
    this.#parts.onEvent({ is: 'stuck', error });
  }

  #unstuck(): void {
    if (!this.#isStuck || this.#failure !== undefined) return;
    this.#isStuck = false;
    this.#parts.onEvent({ is: 'unstuck' });
  }

  /** In class `everysec`, syncs what was written, a second later and beside further writes. */
  #syncLater(): void {
    const { durability, clock } = this.#parts;
    if (durability !== 'everysec' || this.#isDraining) return;
    if (this.#cancelSync !== undefined || this.#syncing !== undefined) return;
    this.#cancelSync = clock.after(syncEveryMs, () => {
      this.#cancelSync = undefined;
      const log = this.#log;
      if (log.syncedBytes === log.writtenBytes) return;
      void this.#syncBeside(log).then(() => {
        if (this.#log.syncedBytes < this.#log.writtenBytes) this.#syncLater();
      });
    });
  }

  /** Syncs a log beside whatever else is done. Never rejects: if it fails, everything has. */
  #syncBeside(log: LogFile): Promise<void> {
    this.#syncing = this.#sync(log).then(
      () => {
        this.#syncing = undefined;
      },
      (error: unknown) => {
        this.#syncing = undefined;
        this.#fail(error);
      },
    );
    return this.#syncing;
  }

  /** Resolves when all of a log is on the disk, and nobody syncs it any more. @throws SyncFailed, StoreUnavailable */
  async #syncWhole(log: LogFile): Promise<void> {
    await this.#syncing;
    this.#checkGoesOn();
    if (log.syncedBytes < log.writtenBytes) await this.#sync(log);
    this.#checkGoesOn();
  }

  /** @throws SyncFailed */
  async #sync(log: LogFile): Promise<void> {
    const { clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    await log.sync();
    this.#syncs += 1;
    this.#syncMs += clock.monotonicMs() - startedMs;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.giveUp(new StoreUnavailable('the disk has failed', { cause: error }));
    this.#parts.onEvent({ is: 'failed', error });
  }
}
