// What the first two to five bytes decide, and the packets that hardly have more: PINGREQ, PINGRESP, DISCONNECT, AUTH.

import { type Packet, ReasonCode } from '../src/index.ts';
import { type BadCase, beforeFive, everyVersion, type GoodCase, publish, type SpokenCase } from './case.ts';

function disconnect(
  reasonCode: ReasonCode,
  properties: Extract<Packet, { type: 'disconnect' }>['properties'] = undefined,
): Packet {
  return { type: 'disconnect', reasonCode, properties };
}

function auth(
  reasonCode: ReasonCode,
  properties: Extract<Packet, { type: 'auth' }>['properties'] = { authenticationMethod: 'token' },
): Packet {
  return { type: 'auth', reasonCode, properties };
}

const { continueAuthentication, normalDisconnection, reAuthenticate, success } = ReasonCode;

/** Good rows. */
export const shortPackets: readonly GoodCase[] = [
  { title: 'PINGREQ', from: 'client', versions: everyVersion, bytes: 'c0 00', packet: { type: 'pingreq' } },
  { title: 'PINGRESP', from: 'server', versions: everyVersion, bytes: 'd0 00', packet: { type: 'pingresp' } },
  {
    title: 'DISCONNECT',
    from: 'client',
    versions: everyVersion,
    bytes: 'e0 00',
    packet: disconnect(normalDisconnection),
  },
  { title: 'DISCONNECT', from: 'server', versions: [5], bytes: 'e0 00', packet: disconnect(normalDisconnection) },
  {
    title: 'DISCONNECT that spells out that all is well',
    from: 'client',
    versions: [5],
    bytes: 'e0 01 00',
    packet: disconnect(normalDisconnection),
    decodedOnly: true,
  },
  {
    title: 'DISCONNECT that spells out that there are no properties',
    from: 'client',
    versions: [5],
    bytes: 'e0 02 00 00',
    packet: disconnect(normalDisconnection),
    decodedOnly: true,
  },
  {
    title: 'DISCONNECT with Will Message',
    from: 'client',
    versions: [5],
    bytes: 'e0 01 04',
    packet: disconnect(ReasonCode.disconnectWithWillMessage),
  },
  {
    title: 'DISCONNECT of a Session taken over',
    from: 'server',
    versions: [5],
    bytes: 'e0 01 8e',
    packet: disconnect(ReasonCode.sessionTakenOver),
  },
  {
    title: 'DISCONNECT with every property of a client',
    from: 'client',
    versions: [5],
    bytes: "e0 [00 [11 0000003c 1f 'why' 26 'k' 'v']]",
    packet: disconnect(normalDisconnection, {
      sessionExpiryInterval: 60,
      reasonString: 'why',
      userProperties: [['k', 'v']],
    }),
  },
  {
    title: 'DISCONNECT with every property of a server',
    from: 'server',
    versions: [5],
    bytes: "e0 [9c [1c 'b:1883' 1f 'why' 26 'k' 'v']]",
    packet: disconnect(ReasonCode.useAnotherServer, {
      serverReference: 'b:1883',
      reasonString: 'why',
      userProperties: [['k', 'v']],
    }),
  },
  {
    title: 'AUTH of Success',
    from: 'server',
    versions: [5],
    bytes: 'f0 00',
    packet: { type: 'auth', reasonCode: success, properties: undefined },
  },
  {
    title: 'AUTH goes on',
    from: 'client',
    versions: [5],
    bytes: "f0 [18 [15 'token']]",
    packet: auth(continueAuthentication),
  },
  { title: 'AUTH again', from: 'client', versions: [5], bytes: "f0 [19 [15 'token']]", packet: auth(reAuthenticate) },
  {
    title: 'AUTH with every property',
    from: 'server',
    versions: [5],
    bytes: "f0 [00 [15 'token' 16 <01 02> 1f 'fine' 26 'k' 'v']]",
    packet: auth(success, {
      authenticationMethod: 'token',
      authenticationData: Uint8Array.of(1, 2),
      reasonString: 'fine',
      userProperties: [['k', 'v']],
    }),
  },
  {
    title: 'PUBREL sent again with DUP, as this version does',
    from: 'client',
    versions: [3],
    bytes: '6a 02 00 07',
    packet: { type: 'pubrel', packetId: 7, reasonCode: 0, properties: undefined },
    decodedOnly: true,
  },
];

const { malformedPacket, protocolError } = ReasonCode;

type BadRow = Omit<BadCase, 'from' | 'versions'> & Partial<Pick<BadCase, 'from' | 'versions'>>;

const opening: Pick<BadCase, 'versions' | 'reasonCode' | 'statement'> = {
  versions: [undefined],
  reasonCode: protocolError,
  statement: 'MQTT-3.1.0-1',
};

