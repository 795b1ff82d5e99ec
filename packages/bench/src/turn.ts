// What is left for the end of a turn of the event loop, so that all that was read in it is answered in one write.
//
// A chunk that was read says what it touched: a connection with something to send, a publisher whose window opened.
// When all sockets of the turn have been read, each of them has its turn once.

import { nowMs } from './clock.ts';

/** Something that has to be done before the loop sleeps. */
export interface Pending {
  /** It waits for its end of the turn already. Only a {@link Turn} changes it. */
  pending: boolean;
  /** Does it. */
  endTurn(): void;
}

/** The turns of one thread's loop. */
export class Turn {
  /** When the chunk was read that is being looked at; milliseconds. One reading serves all messages of a chunk. */
  nowMs: number = nowMs();
  #waiting: Pending[] = [];
  #done: Pending[] = [];

  /** The clock is read anew. */
  begin(): void {
    this.nowMs = nowMs();
  }

  /** Something is to be done at the end of this turn. */
  soon(what: Pending): void {
    if (what.pending) return;
    what.pending = true;
    if (this.#waiting.push(what) === 1) setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const due = this.#waiting;
    this.#waiting = this.#done;
    this.#done = due;
    this.begin();
    for (const each of due) {
      each.pending = false;
      each.endTurn();
    }
    due.length = 0;
  };
}
