import type { Outlet } from '@skein/broker';
import { type Packet, ReasonCode } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  connect,
  connected,
  message,
  nextTurn,
  pingreq,
  pingresp,
  qos0,
  scene,
  terms,
} from './connection.scene.ts';

describe('bytes in', () => {
  it('become packets however they are cut', () => {
    const whole = bytes(connect, pingreq, pingreq);
    for (let cut = 1; cut < whole.length; cut += 1) {
      const { connection, client, traffic } = scene();
      // The memory is the transport's again after each call.
      for (const part of [whole.subarray(0, cut), whole.subarray(cut)]) {
        const borrowed = Buffer.from(part);
        connection.data(borrowed);
        borrowed.fill(0xff);
      }
      expect(client.story).toEqual(['connect', 'pingreq', 'pingreq']);
      expect(client.packets[0]).toMatchObject({ clientId: 'lamp' });
      expect(traffic.received).toMatchObject({ connect: 1, pingreq: 2 });
      expect(traffic.bytesReceived).toBe(whole.length);
    }
  });

  it('that break the protocol are told to the broker once, and no more is read', () => {
    const { connection, client } = scene();
    connection.data(bytes(connect));
    connection.data(Buffer.from('00ff', 'hex'));
    expect(client.story).toEqual(['connect', expect.stringMatching(/^fail 0x8/)]);
    connection.close('protocol_error');
    connection.data(bytes(pingreq));
    expect(client.story).toHaveLength(2);
  });

  it('wait while the broker holds, and go on in a later turn when it proceeds', async () => {
    const { connection, client, transport } = scene();
    client.onPacket = () => connection.hold();
    const borrowed = bytes(connect, pingreq, pingreq);
    connection.data(borrowed);
    borrowed.fill(0);
    expect(client.story).toEqual(['connect']);
    expect(transport.isPaused).toBe(false);
    // Only if more comes is the socket told to wait.
    connection.data(bytes(pingresp).fill(0xc0, 0, 1));
    expect(transport.isPaused).toBe(true);

    connection.proceed();
    expect(client.story).toEqual(['connect']);
    await nextTurn();
    expect(client.story).toEqual(['connect', 'pingreq']);
    client.onPacket = () => {};
    connection.proceed();
    connection.proceed();
    await nextTurn();
    expect(client.story).toEqual(['connect', 'pingreq', 'pingreq', 'pingreq']);
    expect(transport.isPaused).toBe(false);
  });

  it('are not handed over after the broker has closed, even in the middle of a chunk', () => {
    const { connection, client, transport } = scene();
    client.onPacket = (packet) => {
      if (packet.type === 'pingreq') connection.close('administrative');
    };
    connection.data(bytes(connect, pingreq, pingreq));
    connection.data(bytes(pingreq));
    expect(client.story).toEqual(['connect', 'pingreq']);
    expect(transport.ended).toBe(1);
  });
});

