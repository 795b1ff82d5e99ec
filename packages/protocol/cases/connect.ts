// CONNECT, good and bad [§3.1].

import { ReasonCode } from '../src/index.ts';
import { type BadCase, connect, type GoodCase } from './case.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const will = {
  topic: 'lamp/state',
  payload: bytes(0x6f, 0x66, 0x66),
  qos: 1,
  retain: true,
  properties: undefined,
} as const;

const good: Omit<GoodCase, 'from'>[] = [
  {
    title: 'says only who it is, every byte spelled out',
    versions: [4],
    bytes: '10 10 00 04 4d 51 54 54 04 02 00 3c 00 04 6c 61 6d 70',
    packet: connect(4),
  },
  {
    title: 'says only who it is, every byte spelled out',
    versions: [3],
    bytes: '10 12 00 06 4d 51 49 73 64 70 03 02 00 3c 00 04 6c 61 6d 70',
    packet: connect(3),
  },
  {
    title: 'says only who it is, every byte spelled out',
    versions: [5],
    bytes: '10 11 00 04 4d 51 54 54 05 02 00 3c 00 00 04 6c 61 6d 70',
    packet: connect(5),
  },
  {
    title: 'an empty Client Identifier with Clean Session',
    versions: [4],
    bytes: "10 ['MQTT' 04 02 0000 '']",
    packet: connect(4, { clientId: '', keepAliveSeconds: 0 }),
  },
  {
    title: 'an empty Client Identifier without Clean Session is for the broker to refuse',
    versions: [4],
    bytes: "10 ['MQTT' 04 00 0000 '']",
    packet: connect(4, { clientId: '', keepAliveSeconds: 0, cleanStart: false }),
  },
  {
    title: 'an empty Client Identifier is for the broker to refuse',
    versions: [3],
    bytes: "10 ['MQIsdp' 03 02 003c '']",
    packet: connect(3, { clientId: '' }),
  },
  {
    title: 'an empty Client Identifier',
    versions: [5],
    bytes: "10 ['MQTT' 05 02 003c [] '']",
    packet: connect(5, { clientId: '' }),
  },
  {
    title: 'Clean Start 0 and the longest Keep Alive',
    versions: [5],
    bytes: "10 ['MQTT' 05 00 ffff [] 'lamp']",
    packet: connect(5, { cleanStart: false, keepAliveSeconds: 65_535 }),
  },
  {
    title: 'Will Message, User Name and Password',
    versions: [4],
    bytes: "10 ['MQTT' 04 ee 003c 'lamp' 'lamp/state' <'off'> 'jo' <00 ff>]",
    packet: connect(4, {
      will: { ...will, payload: bytes(0, 3, 0x6f, 0x66, 0x66) },
      username: 'jo',
      password: bytes(0x00, 0xff),
    }),
  },
  {
    title: 'Will Message, User Name and Password',
    versions: [3],
    bytes: `10 ['MQIsdp' 03 ee 003c 'lamp' 'lamp/state' <"off"> 'jo' <00 ff>]`,
    packet: connect(3, { will, username: 'jo', password: bytes(0x00, 0xff) }),
  },
  {
    title: 'User Name without Password',
    versions: [4],
    bytes: "10 ['MQTT' 04 82 003c 'lamp' 'jo']",
    packet: connect(4, { username: 'jo' }),
  },
  {
    title: 'a Will Message without payload at QoS 2',
    versions: [4],
    bytes: "10 ['MQTT' 04 16 003c 'lamp' 'lamp/state' <>]",
    packet: connect(4, { will: { ...will, payload: bytes(), qos: 2, retain: false } }),
  },
  {
    title: 'User Name Flag without a User Name, which only this version allows',
    versions: [3],
    bytes: "10 ['MQIsdp' 03 c2 003c 'lamp']",
    packet: connect(3),
    decodedOnly: true,
  },
  {
    title: 'Password Flag without a Password, which only this version allows',
    versions: [3],
    bytes: "10 ['MQIsdp' 03 c2 003c 'lamp' 'jo']",
    packet: connect(3, { username: 'jo' }),
    decodedOnly: true,
  },
  {
    title: 'bit 0 of the Connect Flags, which this version does not use',
    versions: [3],
    bytes: "10 ['MQIsdp' 03 03 003c 'lamp']",
    packet: connect(3),
    decodedOnly: true,
  },
  {
    title: 'Password without User Name',
    versions: [5],
    bytes: "10 ['MQTT' 05 42 003c [] 'lamp' <01>]",
    packet: connect(5, { password: bytes(0x01) }),
  },
  {
    title: 'empty User Name and Password',
    versions: [5],
    bytes: "10 ['MQTT' 05 c2 003c [] 'lamp' '' <>]",
    packet: connect(5, { username: '', password: bytes() }),
  },
  {
    title: 'every property',
    versions: [5],
    bytes: `10 ['MQTT' 05 02 003c
      [11 0000000a 15 'token' 16 <de ad> 17 00 19 01 21 0014 22 0005 26 'a' '1' 26 'a' '2' 27 00010000] 'lamp']`,
    packet: connect(5, {
      properties: {
        sessionExpiryInterval: 10,
        authenticationMethod: 'token',
        authenticationData: bytes(0xde, 0xad),
        requestProblemInformation: 0,
        requestResponseInformation: 1,
        receiveMaximum: 20,
        topicAliasMaximum: 5,
        userProperties: [
          ['a', '1'],
          ['a', '2'],
        ],
        maximumPacketSize: 65_536,
      },
    }),
  },
  {
    title: 'properties at their limits, in an order of its own',
    versions: [5],
    bytes: "10 ['MQTT' 05 02 003c [27 ffffffff 22 0000 21 ffff 11 ffffffff] 'lamp']",
    packet: connect(5, {
      properties: {
        maximumPacketSize: 0xffff_ffff,
        topicAliasMaximum: 0,
        receiveMaximum: 65_535,
        sessionExpiryInterval: 0xffff_ffff,
      },
    }),
    decodedOnly: true,
  },
  {
    title: 'a Will Message with every property',
    versions: [5],
    bytes: `10 ['MQTT' 05 2e 003c [] 'lamp'
      [01 01 02 0000003c 03 'text/plain' 08 'reply/to' 09 <01> 18 00000005 26 'k' 'v'] 'lamp/state' <"off">]`,
    packet: connect(5, {
      will: {
        ...will,
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 'text/plain',
          responseTopic: 'reply/to',
          correlationData: bytes(1),
          willDelayInterval: 5,
          userProperties: [['k', 'v']],
        },
      },
    }),
  },
  {
    title: 'a byte order mark stays in the Client Identifier [MQTT-1.5.4-3]',
    versions: [4],
    bytes: "10 ['MQTT' 04 02 003c <ef bb bf 61 ef bb bf>]",
    packet: connect(4, { clientId: '\ufeffa\ufeff' }),
  },
  {
    title: 'the first and last characters of each length, control characters and noncharacters',
    versions: [4],
    bytes: "10 ['MQTT' 04 02 003c <01 7f c2 80 df bf e0 a0 80 ed 9f bf ee 80 80 ef bf bf f0 90 80 80 f4 8f bf bf>]",
    packet: connect(4, { clientId: '\u0001\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}' }),
  },
];

