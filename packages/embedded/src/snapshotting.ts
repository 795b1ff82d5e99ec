// When snapshots are taken, and how: beside everything else, some hundred microseconds in a turn of the event loop.
//
// One is taken when the journal since the last has become longer than it was allowed, and than that snapshot: so what is
// written in all is at most some times what was stored. The log that goes on from it begins with the limits in force.
//
// While the disk is nearly full, one is also taken if that makes room: what was acknowledged meanwhile is in the journal
// twice, as it came and as it went.

import { type Clock, memory } from '@skein/broker';
import { Writer } from '@skein/stored';
import { encodeItem, type SnapshotItem } from './item.ts';
import type { Journal } from './journal.ts';
import type { JournalEvent } from './journal-event.ts';
import { WrittenMessages } from './same-messages.ts';
import type { SnapshotFile } from './snapshot-file.ts';

/** What taking snapshots takes. */
export interface SnapshottingParts {
  readonly state: memory.MemoryState;
  readonly journal: Journal;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs' | 'after'>;
  /** How long the journal may become, in bytes. */
  readonly journalMaxBytes: number;
  /** Called at the very moment of a snapshot, to put what every log begins with at the head of the new one. */
  readonly begun: () => void;
  readonly onEvent: (event: JournalEvent) => void;
}

/** A frame of a snapshot is about as large. */
const frameBytes = 64 * 1024;
/** After one that failed, none is tried for so long. */
const retryMs = 30_000;
/** So often it is looked whether one would make room, while there is little. */
const roomEveryMs = 5000;
/** What a Session takes beside its messages, or a retained message beside its payload: a guess. */
const pieceBytes = 300;
/** How long a start may have to replay many short logs, one for each start before. */
const logsMax = 16;

/** Takes snapshots of a state. */
export class Snapshotting {
  readonly #parts: SnapshottingParts;
  #underWay: Promise<void> | undefined;
  #notBeforeMs = 0;
  #isStopping = false;
  #isLast = false;
  /** Of the one that is under way. */
  #file: SnapshotFile | undefined;
  /** Taken since the start. */
  count = 0;
  /** How long the last one took; 0 before the first. */
  lastSeconds = 0;

  #cancel: () => void = () => {};

  constructor(parts: SnapshottingParts) {
    this.#parts = parts;
  }

  /** Takes one if it is time for it. Costs nothing otherwise. */
  look(): void {
    const { journal, journalMaxBytes } = this.#parts;
    if (this.#underWay !== undefined || this.#isStopping) return;
    if (journal.logBytes < Math.max(journalMaxBytes, journal.snapshotBytes) && journal.logs < logsMax) return;
    this.take();
  }

  /** Takes one beside everything else, unless one is under way, or there is no room for it. */
  take(): void {
    const { journal, clock } = this.#parts;
    if (this.#underWay !== undefined || this.#isStopping || journal.isStuck) return;
    if (clock.monotonicMs() < this.#notBeforeMs) return;
    if (this.#stateBytes() > (journal.freeBytes ?? Number.POSITIVE_INFINITY)) {
      this.#notBeforeMs = clock.monotonicMs() + retryMs; // it would only fill the disk
      return;
    }
    this.#underWay = this.#take(turn).finally(() => {
      this.#underWay = undefined;
    });
  }

  /** There is little room: from now on, until there is more, it is looked whether a snapshot would make some. */
  lookForRoom(): void {
    const { journal, clock } = this.#parts;
    this.#cancel();
    this.#cancel = clock.after(roomEveryMs, () => {
      if (!journal.isShort) return;
      this.lookForRoom();
      if (this.#makesRoom()) this.take();
    });
  }

  /** Whether a snapshot would take at most half of what it supersedes. */
  #makesRoom(): boolean {
    const { journal } = this.#parts;
    return this.#stateBytes() < (journal.logBytes + journal.snapshotBytes) / 2;
  }

  /** About what a snapshot would take. */
  #stateBytes(): number {
    const { state } = this.#parts;
    let bytes = pieceBytes * (state.sessions.size + state.retained.count);
    for (const { queueBytes } of state.sessions.values()) bytes += queueBytes;
    return bytes;
  }

  /** Whether it has been told to stop: from then on nothing may be changed any more. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /**
   * Takes a last one, if that can be done in time, after the one that is under way. Nothing follows it: the new log stays
   * empty, and any later version can begin with the snapshot.
   */
  async stop(withinMs: number): Promise<void> {
    const { journal, clock } = this.#parts;
    this.#isStopping = true;
    this.#cancel();
    const endsMs = clock.monotonicMs() + withinMs;
    let cancel: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(withinMs, resolve);
    });
    const last = async (): Promise<void> => {
      await this.#underWay;
      if (journal.isStuck || clock.monotonicMs() >= endsMs) return;
      this.#isLast = true;
      await this.#take(() => {
        if (clock.monotonicMs() > endsMs) throw new Error(`a last snapshot could not be taken within ${withinMs} ms`);
        return undefined;
      });
    };
    // A disk may take for ever; what is not complete counts for nothing.
    await Promise.race([last(), late]);
    cancel();
    void this.#file?.discard().catch(() => {});
  }

  /** @param pause between two steps; may throw, to give it up */
  async #take(pause: () => Promise<void> | undefined): Promise<void> {
    const { journal, state, clock, begun, onEvent } = this.#parts;
    const startedMs = clock.monotonicMs();
    let snapshot: memory.Snapshot | undefined;
    try {
      const file = journal.beginSnapshot();
      this.#file = file;
      if (!this.#isLast) begun();
      const writing = new Writing();
      writing.add({ is: 'time', nowMs: clock.nowMs() });
      snapshot = new memory.Snapshot(state, (item) => writing.add(item));
      for (let isMore = true; isMore; ) {
        isMore = snapshot.step();
        const frame = writing.frame(isMore ? frameBytes : 1);
        if (frame !== undefined) await file.write(frame);
        if (isMore) await pause();
      }
      await file.complete();
      this.#file = undefined;
      this.count += 1;
      this.lastSeconds = (clock.monotonicMs() - startedMs) / 1000;
    } catch (error) {
      this.#notBeforeMs = clock.monotonicMs() + retryMs;
      onEvent({ is: 'hindered', doing: 'taking a snapshot', error });
      const file = this.#file;
      this.#file = undefined;
      await file?.discard().catch(() => {}); // the next start clears it away
    } finally {
      snapshot?.end();
    }
  }
}

/** Pieces on their way into frames. */
class Writing {
  readonly #out: Writer = new Writer(2 * frameBytes);
  readonly #messages: WrittenMessages = new WrittenMessages();
  #failure: unknown;

  /** Whoever is about to change the state must not be disturbed: what goes wrong is told when a frame is asked for. */
  add(item: SnapshotItem): void {
    if (this.#failure !== undefined) return;
    try {
      encodeItem(this.#out, item, this.#messages);
    } catch (error) {
      this.#failure = error;
    }
  }

  /** What there is, if it is so many bytes. */
  frame(leastBytes: number): Buffer | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#out.length >= leastBytes ? this.#out.take() : undefined;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
