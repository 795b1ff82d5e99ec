// Where a node is in its life, for probes and metrics.

/**
 * The states of a node: in the order in which it goes through them, but for `fenced`, from which it comes back to
 * `ready`. A node is fenced while it may have been taken for dead and begins anew.
 */
export const edgeStates = ['starting', 'ready', 'draining', 'fenced'] as const;

/** Where a node is in its life. */
export type EdgeState = (typeof edgeStates)[number];
