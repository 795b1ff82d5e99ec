// When a call was issued, by the server's clock: what functions refuse late calls by [rule: STALE].
//
// A process may stand still between making a call and sending it, and a network may keep what was sent. Meanwhile the
// others take the node for dead, and what it sent would land in what is theirs by then. So a call bears the time at
// which it was made: our own clock that never steps, and the offset of the server's from it, learnt at each renewal.
//
// The server read its clock somewhat before its answer is here, and so calls seem older than they are by as much: they
// may be refused too soon, never too late. An answer that was long on its way teaches nothing if a better one is known.

/** The longest way there and back of an answer worth learning from, in milliseconds. */
const tripMaxMs = 1000;

/** The time at which calls are issued. */
export class IssueTime {
  /** Our own clock, which never steps. */
  readonly monotonicMs: () => number;
  #offsetMs: number | undefined;

  constructor(monotonicMs: () => number) {
    this.monotonicMs = monotonicMs;
  }

  /**
   * Learns the server's time from an answer that has just come.
   *
   * @param askedMs when it was asked for, by our own clock
   */
  learn(serverMs: number, askedMs: number): void {
    const nowMs = this.monotonicMs();
    if (this.#offsetMs === undefined || nowMs - askedMs <= tripMaxMs) this.#offsetMs = serverMs - nowMs;
  }

  /** A call's issue, as functions take it: the server's time in ms, negative; 0 while its clock is not known. */
  now(): number {
    return this.#offsetMs === undefined ? 0 : -Math.round(this.monotonicMs() + this.#offsetMs);
  }
}
