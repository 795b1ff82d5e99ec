// A process with a journal, as far as the journal is concerned: it appends numbers, and remembers what it was promised.
//
// The numbers go up by one, from life to life. So what a start reads back is right if it is all numbers from 1 to some
// last one, which is at least the last one that was promised. A snapshot holds all numbers so far, in several frames.

import { ManualClock, SeededRandom } from '@skein/broker/contract';
import { type Journal, type JournalClass, type JournalEvent, type OpenedJournal, openJournal } from '../src/journal.ts';
import type { FaultyDisk } from './faulty-disk.ts';

export const directory = '/data';
export const callsVersion = 3;

export interface LifeOptions {
  readonly durability: JournalClass;
  readonly minFreeBytes?: number;
  readonly deadlineMs?: number;
  readonly callsVersion?: number;
  /** What chance begins with; another one in every life if it is not given. */
  readonly seed?: number;
}

/** Waits, as long as something happens by itself, until a fact is so. @returns whether it is */
export async function comes(clock: ManualClock, isSo: () => boolean): Promise<boolean> {
  for (let round = 0; round < 40 && !isSo(); round++) await clock.settle();
  return isSo();
}

/** Lets everything happen that happens by itself. */
export async function rest(clock: ManualClock): Promise<void> {
  for (let round = 0; round < 6; round++) await clock.settle();
}

/** One start of the process. */
export class Life {
  readonly clock: ManualClock;
  readonly disk: FaultyDisk;
  readonly opened: OpenedJournal;
  readonly journal: Journal;
  readonly events: JournalEvent[];
  /** The last number that was read back. */
  readonly found: number;
  /** The last number that was appended. */
  appended: number;
  /** The last number of which it was said that it is stored. */
  promised: number;
  /** The last number that the disk must have, whatever happens. */
  kept: number;
  /** What the last answers were that were not given. */
  readonly refused: Error[] = [];

  private constructor(parts: Pick<Life, 'clock' | 'disk' | 'opened' | 'events' | 'found'>) {
    this.clock = parts.clock;
    this.disk = parts.disk;
    this.opened = parts.opened;
    this.journal = parts.opened.journal;
    this.events = parts.events;
    this.found = parts.found;
    this.appended = parts.found;
    this.promised = parts.found;
    this.kept = 0;
  }

  /** Starts on a disk. @throws what the journal refuses, or an error if what is read back is not all numbers in order */
  static async open(disk: FaultyDisk, options: LifeOptions): Promise<Life> {
    const clock = new ManualClock();
    const events: JournalEvent[] = [];
    let found = 0;
    const expect = (first: number, last: number): void => {
      if (first !== found + 1) throw new Error(`found ${first} behind ${found}`);
      found = last;
    };
    const opened = await openJournal(
      {
        directory,
        disk,
        clock,
        random: new SeededRandom(options.seed ?? disk.calls + 1),
        durability: options.durability,
        deadlineMs: options.deadlineMs ?? 5000,
        minFreeBytes: options.minFreeBytes ?? 0,
        callsVersion: options.callsVersion ?? callsVersion,
        nodeId: 'test',
        onEvent: (event) => events.push(event),
      },
      {
        snapshotFrame: (payload) => expect(payload.readUInt32BE(0), payload.readUInt32BE(4)),
        callsFrame: (payload) => {
          for (let at = 0; at < payload.length; at += 5 + (payload[at + 4] as number)) {
            expect(payload.readUInt32BE(at), payload.readUInt32BE(at));
          }
        },
      },
    );
    return new Life({ clock, disk, opened, events, found });
  }

  /** Appends so many numbers, as one call each. */
  append(count: number, fillBytes = 20): void {
    for (let i = 0; i < count; i++) {
      this.appended += 1;
      const number = this.appended;
      this.journal.append((out) => {
        out.uint32(number);
        out.byte(fillBytes);
        out.data(Buffer.alloc(fillBytes, number));
      });
    }
    this.ask();
  }

  /** Asks for all that was appended to be stored. */
  ask(): void {
    const last = this.appended;
    const storing = this.journal.stored();
    if (storing === undefined) {
      this.promised = Math.max(this.promised, last);
      return;
    }
    storing.then(
      () => {
        this.promised = Math.max(this.promised, last);
      },
      (error: Error) => this.refused.push(error),
    );
  }

  /** Whether everything that was appended is stored. */
  async isStored(): Promise<boolean> {
    return comes(this.clock, () => this.promised === this.appended);
  }

  /**
   * Takes a snapshot of all numbers so far, in several frames; `between` is called before each and at the end.
   *
   * @throws what the disk refuses, once it is discarded
   */
  async snapshot(frames = 3, between: () => void = () => {}): Promise<void> {
    const last = this.appended;
    const file = this.journal.beginSnapshot();
    const step = Math.max(1, Math.ceil(last / frames));
    try {
      for (let first = 1; first <= last; first += step) {
        between();
        const payload = Buffer.alloc(40);
        payload.writeUInt32BE(first, 0);
        payload.writeUInt32BE(Math.min(last, first + step - 1), 4);
        await file.write(payload);
      }
      between();
      await file.complete();
    } catch (error) {
      await file.discard();
      throw error;
    }
  }
}
