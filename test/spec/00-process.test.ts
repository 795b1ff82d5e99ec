// The process around the protocol: the line that says ready, signals, settings that cannot be, and bytes that are none of
// ours. It runs what is in `dist`.

import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ReasonCode } from '@skein/protocol';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { RawClient } from '../support/client.ts';
import { expectDisconnect, expectSilentClose } from '../support/ending.ts';
import { rawConnect } from '../support/hex.ts';
import { processMs, runSkein } from '../support/process.ts';

vi.setConfig({ testTimeout: 2 * processMs });

const anyPorts = ['--listen', 'mqtt://127.0.0.1:0', '--admin', '127.0.0.1:0'];

beforeAll(() => {
  const program = fileURLToPath(new URL('../../packages/edge/dist/main.js', import.meta.url));
  if (!existsSync(program)) throw new Error('dist is missing: npm run build');
});

describe.concurrent('skein start', () => {
  it('prints one line with "event":"ready" and the bound addresses, and serves there', async () => {
    await using skein = runSkein(['start', ...anyPorts, '--listen', 'ws://127.0.0.1:0/mqtt']);
    const ready = await skein.ready();
    expect(ready.listen).toEqual([
      expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:[1-9]\d*$/),
      expect.stringMatching(/^ws:\/\/127\.0\.0\.1:[1-9]\d*\/mqtt$/),
    ]);
    for (const url of ready.listen) {
      const client = await RawClient.connect(url);
      expect(client.connack.reasonCode).toBe(ReasonCode.success);
      await client.disconnect();
    }
    expect((await fetch(`${ready.admin}/readyz`)).status).toBe(200);
    expect(skein.logLines.filter(({ event }) => event === 'ready')).toHaveLength(1);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 at %s, after telling its Clients', async (signal) => {
    await using skein = runSkein(['start', ...anyPorts]);
    const { listen } = await skein.ready();
    const client = await RawClient.connect(listen[0] as string);
    skein.kill(signal);
    await expectDisconnect(client, ReasonCode.serverShuttingDown);
    expect(await skein.ended()).toMatchObject({ exitCode: 0, signal: null });
  });

  it('says that nothing survives a restart', async () => {
    await using skein = runSkein(['start', ...anyPorts]);
    const line = await skein.logLine('the warning', ({ level }) => level === 'warn');
    expect(String(line.msg)).toMatch(/memory.*restart|restart.*memory/i);
  });
});

describe.concurrent('a setting that cannot be', () => {
  const redis = ['--store', 'redis://127.0.0.1:6379'];
  it.each([
    ['a flag that does not exist', ['--lissten', 'mqtt://127.0.0.1:0'], /--lissten.*--listen/],
    ['a number out of range', ['--limits-receive-maximum', '65536'], /receiveMaximum.*65536.*65535/i],
    ['a store that is not there', ['--store', 'redis://127.0.0.1:1'], /store: .*127\.0\.0\.1:1 cannot be reached/],
    ['a store without a directory', ['--store', 'file:'], /store: file: .*names no directory.*memory:.*redis:/],
    ['a way to peers that nobody knows', [...redis, '--peer', '0.0.0.0:0'], /peer: 0\.0\.0\.0:0 .*--advertise/],
    ['an open way to peers', [...redis, '--peer', '192.0.2.1:7470'], /peer: 192\.0\.2\.1:7470 .*--insecure-peers/],
    ['peers on a store for one', ['--peer', '127.0.0.1:7470'], /peer: 127\.0\.0\.1:7470 .*alone.*redis:/],
    ['an open door, unasked for', ['--listen', 'mqtt://0.0.0.0:0'], /listen.*0\.0\.0\.0.*--allow-anonymous/],
  ])('ends with 78, and names key, value and what is allowed: %s', async (_, args, message) => {
    await using skein = runSkein(['start', '--admin', '127.0.0.1:0', ...args]);
    const { exitCode, stderr } = await skein.ended();
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(78);
  });

  it('ends with 78 in the environment, too', async () => {
    await using skein = runSkein(['start', ...anyPorts], { SKEIN_LIMITS_QUEUE_FULL: 'panic' });
    const { exitCode, stderr } = await skein.ended();
    expect(stderr).toMatch(/queueFull.*panic.*SKEIN_LIMITS_QUEUE_FULL.*drop-new/);
    expect(exitCode).toBe(78);
  });

  it('is a port in use: it ends with 78, and names the address', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await using skein = runSkein(['start', '--listen', `mqtt://127.0.0.1:${port}`, '--admin', '127.0.0.1:0']);
    const { exitCode, stderr } = await skein.ended();
    expect(stderr).toContain(`mqtt://127.0.0.1:${port}`);
    expect(stderr).toMatch(/in use/);
    expect(exitCode).toBe(78);
    other.close();
  });
});

describe.concurrent('bytes that are none of ours', () => {
  it.each([
    ['HTTP', Buffer.from('GET /mqtt HTTP/1.1\r\n\r\n').toString('hex'), /HTTP/],
    ['TLS', '16 0301 00a5 01 0000a1 0303', /TLS/],
    ['a packet before CONNECT', 'c000', /CONNECT/],
    ['a protocol level that is too new', rawConnect({ protocolLevel: 6 }), /level|version/i],
  ])('leave a line in the log that says what they look like, and from where: %s', async (_, hex, what) => {
    await using skein = runSkein(['start', ...anyPorts]);
    const { listen } = await skein.ready();
    const client = await RawClient.open(listen[0] as string);
    client.sendBytes(hex);
    expect(await client.closed).toBe(true);
    const line = await skein.logLine(`a line about ${what}`, (each) => what.test(String(each.why)));
    expect(JSON.stringify(line)).toContain('127.0.0.1');
    const next = await RawClient.connect(listen[0] as string);
    await next.disconnect();
  });

  it('do not end up in the log themselves', async () => {
    await using skein = runSkein(['start', ...anyPorts]);
    const { listen } = await skein.ready();
    const client = await RawClient.open(listen[0] as string);
    client.sendBytes(Buffer.from('\n{"event":"ready","forged":true}\n').toString('hex'));
    await expectSilentClose(client);
    const named = await RawClient.connect(listen[0] as string, { clientId: 'x\n{"forged":true}', password: 'hunter2' });
    await named.disconnect();
    await skein.logLine('the second Client', (line) => String(line.clientId).startsWith('x'));
    expect(skein.logLines.every((line) => !('forged' in line))).toBe(true);
    expect(skein.output).not.toContain('hunter2');
  });
});
