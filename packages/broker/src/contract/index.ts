export { ManualClock } from './manual-clock.ts';
export { SeededRandom } from './seeded-random.ts';
export { describeStore } from './store.ts';
export type { MakeStore, TestWords } from './trial.ts';
