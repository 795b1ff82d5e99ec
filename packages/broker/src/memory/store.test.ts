import { describe, expect, it } from 'vitest';
import { describeStore } from '../contract/index.ts';
import { memoryStore } from './store.ts';

describeStore({ describe, it, expect }, 'the memory store', async (clock, random, limits) =>
  memoryStore(clock, random, limits),
);
