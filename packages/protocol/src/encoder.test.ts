import { describe, expect, it } from 'vitest';
import { encode, type Packet, type ProtocolVersion, type Publish, Slab } from './index.ts';

const ping: Packet = { type: 'pingreq' };

const publish: Publish = {
  type: 'publish',
  topic: 'a/b',
  payload: new Uint8Array(2),
  qos: 1,
  retain: false,
  dup: false,
  packetId: 7,
  properties: undefined,
};

const connect: Packet = {
  type: 'connect',
  protocolVersion: 4,
  clientId: 'lamp',
  cleanStart: true,
  keepAliveSeconds: 0,
  will: undefined,
  username: undefined,
  password: Uint8Array.of(1),
  properties: undefined,
};

/** As long as a UTF-8 Encoded String may be, and a byte longer. */
const longest = `${'ü'.repeat(32_767)}u`;
const tooLong = 'ü'.repeat(32_768);

const impossible: [what: string, packet: Packet, version: ProtocolVersion][] = [
  ['a Topic Name of 65,536 bytes', { ...publish, topic: tooLong }, 4],
  ['a Topic Name of 65,536 characters', { ...publish, topic: 'x'.repeat(65_536) }, 4],
  ['a property too long', { ...publish, properties: { contentType: tooLong } }, 5],
  ['binary data too long', { ...publish, properties: { correlationData: new Uint8Array(65_536) } }, 5],
  ['a Password without User Name before 5.0', connect, 4],
  ['a packet beyond 256 MiB', { ...publish, payload: new Uint8Array(268_435_456) }, 4],
  [
    'the last Topic Filter too long',
    { type: 'unsubscribe', packetId: 7, topicFilters: ['a', 'b', tooLong], properties: undefined },
    5,
  ],
];

describe('what cannot be written', () => {
  it.each(impossible)('%s: nothing of it is left behind', (_, packet, version) => {
    const out = Slab.take();
    encode(ping, version, out);
    expect(() => encode(packet, version, out)).toThrow(RangeError);
    expect(out.view()).toEqual(Buffer.of(0xc0, 0));
    encode(ping, version, out);
    expect(out.view()).toEqual(Buffer.of(0xc0, 0, 0xc0, 0));
  });
});

describe('Binary Data', () => {
  it('may take 65,535 bytes', () => {
    const out = Slab.take();
    encode({ ...publish, properties: { correlationData: new Uint8Array(65_535).fill(7) } }, 5, out);
    // First byte, Remaining Length, topic, Packet Identifier, Property Length, identifier and length of the property.
    expect(out.length).toBe(1 + 3 + 5 + 2 + 3 + 1 + 2 + 65_535 + 2);
  });
});

describe('text', () => {
  it('may take 65,535 bytes', () => {
    const out = Slab.take();
    encode({ ...publish, topic: longest }, 4, out);
    expect(out.length).toBe(4 + 2 + 65_535 + 2 + 2);
    expect(Buffer.from(out.view()).toString('utf8', 6, 6 + 65_535)).toBe(longest);
  });

  it('is written right at every length around which the way of writing changes', () => {
    for (let length = 1; length < 80; length++) {
      for (const topic of ['x'.repeat(length), `${'x'.repeat(length - 1)}ü`, '💡'.repeat(length)]) {
        // Three times, since a topic that repeats is copied from the one before.
        for (let i = 0; i < 3; i++) {
          const out = Slab.take();
          encode({ ...publish, topic, qos: 0, payload: new Uint8Array(0) }, 4, out);
          const size = Buffer.byteLength(topic);
          expect(Buffer.from(out.view().subarray(out.length - size - 2))).toEqual(
            Buffer.concat([Buffer.of(size >> 8, size), Buffer.from(topic)]),
          );
        }
      }
    }
  });

  it('has a lone surrogate replaced, so that what is sent is well-formed [MQTT-1.5.4-1]', () => {
    const out = Slab.take();
    encode({ ...publish, topic: 'a\ud800', qos: 0, payload: new Uint8Array(0) }, 4, out);
    expect(Buffer.from(out.view())).toEqual(Buffer.of(0x30, 6, 0, 4, 0x61, 0xef, 0xbf, 0xbd));
  });
});
