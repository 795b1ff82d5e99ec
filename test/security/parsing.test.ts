// S2, S3, S9 and S11 of what a broker must withstand: first packets that are none, lengths that lie, packets cut short,
// properties that are doubled or too many. What is refused is refused at the first byte that tells, and costs nothing.

import { Decoder, type ProtocolVersion, ReasonCode, TopicTable } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../packages/protocol/cases/notation.ts';
import { watchMemory } from '../fuzz/chunks.ts';
import { propertyValues } from '../fuzz/fields.ts';
import { connectionSeeds } from '../fuzz/seeds.ts';
import { soonMs, stopwatch } from '../support/deadline.ts';
import { hello, say } from './scene.ts';

const versions: readonly ProtocolVersion[] = [3, 4, 5];

/** As much of a CONNECT as the edge takes before anybody is let in. */
const connectMaxBytes = 128 * 1024;

describe('S2: [MQTT-3.1.0-1] a first byte that is not that of CONNECT', () => {
  it('closes the connection by itself, all 255 of them, and is answered with nothing', async () => {
    for (let first = 0; first < 256; first++) {
      if (first === 0x10) continue;
      const { error, isClosed, told, mishaps } = await say(5, Uint8Array.of(first));
      expect(error, `${first}`).toMatchObject({ reasonCode: 0x82, statement: 'MQTT-3.1.0-1' });
      expect(isClosed).toBe(true);
      expect(told).toEqual([]);
      expect(mishaps).toEqual([]);
    }
  });

  it('makes no memory be taken for the length that follows it', () => {
    for (const first of [0x30, 0x82, 0x20, 0xf0, 0x00]) {
      const decoder = new Decoder({ from: 'client', maximumPacketSize: connectMaxBytes });
      const memory = watchMemory(() => {
        decoder.feed(Buffer.from([first, 0xff, 0xff, 0xff, 0x7f]));
        expect(() => decoder.next()).toThrow();
      });
      expect(memory.total).toBe(0);
    }
  });
});

describe('S3: the length of a CONNECT', () => {
  it('of five bytes, or of more than it needs, is malformed as soon as it is seen', async () => {
    for (const length of ['80 80 80 80', 'ff ff ff ff', '80 00', '80 80 00', '80 80 80 00']) {
      const { error, isClosed, told } = await say(5, `10 ${length}`);
      expect(error, length).toMatchObject({ reasonCode: 0x81, statement: 'MQTT-1.5.5-1' });
      expect(isClosed).toBe(true);
      expect(told).toEqual([]);
    }
  });

  it('is bounded before anybody is let in, and judged before the rest has come', async () => {
    for (const length of ['81 80 08', 'ff ff 7f', '80 80 80 01', 'ff ff ff 7f']) {
      const { error, isClosed } = await say(5, `10 ${length}`);
      expect(error, length).toMatchObject({ reasonCode: ReasonCode.packetTooLarge });
      expect(isClosed).toBe(true);
    }
  });

  it('is not believed: memory grows with what has come, and by no more than twice that', () => {
    const decoder = new Decoder({ from: 'client', maximumPacketSize: connectMaxBytes });
    // 10, three bytes of length, and then up to 131,068 bytes: the largest that is taken.
    const announced = Buffer.from([0x10, 0xfc, 0xff, 0x07, ...bytesOf("'MQTT' 05 02 0000")]);
    let fed = 0;
    for (let size = 1; size < 60_000; size *= 2) {
      const chunk = fed === 0 ? announced : Buffer.alloc(size);
      const memory = watchMemory(() => {
        decoder.feed(chunk);
        expect(decoder.next()).toBeUndefined();
        decoder.settle();
      });
      fed += chunk.length;
      expect(memory.largest).toBeLessThanOrEqual(2 * fed);
      expect(decoder.pendingBytes).toBe(fed);
    }
  });

  it('may be as long as a Will and the rest can be, and no longer; afterwards packets may be larger', async () => {
    const fits = `10 ['MQTT' 05 02 0000 [] 'c']`;
    const { error } = await say(5, fits, '30 ff ff 07');
    expect(error).toMatchObject({ reasonCode: ReasonCode.packetTooLarge });
    expect((await say(5, fits, '30 a0 8d 05')).error).toBeUndefined();
  });
});

describe('S9: packets cut short, and packets that are not a Client’s', () => {
  it('lead to nothing, wherever the connection breaks off', { timeout: 120_000 }, async () => {
    for (const { lives } of connectionSeeds()) {
      const packets = lives[0]?.packets ?? [];
      const last = packets.at(-1) as Uint8Array;
      const version = packets.length > 1 ? versionOf(packets[0] as Uint8Array) : 5;
      if (last.length > 60) continue;
      for (let length = 1; length < last.length; length += packets.length > 1 ? 3 : 1) {
        const { mishaps } = await say(version, ...packets.slice(0, -1), last.subarray(0, length));
        expect(mishaps).toEqual([]);
      }
    }
  });

  it('[§2.1.2] of a server are a Protocol Error from a Client, at their first byte', async () => {
    for (const version of versions) {
      for (const first of [0x20, 0x90, 0xb0, 0xd0, 0x10]) {
        const { error, isClosed } = await say(version, hello[version], Uint8Array.of(first));
        expect(error, `${first} at ${version}`).toMatchObject({ reasonCode: 0x82 });
        expect(isClosed).toBe(true);
      }
    }
  });

  it('[MQTT-4.7.3-1] with an empty topic are a Protocol Error, before 5.0 and in 5.0', async () => {
    for (const version of versions) {
      const { error } = await say(version, hello[version], version === 5 ? "30 ['' [] 6f]" : "30 ['' 6f]");
      expect(error).toMatchObject({ reasonCode: 0x82, statement: 'MQTT-4.7.3-1' });
    }
  });
});

