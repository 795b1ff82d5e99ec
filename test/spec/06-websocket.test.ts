// MQTT 5.0 chapter 6, WebSocket as the Network Connection.

import { once } from 'node:events';
import { ReasonCode } from '@skein/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startBroker } from '../support/broker.ts';
import { RawClient } from '../support/client.ts';
import { soonMs, within } from '../support/deadline.ts';
import { expectDisconnect } from '../support/ending.ts';
import { fresh } from '../support/fresh.ts';
import { framed, fromHex, hexString, rawConnect, toHex } from '../support/hex.ts';
import { bytes } from '../support/payload.ts';

const broker = await startBroker();
afterAll(() => broker[Symbol.asyncDispose]());

/** A WebSocket on which MQTT has not been spoken yet. */
async function openWebSocket(subProtocols: string | string[] = 'mqtt'): Promise<WebSocket> {
  const socket = new WebSocket(broker.webSocketUrl, subProtocols);
  await within(soonMs, 'the WebSocket to open', once(socket, 'open'));
  return socket;
}

/** What comes in answer, as hexadecimal. */
async function nextFrame(socket: WebSocket): Promise<string> {
  const [data, isBinary] = (await within(soonMs, 'a frame', once(socket, 'message'))) as [Buffer, boolean];
  // [MQTT-6.0.0-1]
  expect(isBinary).toBe(true);
  return toHex(data);
}

/** The status with which a WebSocket is closed. */
async function closeStatus(socket: WebSocket): Promise<number> {
  const [status] = (await within(soonMs, 'the WebSocket to close', once(socket, 'close'))) as [number];
  return status;
}

/** The HTTP status with which an upgrade is refused. */
async function refusal(url: string, subProtocols: string[]): Promise<number> {
  const socket = new WebSocket(url, subProtocols);
  const [, response] = await within(soonMs, 'the refusal', once(socket, 'unexpected-response'));
  socket.on('error', () => {});
  socket.terminate();
  return (response as { statusCode: number }).statusCode;
}

describe.each([5, 4, 3] as const)(
  '[§6] [MQTT-4.2.0-1] [3.1.1 MQTT-7.1.1-1] a Client on a WebSocket, at level %i',
  (version) => {
    it.each([0, 1, 2] as const)('publishes and receives at QoS %i', async (qos) => {
      const topic = fresh('web');
      const client = await broker.connect({ version, over: 'websocket' });
      await client.subscribe(topic, { qos });
      await client.publish({ topic, qos, payload: 'woven' });
      expect(await client.receiveMessage()).toMatchObject({ topic, qos, payload: bytes('woven') });
      await client.disconnect();
    });

    it('talks to Clients on TCP', async () => {
      const topic = fresh('web');
      const web = await broker.connect({ version, over: 'websocket' });
      const tcp = await broker.connect({ version });
      await web.subscribe(topic, { qos: 1 });
      await tcp.subscribe(topic, { qos: 1 });
      await tcp.publish({ topic, qos: 1, payload: 'across' });
      expect(await web.receiveMessage()).toMatchObject({ payload: bytes('across') });
      expect(await tcp.receiveMessage()).toMatchObject({ payload: bytes('across') });
    });

    it('leaves a Will when it is lost', async () => {
      const topic = fresh('web');
      const watcher = await broker.connect();
      await watcher.subscribe(topic);
      const web = await broker.connect({ version, over: 'websocket', will: { topic, payload: 'torn' } });
      web.drop();
      expect(await watcher.receiveMessage()).toMatchObject({ payload: bytes('torn') });
    });

    it('carries large messages both ways', async () => {
      const topic = fresh('web');
      const client = await broker.connect({ version, over: 'websocket' });
      await client.subscribe(topic, { qos: 1 });
      const payload = new Uint8Array(500_000).fill(7);
      await client.publish({ topic, qos: 1, payload });
      expect(Buffer.compare((await client.receiveMessage()).payload, payload)).toBe(0);
    });
  },
);

describe('[MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1] a frame that is not binary', () => {
  it('ends the Network Connection', async () => {
    const socket = await openWebSocket();
    socket.send('CONNECT, please');
    expect(await closeStatus(socket)).toBe(1003);
  });
});

