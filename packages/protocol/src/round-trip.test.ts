// Whatever can be said in a version comes back as it was said, however the network cuts it; and no bytes at all bring
// forth anything but packets and MqttErrors. The seed is in the names: SEED=… repeats a run.

import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Decoder,
  encode,
  MqttError,
  type Packet,
  type ProtocolVersion,
  type Publish,
  type QoS,
  ReasonCode,
  type Sender,
  Slab,
  TopicTable,
} from './index.ts';

const seed = Number(process.env.SEED ?? Math.trunc(Math.random() * 0x7fff_ffff));

// What is said.

const text = fc.string({ unit: 'binary', maxLength: 40 }).map((string) => string.replaceAll('\0', ''));
const topic = text.map((string) => string.replaceAll(/[+#]/g, '')).filter((string) => string !== '');
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes));
const bit = fc.constantFrom(0 as const, 1 as const);
const two = fc.nat(0xffff);
const four = fc.nat(0xffff_ffff);
const packetId = fc.integer({ min: 1, max: 0xffff });
const subscriptionIdentifier = fc.integer({ min: 1, max: 268_435_455 });
const userProperties = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 });
const qos = fc.constantFrom<QoS>(0, 1, 2);

/** Some of these properties; undefined if there are none, and before 5.0. */
function propertiesOf<Properties extends object>(
  version: ProtocolVersion,
  all: { [Name in keyof Properties]-?: Arbitrary<NonNullable<Properties[Name]>> },
): Arbitrary<Properties | undefined> {
  if (version !== 5) return fc.constant(undefined);
  return fc
    .record(all, { requiredKeys: [] })
    .map((properties) => (Object.keys(properties).length === 0 ? undefined : (properties as Properties)));
}

type Of<Type extends Packet['type']> = Extract<Packet, { type: Type }>;
type PropertiesIn<Type extends Packet['type']> = NonNullable<
  Of<Type> extends { properties: infer Properties } ? Properties : never
>;

const reason = { reasonString: text, userProperties };
const content = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: four,
  contentType: text,
  responseTopic: topic,
  correlationData: data,
  userProperties,
};

function connect(version: ProtocolVersion): Arbitrary<Packet> {
  const will = fc.record({
    topic,
    payload: data,
    qos,
    retain: fc.boolean(),
    properties: propertiesOf(version, { ...content, willDelayInterval: four }),
  });
  const properties = propertiesOf<PropertiesIn<'connect'>>(version, {
    sessionExpiryInterval: four,
    receiveMaximum: packetId,
    maximumPacketSize: subscriptionIdentifier,
    topicAliasMaximum: two,
    requestResponseInformation: bit,
    requestProblemInformation: bit,
    userProperties,
    authenticationMethod: text,
    authenticationData: data,
  });
  return fc
    .record({
      type: fc.constant('connect' as const),
      protocolVersion: fc.constant(version),
      clientId: text,
      cleanStart: fc.boolean(),
      keepAliveSeconds: two,
      will: fc.option(will, { nil: undefined }),
      username: fc.option(text, { nil: undefined }),
      password: fc.option(data, { nil: undefined }),
      properties: properties.map((each) => {
        if (each !== undefined && each.authenticationMethod === undefined) delete each.authenticationData;
        return each === undefined || Object.keys(each).length === 0 ? undefined : each;
      }),
    })
    .map((packet) => (version !== 5 && packet.username === undefined ? { ...packet, password: undefined } : packet));
}

function publish(version: ProtocolVersion, sender: Sender): Arbitrary<Publish> {
  const aliases = { topicAlias: packetId };
  const identifiers = { subscriptionIdentifiers: fc.array(subscriptionIdentifier, { minLength: 1, maxLength: 3 }) };
  const properties: Arbitrary<Publish['properties']> =
    sender === 'client'
      ? propertiesOf(version, { ...content, ...aliases })
      : propertiesOf(version, { ...content, ...aliases, ...identifiers });
  return fc
    .record({
      type: fc.constant('publish' as const),
      topic: fc.oneof({ weight: 5, arbitrary: topic }, { weight: 1, arbitrary: fc.constant('') }),
      payload: data,
      qos,
      retain: fc.boolean(),
      dup: fc.boolean(),
      packetId,
      properties,
    })
    .map((packet) => ({
      ...packet,
      topic: packet.topic === '' && packet.properties?.topicAlias === undefined ? 'a/b' : packet.topic,
      dup: packet.qos > 0 && packet.dup,
      packetId: packet.qos > 0 ? packet.packetId : 0,
    }));
}

function acknowledgement(
  version: ProtocolVersion,
  type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
): Arbitrary<Packet> {
  const failure =
    type === 'puback' || type === 'pubrec' ? ReasonCode.quotaExceeded : ReasonCode.packetIdentifierNotFound;
  return fc.record({
    type: fc.constant(type),
    packetId,
    reasonCode: version === 5 ? fc.constantFrom(ReasonCode.success, failure) : fc.constant(ReasonCode.success),
    properties: propertiesOf(version, reason),
  });
}

