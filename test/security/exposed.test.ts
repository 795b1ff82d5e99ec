// S3, S4, S7 and S8 on real sockets, against the process as it is started: strangers by the thousand, strangers that
// dribble, strangers that speak something else. Memory for each has a bound, and whoever means well is served meanwhile.
//
// It runs what is in `dist`, in a process of its own, because it is its memory that is measured.

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RawClient } from '../support/client.ts';
import { soonMs, until, within } from '../support/deadline.ts';
import { expectSilentClose } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { fromHex, hexString, rawConnect, toHex } from '../support/hex.ts';
import { metricValue } from '../support/metrics.ts';
import { readPage } from '../support/page.ts';
import { bytes } from '../support/payload.ts';
import { processMs, runSkein, type SkeinProcess } from '../support/process.ts';

vi.setConfig({ testTimeout: 3 * processMs, hookTimeout: processMs });

/** No stranger is closed for his slowness in these tests, unless that is what is tested. */
const patient = ['--limits-connect-timeout-seconds', '600'];
/** Memory of its own for a socket that has said nothing, or has not gone on. */
const socketMaxBytes = 20 * 1024;
/** What a process may take for reasons of its own: code that is compiled, garbage that is not yet collected. */
const slackBytes = 8 * 1024 * 1024;

class Exposed {
  readonly #process: SkeinProcess;
  readonly mqtt: URL;
  readonly webSocket: URL;
  readonly #admin: string;
  readonly #sockets: Socket[] = [];

  private constructor(process: SkeinProcess, ready: { listen: readonly string[]; admin: string }) {
    this.#process = process;
    this.mqtt = new URL(ready.listen[0] as string);
    this.webSocket = new URL(ready.listen[1] as string);
    this.#admin = ready.admin;
  }

  static async start(...args: string[]): Promise<Exposed> {
    const listen = ['--listen', 'mqtt://127.0.0.1:0', '--listen', 'ws://127.0.0.1:0/mqtt', '--admin', '127.0.0.1:0'];
    const process = runSkein(['start', ...listen, ...args]);
    return new Exposed(process, await process.ready());
  }

  /** A socket that nobody reads MQTT from. */
  async socket(to: URL = this.mqtt): Promise<Socket> {
    const socket = connectTcp({ host: to.hostname, port: Number(to.port) });
    this.#sockets.push(socket);
    socket.on('error', () => {});
    await within(soonMs, 'a socket to open', once(socket, 'connect'));
    return socket;
  }

  /** Many at a time, a hundred by a hundred. */
  async sockets(count: number, to?: URL): Promise<Socket[]> {
    const all: Socket[] = [];
    while (all.length < count) {
      const some = Math.min(100, count - all.length);
      all.push(...(await Promise.all(Array.from({ length: some }, () => this.socket(to)))));
    }
    return all;
  }

  async metric(name: string, labels = {}): Promise<number> {
    return metricValue((await readPage(`${this.#admin}/metrics`)).text, name, labels);
  }

  /** Its resident memory, in bytes. */
  memory(): Promise<number> {
    return this.metric('process_resident_memory_bytes');
  }

  /** Somebody who means well is let in, and gets what is his, within the usual deadline. */
  async expectService(): Promise<void> {
    const topic = fresh('service');
    const client = await RawClient.connect(this.mqtt.href);
    await client.subscribe(topic, { qos: 1 });
    await client.publish({ topic, qos: 1, payload: 'as ever' });
    expect(await client.receiveMessage()).toMatchObject({ payload: bytes('as ever') });
    await client.disconnect();
  }

  dropSockets(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropSockets();
    await this.#process[Symbol.asyncDispose]();
  }
}

/** All that comes until the other side closes. */
async function heard(socket: Socket, deadlineMs: number = soonMs): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  if (!socket.destroyed) await within(deadlineMs, 'the socket to be closed', once(socket, 'close'));
  return Buffer.concat(chunks);
}

