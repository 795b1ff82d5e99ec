// Why a store is not opened: what is wrong with the Redis that was named, and what to do about it.

/** The Redis that was named cannot be used; the message says what is wrong and what to do. */
export class RedisRefused extends Error {
  override readonly name = 'RedisRefused';
}

/** Where a URL leads, without its password. */
export function placeOf(url: URL): string {
  return `${url.hostname}:${url.port === '' ? 6379 : url.port}`;
}

/**
 * Reads the URL of a Redis.
 *
 * @throws RedisRefused if it is none
 */
export function parseRedisUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new RedisRefused('the store is no URL; write redis://host:port or rediss://user:password@host:port/0');
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new RedisRefused(
      `the store begins with ${url.protocol}//; a Redis begins with redis:// or, with TLS, rediss://`,
    );
  }
  if (url.hostname === '') throw new RedisRefused('the store names no host; write redis://host:port');
  if (!/^\/?[0-9]*$/.test(url.pathname)) {
    throw new RedisRefused(
      `the store names the database ${url.pathname.slice(1)}; a database is a number, as in redis://host:6379/0`,
    );
  }
  return url;
}

/** What a failed connection means to whoever started us. */
export function refusalOf(error: Error, place: string): RedisRefused {
  const { message } = error;
  const because = { cause: error };
  if (message.startsWith('NOAUTH') || message.includes('HELLO must be called')) {
    return new RedisRefused(
      `Redis at ${place} wants a password; name it in the URL, as in redis://user:password@host:port`,
      because,
    );
  }
  if (message.startsWith('WRONGPASS') || message.includes('invalid password')) {
    return new RedisRefused(`Redis at ${place} does not know this user name and password`, because);
  }
  if (message.startsWith('NOPERM')) {
    return new RedisRefused(`Redis at ${place} does not permit its user what the store needs: ${message}`, because);
  }
  if (message.startsWith('LOADING')) {
    return new RedisRefused(`Redis at ${place} is still loading its data; start again in a while`, because);
  }
  if (message.includes('DB index is out of range')) {
    return new RedisRefused(`Redis at ${place} has no such database: ${message}`, because);
  }
  const code = 'code' in error ? ` (${String(error.code)})` : '';
  return new RedisRefused(
    `Redis at ${place} cannot be reached${code}: ${message || 'no answer'}. Is it running there, and is the address right?`,
    because,
  );
}
