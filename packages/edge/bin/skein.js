#!/usr/bin/env -S node --max-semi-space-size=16
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { isCurrent } from './program.js';

// From Node 22.8 on, what was compiled is kept for the next start. It lies beside the code, so that nobody may change it
// who may not change the code; where that cannot be written to, all is as before.
const cache = process.env.NODE_COMPILE_CACHE ?? fileURLToPath(new URL('../.cache/compiled', import.meta.url));
module.enableCompileCache?.(cache);

const { main } = isCurrent() ? await import('../dist/program/main.js') : await import('../dist/main.js');
await main();
