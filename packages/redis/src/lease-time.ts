// Since when this node has certainly had its lease, by the server's clock: what functions refuse late calls by [rule: STALE].
//
// A process may stand still between making a call and sending it, and a network may keep what was sent. Meanwhile the
// others take the node for dead, and what it sent would land in what is theirs by then. So a call bears the time of the
// last renewal that was answered before it was made; one that lands long after that is refused. The time of its making
// would not do: a node that is cut off goes on making calls until it doubts itself, each of them young.

/** When the lease was last renewed. */
export class LeaseTime {
  #renewedMs: number | undefined;

  /** A renewal was answered. @param serverMs the server's time when it was made */
  renewed(serverMs: number): void {
    this.#renewedMs = serverMs;
  }

  /** What functions take as a call's time: the server's, in ms, negative; 0 before the first renewal. */
  now(): number {
    return this.#renewedMs === undefined ? 0 : -Math.round(this.#renewedMs);
  }
}
