// The one door of this package: a scenario in, a checked report out.

export { BenchError } from './bench-error.ts';
export { runScenario } from './run.ts';
export * from './scenario.ts';
export { summary } from './summary.ts';