/** Good rows. */
export const connects: readonly GoodCase[] = good.map((row) => ({ from: 'client', ...row }));

const { malformedPacket, protocolError, topicNameInvalid, unsupportedProtocolVersion } = ReasonCode;

type BadRow = Pick<BadCase, 'title' | 'bytes' | 'reasonCode' | 'statement' | 'learns'>;

function ofFive(title: string, properties: string, reasonCode: ReasonCode, statement = ''): BadRow {
  return { title, bytes: `10 ['MQTT' 05 02 003c ${properties} 'lamp']`, reasonCode, statement, learns: 5 };
}

function clientId(title: string, bytes: string, statement: string): BadRow {
  const whole = `10 ['MQTT' 04 02 003c <${bytes}>]`;
  return {
    title: `a Client Identifier with ${title}`,
    bytes: whole,
    reasonCode: malformedPacket,
    statement,
    learns: 4,
  };
}

// biome-ignore format: a table
const bad: BadRow[] = [
  { title: 'without a body', bytes: '10 []', reasonCode: malformedPacket, statement: '' },
  { title: 'with another Protocol Name', bytes: "10 ['MQTX' 04 02 003c 'lamp']", reasonCode: protocolError, statement: 'MQTT-3.1.2-1' },
  { title: 'with its Protocol Name in small letters', bytes: "10 ['mqtt' 04 02 003c 'lamp']", reasonCode: protocolError, statement: 'MQTT-3.1.2-1' },
  { title: 'without Protocol Version', bytes: "10 ['MQTT']", reasonCode: malformedPacket, statement: '' },
  { title: 'of MQTT 3', bytes: "10 ['MQTT' 03 02 003c 'lamp']", reasonCode: unsupportedProtocolVersion, statement: 'MQTT-3.1.2-2', learns: 4 },
  { title: 'of MQTT 6', bytes: "10 ['MQTT' 06 02 003c [] 'lamp']", reasonCode: unsupportedProtocolVersion, statement: 'MQTT-3.1.2-2', learns: 5 },
  { title: 'of a bridge of MQTT 3.1.1', bytes: "10 ['MQTT' 84 02 003c 'lamp']", reasonCode: unsupportedProtocolVersion, statement: 'MQTT-3.1.2-2', learns: 4 },
  { title: 'of a bridge of MQTT 3.1', bytes: "10 ['MQIsdp' 83 02 003c 'lamp']", reasonCode: unsupportedProtocolVersion, statement: 'MQTT-3.1.2-2', learns: 3 },
  { title: 'of MQIsdp 4', bytes: "10 ['MQIsdp' 04 02 003c 'lamp']", reasonCode: unsupportedProtocolVersion, statement: 'MQTT-3.1.2-2', learns: 3 },
  { title: 'with the reserved flag in 3.1.1', bytes: "10 ['MQTT' 04 03 003c 'lamp']", reasonCode: malformedPacket, statement: 'MQTT-3.1.2-3', learns: 4 },
  { title: 'with the reserved flag in 5.0', bytes: "10 ['MQTT' 05 03 003c [] 'lamp']", reasonCode: malformedPacket, statement: 'MQTT-3.1.2-3', learns: 5 },
  { title: 'with Will QoS but no Will Flag', bytes: "10 ['MQTT' 04 0a 003c 'lamp']", reasonCode: malformedPacket, statement: 'MQTT-3.1.2-11', learns: 4 },
  { title: 'with Will Retain but no Will Flag', bytes: "10 ['MQTT' 05 22 003c [] 'lamp']", reasonCode: malformedPacket, statement: 'MQTT-3.1.2-13', learns: 5 },
  { title: 'with Will QoS 3', bytes: "10 ['MQTT' 04 1e 003c 'lamp' 'a' <>]", reasonCode: malformedPacket, statement: 'MQTT-3.1.2-12', learns: 4 },
  { title: 'with a Password but no User Name in 3.1.1', bytes: "10 ['MQTT' 04 42 003c 'lamp' <01>]", reasonCode: malformedPacket, statement: '3.1.1 MQTT-3.1.2-22', learns: 4 },
  { title: 'with a Password but no User Name in 3.1', bytes: "10 ['MQIsdp' 03 42 003c 'lamp' <01>]", reasonCode: malformedPacket, statement: '3.1.1 MQTT-3.1.2-22', learns: 3 },
  { title: 'cut off in its Keep Alive', bytes: "10 ['MQTT' 04 02 00]", reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'without Client Identifier', bytes: "10 ['MQTT' 04 02 003c]", reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'cut off in its Client Identifier', bytes: `10 ['MQTT' 04 02 003c 0005 "lamp"]`, reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'without the Will Payload it announces', bytes: "10 ['MQTT' 04 06 003c 'lamp' 'a']", reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'without the User Name it announces', bytes: "10 ['MQTT' 04 82 003c 'lamp']", reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'without the Password it announces', bytes: "10 ['MQTT' 05 c2 003c [] 'lamp' 'jo']", reasonCode: malformedPacket, statement: '', learns: 5 },
  { title: 'with a byte too many', bytes: "10 ['MQTT' 04 02 003c 'lamp' 00]", reasonCode: malformedPacket, statement: '', learns: 4 },
  { title: 'with a Password that nothing announces', bytes: "10 ['MQIsdp' 03 82 003c 'lamp' 'jo' <01>]", reasonCode: malformedPacket, statement: '', learns: 3 },
  { title: 'with a wildcard in its Will Topic', bytes: "10 ['MQTT' 04 06 003c 'lamp' 'a/#' <>]", reasonCode: topicNameInvalid, statement: 'MQTT-4.7.0-1', learns: 4 },
  { title: 'with an empty Will Topic', bytes: "10 ['MQTT' 05 06 003c [] 'lamp' [] '' <>]", reasonCode: topicNameInvalid, statement: 'MQTT-4.7.3-1', learns: 5 },
  { title: 'with a User Name that is no UTF-8', bytes: "10 ['MQTT' 04 82 003c 'lamp' <ff>]", reasonCode: malformedPacket, statement: 'MQTT-1.5.4-1', learns: 4 },
  { title: 'with a Will Topic that has U+0000', bytes: "10 ['MQTT' 04 06 003c 'lamp' <61 00> <>]", reasonCode: malformedPacket, statement: 'MQTT-1.5.4-2', learns: 4 },
  { title: 'with a Topic Alias in its Will Properties', bytes: "10 ['MQTT' 05 06 003c [] 'lamp' [23 0001] 'a' <>]", reasonCode: malformedPacket, statement: '', learns: 5 },
  { title: 'with a wildcard in the Response Topic of its Will', bytes: "10 ['MQTT' 05 06 003c [] 'lamp' [08 '+'] 'a' <>]", reasonCode: topicNameInvalid, statement: 'MQTT-3.3.2-14', learns: 5 },
  clientId('U+0000', '61 00 62', 'MQTT-1.5.4-2'),
  clientId('U+0000 in two bytes', 'c0 80', 'MQTT-1.5.4-1'),
  clientId('a continuation byte alone', '61 80', 'MQTT-1.5.4-1'),
  clientId('a sequence that ends too soon', 'e2 82', 'MQTT-1.5.4-1'),
  clientId('a sequence broken off', 'e2 82 61', 'MQTT-1.5.4-1'),
  clientId('a letter in two bytes', 'c1 a1', 'MQTT-1.5.4-1'),
  clientId('two bytes worth in three', 'e0 9f bf', 'MQTT-1.5.4-1'),
  clientId('three bytes worth in four', 'f0 8f bf bf', 'MQTT-1.5.4-1'),
  clientId('the first surrogate', 'ed a0 80', 'MQTT-1.5.4-1'),
  clientId('a pair of surrogates', 'ed a0 bd ed b2 a1', 'MQTT-1.5.4-1'),
  clientId('U+110000', 'f4 90 80 80', 'MQTT-1.5.4-1'),
  clientId('a lead of five bytes', 'f8 88 80 80 80', 'MQTT-1.5.4-1'),
  ofFive('with Receive Maximum 0', '[21 0000]', protocolError),
  ofFive('with Maximum Packet Size 0', '[27 00000000]', protocolError),
  ofFive('with Request Response Information 2', '[19 02]', protocolError),
  ofFive('with Request Problem Information 255', '[17 ff]', protocolError),
  ofFive('with Receive Maximum twice', '[21 0014 21 0014]', protocolError),
  ofFive('with Session Expiry Interval 0 twice', '[11 00000000 11 00000000]', protocolError),
  ofFive('with Authentication Data but no Authentication Method', '[16 <01>]', protocolError),
  ofFive('with a property of another packet', "[1f 'why']", malformedPacket),
  ofFive('with a property that does not exist', '[04 00]', malformedPacket),
  ofFive('with a property beyond the table', '[7f 00]', malformedPacket),
  ofFive('with a Property Identifier of two bytes', '[80 01 00]', malformedPacket),
  ofFive('with a Property Length past the end', '7f 21 0014', malformedPacket),
  ofFive('with a Property Length in more bytes than it needs', '80 00', malformedPacket, 'MQTT-1.5.5-1'),
  ofFive('with a Property Length of five bytes', 'ff ff ff ff 7f', malformedPacket, 'MQTT-1.5.5-1'),
  ofFive('with a property that the Property Length cuts off', '02 21 0014', malformedPacket),
  ofFive('with half a User Property', "[26 'name']", malformedPacket),
  ofFive('with a User Property that is no UTF-8', "[26 'name' <80>]", malformedPacket, 'MQTT-1.5.4-1'),
];

/** Bad rows. */
export const badConnects: readonly BadCase[] = bad.map((row) => ({ from: 'client', versions: [undefined], ...row }));
