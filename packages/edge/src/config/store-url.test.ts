import { describe, expect, it } from 'vitest';
import { directoryOf, isOnThisMachine, isShared, storeKind, storeProblem, storeShown } from './store-url.ts';

const good: readonly [url: string, shown: string, isShared: boolean, isHere: boolean][] = [
  ['memory:', 'memory:', false, true],
  ['file:./skein-data', 'file:./skein-data', false, true],
  ['file:///var/lib/skein', 'file:///var/lib/skein', false, true],
  ['redis://127.0.0.1', 'redis://127.0.0.1', true, true],
  ['redis://127.0.0.1:6380/2', 'redis://127.0.0.1:6380/2', true, true],
  ['redis://localhost:6379/', 'redis://localhost:6379/', true, true],
  ['redis://[::1]:6379', 'redis://[::1]:6379', true, true],
  ['redis://ada:secret@redis.example.org', 'redis://redis.example.org', true, false],
  ['redis://:secret@10.0.0.1:6379', 'redis://10.0.0.1:6379', true, false],
  ['rediss://:s%40cr%2Fet@redis:6379/0', 'rediss://redis:6379/0', true, false],
];

const bad: readonly [url: string, why: RegExp, shown: string][] = [
  ['', /no such store/, ''],
  ['here', /no such store/, 'here'],
  ['file:', /names no directory/, 'file:'],
  ['file://', /two slashes is a host/, 'file://'],
  ['file:///', /names no directory, but the root/, 'file:///'],
  ['file://data', /two slashes is a host; .* file:DIRECTORY/, 'file://data'],
  ['file://ada:se@cret@host/data', /two slashes is a host/, 'file://***@host/data'],
  ['file:///50%/a@b', /% is written as %25/, 'file:///50%/a@b'],
  ['file:./50%', /% is written as %25/, 'file:./50%'],
  ['file:./a%00b', /no NUL/, 'file:./a%00b'],
  ['redis+sentinel://:secret@a,b/m', /Sentinel is not built yet/, 'redis+sentinel://***'],
  ['redis+cluster://:secret@a,b', /Cluster is not built yet/, 'redis+cluster://***'],
  ['redis:127.0.0.1', /no such store/, 'redis:127.0.0.1'],
  ['redis://', /names no host/, 'redis://***'],
  ['redis:///0', /names no host/, 'redis://***'],
  ['redis://:secret', /not a URL/, 'redis://***'],
  ['redis://a:b c/secret@host', /not a URL/, 'redis://***'],
  ['redis://:secret@host/main', /the number of a database, and nothing else/, 'redis://***'],
  ['redis://host/0?password=secret', /nothing else/, 'redis://***'],
  ['redis://host/0#secret', /nothing else/, 'redis://***'],
  ['redis://u:50%off@host', /% is written as %25/, 'redis://***'],
  ['redis:/u:secret@host//0', /no such store/, '***@host//0'],
  ['ada:secret@host', /no such store/, '***@host'],
];

describe('the URL of a store', () => {
  for (const [url, shown, shared, here] of good) {
    it(`${url} is shown as ${shown}`, () => {
      expect(storeProblem(url)).toBeUndefined();
      expect(storeShown(url)).toBe(shown);
      expect(isShared(url)).toBe(shared);
      expect(isOnThisMachine(url)).toBe(here);
    });
  }
  for (const [url, why, shown] of bad) {
    it(`'${url}' is refused, and why, and none of it shown that may be a password`, () => {
      expect(storeProblem(url)).toMatch(why);
      expect(storeShown(url)).toBe(shown);
    });
  }
});

describe('the directory of a store on disk', () => {
  for (const [url, directory] of [
    ['file:./skein-data', './skein-data'],
    ['file:data', 'data'],
    ['file:../a b/c', '../a b/c'],
    ['file:/var/lib/skein', '/var/lib/skein'],
    ['file:///var/lib/skein', '/var/lib/skein'],
    ['file:my%20data%25', 'my data%'],
    ['file:what?#', 'what?#'],
  ] as const) {
    it(`of ${url} is ${directory}`, () => {
      expect(storeProblem(url)).toBeUndefined();
      expect(directoryOf(url)).toBe(directory);
      expect(storeKind(url)).toBe('embedded');
    });
  }
});
