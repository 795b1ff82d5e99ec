// Which store is meant, as people write it: `file:./skein-data`, `memory:`, `redis://user:password@host:6379/0`.
//
// In the last there may be a password, and nobody knows how it was typed. So a URL is shown only as it was understood,
// taken apart and put together without it; of one that was not, no more than how it begins. In the name of a directory
// there is none, unless a host stands before it, and somebody's name before that.

/** Where a node keeps everything that is not told otherwise. */
export const presetStore: string = 'file:./skein-data';

/** What may be written, in a sentence that completes "allowed:". */
export const allowedStoreUrls: string =
  'file:DIRECTORY (one node, on this disk), memory: (nothing survives a restart), ' +
  'redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// with TLS';

const laterOnes: readonly (readonly [beginning: string, what: string])[] = [
  ['redis+sentinel:', 'Redis with Sentinel is not built yet; name its master by redis://'],
  ['redis+cluster:', 'Redis Cluster is not built yet; name a standalone server by redis://'],
];

/** What is wrong with a store's URL, in a sentence; undefined if nothing is. */
export function storeProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'a URL is text';
  if (value === 'memory:') return undefined;
  if (isOnDisk(value)) return pathProblem(value);
  const later = laterOnes.find(([beginning]) => value.startsWith(beginning));
  if (later !== undefined) return later[1];
  if (!isShared(value)) return 'there is no such store';
  if (!URL.canParse(value)) {
    return 'it is not a URL; in a user name or password, other signs than letters and digits are written as %40 for @';
  }
  const { hostname, pathname, search, hash, username, password } = new URL(value);
  if (!isDecodable(username) || !isDecodable(password)) return 'in a user name or password % is written as %25';
  if (hostname === '') return 'it names no host';
  if (!/^\/?\d*$/.test(pathname)) return 'after the host comes the number of a database, and nothing else';
  return search === '' && hash === '' ? undefined : 'after the host comes the number of a database, and nothing else';
}

function pathProblem(url: string): string | undefined {
  if (url.startsWith('file://') && !url.startsWith('file:///')) {
    return 'what follows two slashes is a host; a directory here is file:DIRECTORY, or from the root file:///DIRECTORY';
  }
  const written = url.slice('file:'.length);
  if (!isDecodable(written)) return 'in the name of a directory % is written as %25';
  if (decodeURIComponent(written).includes('\0')) return 'a name has no NUL in it';
  if (/^~(\/|$)/.test(written))
    return '~ is understood by shells, and here none reads it: write the directory out, or $HOME';
  if (/^\/+$/.test(written)) return 'it names no directory, but the root of all';
  return written === '' ? 'it names no directory' : undefined;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether several nodes may share the store. */
export function isShared(url: string): boolean {
  return /^rediss?:\/\//.test(url);
}

/** Whether it is a data directory of this machine. */
export function isOnDisk(url: string): boolean {
  return url.startsWith('file:');
}

/** What the store is made of, in one word. */
export function storeKind(url: string): 'memory' | 'embedded' | 'redis' {
  if (isShared(url)) return 'redis';
  return isOnDisk(url) ? 'embedded' : 'memory';
}

/** The data directory of a URL that has one, as it is written: seen from the working directory, unless from the root. */
export function directoryOf(url: string): string {
  return decodeURIComponent(url.slice('file:'.length)).replace(/^\/\/\//, '/');
}

/** Whether only this machine reaches the store; true for one in this process. */
export function isOnThisMachine(url: string): boolean {
  if (!isShared(url)) return true;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** A store's URL without user name and password. */
export function storeShown(url: string): string {
  if (storeProblem(url) === undefined) {
    if (!isShared(url)) return url;
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  }
  if (isOnDisk(url)) return url.replace(/^(file:\/\/)[^/].*@/s, '$1***@');
  const at = url.indexOf('//');
  // A slash that was forgotten may have put the password before the two.
  return at < 0 || url.slice(0, at).includes('@') ? url.replace(/^.*@/s, '***@') : `${url.slice(0, at)}//***`;
}
