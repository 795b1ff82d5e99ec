import { describe, expect, it } from 'vitest';
import { banner, firstPublish } from './banner.ts';

describe('the first message to copy', () => {
  for (const [urls, place] of [
    [['mqtt://127.0.0.1:1883'], '-h 127.0.0.1 -p 1883'],
    [['ws://127.0.0.1:8083/mqtt', 'mqtt://0.0.0.0:1884'], '-h 127.0.0.1 -p 1884'],
    [['mqtt://[::]:1883'], '-h ::1 -p 1883'],
    [['mqtt://broker.example.org:1883'], '-h broker.example.org -p 1883'],
    [['unix:///run/skein.sock'], '--unix /run/skein.sock'],
  ] as const) {
    it(`goes to ${urls.at(-1)}`, () => {
      expect(firstPublish(urls)).toBe(`mosquitto_pub ${place} -t hello/world -m 'it works'`);
    });
  }

  it('is missing where mosquitto_pub cannot reach any listener', () => {
    expect(firstPublish(['ws://127.0.0.1:8083/mqtt'])).toBeUndefined();
  });
});

describe('the banner', () => {
  it('names every address, and says that nothing survives a restart', () => {
    const text = banner({
      nodeId: 'n1',
      urls: ['mqtt://127.0.0.1:1883', 'ws://127.0.0.1:8083/mqtt'],
      adminUrl: 'http://127.0.0.1:8080',
      store: undefined,
      durability: 'memory',
      cluster: 'skein',
      advertise: undefined,
    });
    for (const part of ['n1', 'mqtt://127.0.0.1:1883', 'ws://127.0.0.1:8083/mqtt', 'http://127.0.0.1:8080/readyz']) {
      expect(text).toContain(part);
    }
    expect(text).toContain('nothing survives a restart');
    expect(text).toContain("mosquitto_sub -h 127.0.0.1 -p 1883 -v -t 'hello/#'");
  });

  it('names the store that nodes share, and where they meet', () => {
    const text = banner({
      nodeId: 'n1',
      urls: ['mqtt://127.0.0.1:1883'],
      adminUrl: 'http://127.0.0.1:8080',
      store: 'redis://127.0.0.1:6379',
      durability: 'everysec',
      cluster: 'home',
      advertise: '127.0.0.1:7470',
    });
    expect(text).toContain('kept in redis://127.0.0.1:6379, durability everysec.');
    expect(text).toContain('cluster home share it; they reach this one at 127.0.0.1:7470.');
    expect(text).not.toContain('nothing survives');
  });

  it('names the data directory, and what was found there', () => {
    const opened = { sessions: 1, messages: 2, retained: 0, replayedBytes: 99, tookMs: 12.4, tornBytes: 0 };
    const greeting = {
      nodeId: 'n1',
      urls: ['mqtt://127.0.0.1:1883'],
      adminUrl: 'http://127.0.0.1:8080',
      store: 'file:./skein-data',
      durability: 'everysec',
      cluster: 'skein',
      advertise: undefined,
    };
    const disk = { directory: '/home/ada/skein-data', opened };
    const text = banner({ ...greeting, disk });
    expect(text).toContain('kept in /home/ada/skein-data, durability everysec.');
    expect(text).toContain('Found there, in 12 ms: 1 Session, 2 queued messages, 0 retained ones.');
    const empty = { ...opened, sessions: 0, messages: 0 };
    expect(banner({ ...greeting, disk: { ...disk, opened: empty } })).not.toContain('Found');
  });
});
