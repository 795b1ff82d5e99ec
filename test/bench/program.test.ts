// `skein bench` as it is run: the built program, against a broker, and against a server that loses a message.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { startBroker } from '../support/broker.ts';
import { startFaultyServer } from './faulty-server.ts';

const program = fileURLToPath(new URL('../../packages/edge/bin/skein.js', import.meta.url));

// Processes take their time to start on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => {
  const built = ['edge', 'bench'].map((name) => fileURLToPath(new URL(`../../packages/${name}/dist`, import.meta.url)));
  if (!built.every(existsSync)) throw new Error('the program is not built: npm run build');
});

/** Runs the program to its end. */
function bench(...words: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, 'bench', ...words], {
    env: { PATH: process.env.PATH ?? '', SKEIN_BENCH_PASSWORD: 'hunter2' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}

describe('skein bench', () => {
  it('ends with 0, with one line of JSON and nothing else, with several threads too', async () => {
    await using broker = await startBroker();
    for (const words of [
      ['fan-in', '--publishers', '5', '--subscribers', '2', '--workers', '2'],
      ['shared', '--publishers', '3', '--subscribers', '4', '--workers', '3'],
      ['p2p', '--publishers', '2', '--workers', '2', '--rate', '500'],
    ]) {
      const { status, out, err } = await bench(...words, '--url', broker.url, '--qos', '1', '--count', '200', '--json');
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(out.split('\n')).toHaveLength(2);
      const report = JSON.parse(out);
      expect(report).toMatchObject({ format: 1, scenario: words[0], ok: true, checked: { published: 200, lost: 0 } });
      expect(report.checked.delivered).toBe(report.checked.expected);
      expect(report.command.slice(0, 3)).toEqual(['skein', 'bench', words[0]]);
      expect(out).not.toContain('hunter2');
    }
  });

  it('tells people what it found', async () => {
    await using broker = await startBroker();
    const { status, out } = await bench('offline', '--url', broker.url, '--subscribers', '3', '--messages', '5');
    expect(status).toBe(0);
    expect(out).toMatch(/^deliver +15 messages in .* a second$/m);
    expect(out).toMatch(/^checked +15 messages, 15 deliveries: lost 0, duplicates 0/m);
    expect(out).toMatch(/^Everything came that was to come\.$/m);
  });

  it('ends with 1 and a sentence when a message is lost', async () => {
    await using server = await startFaultyServer({ deliver: (publish, number) => (number === 3 ? [] : [publish]) });
    // Long enough for a server that stands still for a while.
    const words = ['p2p', '--url', server.url, '--qos', '1', '--count', '10', '--drain', '3'];
    const { status, out } = await bench(...words);
    expect(status).toBe(1);
    expect(out).toMatch(/^PROBLEM: 1 delivery of 10 never came \(QoS 1\): acknowledged or sent, and lost\.$/m);
  });

  it('ends with 1 when the server goes away in the middle, from a thread too', async () => {
    for (const workers of ['1', '2']) {
      await using server = await startFaultyServer({ diesAfter: 20 });
      const { status, out, err } = await bench('p2p', '--url', server.url, '--qos', '1', '--workers', workers);
      expect({ status, out }).toEqual({ status: 1, out: '' });
      expect(err).toMatch(/^skein: mqtt:\/\/127\.0\.0\.1:\d+: the connection of \w+ 0 ended: /);
    }
  });

  it('ends with 1 when no server is there, with 64 for a word that is wrong, and with 78 for one of no use', async () => {
    expect(await bench('p2p', '--url', 'mqtt://127.0.0.1:1')).toEqual({
      status: 1,
      out: '',
      err: 'skein: mqtt://127.0.0.1:1: connection refused: no server listens there\n',
    });
    expect(await bench('p2p', '--payload', '3')).toMatchObject({
      status: 64,
      err: expect.stringMatching(/--payload: 3/),
    });
    expect(await bench('p2p', '--hold', '3')).toEqual({
      status: 78,
      out: '',
      err: 'skein: --hold: p2p has no use for it; it belongs to connect\n',
    });
  });
});