describe('S4: sockets that say nothing, two thousand of them', () => {
  it('cost less than 20 KiB each, and somebody who means well is served', async () => {
    await using exposed = await Exposed.start(...patient);
    // What is compiled and allocated once is not theirs.
    await exposed.sockets(100);
    await exposed.expectService();
    const before = await exposed.memory();
    await exposed.sockets(2000);
    await until('all of them to be accepted', async () => {
      const opened = await exposed.metric('mqtt_connections_opened_total', { listener: 'mqtt://127.0.0.1:0' });
      return opened >= 2101 ? opened : undefined;
    });
    await exposed.expectService();
    expect((await exposed.memory()) - before).toBeLessThan(2000 * socketMaxBytes);
  });

  it('are closed when their time is up, all of them', async () => {
    await using exposed = await Exposed.start('--limits-connect-timeout-seconds', '1');
    const sockets = await exposed.sockets(2000);
    const closed = Promise.all(sockets.map((socket) => heard(socket, processMs)));
    for (const answer of await closed) expect(answer).toHaveLength(0);
    await exposed.expectService();
  });
});

describe('S3: Clients that announce a large CONNECT and send little of it', () => {
  it('cost what they have sent, not what they have announced', async () => {
    await using exposed = await Exposed.start(...patient);
    await exposed.sockets(100);
    await exposed.expectService();
    const before = await exposed.memory();
    for (const socket of await exposed.sockets(1000)) socket.write(fromHex(`10fcff07 ${hexString('MQTT')} 0502`));
    await exposed.expectService();
    // 128 MiB were announced.
    expect((await exposed.memory()) - before).toBeLessThan(1000 * socketMaxBytes + slackBytes);
  });
});

