// The tools of these tests, where a mistake of theirs would make a test lie.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Packet } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { stopwatch, until, within } from './deadline.ts';
import { framed, fromHex, hexProperties, hexString, rawConnect } from './hex.ts';
import { isType, Mailbox } from './mailbox.ts';
import { metricValue } from './metrics.ts';
import { dice } from './seed.ts';

/** As when the process, or its whole machine, is stopped for a while. */
function standStill(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

describe('packets by hand', () => {
  it('have the Remaining Length that is right', () => {
    expect(framed('30', '')).toBe('3000');
    expect(framed('30', '61'.repeat(127)).slice(0, 4)).toBe('307f');
    expect(framed('30', '61'.repeat(128)).slice(0, 6)).toBe('308001');
    expect(framed('30', '61'.repeat(16_384)).slice(0, 8)).toBe('30808001');
  });

  it('are what the specification prints', () => {
    expect(hexString('a/b')).toBe('0003612f62');
    expect(hexProperties('21 0014')).toBe('03210014');
    expect(rawConnect({ payload: hexString('c') })).toBe(
      '100e 0004 4d515454 05 02 0000 00 0001 63'.replaceAll(' ', ''),
    );
  });

  it('are hexadecimal, or refused', () => {
    expect(fromHex('c0 00')).toEqual(Uint8Array.of(0xc0, 0));
    expect(() => fromHex('c')).toThrow('not hexadecimal');
    expect(() => fromHex('0x')).toThrow('not hexadecimal');
  });
});

describe('a mailbox', () => {
  const ping: Packet = { type: 'pingresp' };
  const ack: Packet = { type: 'puback', packetId: 1, reasonCode: 0, properties: undefined };

  it('gives the first of a kind, and keeps the others in order', async () => {
    const mailbox = new Mailbox('it');
    for (const packet of [ack, ping, { ...ack, packetId: 2 }]) mailbox.put(packet);
    expect(await mailbox.take('PINGRESP', isType('pingresp'), 10)).toBe(ping);
    expect(mailbox.arrived).toMatchObject([{ packetId: 1 }, { packetId: 2 }]);
  });

  it('does not give a packet to somebody who has given up', async () => {
    const mailbox = new Mailbox('it');
    await expect(mailbox.take('PINGRESP', isType('pingresp'), 1)).rejects.toThrow('it waited 1 ms for PINGRESP');
    mailbox.put(ping);
    expect(mailbox.arrived).toEqual([ping]);
  });

  it('tells those who wait that nothing more comes, and gives what has come', async () => {
    const mailbox = new Mailbox('it');
    const waiting = mailbox.take('PUBACK', isType('puback'), 1000);
    mailbox.put(ping);
    mailbox.end('was closed');
    await expect(waiting).rejects.toThrow('it was closed while it waited for PUBACK');
    expect(await mailbox.take('PINGRESP', isType('pingresp'), 10)).toBe(ping);
    await expect(mailbox.take('PINGRESP', isType('pingresp'), 10)).rejects.toThrow('was closed');
  });
});

describe('a page of metrics', () => {
  const page = [
    '# HELP x y',
    '# TYPE x counter',
    'x{a="1",b="2"} 3',
    'x{a="1",b="3"} 4',
    'x_other{a="1"} 9',
    'z 5',
  ].join('\n');

  it.each([
    ['x', {}, 7],
    ['x', { a: '1' }, 7],
    ['x', { b: '3', a: '1' }, 4],
    ['x', { b: '4' }, 0],
    ['z', {}, 5],
    ['y', {}, 0],
  ] as const)('%s %o is %i', (name, labels, value) => {
    expect(metricValue(page, name, labels)).toBe(value);
  });
});

describe('waiting', () => {
  it('ends, and says for what', async () => {
    await expect(within(1, 'Godot', new Promise(() => {}))).rejects.toThrow('waited 1 ms for Godot');
    await expect(until('Godot', () => undefined, 1)).rejects.toThrow('waited 1 ms for Godot');
    expect(await until('a fact', () => 0)).toBe(0);
  });

  it('does not end because everything stood still, and what came meanwhile is seen', async () => {
    await using server = createServer((socket) => void socket.end('here')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const come = within(300, 'a word', once(socket, 'data'));
    standStill(500);
    expect(String((await come)[0])).toBe('here');
    const elapsedMs = stopwatch();
    const never = within(300, 'Godot', new Promise(() => {}));
    standStill(500);
    await expect(never).rejects.toThrow('waited 300 ms for Godot');
    expect(elapsedMs()).toBeGreaterThan(545);
  });
});

describe('dice', () => {
  it('fall the same way for the same seed, and within bounds', () => {
    const [one, two, other] = [dice(1), dice(1), dice(2)];
    const throws = Array.from({ length: 1000 }, one);
    expect(Array.from({ length: 1000 }, two)).toEqual(throws);
    expect(Array.from({ length: 1000 }, other)).not.toEqual(throws);
    expect(throws.every((each) => each >= 0 && each < 1)).toBe(true);
    const mean = throws.reduce((sum, each) => sum + each, 0) / throws.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
  });
});
