import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { listen } from './listen.ts';
import { plainReading, sharedReading, sharedReadingWorks, tryOut } from './shared-read.ts';
import type { Listener, Receiver, Reception, Transport } from './transport.ts';

const directory = mkdtempSync(join(tmpdir(), 'skein-listen-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A reception that sends back what it gets, and remembers. */
class Echo implements Reception {
  readonly transports: Transport[] = [];
  readonly heard: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  broken: string | undefined;
  closed = 0;
  refuses = false;

  accept(transport: Transport): Receiver | undefined {
    this.transports.push(transport);
    this.#happened();
    if (this.refuses) return undefined;
    return {
      data: (chunk) => {
        this.heard.push(Buffer.from(chunk));
        transport.write(Buffer.from(chunk), () => {});
        this.#happened();
      },
      broken: (why) => {
        this.broken = why;
        transport.end();
        this.#happened();
      },
      closed: () => {
        this.closed += 1;
        this.#happened();
      },
    };
  }

  failed(): void {}

  /** Waits for a fact, which is looked for whenever something happens. */
  async until(isSo: () => boolean): Promise<void> {
    let isLate = false;
    const deadline = setTimeout(() => {
      isLate = true;
      this.#happened();
    }, 5000);
    while (!isSo()) {
      if (isLate) throw new Error('it did not happen in time');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    clearTimeout(deadline);
  }

  #happened(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

const listeners: Listener[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

async function open(url: string, reception: Reception = new Echo()): Promise<Listener> {
  const listener = await listen(url, 10_000, reception);
  listeners.push(listener);
  return listener;
}

function portOf(url: string): number {
  return Number(/:(\d+)(\/|$)/.exec(url)?.[1]);
}

/** A socket, connected. */
async function dial(to: NetConnectOpts): Promise<Socket> {
  const socket = connect(to);
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  return socket;
}

/** What a socket says until it ends, or until it has said so much. */
function hear(socket: Socket, byteCount = Number.POSITIVE_INFINITY): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let heardBytes = 0;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      heardBytes += chunk.length;
      if (heardBytes >= byteCount) resolve(Buffer.concat(chunks));
    });
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

describe('a TCP listener', () => {
  for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
    it(`on ${host} carries bytes both ways`, async () => {
      const echo = new Echo();
      const { url } = await open(`mqtt://${host}:0`, echo);
      expect(url).toMatch(/^mqtt:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
      const socket = await dial({ host: host.replace(/[[\]]/g, ''), port: portOf(url) });
      socket.write('hello');
      expect((await hear(socket, 5)).toString()).toBe('hello');
      expect(echo.transports[0]?.remoteAddress).toMatch(/^(127\.0\.0\.1|\[::1\]):\d+$/);
      socket.end();
      await echo.until(() => echo.closed === 1);
    });
  }

  it('keeps what many sockets say apart, though all are read into one memory', async () => {
    const echo = new Echo();
    const { url } = await open('mqtt://127.0.0.1:0', echo);
    const texts = Array.from({ length: 20 }, (_, index) => Buffer.alloc(100_000, 97 + index));
    await Promise.all(
      texts.map(async (text) => {
        const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
        const answer = hear(socket, text.length);
        socket.write(text);
        expect((await answer).equals(text)).toBe(true);
      }),
    );
  });

  it('reads no more while it is paused, and all of it afterwards', async () => {
    const echo = new Echo();
    const { url } = await open('mqtt://127.0.0.1:0', echo);
    const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
    socket.write('a');
    await echo.until(() => echo.heard.length === 1);
    const [transport] = echo.transports;
    transport?.pause();
    socket.write('b');
    // A second connection shows that the loop has gone round.
    const other = await dial({ host: '127.0.0.1', port: portOf(url) });
    other.write('c');
    await echo.until(() => echo.heard.length === 2);
    expect(Buffer.concat(echo.heard).toString()).toBe('ac');
    transport?.resume();
    await echo.until(() => echo.heard.length === 3);
    expect(Buffer.concat(echo.heard).toString()).toBe('acb');
  });

  it('says how many bytes wait, and whether any are taken', async () => {
    const echo = new Echo();
    const { url } = await open('mqtt://127.0.0.1:0', echo);
    const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
    socket.pause();
    await echo.until(() => echo.transports.length === 1);
    const transport = echo.transports[0]!;
    let done = 0;
    const size = 32 * 1024 * 1024;
    transport.write(Buffer.alloc(size), () => {
      done += 1;
    });
    expect(transport.pendingBytes).toBe(size);
    const taken = transport.takenBytes;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(size);
    expect(done).toBe(0);
    const all = hear(socket, size);
    socket.resume();
    await all;
    expect(transport.takenBytes).toBe(size);
    expect(transport.pendingBytes).toBe(0);
    transport.destroy();
    await echo.until(() => echo.closed === 1);
  });

  it('gives memory back when the kernel has it, in the order of the writes, and when the connection ends', async () => {
    const echo = new Echo();
    const { url } = await open('mqtt://127.0.0.1:0', echo);
    const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
    socket.pause();
    await echo.until(() => echo.transports.length === 1);
    const transport = echo.transports[0]!;
    const done: string[] = [];
    const write = (byteCount: number, what: string): Promise<unknown> =>
      new Promise((resolve) => transport.write(Buffer.alloc(byteCount), () => resolve(done.push(what))));
    const size = 32 * 1024 * 1024;
    void write(1, 'at once');
    expect(done).toEqual(['at once']);
    const after = [write(size, 'too much'), write(2, 'behind it')];
    expect(transport.pendingBytes).toBe(size + 2);
    expect(done).toHaveLength(1);
    const all = hear(socket, 1 + size + 2);
    socket.resume();
    await Promise.all([all, ...after]);
    expect(done).toEqual(['at once', 'too much', 'behind it']);
    socket.pause();
    const lost = write(size, 'what nobody gets');
    expect(done).toHaveLength(3);
    transport.destroy();
    await lost;
  });

  it('closes a connection that the reception refuses', async () => {
    const echo = new Echo();
    echo.refuses = true;
    const { url } = await open('mqtt://127.0.0.1:0', echo);
    const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
    expect(await hear(socket)).toHaveLength(0);
    expect(echo.closed).toBe(0);
  });

  it('accepts no more once closed, and leaves its connections be', async () => {
    const echo = new Echo();
    const listener = await open('mqtt://127.0.0.1:0', echo);
    const socket = await dial({ host: '127.0.0.1', port: portOf(listener.url) });
    socket.write('1');
    await hear(socket, 1);
    await listener.close();
    await expect(dial({ host: '127.0.0.1', port: portOf(listener.url) })).rejects.toThrow(/ECONNREFUSED/);
    socket.write('2');
    expect((await hear(socket, 1)).toString()).toBe('2');
  });
});

describe('a listener that cannot be had', () => {
  it('names the address and says that the port is in use', async () => {
    const { url } = await open('mqtt://127.0.0.1:0');
    await expect(listen(url, 10_000, new Echo())).rejects.toThrow(`${url}: the port is in use`);
    const other = url.replace('mqtt:', 'ws:');
    await expect(listen(`${other}/mqtt`, 10_000, new Echo())).rejects.toThrow(`${other}/mqtt: the port is in use`);
  });

  it('names an address that this machine does not have', async () => {
    await expect(open('mqtt://192.0.2.1:1883')).rejects.toThrow('mqtt://192.0.2.1:1883: this machine does not have');
  });

  it('names a directory that does not exist', async () => {
    await expect(open('unix:///nowhere/at/all.sock')).rejects.toThrow(
      /unix:\/\/\/nowhere\/at\/all\.sock: .*directory|listen/,
    );
  });
});

describe('a Unix socket', () => {
  it('carries bytes both ways and leaves no file', async () => {
    const path = join(directory, 'a.sock');
    const listener = await open(`unix://${path}`);
    expect(listener.url).toBe(`unix://${path}`);
    const socket = await dial({ path });
    socket.write('hello');
    expect((await hear(socket, 5)).toString()).toBe('hello');
    await listener.close();
    await expect(dial({ path })).rejects.toThrow(/ENOENT/);
  });

  it('takes the place of one that a dead process has left, and not of one that lives', async () => {
    const path = join(directory, 'b.sock');
    // As a killed process leaves it: the file is there, and nobody listens.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen({ path: `${path}.dying` }, resolve));
    renameSync(`${path}.dying`, path);
    await new Promise((resolve) => dead.close(resolve));
    await open(`unix://${path}`);
    await expect(listen(`unix://${path}`, 10_000, new Echo())).rejects.toThrow(/a process listens there/);
  });
});

describe('reading into shared memory', () => {
  it('works on this runtime, and so does the documented way', async () => {
    expect(await sharedReadingWorks()).toBe(true);
    expect(await tryOut(sharedReading)).toBe(true);
    expect(await tryOut(plainReading)).toBe(true);
  });

  it('is not used where connections are accepted in another way', async () => {
    expect(await tryOut(() => ({ listen: () => Promise.reject(new Error('no onconnection')) }))).toBe(false);
  });

  it('is not used where bytes go astray', async () => {
    // As if the callback did not find its socket.
    expect(await tryOut((take) => sharedReading((socket, bytes) => take(Object.create(socket) as Socket, bytes)))).toBe(
      false,
    );
  });
});

describe('[MQTT-6.0.0] a WebSocket listener', () => {
  /** A WebSocket, open. */
  async function openWebSocket(url: string, protocols: string | string[] = 'mqtt'): Promise<WebSocket> {
    const webSocket = new WebSocket(url, protocols);
    await new Promise<void>((resolve, reject) => {
      webSocket.once('open', resolve);
      webSocket.once('error', reject);
    });
    webSocket.on('error', () => {});
    return webSocket;
  }

  function closeCode(webSocket: WebSocket): Promise<number> {
    return new Promise((resolve) => webSocket.once('close', resolve));
  }

  it('[MQTT-6.0.0-2] takes frames and fragments for one stream', async () => {
    const echo = new Echo();
    const { url } = await open('ws://127.0.0.1:0/mqtt', echo);
    const webSocket = await openWebSocket(url);
    const [ping, subscribe] = [Buffer.from('c000', 'hex'), Buffer.from('8206000a00016101', 'hex')];
    const heard: string[] = [];
    const all = new Promise<void>((resolve) => {
      webSocket.on('message', (data: Buffer, isBinary) => {
        expect(isBinary).toBe(true);
        heard.push(data.toString('hex'));
        if (heard.length === 3) resolve();
      });
    });
    webSocket.send(ping, { binary: true });
    webSocket.send(subscribe.subarray(0, 3), { binary: true, fin: false });
    webSocket.send(subscribe.subarray(3, 5), { binary: true, fin: false });
    webSocket.send(Buffer.concat([subscribe.subarray(5), ping]), { binary: true, fin: true });
    await all;
    // What goes out is a packet a message, whatever was written at once: some Clients count on it.
    expect(heard).toEqual([ping, subscribe, ping].map((packet) => packet.toString('hex')));
    webSocket.close();
    await echo.until(() => echo.closed === 1);
  });

  it('sends packets that are written at once in a message each', async () => {
    const echo = new Echo();
    const { url } = await open('ws://127.0.0.1:0/mqtt', echo);
    const webSocket = await openWebSocket(url);
    const heard: string[] = [];
    webSocket.on('message', (data: Buffer) => heard.push(data.toString('hex')));
    const closed = closeCode(webSocket);
    let isTaken = false;
    echo.transports[0]?.write(Buffer.from('d000400200019000d000', 'hex'), () => {
      isTaken = true;
    });
    echo.transports[0]?.end();
    await closed;
    expect(heard).toEqual(['d000', '40020001', '9000', 'd000']);
    expect(isTaken).toBe(true);
  });

  it('[MQTT-6.0.0-4] answers with the sub-protocol that it speaks', async () => {
    const { url } = await open('ws://127.0.0.1:0/mqtt');
    for (const [offered, chosen] of [
      [['mqtt'], 'mqtt'],
      [['mqttv3.1'], 'mqttv3.1'],
      [['chat', 'mqttv3.1', 'mqtt'], 'mqtt'],
    ] as const) {
      const webSocket = await openWebSocket(url, [...offered]);
      expect(webSocket.protocol).toBe(chosen);
      webSocket.terminate();
    }
  });

  it('[MQTT-6.0.0-1] closes on a text frame', async () => {
    const echo = new Echo();
    const { url } = await open('ws://127.0.0.1:0/mqtt', echo);
    const webSocket = await openWebSocket(url);
    webSocket.send('text');
    expect(await closeCode(webSocket)).toBe(1003);
    expect(echo.broken).toMatch(/text frame/);
    await echo.until(() => echo.closed === 1);
  });

  it('closes on a message that is larger than any packet may be', async () => {
    const { url } = await open('ws://127.0.0.1:0/mqtt');
    const webSocket = await openWebSocket(url);
    webSocket.send(Buffer.alloc(200_000));
    expect(await closeCode(webSocket)).toBe(1009);
  });

  it('ends with a close frame, and can be cut off', async () => {
    const echo = new Echo();
    const { url } = await open('ws://127.0.0.1:0/mqtt', echo);
    const first = await openWebSocket(url);
    const firstCode = closeCode(first);
    echo.transports[0]?.end();
    expect(await firstCode).toBe(1000);
    const second = await openWebSocket(url);
    const secondCode = closeCode(second);
    echo.transports[1]?.destroy();
    expect(await secondCode).toBe(1006);
  });

  it('refuses another path, and a sub-protocol that is not MQTT', async () => {
    const { url } = await open('ws://127.0.0.1:0/mqtt');
    await expect(openWebSocket(url.replace('/mqtt', '/other'))).rejects.toThrow(/404/);
    await expect(openWebSocket(url, 'chat')).rejects.toThrow(/400/);
    await expect(openWebSocket(url, [])).rejects.toThrow(/400/);
    const query = await openWebSocket(`${url}?token=1`);
    query.terminate();
  });

  it('explains itself to a browser', async () => {
    const { url } = await open('ws://127.0.0.1:0/mqtt');
    const answer = await fetch(url.replace('ws:', 'http:'));
    expect(answer.status).toBe(426);
    expect(answer.headers.get('upgrade')).toBe('websocket');
    expect(await answer.text()).toContain('connect by WebSocket at /mqtt, with the sub-protocol mqtt');
  });

  it('refuses bytes that are no HTTP', async () => {
    const { url } = await open('ws://127.0.0.1:0/mqtt');
    const socket = await dial({ host: '127.0.0.1', port: portOf(url) });
    socket.write(Buffer.from('101000044d5154540402003c000461626364', 'hex'));
    expect((await hear(socket)).toString()).toMatch(/^HTTP\/1\.1 400 /);
  });
});
