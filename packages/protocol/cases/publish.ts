// PUBLISH, good and bad [§3.3].

import { ReasonCode } from '../src/index.ts';
import { type BadCase, beforeFive, everyVersion, type GoodCase, publish } from './case.ts';

const noBytes = new Uint8Array(0);

/** Good rows. */
export const publishes: readonly GoodCase[] = [
  {
    title: 'at QoS 0, every byte spelled out',
    from: 'client',
    versions: beforeFive,
    bytes: '30 07 00 03 61 2f 62 6f 6e',
    packet: publish(),
  },
  {
    title: 'at QoS 0, every byte spelled out',
    from: 'client',
    versions: [5],
    bytes: '30 08 00 03 61 2f 62 00 6f 6e',
    packet: publish(),
  },
  {
    title: 'at QoS 1',
    from: 'client',
    versions: beforeFive,
    bytes: `32 ['a/b' 0007 "on"]`,
    packet: publish({ qos: 1, packetId: 7 }),
  },
  {
    title: 'at QoS 2, again, to be retained',
    from: 'server',
    versions: beforeFive,
    bytes: `3d ['a/b' ffff "on"]`,
    packet: publish({ qos: 2, packetId: 65_535, dup: true, retain: true }),
  },
  {
    title: 'at QoS 1, again',
    from: 'client',
    versions: [5],
    bytes: `3a ['a/b' 0100 [] "on"]`,
    packet: publish({ qos: 1, packetId: 256, dup: true }),
  },
  {
    title: 'without payload, to be retained',
    from: 'client',
    versions: beforeFive,
    bytes: "31 ['a/b']",
    packet: publish({ retain: true, payload: noBytes }),
  },
  {
    title: 'without payload',
    from: 'server',
    versions: [5],
    bytes: "30 ['a/b' []]",
    packet: publish({ payload: noBytes }),
  },
  {
    title: 'with a payload of 200 bytes, whose Remaining Length takes two',
    from: 'client',
    versions: beforeFive,
    bytes: `30 ['a/b' ${'ff '.repeat(200)}]`,
    packet: publish({ payload: new Uint8Array(200).fill(0xff) }),
  },
  {
    title: 'with a Remaining Length of 127',
    from: 'client',
    versions: beforeFive,
    bytes: `30 7f 0003 "a/b" ${'00 '.repeat(122)}`,
    packet: publish({ payload: new Uint8Array(122) }),
  },
  {
    title: 'with a Remaining Length of 128',
    from: 'client',
    versions: beforeFive,
    bytes: `30 80 01 0003 "a/b" ${'00 '.repeat(123)}`,
    packet: publish({ payload: new Uint8Array(123) }),
  },
  {
    title: 'to a topic beyond ASCII, with a byte order mark',
    from: 'client',
    versions: beforeFive,
    bytes: '30 [<ef bb bf 7a c3 bc 2f f0 9f 92 a1>]',
    packet: publish({ topic: '\ufeffzü/💡', payload: noBytes }),
  },
  {
    title: 'to $SYS, to a space, to slashes: all Topic Names',
    from: 'client',
    versions: beforeFive,
    bytes: "30 ['$SYS/ //']",
    packet: publish({ topic: '$SYS/ //', payload: noBytes }),
  },
  {
    title: 'with every property of a client',
    from: 'client',
    versions: [5],
    bytes: `30 ['a/b' [01 01 02 0000003c 03 'text/plain' 08 'reply/to' 09 <01> 23 0001 26 'k' 'v' 26 'k' ''] "on"]`,
    packet: publish({
      properties: {
        payloadFormatIndicator: 1,
        messageExpiryInterval: 60,
        contentType: 'text/plain',
        responseTopic: 'reply/to',
        correlationData: Uint8Array.of(1),
        topicAlias: 1,
        userProperties: [
          ['k', 'v'],
          ['k', ''],
        ],
      },
    }),
  },
  {
    title: 'with properties in an order of its own',
    from: 'client',
    versions: [5],
    bytes: `30 ['a/b' [26 'k' '1' 01 00 26 'k' '2' 03 ''] "on"]`,
    packet: publish({
      properties: {
        userProperties: [
          ['k', '1'],
          ['k', '2'],
        ],
        payloadFormatIndicator: 0,
        contentType: '',
      },
    }),
    decodedOnly: true,
  },
  {
    title: 'with a Topic Alias in place of its topic',
    from: 'client',
    versions: [5],
    bytes: `32 ['' 0007 [23 ffff] "on"]`,
    packet: publish({ topic: '', qos: 1, packetId: 7, properties: { topicAlias: 65_535 } }),
  },
  {
    title: 'with two Subscription Identifiers',
    from: 'server',
    versions: [5],
    bytes: `30 ['a/b' [0b 01 0b ff ff ff 7f] "on"]`,
    packet: publish({ properties: { subscriptionIdentifiers: [1, 268_435_455] } }),
  },
  {
    title: 'with properties whose length takes two bytes',
    from: 'server',
    versions: [5],
    bytes: `30 ['a/b' [03 '${'x'.repeat(200)}'] "on"]`,
    packet: publish({ properties: { contentType: 'x'.repeat(200) } }),
  },
];

const { malformedPacket, protocolError, topicAliasInvalid, topicNameInvalid } = ReasonCode;

type BadRow = Omit<BadCase, 'from' | 'versions'> & Partial<Pick<BadCase, 'from' | 'versions'>>;

