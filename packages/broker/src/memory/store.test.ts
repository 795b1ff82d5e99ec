import { describe, expect, it } from 'vitest';
import { describeStore, type MakeStore, type TestWords } from '../contract/index.ts';
import { memoryStore } from './store.ts';

const words: TestWords = { describe, it, expect };
const make: MakeStore = async (clock, random, limits) => memoryStore(clock, random, limits);

describeStore(words, 'the memory store', make);
