import type { Delivery, Message } from '@skein/broker';
import { Decoder, type ProtocolVersion, type Publish, type PublishProperties, type QoS, Slab } from '@skein/protocol';
import { describe, expect, it } from 'vitest';
import { type DeliveryTerms, OutboundAliases, writeDelivery } from './delivery.ts';

function message(overrides: Partial<Message> = {}): Message {
  return {
    topic: 'house/lamp',
    payload: new Uint8Array([1, 2, 3]),
    qos: 1,
    retain: false,
    properties: undefined,
    publisherId: 'switch',
    expiresAtMs: 0,
    frames: undefined,
    ...overrides,
  };
}

function delivery(overrides: Partial<Delivery> = {}): Delivery {
  return { qos: 0, retain: false, dup: false, packetId: 0, subscriptionIdentifiers: undefined, ...overrides };
}

function terms(overrides: Partial<DeliveryTerms> = {}): DeliveryTerms {
  return { protocolVersion: 5, maximumPacketSize: 0xffffffff, aliases: undefined, ...overrides };
}

/** One delivery, as its receiver decodes it; undefined if it was too large. */
function deliver(
  to: Message,
  how: Delivery = delivery(),
  agreed: DeliveryTerms = terms(),
  nowMs = 0,
): Publish | undefined {
  const slab = Slab.take();
  const rest = writeDelivery(slab, to, how, agreed, () => nowMs);
  const decoder = new Decoder({ from: 'server', maximumPacketSize: 1e8, protocolVersion: agreed.protocolVersion });
  decoder.feed(Buffer.concat([slab.view(), rest ?? new Uint8Array(0)]));
  Slab.give(slab);
  const packet = decoder.next();
  expect(rest !== undefined).toBe(packet !== undefined);
  expect(decoder.next()).toBeUndefined();
  if (packet !== undefined && packet.type !== 'publish') throw new Error(`a ${packet.type}`);
  return packet;
}

const properties: PublishProperties = { contentType: 'text/plain', userProperties: [['a', 'b']] };

describe('many receivers of one message', () => {
  it('each get it as if encoded for it alone', () => {
    const shared = message({ properties });
    const versions: readonly ProtocolVersion[] = [3, 4, 5];
    const levels: readonly QoS[] = [0, 1, 2];
    let packetId = 0;
    for (let round = 0; round < 3; round += 1) {
      for (const protocolVersion of versions) {
        for (const qos of levels) {
          packetId += 1;
          const how = delivery({
            qos,
            packetId: qos === 0 ? 0 : packetId,
            retain: round === 1,
            dup: qos > 0 && round === 2,
          });
          expect(deliver(shared, how, terms({ protocolVersion }))).toEqual({
            type: 'publish',
            topic: 'house/lamp',
            payload: new Uint8Array([1, 2, 3]),
            qos,
            retain: round === 1,
            dup: qos > 0 && round === 2,
            packetId: qos === 0 ? 0 : packetId,
            properties: protocolVersion === 5 ? properties : undefined,
          });
        }
      }
    }
  });

  it('share one encoding for each layout, made for the second of them', () => {
    const shared = message();
    deliver(shared);
    expect(shared.frames).toEqual([]);
    deliver(shared);
    const [, , frame] = shared.frames ?? [];
    expect(frame).toBeDefined();
    for (let count = 0; count < 10; count += 1) deliver(shared);
    expect(shared.frames?.[2]).toBe(frame);
    expect(shared.frames?.filter((each) => each !== undefined)).toHaveLength(1);
    deliver(shared, delivery({ qos: 1, packetId: 7 }));
    deliver(shared, delivery(), terms({ protocolVersion: 4 }));
    deliver(shared, delivery(), terms({ protocolVersion: 3 }));
    expect(shared.frames?.filter((each) => each !== undefined)).toHaveLength(3);
  });

  it('share the memory of what is large, up to where they differ', () => {
    const payload = new Uint8Array(100_000).map((_, index) => index);
    const shared = message({ payload, properties });
    for (const qos of [0, 1, 2] as const) {
      for (let count = 0; count < 3; count += 1) {
        const flags = { qos, packetId: qos === 0 ? 0 : 1000 + count, retain: count === 2, dup: qos > 0 };
        const got = deliver(shared, delivery(flags));
        expect(got).toMatchObject({ ...flags, properties });
        expect(Buffer.from(got?.payload ?? []).equals(payload)).toBe(true);
      }
    }
    const rests = [1, 2].map((packetId) => {
      const slab = Slab.take();
      const rest = writeDelivery(slab, shared, delivery({ qos: 1, packetId }), terms(), () => 0);
      expect(slab.length).toBeLessThan(100);
      Slab.give(slab);
      return rest;
    });
    expect(rests[0]?.buffer).toBe(rests[1]?.buffer);
    expect(rests[0]?.byteOffset).toBe(rests[1]?.byteOffset);
  });

  it('keep what is shared although the publisher has taken its memory back', () => {
    const payload = Buffer.from('on');
    const shared = message({ payload });
    deliver(shared);
    deliver(shared);
    payload.fill(0);
    expect(deliver(shared)?.payload).toEqual(new Uint8Array(Buffer.from('on')));
  });
});