describe('S7: bytes that dribble', () => {
  let exposed: Exposed;
  beforeAll(async () => {
    exposed = await Exposed.start('--limits-connect-timeout-seconds', '2');
  });
  afterAll(() => exposed[Symbol.asyncDispose]());

  it('make a CONNECT all the same, one at a time, if they are in time', async () => {
    const client = await RawClient.open(exposed.mqtt.href);
    for (const byte of fromHex(rawConnect({ payload: hexString('drop by drop') }))) {
      client.sendBytes(toHex(Uint8Array.of(byte)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
    await client.disconnect();
  });

  it('do not win time: a CONNECT that is not whole when its time is up is closed, though bytes still come', async () => {
    const client = await RawClient.open(exposed.mqtt.href);
    // A CONNECT of a thousand bytes, of which another comes twenty times a second.
    client.sendBytes(`10e807 ${hexString('MQTT')} 0502`);
    const dribble = setInterval(() => client.sendBytes('00'), 50);
    try {
      expect(await client.closedWithin(processMs)).toBe(true);
    } finally {
      clearInterval(dribble);
    }
    expect(client.bytesReceived).toBe('');
    await exposed.expectService();
  });

  it('in WebSocket frames of one byte make a CONNECT too', async () => {
    const client = await RawClient.open(exposed.webSocket.href);
    for (const byte of fromHex(rawConnect({ payload: hexString('frame by frame') }))) {
      client.sendBytes(toHex(Uint8Array.of(byte)));
    }
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: 0 });
    await client.disconnect();
  });
});

/** A WebSocket that was opened by hand, so that its frames can be what no library would send. */
async function upgraded(exposed: Exposed): Promise<Socket> {
  const socket = await exposed.socket(exposed.webSocket);
  const answer = once(socket, 'data');
  socket.write(
    `GET /mqtt HTTP/1.1\r\nHost: ${exposed.webSocket.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
  );
  expect(String((await within(soonMs, 'the upgrade', answer))[0])).toMatch(/^HTTP\/1\.1 101 /);
  return socket;
}

/** The beginning of a frame from a client, masked with zeros: first byte, and so many bytes to come. */
function frameHead(first: number, length: bigint): Buffer {
  const head = Buffer.alloc(14);
  head[0] = first;
  head[1] = 0xff;
  head.writeBigUInt64BE(length, 2);
  return head;
}

describe('S7: WebSocket frames', () => {
  let exposed: Exposed;
  beforeAll(async () => {
    exposed = await Exposed.start(...patient);
  });
  afterAll(() => exposed[Symbol.asyncDispose]());

  it.each([2n ** 53n, 2n ** 31n, 2n ** 21n])('of %d bytes are refused by their head', async (length) => {
    const socket = await upgraded(exposed);
    socket.write(frameHead(0x82, length));
    // Too big: 1009, in a close frame.
    expect((await heard(socket)).toString('hex')).toMatch(/^88..03f1/);
    await exposed.expectService();
  });

  it('that announce a megabyte and bring nothing cost nothing', async () => {
    for (let i = 0; i < 20; i++) await upgraded(exposed);
    const before = await exposed.memory();
    for (let i = 0; i < 200; i++) (await upgraded(exposed)).write(frameHead(0x82, 1_000_000n));
    await exposed.expectService();
    // 200 MB were announced. An upgrade leaves garbage of its own.
    expect((await exposed.memory()) - before).toBeLessThan(200 * 3 * socketMaxBytes + slackBytes);
    exposed.dropSockets();
  });

  it('of one byte without end, all of one message, are cut off', async () => {
    const socket = await upgraded(exposed);
    socket.resume();
    const closed = once(socket, 'close');
    const fragment = Buffer.from('008100000000 00'.replaceAll(' ', ''), 'hex');
    socket.write(Buffer.from('028100000000 10'.replaceAll(' ', ''), 'hex'));
    for (let i = 0; i < 100; i++) socket.write(Buffer.alloc(fragment.length * 1000, fragment));
    await within(soonMs, 'the socket to be closed', closed);
    await exposed.expectService();
  });

  it('that are not masked, or have reserved bits, or a control frame in pieces, end it', async () => {
    for (const frame of ['8202c000', 'c28200000000c000', '098000000000', '897f0000000000000080', '8380 00000000']) {
      const socket = await upgraded(exposed);
      socket.write(fromHex(frame));
      await heard(socket);
    }
    await exposed.expectService();
  });
});

describe('S8: others than MQTT on the MQTT port', () => {
  let exposed: Exposed;
  beforeAll(async () => {
    exposed = await Exposed.start(...patient);
  });
  afterAll(() => exposed[Symbol.asyncDispose]());

  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['Redis', '*1\r\n$4\r\nPING\r\n'],
    ['SIP', 'OPTIONS sip:nm SIP/2.0\r\n\r\n'],
    ['PROXY 1', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'],
    ['PROXY 2', '\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c'],
    ['AMQP', 'AMQP\0\0\x09\x01'],
    ['nothing but zeros', '\0'.repeat(10_000)],
  ])('%s is closed without a word', async (_, opening) => {
    const stranger = await RawClient.open(exposed.mqtt.href);
    stranger.sendBytes(toHex(Buffer.from(opening, 'latin1')));
    await expectSilentClose(stranger);
    await exposed.expectService();
  });

  it('a TLS client is told by the close that there is no TLS here', async () => {
    const socket = connectTls({
      host: exposed.mqtt.hostname,
      port: Number(exposed.mqtt.port),
      rejectUnauthorized: false,
    });
    const [error] = await within(
      soonMs,
      'the handshake to fail',
      once(socket, 'error').catch((thrown) => [thrown]),
    );
    expect((error as NodeJS.ErrnoException).code).toMatch(/ECONNRESET|EPIPE|ERR_SSL/);
    await exposed.expectService();
  });

  it('an HTTP client gets an end, not an answer', async () => {
    await expect(fetch(`http://${exposed.mqtt.host}/`)).rejects.toThrow();
    await exposed.expectService();
  });

  it('TLS on the WebSocket port is no HTTP', async () => {
    const socket = await exposed.socket(exposed.webSocket);
    socket.write(fromHex('16030100a5010000a10303'));
    expect((await heard(socket)).toString()).toMatch(/^(HTTP\/1\.1 400 |$)/);
    await exposed.expectService();
  });
});
