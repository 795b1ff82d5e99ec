// From what the files hold to the state: the pieces of the newest snapshot, and the calls since.

import { type Limits, memory } from '@skein/broker';
import { Reader, Texts } from '@skein/stored';
import { apply } from './apply.ts';
import { decodeCall } from './call.ts';
import { decodeItem } from './item.ts';
import type { Replay } from './recovery.ts';
import { StoreRefused } from './refusal.ts';
import { ReadMessages } from './same-messages.ts';

/**
 * The version of what calls do to the state. It goes up when the same calls would make another state than before: a log
 * of another version is refused, since replaying it would not give back what was stored.
 */
export const callsVersion = 1;

/** What is read back, on its way to a state. */
export class StateReplay implements Replay {
  /** Of the calls that it can make again. */
  readonly callsVersion: number = callsVersion;
  readonly #directory: string;
  readonly #restoration: memory.Restoration;
  readonly #messages: ReadMessages = new ReadMessages();
  /** What is read outlives the bytes of the files. */
  readonly #texts: Texts = new Texts();
  #state: memory.MemoryState | undefined;
  /** When the last call was made, or the snapshot taken. */
  lastMs = 0;

  /** @param limits in force if none were recorded */
  constructor(directory: string, limits: Limits) {
    this.#directory = directory;
    this.#restoration = new memory.Restoration(queueLimitsOf(limits));
  }

  /** @inheritdoc */
  snapshotFrame(payload: Buffer): number {
    return this.#read(payload, (reader) => {
      const item = decodeItem(reader, this.#messages);
      if (item.is === 'time') this.lastMs = item.nowMs;
      else this.#restoration.add(item);
    });
  }

  /** @inheritdoc */
  callsFrame(payload: Buffer): number {
    return this.#read(payload, (reader) => {
      const { call, nowMs } = decodeCall(reader);
      this.#state ??= this.#restoration.finish(nowMs);
      this.lastMs = nowMs; // not the latest there was: a clock that was wrong may have been set right
      apply(this.#state, call, nowMs);
    });
  }

  /** All that was read, when that is all. */
  finish(nowMs: number): memory.MemoryState {
    return this.#state ?? this.#restoration.finish(nowMs);
  }

  /** @returns how many there were */
  #read(payload: Buffer, readOne: (reader: Reader) => void): number {
    let count = 0;
    const reader = new Reader(payload, 'record', this.#texts);
    try {
      for (; reader.remaining > 0; count++) readOne(reader);
      return count;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new StoreRefused(
        `The data directory ${this.#directory} holds what this version cannot read: ${error.message}; ` +
          'start the version that wrote it',
        { cause: error },
      );
    }
  }
}

/** Of the limits, what calls depend on. */
export function queueLimitsOf(limits: Limits): memory.QueueLimits {
  const { queueMaxMessages, queueMaxBytes, queueFull, retainedMaxMessages } = limits;
  return { queueMaxMessages, queueMaxBytes, queueFull, retainedMaxMessages };
}

/** How much a state holds of what Clients would miss. */
export interface Holdings {
  readonly sessions: number;
  /** In the queues of Sessions. */
  readonly messages: number;
  readonly retained: number;
}

/** Counts what a state holds. */
export function holdingsOf(state: memory.MemoryState): Holdings {
  let messages = 0;
  for (const { queue } of state.sessions.values()) messages += queue.size;
  return { sessions: state.sessions.size, messages, retained: state.retained.count };
}
