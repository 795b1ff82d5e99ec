export { ManualClock } from './manual-clock.ts';
export { describePeers } from './peers.ts';
export type { OpenPeers, PeersPlace, PlaceOptions } from './peers-trial.ts';
export { SeededRandom } from './seeded-random.ts';
export { describeStore } from './store.ts';
export type { MakeStore, TestWords } from './trial.ts';