describe('[MQTT-6.0.0-2] MQTT packets and WebSocket frames', () => {
  it('need not begin together: a packet in many frames', async () => {
    const socket = await openWebSocket();
    const answer = nextFrame(socket);
    for (const byte of fromHex(rawConnect({ payload: hexString(fresh('frames')) }))) socket.send(Uint8Array.of(byte));
    expect(await answer).toMatch(/^20..0000/);
    socket.terminate();
  });

  it('need not end together: many packets in one frame', async () => {
    const topic = fresh('frames');
    const watcher = await broker.connect();
    await watcher.subscribe(topic);
    const client = await broker.open({ over: 'websocket' });
    client.sendBytes(
      rawConnect({ payload: hexString(fresh('frames')) }) +
        framed('82', `0001 00 ${hexString('a')} 00`) +
        framed('30', `${hexString(topic)} 00 ${toHex(bytes('together'))}`) +
        'c000',
    );
    expect(await client.next()).toMatchObject({ type: 'connack', reasonCode: ReasonCode.success });
    expect(await client.nextOf('suback')).toMatchObject({ packetId: 1 });
    expect(await watcher.nextOf('publish')).toMatchObject({ payload: bytes('together') });
    expect(await client.nextOf('pingresp')).toEqual({ type: 'pingresp' });
  });

  it('may come in fragments', async () => {
    const socket = await openWebSocket();
    const answer = nextFrame(socket);
    const connect = fromHex(rawConnect({ payload: hexString(fresh('frames')) }));
    socket.send(connect.subarray(0, 5), { fin: false, binary: true });
    socket.send(connect.subarray(5), { fin: true, binary: true });
    expect(await answer).toMatch(/^20..0000/);
    socket.terminate();
  });

  it('may be empty frames', async () => {
    const socket = await openWebSocket();
    const answer = nextFrame(socket);
    socket.send(new Uint8Array(0));
    socket.send(fromHex(rawConnect({ payload: hexString(fresh('frames')) })));
    expect(await answer).toMatch(/^20..0000/);
    socket.terminate();
  });
});

describe('[MQTT-6.0.0-3] [MQTT-6.0.0-4] [3.1.1 MQTT-6.0.0-4] the WebSocket Sub Protocol', () => {
  it.each([
    ['mqtt alone', ['mqtt']],
    ['mqtt among others', ['chat', 'mqtt', 'other']],
  ])('is mqtt: %s', async (_, offered) => {
    const socket = await openWebSocket(offered);
    expect(socket.protocol).toBe('mqtt');
    socket.terminate();
  });

  it('must be offered', async () => {
    expect(await refusal(broker.webSocketUrl, [])).toBe(400);
    expect(await refusal(broker.webSocketUrl, ['chat'])).toBe(400);
  });
});

describe('[§6] HTTP on the WebSocket port', () => {
  it('another path is not found', async () => {
    expect(await refusal(broker.webSocketUrl.replace('/mqtt', '/other'), ['mqtt'])).toBe(404);
  });

  it('a plain GET is told to upgrade', async () => {
    const response = await fetch(broker.webSocketUrl.replace('ws:', 'http:'));
    expect(response.status).toBe(426);
    expect(await response.text()).toMatch(/websocket/i);
  });
});

describe('[§4.13] errors on a WebSocket', () => {
  it.each([5, 4] as const)('are told as on TCP, at level %i', async (version) => {
    const client = await broker.connect({ version, over: 'websocket' });
    client.sendBytes('0000');
    await expectDisconnect(client, ReasonCode.malformedPacket, ReasonCode.protocolError);
  });

  it('a frame larger than any packet may be is refused', async () => {
    const client = await broker.connect({ over: 'websocket' });
    client.sendPublish({ topic: 'a', payload: new Uint8Array(2_000_000) });
    expect(await client.closed).toBe(true);
  });

  it('MQTT without WebSocket on this port is no HTTP, and closed', async () => {
    const client = await RawClient.open(broker.webSocketUrl.replace('ws:', 'mqtt:').replace('/mqtt', ''));
    client.sendBytes(rawConnect());
    expect(await client.closed).toBe(true);
  });
});