function fromEither(version: ProtocolVersion, sender: Sender): Arbitrary<Packet>[] {
  const types = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;
  return [publish(version, sender), publish(version, sender), ...types.map((type) => acknowledgement(version, type))];
}

function fromClient(version: ProtocolVersion): Arbitrary<Packet> {
  const options = {
    topicFilter: text,
    qos,
    noLocal: version === 5 ? fc.boolean() : fc.constant(false),
    retainAsPublished: version === 5 ? fc.boolean() : fc.constant(false),
    retainHandling: version === 5 ? fc.constantFrom(0 as const, 1 as const, 2 as const) : fc.constant(0 as const),
  };
  const subscribe = fc.record({
    type: fc.constant('subscribe' as const),
    packetId,
    subscriptions: fc.array(fc.record(options), { minLength: 1, maxLength: 4 }),
    properties: propertiesOf<PropertiesIn<'subscribe'>>(version, { subscriptionIdentifier, userProperties }),
  });
  const unsubscribe = fc.record({
    type: fc.constant('unsubscribe' as const),
    packetId,
    topicFilters: fc.array(text, { minLength: 1, maxLength: 4 }),
    properties: propertiesOf<PropertiesIn<'unsubscribe'>>(version, { userProperties }),
  });
  const disconnect = fc.record({
    type: fc.constant('disconnect' as const),
    reasonCode: version === 5 ? fc.constantFrom(0 as const, 4 as const, 0x80 as const) : fc.constant(0 as const),
    properties: propertiesOf(version, { sessionExpiryInterval: four, ...reason }),
  });
  const ping = fc.constant<Packet>({ type: 'pingreq' });
  const ofFive = version === 5 ? [auth(fc.constantFrom<ReasonCode>(0x18, 0x19))] : [];
  return fc.oneof(...fromEither(version, 'client'), subscribe, unsubscribe, disconnect, ping, ...ofFive);
}

function fromServer(version: ProtocolVersion): Arbitrary<Packet> {
  const connack = fc
    .record({
      type: fc.constant('connack' as const),
      sessionPresent: fc.boolean(),
      reasonCode: fc.constantFrom<ReasonCode>(0, 0x84, 0x85, 0x86, 0x87, 0x88),
      properties: propertiesOf<PropertiesIn<'connack'>>(version, {
        sessionExpiryInterval: four,
        receiveMaximum: packetId,
        maximumQos: bit,
        retainAvailable: bit,
        maximumPacketSize: subscriptionIdentifier,
        assignedClientIdentifier: text,
        topicAliasMaximum: two,
        ...reason,
        wildcardSubscriptionAvailable: bit,
        subscriptionIdentifiersAvailable: bit,
        sharedSubscriptionAvailable: bit,
        serverKeepAlive: two,
        responseInformation: text,
        serverReference: text,
        authenticationMethod: text,
        authenticationData: data,
      }),
    })
    .map((packet) => ({
      ...packet,
      sessionPresent: packet.sessionPresent && packet.reasonCode === 0 && version !== 3,
    }));
  const suback = fc.record({
    type: fc.constant('suback' as const),
    packetId,
    reasonCodes: fc.array(fc.constantFrom<ReasonCode>(0, 1, 2, 0x80), { minLength: 1, maxLength: 4 }),
    properties: propertiesOf(version, reason),
  });
  const codes = fc.array(fc.constantFrom<ReasonCode>(0, 0x11, 0x8f), { minLength: 1, maxLength: 4 });
  const unsuback = fc.record({
    type: fc.constant('unsuback' as const),
    packetId,
    reasonCodes: version === 5 ? codes : fc.constant([]),
    properties: propertiesOf(version, reason),
  });
  const disconnect = fc.record({
    type: fc.constant('disconnect' as const),
    reasonCode: fc.constantFrom<ReasonCode>(0, 0x8e, 0x9d),
    properties: propertiesOf(version, { serverReference: text, ...reason }),
  });
  const ping = fc.constant<Packet>({ type: 'pingresp' });
  const ofFive = version === 5 ? [disconnect, auth(fc.constantFrom<ReasonCode>(0, 0x18))] : [];
  return fc.oneof(...fromEither(version, 'server'), connack, suback, unsuback, ping, ...ofFive);
}

function auth(reasonCode: Arbitrary<ReasonCode>): Arbitrary<Packet> {
  return fc.record({
    type: fc.constant('auth' as const),
    reasonCode,
    properties: fc.record(
      { authenticationMethod: text, authenticationData: data, ...reason },
      { requiredKeys: ['authenticationMethod'] },
    ),
  });
}

// How it travels.

