import { describe, expect, it } from 'vitest';
import { formatAddress, isLoopback, parseHostPort, parseListenUrl } from './address.ts';

const good: readonly [url: string, address: ReturnType<typeof parseListenUrl>, loopback: boolean][] = [
  ['mqtt://127.0.0.1:1883', { carrier: 'tcp', host: '127.0.0.1', port: 1883 }, true],
  ['mqtt://127.0.0.1', { carrier: 'tcp', host: '127.0.0.1', port: 1883 }, true],
  ['mqtt://localhost:0', { carrier: 'tcp', host: 'localhost', port: 0 }, true],
  ['mqtt://[::1]:1884', { carrier: 'tcp', host: '::1', port: 1884 }, true],
  ['mqtt://[::]:1883/', { carrier: 'tcp', host: '::', port: 1883 }, false],
  ['mqtt://0.0.0.0:1883', { carrier: 'tcp', host: '0.0.0.0', port: 1883 }, false],
  ['mqtt://127.example.org:1883', { carrier: 'tcp', host: '127.example.org', port: 1883 }, false],
  ['ws://127.0.0.1', { carrier: 'websocket', host: '127.0.0.1', port: 8083, path: '/mqtt' }, true],
  ['ws://127.0.0.1:80', { carrier: 'websocket', host: '127.0.0.1', port: 80, path: '/mqtt' }, true],
  ['ws://[::1]:9001/a/b', { carrier: 'websocket', host: '::1', port: 9001, path: '/a/b' }, true],
  ['unix:///run/skein.sock', { carrier: 'unix', path: '/run/skein.sock' }, true],
];

const bad: readonly [url: string, why: RegExp][] = [
  ['mqtts://127.0.0.1:8883', /TLS.*not built yet/],
  ['wss://127.0.0.1:8084/mqtt', /TLS.*not built yet/],
  ['127.0.0.1:1883', /not a listen URL/],
  ['http://127.0.0.1:1883', /not a listen URL/],
  ['mqtt://', /not a listen URL/],
  ['mqtt://:1883', /not a listen URL/],
  ['mqtt://user:secret@host:1883', /not a listen URL/],
  ['mqtt://127.0.0.1:70000', /no such port/],
  ['mqtt://127.0.0.1:x', /not a listen URL/],
  ['mqtt://::1:1883', /not a listen URL/],
  ['mqtt://127.0.0.1:1883/mqtt', /no path/],
  ['ws://127.0.0.1:8083/mqtt?x=1', /not a listen URL/],
  ['unix://relative.sock', /full path/],
  ['unix:///', /full path/],
  ['', /not a listen URL/],
];

describe('a listen URL', () => {
  for (const [url, address, loopback] of good) {
    it(`${url} names a place${loopback ? ' that only this machine reaches' : ''}`, () => {
      const parsed = parseListenUrl(url);
      expect(parsed).toEqual(address);
      if (typeof parsed === 'string') return;
      expect(isLoopback(parsed)).toBe(loopback);
      expect(parseListenUrl(formatAddress(parsed))).toEqual(address);
    });
  }
  for (const [url, why] of bad) {
    it(`'${url}' is refused, and why`, () => {
      expect(parseListenUrl(url)).toMatch(why);
    });
  }
});

describe('the admin address', () => {
  it('is a host and a port', () => {
    expect(parseHostPort('127.0.0.1:8080')).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(parseHostPort('[::1]:0')).toEqual({ host: '::1', port: 0 });
    for (const text of ['8080', '127.0.0.1', '::1:8080', 'host:', 'host:99999', 'http://host:1']) {
      expect(parseHostPort(text)).toBeUndefined();
    }
  });
});
