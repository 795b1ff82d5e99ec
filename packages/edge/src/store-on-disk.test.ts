import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEvent } from '@skein/embedded';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { SystemClock } from './clock.ts';
import { load } from './config/config.ts';
import { fromNested } from './config/sources.ts';
import { ExitCode } from './exit-code.ts';
import { makeLog } from './observe.ts';
import { SystemRandom } from './random.ts';
import { StartRefused } from './start-refused.ts';
import { type OpenedStore, openStore } from './store.ts';
import { writeDiskEvent } from './store-on-disk.ts';
import { Turn } from './turn.ts';

const place = mkdtempSync(join(tmpdir(), 'skein-on-disk-'));
afterAll(() => rmSync(place, { recursive: true }));

/** Opens a directory as a node does. @param aheadMs how far the machine's clock is ahead of the right time */
async function open(directory: string, { aheadMs = 0, durability = 'everysec' } = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = makeLog('debug', 'n1', { write: (line: string) => lines.push(JSON.parse(line)) });
  const clock = new SystemClock(new Turn());
  clock.setAhead(aheadMs);
  const { config } = load([fromNested({ store: `file:${directory}`, durability, nodeId: 'n1' }, 'the test')]);
  const store: OpenedStore = await openStore({ config, clock, random: new SystemRandom(), log });
  return { store, clock, lines };
}

describe('a data directory', () => {
  it('offers the class that was asked for', async () => {
    for (const durability of ['memory', 'everysec', 'always']) {
      const { store } = await open(join(place, durability), { durability });
      expect(store.durability).toBe(durability);
      await store.close();
    }
  });

  it('is refused while another node has it: the setting is named', async () => {
    const directory = join(place, 'taken');
    const { store } = await open(directory);
    const error = await open(directory).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartRefused);
    expect((error as Error).message).toMatch(/^store: .*taken is in use by process \d+ \(node n1\)/);
    await store.close();
  });

  it('sets the clock ahead, if what was stored last is of a later time', async () => {
    const directory = join(place, 'later');
    const early = await open(directory, { aheadMs: 3_600_000 });
    expect(early.store.disk?.aheadMs).toBe(0);
    await early.store.close();
    const { store, clock } = await open(directory);
    expect(store.disk?.aheadMs).toBeGreaterThan(3_500_000);
    expect(clock.nowMs() - Date.now()).toBeGreaterThan(3_500_000);
    await store.close();
  });

  it('says that its end was torn', async () => {
    const directory = join(place, 'torn');
    const running = await open(join(place, 'running'));
    // As a process leaves it that is killed while it writes.
    cpSync(join(place, 'running'), directory, { recursive: true, filter: (path) => !path.includes('lock-') });
    await running.store.close();
    const log = readdirSync(directory).findLast((name) => name.startsWith('log-')) ?? '';
    appendFileSync(join(directory, log), 'half of a frame');
    const { store, lines } = await open(directory);
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', event: 'data_torn', file: log, bytes: 15 }));
    expect(store.disk?.opened.tornBytes).toBe(15);
    await store.close();
  });
});

describe('what happens to a data directory', () => {
  const error = new Error('EIO');
  const events: readonly [level: string, event: JournalEvent][] = [
    ['warn', { is: 'torn', file: 'log-00000001.skein', at: 128, bytes: 3 }],
    ['error', { is: 'stuck', error }],
    ['info', { is: 'unstuck' }],
    ['error', { is: 'short', freeBytes: 1 }],
    ['info', { is: 'roomy', freeBytes: 2 }],
    ['warn', { is: 'weak_lock' }],
    ['warn', { is: 'hindered', doing: 'deleting', error }],
    ['debug', { is: 'snapshot', file: 'snapshot-00000002.skein', bytes: 4 }],
    ['fatal', { is: 'failed', error }],
  ];
  for (const [level, event] of events) {
    it(`is a line in the log, of level ${level}: ${event.is}`, () => {
      const lines: Record<string, unknown>[] = [];
      const log = makeLog('trace', 'n1', { write: (line: string) => lines.push(JSON.parse(line)) });
      const ends: ExitCode[] = [];
      writeDiskEvent(log, '/data', event, (status) => ends.push(status));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ level, event: `data_${event.is}` });
      if ('bytes' in event) expect(lines[0]).toHaveProperty('bytes', event.bytes);
      if ('error' in event) expect(lines[0]).toMatchObject({ err: { message: 'EIO' } });
      expect(ends).toEqual(event.is === 'failed' ? [ExitCode.diskFailed] : []);
    });
  }

  it('is not written by a log that is silent, and ends the process all the same', () => {
    const ends: ExitCode[] = [];
    writeDiskEvent(pino({ level: 'silent' }), '/data', { is: 'failed', error }, (status) => ends.push(status));
    expect(ends).toEqual([74]);
  });
});
