import { describe, expect, it } from 'vitest';
import {
  appendFrame,
  encode,
  encodePublishFrame,
  type ProtocolVersion,
  type Publish,
  type PublishProperties,
  Slab,
} from './index.ts';

function publish(rest: Partial<Publish> = {}): Publish {
  const payload = new TextEncoder().encode('on');
  const packet: Publish = {
    type: 'publish',
    topic: 'a/b',
    payload,
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: undefined,
  };
  return { ...packet, ...rest };
}

function encoded(packet: Publish, version: ProtocolVersion): Uint8Array {
  const out = Slab.take();
  encode(packet, version, out);
  return Uint8Array.from(out.view());
}

const versions: ProtocolVersion[] = [3, 4, 5];
const properties: PublishProperties = { contentType: 'x'.repeat(150), userProperties: [['k', 'v']] };

const messages = [
  publish(),
  publish({ payload: new Uint8Array(0) }),
  publish({ payload: new Uint8Array(200) }),
  publish({ payload: new Uint8Array(300_000).fill(9) }),
  publish({ topic: 'zü/'.repeat(50) }),
  publish({ topic: 'x'.repeat(65_535) }),
  publish({ properties }),
  publish({ properties, payload: new Uint8Array(20_000) }),
];

describe('a PUBLISH encoded once for many', () => {
  it('is for each receiver what it would be encoded for it alone', () => {
    for (const version of versions) {
      for (const message of messages) {
        const atQos0 = encodePublishFrame(message, version);
        const above = encodePublishFrame({ ...message, qos: 1 }, version);
        expect(atQos0.packetIdAt).toBe(0);
        for (const retain of [false, true]) {
          const plain = { ...message, retain };
          const out = Slab.take();
          appendFrame(out, atQos0, plain, 0);
          expect(Buffer.compare(out.view(), encoded(plain, version))).toBe(0);

          for (const [qos, dup, packetId] of [
            [1, false, 1],
            [1, true, 0x1234],
            [2, false, 65_535],
            [2, true, 256],
          ] as const) {
            const own = { ...message, qos, dup, retain, packetId };
            out.length = 0;
            appendFrame(out, above, own, packetId);
            expect(Buffer.compare(out.view(), encoded(own, version))).toBe(0);
          }
        }
      }
    }
  });

  it('tells its size', () => {
    expect(encodePublishFrame(publish(), 4).bytes.length).toBe(9);
    expect(encodePublishFrame(publish({ qos: 2 }), 5).bytes.length).toBe(12);
  });

  it('is appended behind what is there already, and does not change', () => {
    const frame = encodePublishFrame(publish({ qos: 1 }), 4);
    const before = Uint8Array.from(frame.bytes);
    const out = Slab.take();
    for (let packetId = 1; packetId <= 1000; packetId++) {
      appendFrame(out, frame, { qos: 1, retain: true, dup: true }, packetId);
    }
    expect(out.length).toBe(11_000);
    for (let i = 0; i < 1000; i++) {
      const packetId = ((out.buffer[i * 11 + 7] as number) << 8) | (out.buffer[i * 11 + 8] as number);
      expect(packetId).toBe(i + 1);
    }
    expect(Uint8Array.from(frame.bytes)).toEqual(before);
  });

  it('keeps nothing of one that could not be encoded', () => {
    expect(() => encodePublishFrame(publish({ topic: 'x'.repeat(65_536) }), 4)).toThrow(RangeError);
    expect(encodePublishFrame(publish(), 4).bytes.length).toBe(9);
  });
});
