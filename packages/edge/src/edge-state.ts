// Where a node is in its life, for probes and metrics.

/** The states of a node, in the order in which it goes through them. */
export const edgeStates = ['starting', 'ready', 'draining'] as const;

/** Where a node is in its life. */
export type EdgeState = (typeof edgeStates)[number];
