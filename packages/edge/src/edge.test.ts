import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError } from './config/config.ts';
import { type Settings, startEdge } from './edge.ts';
import { ListenError } from './listen/listen-error.ts';

const anyPorts: Settings = { listen: ['mqtt://127.0.0.1:0'], admin: '127.0.0.1:0', store: 'memory:' };
/** A CONNECT of 5.0, Client Identifier `lamp`. */
const connectPacket = Buffer.from('101100044d5154540502003c0000046c616d70', 'hex');

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A socket to a listener, and all it says until it closes. */
function dial(url: string | undefined): { socket: Socket; said: Promise<string>; firstByte: Promise<void> } {
  const socket = connect({ host: '127.0.0.1', port: Number(url?.split(':').at(-1)) });
  sockets.push(socket);
  const chunks: Buffer[] = [];
  const firstByte = new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  const said = new Promise<string>((resolve) =>
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('hex'))),
  );
  return { socket, said, firstByte };
}

async function sample(adminUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  );
}

describe('a node in this process', () => {
  it('has its addresses, serves, and stops once however often it is told', async () => {
    await using edge = await startEdge({ ...anyPorts, listen: ['mqtt://127.0.0.1:0', 'ws://127.0.0.1:0/mqtt'] });
    expect(edge.urls).toEqual([
      expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:[1-9]\d*$/),
      expect.stringMatching(/^ws:\/\/127\.0\.0\.1:[1-9]\d*\/mqtt$/),
    ]);
    expect((await fetch(`${edge.adminUrl}/readyz`)).status).toBe(200);
    const { socket, said, firstByte } = dial(edge.urls[0]);
    socket.write(connectPacket);
    await firstByte;
    const stopped = edge.stop();
    expect(edge.stop()).toBe(stopped);
    await stopped;
    // DISCONNECT with Server shutting down is its last word.
    expect(await said).toMatch(/^20.*e0..8b/);
    await expect(fetch(`${edge.adminUrl}/livez`)).rejects.toThrow();
  });

  it('refuses settings that are wrong', async () => {
    await expect(startEdge({ ...anyPorts, listen: ['mqtt://0.0.0.0:0'] })).rejects.toThrow(ConfigError);
    await expect(startEdge({ ...anyPorts, limits: { receiveMaximum: 0 } })).rejects.toThrow(
      /limits\.receiveMaximum: 0 from the settings/,
    );
  });

  it('that cannot have one of its addresses gives the others back', async () => {
    await using first = await startEdge(anyPorts);
    const [taken = ''] = first.urls;
    const free = 'mqtt://127.0.0.1:0';
    await expect(startEdge({ ...anyPorts, listen: [free, taken] })).rejects.toThrow(ListenError);
    await expect(startEdge({ ...anyPorts, listen: [free, taken] })).rejects.toThrow(`${taken}: the port is in use`);
  });

  it('closes what is more than the most connections, and takes new ones when there is room', async () => {
    await using edge = await startEdge({ ...anyPorts, limits: { connectionsMax: 1 } });
    const first = dial(edge.urls[0]);
    first.socket.write(connectPacket);
    await first.firstByte;
    expect(await dial(edge.urls[0]).said).toBe('');
    expect(await sample(edge.adminUrl, 'mqtt_connections_rejected_total{reason="connections_max"}')).toBe(1);
    first.socket.destroy();
    await first.said;
    // The node may see the end a moment later; until then it refuses.
    let answered = false;
    for (let attempts = 0; attempts < 100 && !answered; attempts += 1) {
      const next = dial(edge.urls[0]);
      next.socket.write(connectPacket);
      answered = await Promise.race([next.firstByte.then(() => true), next.said.then(() => false)]);
    }
    expect(answered).toBe(true);
  });

  it('refuses Clients without an identity when anonymous access is off', async () => {
    await using edge = await startEdge({ ...anyPorts, listen: ['mqtt://0.0.0.0:0'], allowAnonymous: false });
    const { socket, said } = dial(edge.urls[0]);
    socket.write(connectPacket);
    expect(await said).toMatch(/^20..0087/);
  });

  it('closes a connection that sends no CONNECT in time', async () => {
    await using edge = await startEdge({ ...anyPorts, limits: { connectTimeoutSeconds: 1 } });
    const began = performance.now();
    expect(await dial(edge.urls[0]).said).toBe('');
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
    expect(await sample(edge.adminUrl, 'mqtt_connections_closed_total{reason="connect_timeout"}')).toBe(1);
  });

  for (const [what, bytes] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['zero', Buffer.alloc(100)],
  ] as const) {
    it(`closes a connection that begins with ${what} bytes, without an answer`, async () => {
      await using edge = await startEdge(anyPorts);
      const { socket, said } = dial(edge.urls[0]);
      socket.write(bytes);
      expect(await said).toBe('');
    });
  }
});