// biome-ignore format: a table
const bad: BadRow[] = [
  { title: 'PINGREQ before CONNECT', ...opening, bytes: 'c0 00' },
  { title: 'PUBLISH before CONNECT', ...opening, bytes: "30 ['a/b' 00]" },
  { title: 'CONNACK before CONNECT', ...opening, bytes: '20 02 00 00' },
  { title: 'CONNECT with reserved flags', ...opening, bytes: "11 ['MQTT' 04 02 003c 'lamp']" },
  { title: 'packet type 0 before CONNECT', ...opening, bytes: '00 00' },
  { title: 'an HTTP request', ...opening, bytes: '"GET / HTTP/1.1" 0d 0a' },
  { title: 'TLS', ...opening, bytes: '16 03 01 02 00 01 00 01 fc' },
  { title: 'a second CONNECT', bytes: "10 ['MQTT' 04 02 003c 'lamp']", reasonCode: protocolError, statement: 'MQTT-3.1.0-2' },
  { title: 'packet type 0', bytes: '00 00', reasonCode: malformedPacket, statement: '' },
  { title: 'packet type 0, from a server', from: 'server', bytes: '0f 00', reasonCode: malformedPacket, statement: '' },
  { title: 'CONNACK from a client', bytes: '20 02 00 00', reasonCode: protocolError, statement: '' },
  { title: 'SUBACK from a client', bytes: '90 03 0007 00', reasonCode: protocolError, statement: '' },
  { title: 'UNSUBACK from a client', bytes: 'b0 02 0007', reasonCode: protocolError, statement: '' },
  { title: 'PINGRESP from a client', bytes: 'd0 00', reasonCode: protocolError, statement: '' },
  { title: 'CONNECT from a server', from: 'server', bytes: "10 ['MQTT' 04 02 003c 'lamp']", reasonCode: protocolError, statement: '' },
  { title: 'SUBSCRIBE from a server', from: 'server', bytes: "82 [0007 'a/b' 00]", reasonCode: protocolError, statement: '' },
  { title: 'UNSUBSCRIBE from a server', from: 'server', bytes: "a2 [0007 'a/b']", reasonCode: protocolError, statement: '' },
  { title: 'PINGREQ from a server', from: 'server', bytes: 'c0 00', reasonCode: protocolError, statement: '' },
  { title: 'AUTH', versions: beforeFive, bytes: 'f0 00', reasonCode: protocolError, statement: '' },
  { title: 'AUTH from a server', from: 'server', versions: beforeFive, bytes: 'f0 00', reasonCode: protocolError, statement: '' },
  { title: 'DISCONNECT from a server', from: 'server', versions: beforeFive, bytes: 'e0 00', reasonCode: protocolError, statement: '' },
  { title: 'PUBACK with flags', bytes: '42 02 0007', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'PUBREC with flags', bytes: '51 02 0007', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'PUBREL with its flags 0', bytes: '60 02 0007', reasonCode: malformedPacket, statement: 'MQTT-3.6.1-1' },
  { title: 'PUBREL with DUP', versions: [4, 5], bytes: '6a 02 0007', reasonCode: malformedPacket, statement: 'MQTT-3.6.1-1' },
  { title: 'PUBCOMP with flags', bytes: '78 02 0007', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'PINGREQ with flags', bytes: 'c1 00', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'PINGRESP with flags', from: 'server', bytes: 'd8 00', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'CONNACK with flags', from: 'server', bytes: '21 02 00 00', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'SUBACK with flags', from: 'server', bytes: '92 03 0007 00', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'UNSUBACK with flags', from: 'server', bytes: 'b2 02 0007', reasonCode: malformedPacket, statement: 'MQTT-2.1.3-1' },
  { title: 'DISCONNECT with flags', bytes: 'e1 00', reasonCode: malformedPacket, statement: 'MQTT-3.14.1-1' },
  { title: 'AUTH with flags', versions: [5], bytes: 'f2 00', reasonCode: malformedPacket, statement: 'MQTT-3.15.1-1' },
  { title: 'PINGREQ with a body', bytes: 'c0 01 00', reasonCode: malformedPacket, statement: '' },
  { title: 'PINGRESP with a body', from: 'server', bytes: 'd0 01 00', reasonCode: malformedPacket, statement: '' },
  { title: 'a Remaining Length of five bytes', bytes: '30 ff ff ff ff 01', reasonCode: malformedPacket, statement: 'MQTT-1.5.5-1' },
  { title: 'a Remaining Length of 0 in two bytes', bytes: 'c0 80 00', reasonCode: malformedPacket, statement: 'MQTT-1.5.5-1' },
  { title: 'a Remaining Length of 2 in four bytes', bytes: '40 82 80 80 00 0007', reasonCode: malformedPacket, statement: 'MQTT-1.5.5-1' },
  { title: 'CONNECT with a Remaining Length of five bytes', versions: [undefined], bytes: '10 80 80 80 80 01', reasonCode: malformedPacket, statement: 'MQTT-1.5.5-1' },
  { title: 'DISCONNECT with a body', versions: beforeFive, bytes: 'e0 01 00', reasonCode: malformedPacket, statement: '' },
  { title: "DISCONNECT with a server's Reason Code", versions: [5], bytes: 'e0 01 8e', reasonCode: protocolError, statement: 'MQTT-3.14.2-1' },
  { title: "DISCONNECT with a client's Reason Code", from: 'server', versions: [5], bytes: 'e0 01 04', reasonCode: protocolError, statement: 'MQTT-3.14.2-1' },
  { title: 'DISCONNECT with a Reason Code that does not exist', versions: [5], bytes: 'e0 01 7f', reasonCode: protocolError, statement: 'MQTT-3.14.2-1' },
  { title: 'DISCONNECT with a Session Expiry Interval, from a server', from: 'server', versions: [5], bytes: 'e0 [00 [11 0000003c]]', reasonCode: protocolError, statement: 'MQTT-3.14.2-2' },
  { title: 'DISCONNECT with a Session Expiry Interval twice', versions: [5], bytes: 'e0 [00 [11 0000003c 11 0000003c]]', reasonCode: protocolError, statement: '' },
  { title: 'DISCONNECT with a Receive Maximum', versions: [5], bytes: 'e0 [00 [21 0001]]', reasonCode: malformedPacket, statement: '' },
  { title: 'DISCONNECT with bytes after its properties', versions: [5], bytes: 'e0 03 00 00 00', reasonCode: malformedPacket, statement: '' },
  { title: 'AUTH of Success from a client', versions: [5], bytes: "f0 [00 [15 'token']]", reasonCode: protocolError, statement: 'MQTT-3.15.2-1' },
  { title: 'AUTH without a body from a client', versions: [5], bytes: 'f0 00', reasonCode: protocolError, statement: 'MQTT-3.15.2-1' },
  { title: 'AUTH again from a server', from: 'server', versions: [5], bytes: "f0 [19 [15 'token']]", reasonCode: protocolError, statement: 'MQTT-3.15.2-1' },
  { title: 'AUTH without Authentication Method', versions: [5], bytes: 'f0 [18 [16 <01>]]', reasonCode: protocolError, statement: '' },
  { title: 'AUTH without properties', versions: [5], bytes: 'f0 [18 []]', reasonCode: protocolError, statement: '' },
  { title: 'AUTH with bytes after its properties', versions: [5], bytes: "f0 [18 [15 'token'] 00]", reasonCode: malformedPacket, statement: '' },
];