/** Sizes of chunks, used over and over. */
const chunkSizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 700 })), {
  minLength: 1,
  maxLength: 12,
});

function bytesOf(packets: readonly Packet[], version: ProtocolVersion): Uint8Array {
  const out = Slab.take();
  for (const packet of packets) encode(packet, version, out);
  const bytes = Uint8Array.from(out.view());
  Slab.give(out);
  return bytes;
}

/** A deep copy, since byte fields are views of what will be spoilt; and with prototypes that can be compared. */
function keep(packet: Packet): Packet {
  return structuredClone(packet);
}

/** Receives it in chunks that are written over afterwards, taking sometimes all packets and sometimes one. */
function receive(decoder: Decoder, bytes: Uint8Array, sizes: readonly number[]): Packet[] {
  const packets: Packet[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length || decoder.pendingBytes > 0; turn++) {
    const size = sizes[turn % sizes.length] as number;
    const chunk = bytes.slice(at, at + size);
    at += chunk.length;
    decoder.feed(chunk);
    let packet = decoder.next();
    if (chunk.length === 0 && packet === undefined) break;
    while (packet !== undefined) {
      packets.push(keep(packet));
      if (size % 3 === 0) break;
      packet = decoder.next();
    }
    decoder.settle();
    chunk.fill(0xff);
  }
  return packets;
}

const versions: ProtocolVersion[] = [3, 4, 5];
const senders: Sender[] = ['client', 'server'];
const topics = new TopicTable({ slots: 16, seed });

describe.each(versions)(`in version %s, with SEED=${seed}`, (version) => {
  it.each(senders)('what a %s says comes back', (sender) => {
    const packet = sender === 'client' ? fromClient(version) : fromServer(version);
    const said = fc.array(packet, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(said, chunkSizes, fc.boolean(), (packets, sizes, withTable) => {
        const decoder = new Decoder({
          from: sender,
          maximumPacketSize: 1_000_000,
          protocolVersion: version,
          topics: withTable ? topics : undefined,
        });
        expect(receive(decoder, bytesOf(packets, version), sizes)).toStrictEqual(packets.map(keep));
        expect(decoder.pendingBytes).toBe(0);
      }),
      { seed, numRuns: 100 },
    );
  });

  it('a CONNECT comes back, and what follows it', () => {
    const said = fc.tuple(connect(version), fromClient(version));
    fc.assert(
      fc.property(said, chunkSizes, (packets, sizes) => {
        const decoder = new Decoder({ from: 'client', maximumPacketSize: 1_000_000 });
        expect(receive(decoder, bytesOf(packets, version), sizes)).toStrictEqual(packets.map(keep));
        expect(decoder.protocolVersion).toBe(version);
      }),
      { seed, numRuns: 100 },
    );
  });

  it.each(senders)('bytes that a %s has garbled are packets or one MqttError', (sender) => {
    const packet = sender === 'client' ? fc.oneof(fromClient(version), connect(version)) : fromServer(version);
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'flip', 'drop', 'add')), {
      maxLength: 4,
    });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(packet, { minLength: 1, maxLength: 3 }), damage, chunkSizes, (packets, faults, sizes) => {
        const bytes = garbled(bytesOf(packets, version), faults);
        const first = packets[0]?.type === 'connect';
        const decoder = new Decoder({
          from: sender,
          maximumPacketSize: 100_000,
          protocolVersion: first ? undefined : version,
          topics,
        });
        try {
          receive(decoder, bytes, sizes);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(MqttError);
          expect((error as MqttError).reasonCode).toBeGreaterThanOrEqual(0x80);
          expect(decoder.pendingBytes).toBe(0);
        }
        expect(decoder.pendingBytes).toBeLessThanOrEqual(bytes.length);
      }),
      { seed, numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});

function garbled(bytes: Uint8Array, faults: readonly (readonly [number, number, string])[]): Uint8Array {
  const all = [...bytes];
  for (const [place, value, how] of faults) {
    const at = place % (all.length + 1);
    if (how === 'set') all[at] = value;
    else if (how === 'flip') all[at] = (all[at] ?? 0) ^ (1 << (value % 8));
    else if (how === 'drop') all.splice(at, (value % 5) + 1);
    else all.splice(at, 0, value, value);
  }
  return Uint8Array.from(all);
}

describe(`bytes without any meaning, with SEED=${seed}`, () => {
  it('are packets or one MqttError', () => {
    const options = fc.record({
      from: fc.constantFrom(...senders),
      protocolVersion: fc.constantFrom<ProtocolVersion>(3, 4, 5),
      maximumPacketSize: fc.constantFrom(20, 1_000_000),
    });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), options, chunkSizes, (bytes, how, sizes) => {
        try {
          receive(new Decoder(how), bytes, sizes);
        } catch (error) {
          expect(error).toBeInstanceOf(MqttError);
        }
      }),
      { seed, numRuns: 300 },
    );
  });
});
