export { type CheckedDirectory, checkDirectory, repairDirectory } from './check.ts';
export type { EmbeddedGauges, EmbeddedOpened } from './gauges.ts';
export type { RepairStep } from './inspect.ts';
export type { JournalEvent } from './journal-event.ts';
export { type EmbeddedOptions, type EmbeddedStore, openEmbeddedStore } from './open.ts';
export { type ReadDirectory, readDataDirectory } from './read.ts';
export { DataDamaged, StoreRefused } from './refusal.ts';
