import { describe, expect, it } from 'vitest';
import { bytesOf } from '../cases/notation.ts';
import { Decoder, encode, type Packet, type Publish, Slab, TopicTable } from './index.ts';

const connect = bytesOf("10 ['MQTT' 04 02 003c 'lamp']");
const ping = bytesOf('c0 00');

function client(maximumPacketSize = 65_536): Decoder {
  return new Decoder({ from: 'client', maximumPacketSize, protocolVersion: 4 });
}

function publishOf(payloadBytes: number, topic = 'a/b'): Publish {
  const payload = new Uint8Array(payloadBytes).fill(0x78);
  return { type: 'publish', topic, payload, qos: 0, retain: false, dup: false, packetId: 0, properties: undefined };
}

function bytesOfPacket(packet: Packet): Uint8Array {
  const out = new Slab();
  encode(packet, 4, out);
  return Uint8Array.from(out.view());
}

function takeAll(decoder: Decoder): Packet[] {
  const packets: Packet[] = [];
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) packets.push(packet);
  return packets;
}

describe('[MQTT-3.1.0-1] the first packet is a CONNECT', () => {
  const beginning = (bytes: Uint8Array): Decoder => {
    const decoder = new Decoder({ from: 'client', maximumPacketSize: 65_536 });
    decoder.feed(bytes);
    return decoder;
  };

  it('is refused by its first byte alone', () => {
    for (let first = 0; first < 256; first++) {
      const decoder = beginning(Uint8Array.of(first));
      if (first === 0x10) expect(decoder.next()).toBe(undefined);
      else expect(() => decoder.next()).toThrow(expect.objectContaining({ statement: 'MQTT-3.1.0-1' }));
    }
  });

  it.each([
    ['"GET /mqtt HTTP/1.1"', 'an HTTP request'],
    ['"POST / HTTP/1.1"', 'an HTTP request'],
    ['"PRI * HTTP/2.0"', 'an HTTP/2 request'],
    ['16 03 01 02 00', 'TLS'],
    ['"PROXY TCP4 10.0.0.1 10.0.0.2 1 2"', 'a PROXY protocol header'],
    ['0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21', 'a PROXY protocol header'],
    ['"SSH-2.0-OpenSSH"', 'SSH'],
    ['c0 00', 'PINGREQ'],
    ['"G"', 'PUBACK'],
    ['00', 'no packet of MQTT'],
    ['16', 'reserved flags'],
  ])('says what %s looks like', (notation, what) => {
    expect(() => beginning(bytesOf(notation)).next()).toThrow(what);
  });

  it('tells the version, and is followed by anything but a second one [MQTT-3.1.0-2]', () => {
    const decoder = beginning(Uint8Array.from([...connect, ...ping, ...connect]));
    expect(decoder.protocolVersion).toBe(undefined);
    expect(decoder.next()?.type).toBe('connect');
    expect(decoder.protocolVersion).toBe(4);
    expect(decoder.next()?.type).toBe('pingreq');
    expect(() => decoder.next()).toThrow('a second CONNECT [MQTT-3.1.0-2]');
  });
});

describe('a chunk', () => {
  it('may be written over once it is settled', () => {
    const decoder = client();
    const chunk = Uint8Array.from([...ping, ...bytesOfPacket(publishOf(5)), ...ping, 0xc0]);
    decoder.feed(chunk);
    expect(decoder.next()).toEqual({ type: 'pingreq' });
    decoder.settle();
    chunk.fill(0xff);
    decoder.settle();
    expect(decoder.pendingBytes).toBe(chunk.length - 2);
    expect(decoder.next()).toEqual(publishOf(5));
    decoder.settle();
    expect(takeAll(decoder)).toEqual([{ type: 'pingreq' }]);
    expect(decoder.pendingBytes).toBe(1);
  });

  it('may come while earlier ones still wait to be taken', () => {
    const decoder = client();
    for (let i = 0; i < 100; i++) {
      const chunk = bytesOfPacket(publishOf(i));
      decoder.feed(chunk);
      decoder.settle();
      chunk.fill(0xff);
    }
    expect(takeAll(decoder)).toEqual(Array.from({ length: 100 }, (_, i) => publishOf(i)));
    expect(decoder.pendingBytes).toBe(0);
  });

  it('may come unsettled after one that ended inside a packet', () => {
    const decoder = client();
    const bytes = bytesOfPacket(publishOf(50));
    decoder.feed(bytes.subarray(0, 20));
    expect(decoder.next()).toBe(undefined);
    decoder.feed(bytes.subarray(20, 30));
    decoder.feed(Uint8Array.from([...bytes.subarray(30), ...ping]));
    expect(takeAll(decoder)).toEqual([publishOf(50), { type: 'pingreq' }]);
  });

  it('may be empty', () => {
    const decoder = client();
    decoder.feed(new Uint8Array(0));
    decoder.settle();
    expect(decoder.next()).toBe(undefined);
    expect(decoder.pendingBytes).toBe(0);
  });

  it('may be part of a larger memory, and no Buffer', () => {
    const memory = new Uint8Array(100).fill(0xff);
    memory.set(bytesOfPacket(publishOf(5)), 40);
    const decoder = client();
    decoder.feed(memory.subarray(40, 40 + bytesOfPacket(publishOf(5)).length));
    expect(takeAll(decoder)).toEqual([publishOf(5)]);
  });

  it('is what a payload is a view of, unless the packet began in an earlier one', () => {
    const decoder = client();
    const chunk = bytesOfPacket(publishOf(5));
    decoder.feed(chunk);
    const whole = decoder.next() as Publish;
    expect(whole.payload.buffer).toBe(chunk.buffer);
    decoder.settle();

    decoder.feed(chunk.subarray(0, 4));
    expect(decoder.next()).toBe(undefined);
    decoder.settle();
    decoder.feed(chunk.subarray(4));
    const completed = decoder.next() as Publish;
    decoder.settle();
    chunk.fill(0);
    decoder.feed(bytesOfPacket(publishOf(6)).subarray(0, 9));
    expect(decoder.next()).toBe(undefined);
    decoder.settle();
    expect(completed.payload).toEqual(publishOf(5).payload);
  });
});