describe('[MQTT-3.3.4-3] Subscription Identifiers', () => {
  it('are one receiver’s own, and unknown before 5.0', () => {
    const shared = message();
    const how = delivery({ subscriptionIdentifiers: [3, 200] });
    for (let count = 0; count < 3; count += 1) {
      expect(deliver(shared, how)?.properties).toEqual({ subscriptionIdentifiers: [3, 200] });
      expect(deliver(shared)?.properties).toBeUndefined();
      expect(deliver(shared, how, terms({ protocolVersion: 4 }))?.properties).toBeUndefined();
    }
  });
});

describe('[MQTT-3.3.2-6] Message Expiry Interval', () => {
  it('is what was published less the whole seconds waited, at least 1', () => {
    const shared = message({ properties: { messageExpiryInterval: 10 }, expiresAtMs: 110_000 });
    const left = (nowMs: number): number | undefined =>
      deliver(shared, delivery(), terms(), nowMs)?.properties?.messageExpiryInterval;
    expect([100_000, 100_999, 101_000, 105_500, 109_999, 110_000, 120_000].map(left)).toEqual([10, 10, 9, 5, 1, 1, 1]);
  });

  it('is left alone where it has not run down, so that the encoding is shared', () => {
    const shared = message({ properties: { messageExpiryInterval: 10, ...properties }, expiresAtMs: 110_000 });
    for (let count = 0; count < 3; count += 1) deliver(shared, delivery(), terms(), 100_000);
    expect(shared.frames?.[2]).toBeDefined();
    expect(deliver(shared, delivery(), terms(), 103_000)?.properties).toEqual({
      messageExpiryInterval: 7,
      ...properties,
    });
    expect(deliver(shared, delivery(), terms({ protocolVersion: 4 }), 103_000)?.properties).toBeUndefined();
  });
});

describe('[MQTT-3.1.2-26] Topic Aliases towards a Client', () => {
  it('are set for the first topics, up to what it allows, and then used', () => {
    const agreed = terms({ aliases: new OutboundAliases(2) });
    const seen = ['a', 'b', 'c', 'a', 'b', 'c', 'a'].map((topic) => {
      const publish = deliver(message({ topic }), delivery(), agreed);
      return [publish?.topic, publish?.properties?.topicAlias];
    });
    expect(seen).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', undefined],
      ['', 1],
      ['', 2],
      ['c', undefined],
      ['', 1],
    ]);
  });

  it('do not reach other receivers of the message', () => {
    const shared = message({ properties });
    const agreed = terms({ aliases: new OutboundAliases(1) });
    for (let count = 0; count < 3; count += 1) {
      expect(deliver(shared, delivery(), agreed)?.properties).toEqual({ ...properties, topicAlias: 1 });
      expect(deliver(shared)).toMatchObject({ topic: 'house/lamp', properties });
    }
  });

  it('are not set by a packet that was too large to be sent', () => {
    const agreed = terms({ aliases: new OutboundAliases(2), maximumPacketSize: 20 });
    expect(deliver(message({ topic: 'large', payload: new Uint8Array(30) }), delivery(), agreed)).toBeUndefined();
    expect(deliver(message({ topic: 'b' }), delivery(), agreed)?.properties).toEqual({ topicAlias: 1 });
    expect(deliver(message({ topic: 'large' }), delivery(), agreed)).toMatchObject({
      topic: 'large',
      properties: { topicAlias: 2 },
    });
  });

  it('do not exist before 5.0', () => {
    const agreed = terms({ aliases: new OutboundAliases(2), protocolVersion: 4 });
    expect(deliver(message(), delivery(), agreed)).toMatchObject({ topic: 'house/lamp', properties: undefined });
  });
});

describe('[MQTT-3.1.2-24] Maximum Packet Size', () => {
  it('is kept to the byte, alone and shared, and what is too large leaves no trace', () => {
    // Fixed header 2, topic 2 + 10, property length 1, payload 3.
    for (const maximumPacketSize of [17, 18]) {
      const shared = message();
      for (let count = 0; count < 3; count += 1) {
        const publish = deliver(shared, delivery(), terms({ maximumPacketSize }));
        expect(publish === undefined).toBe(maximumPacketSize === 17);
      }
      const how = delivery({ subscriptionIdentifiers: [1] });
      expect(deliver(shared, how, terms({ maximumPacketSize: maximumPacketSize + 2 })) === undefined).toBe(
        maximumPacketSize === 17,
      );
    }
  });
});
