// `npm start` as npm runs it, in a shell of its own: the broker comes up, and does not outlive who started it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = mkdtempSync(join(tmpdir(), 'skein-start-'));
const flags = `--listen mqtt://127.0.0.1:0 --admin 127.0.0.1:0 --store file:${data}`;
afterAll(() => rmSync(data, { recursive: true }));

/**
 * Runs a line in a shell that stays, waits for the broker's ready line, and hands over both.
 *
 * @param {string} line
 */
async function startIn(line) {
  const shell = spawn('sh', ['-c', `${line}; exit $?`], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void shell.kill());
  const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value;
  for (let text = await next(); text !== undefined; text = await next()) {
    if (text.includes('"event":"ready"')) return { shell, ready: JSON.parse(text), next };
  }
  throw new Error('the broker ended before it was ready');
}

describe.skipIf(process.platform === 'win32')('npm start', () => {
  it('ends the broker in good order when its shell is ended', async () => {
    const { shell, ready, next } = await startIn(`node scripts/start.mjs ${flags}`);
    shell.kill('SIGTERM');
    let last = '';
    // The output ends when the last process that writes to it has ended.
    for (let text = await next(); text !== undefined; text = await next()) last = text;
    expect(JSON.parse(last)).toMatchObject({ event: 'stopped' });
    expect(() => process.kill(ready.pid, 0)).toThrow('ESRCH');
  });
});