// biome-ignore format: a table
const bad: BadRow[] = [
  { title: 'at QoS 3', bytes: `36 ['a/b' 0007 "on"]`, reasonCode: malformedPacket, statement: 'MQTT-3.3.1-4' },
  { title: 'at QoS 3, from a server', from: 'server', bytes: `3f ['a/b' 0007 "on"]`, reasonCode: malformedPacket, statement: 'MQTT-3.3.1-4' },
  { title: 'with DUP at QoS 0', bytes: `38 ['a/b' "on"]`, reasonCode: malformedPacket, statement: 'MQTT-3.3.1-2' },
  { title: 'with DUP and RETAIN at QoS 0', bytes: `39 ['a/b' "on"]`, reasonCode: malformedPacket, statement: 'MQTT-3.3.1-2' },
  { title: 'without a body', bytes: '30 []', reasonCode: malformedPacket, statement: '' },
  { title: 'with half a length for its topic', bytes: '30 [00]', reasonCode: malformedPacket, statement: '' },
  { title: 'with a topic past the end', bytes: `30 [0004 "a/b"]`, reasonCode: malformedPacket, statement: '' },
  { title: 'without Packet Identifier', bytes: "32 ['a/b']", reasonCode: malformedPacket, statement: '' },
  { title: 'with half a Packet Identifier', bytes: "34 ['a/b' 00]", reasonCode: malformedPacket, statement: '' },
  { title: 'with Packet Identifier 0', bytes: "32 ['a/b' 0000 00]", reasonCode: protocolError, statement: 'MQTT-2.2.1-3' },
  { title: 'with Packet Identifier 0, from a server', from: 'server', bytes: "34 ['a/b' 0000 00]", reasonCode: protocolError, statement: 'MQTT-2.2.1-4' },
  { title: 'to a topic with +', bytes: "30 ['a/+' 00]", reasonCode: topicNameInvalid, statement: 'MQTT-3.3.2-2' },
  { title: 'to a topic with #', bytes: "30 ['#' 00]", reasonCode: topicNameInvalid, statement: 'MQTT-3.3.2-2' },
  { title: 'to a topic with # beyond ASCII', bytes: "30 ['zü/#' 00]", reasonCode: topicNameInvalid, statement: 'MQTT-3.3.2-2' },
  { title: 'to a topic with U+0000', bytes: '30 [<61 00> 00]', reasonCode: malformedPacket, statement: 'MQTT-1.5.4-2' },
  { title: 'to a topic that is no UTF-8', bytes: '30 [<61 ff> 00]', reasonCode: malformedPacket, statement: 'MQTT-1.5.4-1' },
  { title: 'to a topic with a surrogate', bytes: '30 [<ed a0 80> 00]', reasonCode: malformedPacket, statement: 'MQTT-1.5.4-1' },
  { title: 'to an empty topic', bytes: "30 ['' 00]", reasonCode: protocolError, statement: 'MQTT-4.7.3-1' },
  { title: 'to an empty topic, with properties but no Topic Alias', versions: [5], bytes: `30 ['' [01 00] "on"]`, reasonCode: protocolError, statement: 'MQTT-4.7.3-1' },
  { title: 'with Topic Alias 0', versions: [5], bytes: `30 ['a/b' [23 0000] "on"]`, reasonCode: topicAliasInvalid, statement: 'MQTT-3.3.2-8' },
  { title: 'with a Topic Alias twice', versions: [5], bytes: `30 ['a/b' [23 0001 23 0001] "on"]`, reasonCode: protocolError, statement: '' },
  { title: 'without Property Length', versions: [5], bytes: "30 ['a/b']", reasonCode: malformedPacket, statement: '' },
  { title: 'with properties past the end', versions: [5], bytes: `30 ['a/b' 0a "on"]`, reasonCode: malformedPacket, statement: '' },
  { title: 'with Payload Format Indicator 2', versions: [5], bytes: `30 ['a/b' [01 02] "on"]`, reasonCode: protocolError, statement: '' },
  { title: 'with Payload Format Indicator twice', versions: [5], bytes: `30 ['a/b' [01 00 01 00] "on"]`, reasonCode: protocolError, statement: '' },
  { title: 'with a wildcard in its Response Topic', versions: [5], bytes: `30 ['a/b' [08 'r/+'] "on"]`, reasonCode: topicNameInvalid, statement: 'MQTT-3.3.2-14' },
  { title: 'with an empty Response Topic', versions: [5], bytes: `30 ['a/b' [08 ''] "on"]`, reasonCode: topicNameInvalid, statement: 'MQTT-4.7.3-1' },
  { title: 'with a Subscription Identifier, from a client', versions: [5], bytes: `30 ['a/b' [0b 01] "on"]`, reasonCode: protocolError, statement: 'MQTT-3.3.4-6' },
  { title: 'with Subscription Identifier 0', from: 'server', versions: [5], bytes: `30 ['a/b' [0b 00] "on"]`, reasonCode: protocolError, statement: '' },
  { title: 'with a Subscription Identifier of five bytes', from: 'server', versions: [5], bytes: `30 ['a/b' [0b ff ff ff ff 01] "on"]`, reasonCode: malformedPacket, statement: 'MQTT-1.5.5-1' },
  { title: 'with a property of CONNECT', versions: [5], bytes: `30 ['a/b' [11 00000001] "on"]`, reasonCode: malformedPacket, statement: '' },
  { title: 'with a Content Type that is no UTF-8', versions: [5], bytes: `30 ['a/b' [03 <c3>] "on"]`, reasonCode: malformedPacket, statement: 'MQTT-1.5.4-1' },
];

/** Bad rows. */
export const badPublishes: readonly BadCase[] = bad.map((row) => ({ from: 'client', versions: everyVersion, ...row }));