describe('packets out', () => {
  it('leave in one write for each turn', async () => {
    const { connection, transport, client, sent, traffic } = connected();
    client.onPacket = () => connection.send(pingresp);
    connection.data(bytes(pingreq, pingreq));
    connection.publish(message('a', 10), qos0);
    connection.publish(message('b', 10), qos0);
    expect(transport.writes).toHaveLength(0);
    await nextTurn();
    expect(transport.writes).toHaveLength(1);
    expect(sent().map(({ type }) => type)).toEqual(['pingresp', 'pingresp', 'publish', 'publish']);
    expect(traffic).toMatchObject({ publishSent: 2, sent: { pingresp: 2 }, bytesSent: transport.writes[0]?.length });
    connection.send(pingresp);
    await nextTurn();
    expect(transport.writes).toHaveLength(2);
  });

  it('do not wait for the end of the turn once there is much of it', () => {
    const { connection, transport } = connected();
    for (let count = 0; count < 10; count += 1) connection.publish(message('a', 10_000), qos0);
    expect(transport.writes.length).toBeGreaterThan(0);
  });

  it('keep their order and their bytes when memory is used again', async () => {
    const { connection, transport, sent } = connected();
    for (let count = 0; count < 50; count += 1) {
      connection.publish(message(`t/${count}`, count), qos0);
      if (count % 7 === 0) await nextTurn();
      // The kernel falls behind in the middle.
      transport.takes = count < 20;
    }
    await nextTurn();
    expect(sent().map((packet) => packet.type === 'publish' && packet.topic)).toEqual(
      Array.from({ length: 50 }, (_, count) => `t/${count}`),
    );
  });

  it('that are large and shared keep their place among the others', async () => {
    const { connection, sent, traffic, transport } = connected();
    const large = message('large', 60_000);
    for (let count = 0; count < 3; count += 1) {
      connection.publish(message(`before/${count}`, 10), qos0);
      connection.publish(large, qos0);
      connection.publish(message(`after/${count}`, 10), qos0);
    }
    await nextTurn();
    expect(sent().map((packet) => packet.type === 'publish' && packet.topic)).toEqual(
      [0, 1, 2].flatMap((count) => [`before/${count}`, 'large', `after/${count}`]),
    );
    expect(traffic.bytesSent).toBe(transport.writes.reduce((sum, { length }) => sum + length, 0));
  });

  it('are dropped for a Client whose version has no word for them, and not counted', async () => {
    const { connection, transport, traffic } = connected({}, { protocolVersion: 4 });
    connection.send({ type: 'disconnect', reasonCode: ReasonCode.serverBusy, properties: undefined });
    await nextTurn();
    expect(transport.writes).toHaveLength(0);
    expect(traffic.sent.disconnect).toBe(0);
  });

  it('that answer bytes which are no CONNECT are none', async () => {
    const { connection, transport, client } = scene();
    connection.data(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect(client.story).toEqual(['fail 0x82']);
    connection.send({ type: 'connack', sessionPresent: false, reasonCode: 0x82, properties: undefined });
    connection.close('protocol_error');
    await nextTurn();
    expect(transport.writes).toHaveLength(0);
    expect(transport.ended).toBe(1);
  });

  for (const [level, answer] of [
    ['02', '20020001'],
    ['09', '2003008400'],
  ] as const) {
    it(`[MQTT-3.1.2-2] refuse protocol version 0x${level} in words that it may know`, async () => {
      const { connection, transport, client } = scene();
      connection.data(Buffer.from(`101000044d515454${level}02003c000461626364`, 'hex'));
      expect(client.story).toEqual(['fail 0x84']);
      connection.send({
        type: 'connack',
        sessionPresent: false,
        reasonCode: ReasonCode.unsupportedProtocolVersion,
        properties: undefined,
      });
      connection.close('connect_refused');
      await nextTurn();
      expect(transport.writes.map((write) => write.toString('hex'))).toEqual([answer]);
    });
  }

  it('[MQTT-3.1.2-24] are not larger than the Client takes', async () => {
    const { connection, transport, traffic } = connected({}, { maximumPacketSize: 30 });
    const large = message('topic', 40);
    expect(connection.publish(message('topic', 20), qos0)).toBe(true);
    // Alone, and as one of several receivers.
    for (let count = 0; count < 3; count += 1) expect(connection.publish(large, qos0)).toBe(false);
    expect(connection.publish(message('topic', 21), qos0)).toBe(false);
    await nextTurn();
    expect(transport.writes.map(({ length }) => length)).toEqual([30]);
    expect(traffic.publishSent).toBe(1);
  });
});

describe('deadlines', () => {
  it('close a connection that sends no CONNECT in time', () => {
    const { connection, client, transport, pass, traffic } = scene();
    connection.data(bytes(connect).subarray(0, 5));
    pass(4.9);
    // Bytes alone are not enough.
    connection.data(bytes(connect).subarray(5, 6));
    expect(client.story).toEqual([]);
    pass(1);
    expect(client.story).toEqual(['lost connect_timeout']);
    expect(traffic.closed.connect_timeout).toBe(1);
    expect(transport.writes).toHaveLength(0);
    expect(transport.ended).toBe(1);
  });

  it('do not run while the broker considers a CONNECT', () => {
    const { connection, client, pass } = scene();
    connection.data(bytes(connect));
    connection.hold();
    pass(60);
    expect(client.story).toEqual(['connect']);
  });

  it('[MQTT-3.1.2-22] close a Client that is silent for one and a half Keep Alives', () => {
    const { connection, client, transport, pass } = connected();
    pass(14);
    connection.data(bytes(pingreq));
    pass(14.9);
    expect(client.story).toEqual(['connect', 'pingreq']);
    pass(1);
    expect(client.story).toEqual(['connect', 'pingreq', 'lost keep_alive_timeout']);
    expect(transport.ended).toBe(1);
  });

  it('tell a Client that was not heard why it is closed, if its version has a word for it', async () => {
    for (const [protocolVersion, said] of [
      [5, 'e0018d'],
      [4, undefined],
    ] as const) {
      const { connection, client, pass, transport, traffic } = connected({}, { protocolVersion });
      client.onLost = (reason) => connection.close(reason);
      pass(16);
      await nextTurn();
      expect(transport.writes[0]?.toString('hex')).toBe(said);
      expect(traffic.closed.keep_alive_timeout).toBe(1);
      expect(transport.ended).toBe(1);
    }
  });

  it('do not run for a Client with Keep Alive 0', () => {
    const { client, pass } = connected({}, { keepAliveSeconds: 0 });
    pass(1_000_000);
    expect(client.story).toEqual(['connect']);
  });

  it('do not count while the broker holds, since it could not be heard', async () => {
    const { connection, client, pass } = connected();
    connection.hold();
    pass(100);
    connection.proceed();
    await nextTurn();
    pass(14);
    expect(client.story).toEqual(['connect']);
    pass(2);
    expect(client.story).toEqual(['connect', 'lost keep_alive_timeout']);
  });

  it('are kept by a large packet that comes slowly, and not by single bytes', () => {
    const large: Packet = {
      type: 'publish',
      topic: 'a',
      payload: new Uint8Array(10_000),
      qos: 0,
      retain: false,
      dup: false,
      packetId: 0,
      properties: undefined,
    };
    const whole = bytes(large);
    const { connection, client, pass } = connected();
    for (let at = 0; at < 5000; at += 500) {
      connection.data(whole.subarray(at, at + 500));
      pass(10);
    }
    expect(client.story).toEqual(['connect']);
    for (let at = 5000; at < 5003; at += 1) {
      connection.data(whole.subarray(at, at + 1));
      pass(5);
    }
    expect(client.story).toEqual(['connect', 'lost keep_alive_timeout']);
  });
});

describe('the end', () => {
  it('by the broker sends what was written, then closes, and tells the broker nothing more', async () => {
    const { connection, client, transport, sent, traffic } = connected();
    connection.send({ type: 'disconnect', reasonCode: ReasonCode.sessionTakenOver, properties: undefined });
    connection.close('session_taken_over');
    connection.send(pingresp);
    expect(connection.publish(message('a', 1), qos0)).toBe(true);
    connection.close('administrative');
    await nextTurn();
    expect(sent().map(({ type }) => type)).toEqual(['disconnect']);
    expect(transport.ended).toBe(1);
    expect(traffic.closed).toMatchObject({ session_taken_over: 1, administrative: 0 });
    expect(traffic.connected[5]).toBe(0);
    connection.closed();
    connection.closed();
    expect(client.story).toEqual(['connect', 'gone']);
  });

  it('of a node that was fenced sends not a byte more, and cuts off at once', async () => {
    const { connection, transport, client, traffic, sent } = connected();
    connection.send(pingresp);
    connection.close('fenced');
    expect(transport.destroyed).toBe(1);
    await nextTurn();
    expect(sent()).toEqual([]);
    connection.data(bytes(pingreq));
    connection.closed();
    expect(client.story).toEqual(['connect', 'gone']);
    expect(traffic.closed.fenced).toBe(1);
    expect(traffic.connected[5]).toBe(0);
  });

  it('reads on for a while, then cuts off a Client that does not close', () => {
    const { connection, transport, pass } = connected();
    connection.hold();
    connection.data(bytes(pingreq));
    expect(transport.isPaused).toBe(true);
    connection.close('administrative');
    expect(transport.isPaused).toBe(false);
    pass(2.9);
    expect(transport.destroyed).toBe(0);
    pass(1);
    expect(transport.destroyed).toBe(1);
  });

  it('by the Client tells the broker once', async () => {
    const { connection, client, transport, traffic } = connected();
    connection.send(pingresp);
    connection.closed();
    connection.proceed();
    await nextTurn();
    expect(client.story).toEqual(['connect', 'lost connection_lost', 'gone']);
    expect(transport.writes).toHaveLength(0);
    expect(traffic.closed.connection_lost).toBe(1);
    expect(traffic.connected[5]).toBe(0);
  });

  it('leaves nothing that comes back: no drained, no deadline, no packet', async () => {
    const { connection, client, transport, pass, traffic } = connected();
    transport.takes = false;
    for (let count = 0; count < 12; count += 1) connection.publish(message('a', 10_000), qos0);
    await nextTurn();
    connection.hold();
    connection.data(bytes(pingreq));
    connection.proceed();
    connection.closed();
    transport.take();
    await nextTurn();
    pass(100);
    expect(client.story).toEqual(['connect', 'lost connection_lost', 'gone']);
    expect(traffic.congested).toBe(0);
    expect(transport.destroyed).toBe(0);
  });

  it('by a carrier whose rules were broken is a failure of the protocol', () => {
    const { connection, client } = connected();
    connection.broken('text');
    expect(client.story).toEqual(['connect', 'fail 0x82']);
  });

  it('makes an outlet that the broker may still call', () => {
    const { connection } = connected();
    const outlet: Outlet = connection;
    connection.closed();
    outlet.accepted(terms);
    outlet.send(pingresp);
    outlet.hold();
    outlet.proceed();
    outlet.close('administrative');
    expect(outlet.congested).toBe(false);
  });
});
