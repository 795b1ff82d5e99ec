// The model of a store, for stores that keep their state in memory and make it durable in their own way.
//
// Its functions change the state in one breath, and whatever they do follows from the state, their arguments, and the
// time and the names that they are given: the same calls, in the same order, make the same state again. Where a choice
// follows from more than that, choosing and doing are two functions, and the doing is what can be repeated: expired and
// expire, dueWills and takeWills, abandonable and abandoned.

export { bytesOf, keepBytes } from '../message.ts';
export * as feeds from './feeds.ts';
export * as inbound from './inbound2.ts';
export type * from './items.ts';
export * as queues from './queues.ts';
export { putRoutes, Restoration } from './restore.ts';
export type { Abandoned } from './sessions.ts';
export * as sessions from './sessions.ts';
export * as shared from './shared.ts';
export { isLong, Line, type Slice, SlicedEnqueue } from './slices.ts';
export { Snapshot } from './snapshot.ts';
export type { ConnectionKey, LeftKey, QueueLimits, Refusal } from './state.ts';
export { MemoryState } from './state.ts';