/** Where properties stand, with § for them; those of a Client. */
const propertyPlaces: Readonly<Record<string, readonly [before: string, ids: readonly number[]]>> = {
  CONNECT: ["10 ['MQTT' 05 02 0000 [§] 'c']", [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27]],
  'the Will Properties': ["10 ['MQTT' 05 06 0000 [] 'c' [§] 'w' <>]", [0x01, 0x02, 0x03, 0x08, 0x09, 0x18]],
  PUBLISH: ["30 ['a' [§] 6f]", [0x01, 0x02, 0x03, 0x08, 0x09, 0x23]],
  PUBACK: ['40 [0001 00 [§]]', [0x1f]],
  PUBREC: ['50 [0001 00 [§]]', [0x1f]],
  PUBREL: ['62 [0001 00 [§]]', [0x1f]],
  PUBCOMP: ['70 [0001 00 [§]]', [0x1f]],
  SUBSCRIBE: ["82 [0001 [§] 'a' 00]", [0x0b]],
  DISCONNECT: ['e0 [00 [§]]', [0x11, 0x1f]],
  AUTH: ['f0 [18 [§]]', [0x15, 0x16, 0x1f]],
};

/** A property with a value that it may have. */
function property(id: number): string {
  const digits = id.toString(16).padStart(2, '0');
  const value = propertyValues.get(id);
  if (value === 'text') return `${digits} 'a'`;
  return `${digits} ${'00'.repeat(value === 'variable' ? 0 : Number(value) - 1)}01`;
}

const doubled = Object.entries(propertyPlaces).flatMap(([where, [packet, ids]]) =>
  ids.map((id) => ({ where, packet, id })),
);

describe('S11: properties', () => {
  it.each(doubled)('[§2.2.2] $id twice in $where is a Protocol Error', async ({ packet, id }) => {
    const said = packet.replace('§', `${property(id)} ${property(id)}`);
    const { error, isClosed, mishaps } = await say(5, ...(said.startsWith('10') ? [said] : [hello[5], said]));
    expect(error).toMatchObject({ reasonCode: 0x82 });
    expect(error?.message).toContain('twice');
    expect(isClosed).toBe(true);
    expect(mishaps).toEqual([]);
  });

  it.each(Object.entries(propertyPlaces))('longer than the packet in %s are malformed', async (_, [packet]) => {
    for (const length of ['7f', 'ff7f', 'ffffff7f']) {
      const [before, after] = packet.split('[§]') as [string, string];
      // The Property Length lies; the Remaining Length around it is right.
      const { error, isClosed } = await say(
        5,
        ...(packet.startsWith('10') ? [] : [hello[5]]),
        `${before}${length}${after}`,
      );
      expect([0x81, 0x95], length).toContain(error?.reasonCode);
      expect(isClosed).toBe(true);
    }
  });

  it('by the ten thousand are refused or dropped in moments, whichever packet brings them', {
    timeout: 120_000,
  }, async () => {
    const many = Buffer.alloc(90_000, Buffer.from('2600000000', 'hex'));
    for (const [packet] of Object.values(propertyPlaces)) {
      const isFirst = packet.startsWith('10');
      const said = bytesOf(packet.replace('§', many.toString('hex')));
      const elapsed = stopwatch();
      const { mishaps } = await say(5, ...(isFirst ? [said] : [bytesOf(hello[5]), said]));
      expect(mishaps).toEqual([]);
      expect(elapsed()).toBeLessThan(soonMs);
    }
  });

  it('of a megabyte are not even looked at one by one', () => {
    const decoder = new Decoder({
      from: 'client',
      maximumPacketSize: 2_000_000,
      protocolVersion: 5,
      topics: new TopicTable({ slots: 16 }),
    });
    const many = Buffer.alloc(1_000_000, Buffer.from('2600000000', 'hex'));
    decoder.feed(Buffer.concat([bytesOf('30 c8 84 3d 0001 61 c0 84 3d'), many, Buffer.alloc(5)]));
    expect(() => decoder.next()).toThrow(expect.objectContaining({ reasonCode: ReasonCode.packetTooLarge }));
  });
});

function versionOf(connect: Uint8Array): ProtocolVersion {
  return (connect[3] === 6 ? 3 : connect[8]) as ProtocolVersion;
}