describe('[MQTT-3.2.2-15] a packet too large', () => {
  it('is refused as soon as its Remaining Length is there', () => {
    const decoder = client(998);
    decoder.feed(bytesOf('30 e4 07'));
    expect(() => decoder.next()).toThrow('a packet of 999 bytes, where 998 are the most [MQTT-3.2.2-15]');

    const other = client(999);
    other.feed(bytesOf('30 e4 07'));
    expect(other.next()).toBe(undefined);
  });

  it('is judged by the limit of the moment', () => {
    const decoder = client(10);
    decoder.feed(bytesOfPacket(publishOf(20)).subarray(0, 10));
    decoder.maximumPacketSize = 100;
    expect(decoder.next()).toBe(undefined);
    decoder.settle();
    decoder.maximumPacketSize = 10;
    expect(() => decoder.next()).toThrow(expect.objectContaining({ reasonCode: 0x95 }));
  });

  it('costs the memory of what has arrived, never of what it declares', () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => {
      const decoder = client(268_435_460);
      decoder.feed(bytesOf(`30 ff ff ff 7f 0003 "a/b" ${'00 '.repeat(100)}`));
      expect(decoder.next()).toBe(undefined);
      decoder.settle();
      decoder.feed(new Uint8Array(1000));
      expect(decoder.next()).toBe(undefined);
      decoder.settle();
      return decoder;
    });
    for (const decoder of decoders) expect(decoder.pendingBytes).toBe(1110);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 8192);
  });

  it('does not make many small chunks dear: each byte is copied a few times at most', () => {
    const size = 1_000_000;
    const bytes = bytesOfPacket(publishOf(size));
    const decoder = client(2 * size);
    const before = process.cpuUsage();
    for (let at = 0; at < bytes.length - 100; at += 100) {
      decoder.feed(bytes.subarray(at, at + 100));
      if (decoder.next() !== undefined || decoder.pendingBytes !== at + 100) expect.fail('a packet too soon');
      decoder.settle();
    }
    decoder.feed(bytes.subarray(bytes.length - (bytes.length % 100 || 100)));
    expect((decoder.next() as Publish).payload.length).toBe(size);
    // Copying all that is held with each chunk would move 5 GB.
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  });
});

describe('Topic Names', () => {
  const topicOf = (decoder: Decoder, topic: string): string => {
    decoder.feed(bytesOfPacket(publishOf(1, topic)));
    return (decoder.next() as Publish).topic;
  };

  it('come out right however they alternate, with and without a table', () => {
    const topics = ['a', 'b', 'ab', 'abc', 'abd', 'abcd', 'abce', 'abcde', 'bbcde', 'abcdefgh', 'abcdefgi', 'zü', 'zö'];
    const tables = [undefined, new TopicTable({ slots: 1 }), new TopicTable({ slots: 4, seed: 7 }), new TopicTable()];
    for (const table of tables) {
      const decoder = new Decoder({ from: 'client', maximumPacketSize: 1000, protocolVersion: 4, topics: table });
      for (const first of topics) {
        for (const second of topics) {
          expect(topicOf(decoder, first)).toBe(first);
          expect(topicOf(decoder, second)).toBe(second);
        }
      }
    }
  });

  it('are checked again after one that was bad', () => {
    const topics = new TopicTable();
    for (let i = 0; i < 3; i++) {
      const decoder = new Decoder({ from: 'client', maximumPacketSize: 1000, protocolVersion: 4, topics });
      expect(() => topicOf(decoder, 'a/+')).toThrow('PUBLISH: Topic Name contains a wildcard [MQTT-3.3.2-2]');
    }
  });
});

describe("a server's packets", () => {
  it('cannot be read before the version is known', () => {
    const decoder = new Decoder({ from: 'server', maximumPacketSize: 100 });
    decoder.feed(bytesOf('20 02 00 00'));
    expect(() => decoder.next()).toThrow(TypeError);
  });

  it('can be read once it is', () => {
    const decoder = new Decoder({ from: 'server', maximumPacketSize: 100 });
    decoder.protocolVersion = 5;
    decoder.feed(bytesOf('20 03 00 00 00'));
    expect(decoder.next()?.type).toBe('connack');
  });
});
