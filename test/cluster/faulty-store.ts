// A store that breaks a rule: the functions that run in Redis, with a line of them changed behind the nodes' backs.
//
// The nodes are the real ones and notice nothing; the library keeps its name, so that they go on calling it.

import type { RedisProcess } from '../support/redis.ts';

/** A change to the library's text: a passage that is there once, and what stands in its place. */
export interface Tampering {
  readonly from: string;
  readonly to: string;
}

/** Writes of whoever once owned the Session are taken, however many have owned it since. */
export const noEpoch: Tampering = {
  from: 'and tonumber(epoch) == tonumber(claimed_epoch)',
  to: '',
};

/** A route is removed though it was put anew since whoever removes it last saw it. */
export const unconditionalRemoval: Tampering = {
  from: 'if put == args[at + 1] then',
  to: 'if put then',
};

/**
 * Changes the functions that a cluster has loaded, until the result is disposed of.
 *
 * @throws Error if the passage is not there, or not once: then this file must follow the product
 */
export async function tamper(redis: RedisProcess, { from, to }: Tampering): Promise<AsyncDisposable> {
  const code = await loadedCode(redis);
  const parts = code.split(from);
  if (parts.length !== 2) throw new Error(`the library has ${parts.length - 1} times: ${from}`);
  const load = (text: string): Promise<unknown> => redis.ask('FUNCTION', 'LOAD', 'REPLACE', text);
  await load(parts.join(to));
  return { [Symbol.asyncDispose]: async () => void (await load(code)) };
}

async function loadedCode(redis: RedisProcess): Promise<string> {
  const libraries = await redis.ask('FUNCTION', 'LIST', 'LIBRARYNAME', 'skein_v*', 'WITHCODE');
  const library = (libraries as readonly (readonly unknown[])[])[0] ?? [];
  const code = library[library.indexOf('library_code') + 1];
  if (typeof code !== 'string') throw new Error('no library is loaded');
  return code;
}
