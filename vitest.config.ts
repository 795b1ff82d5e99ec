// Tests run from source: a package's name leads to its src, so nothing has to be built first.
//
// The exceptions start the real process, packages/edge/bin/skein.js, and that one runs from dist.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (name: string): string => fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      '@skein/protocol': source('protocol'),
      '@skein/broker/contract': fileURLToPath(new URL('packages/broker/src/contract/index.ts', import.meta.url)),
      '@skein/broker': source('broker'),
      '@skein/stored': source('stored'),
      '@skein/embedded': source('embedded'),
      '@skein/redis': source('redis'),
      '@skein/cluster': source('cluster'),
      '@skein/bench': source('bench'),
      '@skein/edge': source('edge'),
    },
  },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'test/{spec,security,fuzz,sim,interop,cluster,load,history,support,embedded,bench}/**/*.test.ts',
      'scripts/**/*.test.mjs',
    ],
    pool: 'forks',
    // Conversations wait more than they compute, so a small machine takes several at a time too.
    maxWorkers: Math.max(4, availableParallelism()),
    // A test waits for a fact; these are how long it may wait, in milliseconds.
    testTimeout: 15_000,
    hookTimeout: 15_000,
    teardownTimeout: 5_000,
    reporters: process.env.CI ? ['default', ['json', { outputFile: '.cache/vitest.json' }]] : ['default'],
  },
});
