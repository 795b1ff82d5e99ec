// Whatever a node says to another comes back as it was said, however it is batched; and bytes that are no batch are
// refused as such. The seed is in the names: SEED=… repeats a run.

import type { Message, PeerInbox, PeerMessage, PeerPush } from '@skein/broker';
import { type PublishProperties, type QoS, TopicTable } from '@skein/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, MalformedBatch, type Taken } from './frame-reader.ts';
import { Frames } from './frames.ts';
import { Batch } from './generated/peer.ts';

const seed = Number(process.env.SEED ?? Math.trunc(Math.random() * 0x7fff_ffff));
const topics = new TopicTable({ slots: 16, seed });

const text = fc.string({ unit: 'binary', maxLength: 40 }).map((string) => string.replaceAll('\0', ''));
const topic = text.map((string) => string.replaceAll(/[+#]/g, '')).filter((string) => string !== '');
const bytes = fc.uint8Array({ maxLength: 300 }).map((data) => Uint8Array.from(data));
const qos = fc.constantFrom<QoS>(0, 1, 2);
const number = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));

const properties: fc.Arbitrary<PublishProperties | undefined> = fc
  .record(
    {
      payloadFormatIndicator: fc.constantFrom(0 as const, 1 as const),
      messageExpiryInterval: fc.nat(0xffff_ffff),
      contentType: text,
      responseTopic: topic,
      correlationData: bytes,
      userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: [] },
  )
  .map((each) => (Object.keys(each).length === 0 ? undefined : each));

const message = (level: fc.Arbitrary<QoS>): fc.Arbitrary<Message> =>
  fc.record({
    topic,
    payload: bytes,
    qos: level,
    retain: fc.boolean(),
    properties,
    publisherId: text,
    expiresAtMs: number,
    frames: fc.constant(undefined),
  });

const peerMessage = (level: fc.Arbitrary<QoS>): fc.Arbitrary<PeerMessage> =>
  fc.record(
    {
      message: message(level),
      uid: fc.option(text, { nil: undefined }),
      member: fc.record({ sharedFilter: text, generation: text }),
    },
    { requiredKeys: ['message', 'uid'] },
  );

const push: fc.Arbitrary<PeerPush> = fc.record({
  clientId: text,
  generation: text,
  epoch: number,
  sentSeq: number,
  entry: fc.option(
    fc.record({
      seq: number,
      message: message(qos),
      qos,
      retain: fc.boolean(),
      subscriptionIdentifiers: fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1 }), {
        nil: undefined,
      }),
    }),
    { nil: undefined },
  ),
});

type Said =
  | { readonly is: 'publish'; readonly message: PeerMessage }
  | { readonly is: 'deliver'; readonly message: PeerMessage }
  | { readonly is: 'push'; readonly push: PeerPush }
  | { readonly is: 'kick'; readonly clientId: string; readonly epoch: number }
  | { readonly is: 'look' };

const said: fc.Arbitrary<Said> = fc.oneof(
  fc.record({ is: fc.constant('publish' as const), message: peerMessage(fc.constant<QoS>(0)) }),
  fc.record({ is: fc.constant('deliver' as const), message: peerMessage(fc.constantFrom<QoS>(1, 2)) }),
  fc.record({ is: fc.constant('push' as const), push }),
  fc.record({ is: fc.constant('kick' as const), clientId: text, epoch: number }),
);

/** Keeps what it is told, copied: the bytes are views. */
class RecordingInbox implements PeerInbox {
  readonly heard: Said[] = [];
  publish(each: PeerMessage): void {
    this.heard.push(structuredClone({ is: 'publish', message: each }));
  }
  deliver(messages: readonly PeerMessage[]): void {
    for (const each of messages) this.heard.push(structuredClone({ is: 'deliver', message: each }));
  }
  push(each: PeerPush): void {
    this.heard.push(structuredClone({ is: 'push', push: each }));
  }
  kick(clientId: string, epoch: number): void {
    this.heard.push({ is: 'kick', clientId, epoch });
  }
  look(): void {
    this.heard.push({ is: 'look' });
  }
  storeAnswers(): boolean {
    return true;
  }
}

function batchOf(all: readonly Said[], firstSequence: number, floor = firstSequence): Batch {
  const frames = new Frames();
  let sequence = firstSequence;
  for (const each of all) {
    if (each.is === 'publish') frames.publish(each.message);
    else if (each.is === 'deliver') frames.deliver(sequence++, each.message);
    else if (each.is === 'push') frames.push(each.push);
    else if (each.is === 'kick') frames.kick(each.clientId, each.epoch);
  }
  // As it travels: encoded and decoded, its memory used for something else.
  const encoded = Batch.encode({ floor, first: frames.first, look: false, ...frames.view() }).finish();
  frames.clear();
  return Batch.decode(Buffer.from(encoded));
}

