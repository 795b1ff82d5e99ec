// Log lines and whoever reads them: a file, a pipe that is full, a reader that has gone, a disk that is full.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { LogDestination } from './log-destination.ts';

// A machine that is busy with other tests takes its time.
vi.setConfig({ testTimeout: 60_000 });
const soon = { timeout: 30_000 };

const place = mkdtempSync(join(tmpdir(), 'skein-log-'));
afterAll(() => rmSync(place, { recursive: true }));

let files = 0;
function fileToWrite(): { path: string; fd: number } {
  const path = join(place, `${files++}`);
  return { path, fd: openSync(path, 'w') };
}

/** Both ends of a pipe; neither waits. */
function pipe(): { reader: number; fd: number } {
  const path = join(place, `${files++}`);
  if (spawnSync('mkfifo', [path]).status !== 0) throw new Error('mkfifo failed');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

/** Writes dots to a pipe until it takes no more. */
function fill(fd: number): void {
  try {
    for (;;) writeSync(fd, '.'.repeat(1000));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
}

/** Reads what is in a pipe. */
function drained(reader: number): string {
  const into = Buffer.alloc(1024 * 1024);
  try {
    return into.toString('utf8', 0, readSync(reader, into));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    return '';
  }
}

const numbered = (from: number, to: number): string => {
  let text = '';
  for (let number = from; number < to; number++) text += `${number}\n`;
  return text;
};

describe('log lines', () => {
  it('keep nobody from ending whose reader stands still, be the pipe one that waits', () => {
    const path = join(place, `${files++}`);
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const fd = openSync(path, constants.O_WRONLY);
    const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    fill(filler);
    const log = new LogDestination({ fd });
    log.write('the last words\n');
    log.flushSync(); // it comes back
    drained(reader);
    const other = new LogDestination({ fd });
    other.write('more last words\n');
    other.flushSync();
    expect(drained(reader)).toBe('more last words\n');
    for (const each of [reader, fd, filler]) closeSync(each);
  });

  it('come whole at the end of the process, however many there were just before', async () => {
    const compiled = new URL('../dist/log-destination.js', import.meta.url).href;
    const program = `import { LogDestination } from ${JSON.stringify(compiled)};
      const log = new LogDestination({ fd: 1 });
      for (let i = 0; i < 30_000; i++) log.write(i + '\\n');
      log.flush();
      log.write('the last words\\n');
      process.on('exit', () => log.flushSync());
      process.exit(0);`;
    const words = ['-c', '"$0" --input-type=module --eval "$1" | cat', process.execPath, program];
    const { stdout } = spawnSync('sh', words, { encoding: 'utf8', maxBuffer: 1024 * 1024 * 16 });
    expect(stdout.slice(-60)).toBe(`${numbered(0, 30_000)}the last words\n`.slice(-60));
    expect(stdout).toBe(`${numbered(0, 30_000)}the last words\n`);
  });

  it('come in order and whole, whatever their number, and soon', async () => {
    const { path, fd } = fileToWrite();
    const log = new LogDestination({ fd });
    for (let number = 0; number < 5000; number++) log.write(`${number}\n`);
    await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe(numbered(0, 5000)), soon);
    log.write('5000\n');
    await vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe(numbered(0, 5001)), soon);
  });

  it('are there before flushSync returns', () => {
    const { path, fd } = fileToWrite();
    const log = new LogDestination({ fd });
    log.write('the last word\n');
    log.flushSync();
    expect(readFileSync(path, 'utf8')).toBe('the last word\n');
  });

  it('wait while their reader stands still; those that find no room are counted, and told', async () => {
    const { reader, fd } = pipe();
    fill(fd);
    const told: number[] = [];
    const log = new LogDestination({ fd, waitingMax: 100, onDropped: (lines) => told.push(lines) });
    log.write('on its way\n');
    log.flush();
    for (let count = 0; count < 50; count++) log.write('nine more\n');
    let read = '';
    await vi.waitFor(() => {
      read += drained(reader);
      expect(read.replaceAll('.', '')).toBe(`on its way\n${'nine more\n'.repeat(10)}`);
    }, soon);
    expect(told).toEqual([40]);
    closeSync(reader);
  });
});

describe('a reader that has gone', () => {
  it('stops nobody, be it found out at the end', () => {
    const { reader, fd } = pipe();
    const log = new LogDestination({ fd });
    closeSync(reader);
    log.write('to nobody\n');
    log.flushSync();
    log.write('to nobody\n');
    log.flushSync();
  });

  it('stops nobody, be it found out before', async () => {
    const { reader, fd } = pipe();
    const log = new LogDestination({ fd, waitingMax: 100 });
    closeSync(reader);
    log.write('to nobody\n');
    log.flush();
    await vi.waitFor(() => {
      // Were it kept for somebody, there would be no room for it now.
      for (let count = 0; count < 1000; count++) log.write('to nobody\n');
      const startedMs = performance.now();
      log.flushSync();
      expect(performance.now() - startedMs).toBeLessThan(500);
    }, soon);
  });
});

describe.skipIf(!existsSync('/dev/full'))('a disk that is full', () => {
  it('keeps nobody from ending for long', async () => {
    const log = new LogDestination({ fd: openSync('/dev/full', 'w') });
    log.write('no room\n');
    log.flush();
    await new Promise((resolve) => setImmediate(resolve));
    const startedMs = performance.now();
    log.flushSync();
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });
});