/** Bad rows. */
export const badShortPackets: readonly BadCase[] = bad.map((row) => ({
  from: 'client',
  versions: everyVersion,
  ...row,
}));

/** What older versions hear of these, and of a PUBLISH. */
export const spokenShortPackets: readonly SpokenCase[] = [
  {
    title: 'DISCONNECT with a failure is left out',
    versions: beforeFive,
    packet: disconnect(ReasonCode.serverBusy),
    bytes: '',
  },
  {
    title: 'DISCONNECT with Will Message is left out, and closing says it',
    versions: beforeFive,
    packet: disconnect(ReasonCode.disconnectWithWillMessage),
    bytes: '',
  },
  {
    title: 'DISCONNECT drops its properties',
    versions: beforeFive,
    packet: disconnect(normalDisconnection, { reasonString: 'bye' }),
    bytes: 'e0 00',
  },
  {
    title: 'DISCONNECT cannot say Server unavailable, and says Server busy [MQTT-3.14.2-1]',
    versions: [5],
    packet: disconnect(ReasonCode.serverUnavailable),
    bytes: 'e0 01 89',
  },
  {
    title: 'DISCONNECT cannot say Banned, and says Not authorized [MQTT-3.14.2-1]',
    versions: [5],
    packet: disconnect(ReasonCode.banned),
    bytes: 'e0 01 87',
  },
  {
    title: 'DISCONNECT says Unspecified error for what it cannot say [MQTT-3.14.2-1]',
    versions: [5],
    packet: disconnect(ReasonCode.packetIdentifierInUse),
    bytes: 'e0 01 80',
  },
  { title: 'AUTH is left out', versions: beforeFive, packet: auth(continueAuthentication), bytes: '' },
  {
    title: 'PUBLISH drops its properties',
    versions: beforeFive,
    packet: publish({ properties: { contentType: 'text/plain', subscriptionIdentifiers: [1] } }),
    bytes: `30 ['a/b' "on"]`,
  },
  {
    title: 'PUBLISH with properties that hold nothing',
    versions: [5],
    packet: publish({ properties: { userProperties: [], subscriptionIdentifiers: [] } }),
    bytes: `30 ['a/b' [] "on"]`,
  },
];