function read(batches: readonly Batch[], sender: Taken = { taken: 0 }): readonly Said[] {
  const inbox = new RecordingInbox();
  const reader = new FrameReader(inbox, topics);
  for (const batch of batches) reader.read(batch, sender);
  return inbox.heard;
}

const deliveryOf = (payload: string): Said => ({
  is: 'deliver',
  message: {
    uid: undefined,
    message: {
      topic: 'a/b',
      payload: new TextEncoder().encode(payload),
      qos: 1,
      retain: false,
      properties: undefined,
      publisherId: 'lamp',
      expiresAtMs: 0,
      frames: undefined,
    },
  },
});
const payloadsOf = (heard: readonly Said[]): readonly string[] =>
  heard.map((each) => (each.is === 'deliver' ? new TextDecoder().decode(each.message.message.payload) : each.is));

describe(`a batch, with SEED=${seed}`, () => {
  it('what a node says comes back as it was said, in order', () => {
    const batches = fc.array(fc.array(said, { maxLength: 6 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 2 ** 40 }), (all, firstSequence) => {
        let sequence = firstSequence;
        const sent: Batch[] = [];
        for (const each of all) {
          sent.push(batchOf(each, sequence));
          sequence += each.filter(({ is }) => is === 'deliver').length;
        }
        const sender = { taken: 0 };
        expect(read(sent, sender)).toEqual(all.flat().map((each) => structuredClone(each)));
        // A node that has never delivered is one that we need not have heard of.
        expect(sender.taken).toBe(sequence - 1);
      }),
      { seed, numRuns: 150 },
    );
  });

  it('bytes that have been garbled are refused as such, or mean something else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.boolean()), { minLength: 1, maxLength: 4 });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 4 }), damage, (all, faults) => {
        const batch = batchOf(all, 1);
        for (const [place, value, isHead] of faults) {
          const part = isHead ? batch.heads : batch.bodies;
          if (part.length > 0) part[place % part.length] = value;
        }
        try {
          read([batch]);
        } catch (error) {
          refused += 1;
          expect(error).toBeInstanceOf(MalformedBatch);
        }
      }),
      { seed, numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(30);
  });

  it('heads without bodies, and bodies without heads, are no batch', () => {
    const batch = batchOf([deliveryOf('one')], 1);
    expect(() => read([{ ...batch, bodies: new Uint8Array(0) }])).toThrow(MalformedBatch);
    expect(() => read([{ ...batch, heads: new Uint8Array(0) }])).toThrow(MalformedBatch);
    expect(() => read([{ ...batch, heads: batch.heads.subarray(0, 2) }])).toThrow(MalformedBatch);
  });
});

describe('numbers of deliveries', () => {
  const [one, two, three] = [deliveryOf('one'), deliveryOf('two'), deliveryOf('three')];

  it('what has been taken is passed over when it comes again', () => {
    const heard = read([batchOf([one, two], 1), batchOf([one, two, three], 1)]);
    expect(payloadsOf(heard)).toEqual(['one', 'two', 'three']);
  });

  it('a gap is no batch, and nothing after it is taken', () => {
    const sender = { taken: 0 };
    expect(() => read([batchOf([one], 1), batchOf([three], 3, 2)], sender)).toThrow('delivery 3 came instead of 2');
    expect(sender.taken).toBe(1);
  });

  it('what was given up leaves no gap', () => {
    const sender = { taken: 0 };
    const heard = read([batchOf([one], 1), batchOf([three], 3, 3), batchOf([two], 2, 3)], sender);
    expect(payloadsOf(heard)).toEqual(['one', 'three']);
    expect(sender.taken).toBe(3);
  });

  it('what was handed over before a fault is not taken twice', () => {
    const sender = { taken: 0 };
    const good = batchOf([one, { is: 'kick', clientId: 'lamp', epoch: 1 }, two], 1);
    const cut = { ...good, bodies: good.bodies.subarray(0, good.bodies.length - 1) };
    expect(() => read([cut], sender)).toThrow(MalformedBatch);
    expect(sender.taken).toBe(1);
    expect(payloadsOf(read([good], sender))).toEqual(['kick', 'two']);
  });
});
