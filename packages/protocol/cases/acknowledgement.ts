// CONNACK, PUBACK, PUBREC, PUBREL and PUBCOMP, good and bad [§3.2, §3.4 to §3.7].

import { ReasonCode } from '../src/index.ts';
import { acknowledgement, type BadCase, beforeFive, everyVersion, type GoodCase, type SpokenCase } from './case.ts';

const {
  badUserNameOrPassword,
  clientIdentifierNotValid,
  malformedPacket,
  notAuthorized,
  packetIdentifierNotFound,
  protocolError,
  serverUnavailable,
  success,
  unsupportedProtocolVersion,
} = ReasonCode;

function connack(reasonCode: ReasonCode, sessionPresent = false): GoodCase['packet'] {
  return { type: 'connack', sessionPresent, reasonCode, properties: undefined };
}

/** Good rows of CONNACK. */
export const connacks: readonly GoodCase[] = [
  { title: 'accepted', from: 'server', versions: beforeFive, bytes: '20 02 00 00', packet: connack(success) },
  { title: 'accepted', from: 'server', versions: [5], bytes: '20 03 00 00 00', packet: connack(success) },
  { title: 'a Session is there', from: 'server', versions: [4], bytes: '20 02 01 00', packet: connack(success, true) },
  {
    title: 'a Session is there',
    from: 'server',
    versions: [5],
    bytes: '20 [01 00 []]',
    packet: connack(success, true),
  },
  ...[
    unsupportedProtocolVersion,
    clientIdentifierNotValid,
    serverUnavailable,
    badUserNameOrPassword,
    notAuthorized,
  ].map(
    (reasonCode, i): GoodCase => ({
      title: `return code ${i + 1}`,
      from: 'server',
      versions: beforeFive,
      bytes: `20 02 00 0${i + 1}`,
      packet: connack(reasonCode),
    }),
  ),
  {
    title: 'a first byte that this version keeps for later',
    from: 'server',
    versions: [3],
    bytes: '20 02 01 00',
    packet: connack(success),
    decodedOnly: true,
  },
  {
    title: 'every property',
    from: 'server',
    versions: [5],
    bytes: `20 [00 00 [11 0000000a 12 'auto-1' 13 001e 15 'token' 16 <be ef> 1a 'resp/' 1c 'b:1883' 1f 'hello'
      21 0014 22 0005 24 01 25 00 26 'a' '1' 27 00010000 28 01 29 00 2a 01]]`,
    packet: {
      type: 'connack',
      sessionPresent: false,
      reasonCode: success,
      properties: {
        sessionExpiryInterval: 10,
        assignedClientIdentifier: 'auto-1',
        serverKeepAlive: 30,
        authenticationMethod: 'token',
        authenticationData: Uint8Array.of(0xbe, 0xef),
        responseInformation: 'resp/',
        serverReference: 'b:1883',
        reasonString: 'hello',
        receiveMaximum: 20,
        topicAliasMaximum: 5,
        maximumQos: 1,
        retainAvailable: 0,
        userProperties: [['a', '1']],
        maximumPacketSize: 65_536,
        wildcardSubscriptionAvailable: 1,
        subscriptionIdentifiersAvailable: 0,
        sharedSubscriptionAvailable: 1,
      },
    },
  },
];

const kinds = [
  { type: 'puback', name: 'PUBACK', first: '40', bad: '90' },
  { type: 'pubrec', name: 'PUBREC', first: '50', bad: '90' },
  { type: 'pubrel', name: 'PUBREL', first: '62', bad: '92' },
  { type: 'pubcomp', name: 'PUBCOMP', first: '70', bad: '92' },
] as const;

/** Good rows of the four acknowledgements of a PUBLISH. */
export const acknowledgements: readonly GoodCase[] = kinds.flatMap(({ type, name, first, bad }): GoodCase[] => {
  const failure = type === 'puback' || type === 'pubrec' ? ReasonCode.topicNameInvalid : packetIdentifierNotFound;
  return [
    {
      title: `${name} is a Packet Identifier`,
      from: 'client',
      versions: everyVersion,
      bytes: `${first} 02 00 07`,
      packet: acknowledgement(type),
    },
    {
      title: `${name} spells Success out`,
      from: 'server',
      versions: [5],
      bytes: `${first} 03 00 07 00`,
      packet: acknowledgement(type),
      decodedOnly: true,
    },
    {
      title: `${name} spells out that there are no properties`,
      from: 'client',
      versions: [5],
      bytes: `${first} 04 00 07 00 00`,
      packet: acknowledgement(type),
      decodedOnly: true,
    },
    {
      title: `${name} with a Reason Code`,
      from: 'server',
      versions: [5],
      bytes: `${first} 03 00 07 ${bad}`,
      packet: acknowledgement(type, failure),
    },
    {
      title: `${name} with every property`,
      from: 'client',
      versions: [5],
      bytes: `${first} [0007 00 [1f 'why' 26 'k' 'v']]`,
      packet: acknowledgement(type, success, { reasonString: 'why', userProperties: [['k', 'v']] }),
    },
  ];
});

type BadRow = Omit<BadCase, 'from' | 'versions'> & Partial<Pick<BadCase, 'versions'>>;

// biome-ignore format: a table
const badConnackRows: BadRow[] = [
  { title: 'CONNACK with reserved flags', versions: [4, 5], bytes: '20 [02 00 00]', reasonCode: malformedPacket, statement: 'MQTT-3.2.2-1' },
  { title: 'CONNACK with a Session and a refusal', versions: [4], bytes: '20 02 01 05', reasonCode: protocolError, statement: 'MQTT-3.2.2-6' },
  { title: 'CONNACK with a Session and a refusal', versions: [5], bytes: '20 03 01 87 00', reasonCode: protocolError, statement: 'MQTT-3.2.2-6' },
  { title: 'CONNACK with return code 6', versions: beforeFive, bytes: '20 02 00 06', reasonCode: protocolError, statement: '' },
  { title: 'CONNACK with a Reason Code of PUBACK', versions: [5], bytes: '20 03 00 10 00', reasonCode: protocolError, statement: 'MQTT-3.2.2-8' },
  { title: 'CONNACK without Reason Code', bytes: '20 01 00', reasonCode: malformedPacket, statement: '' },
  { title: 'CONNACK without properties', versions: [5], bytes: '20 02 00 00', reasonCode: malformedPacket, statement: '' },
  { title: 'CONNACK with a byte too many', versions: beforeFive, bytes: '20 03 00 00 00', reasonCode: malformedPacket, statement: '' },
  { title: 'CONNACK with a byte too many', versions: [5], bytes: '20 04 00 00 00 00', reasonCode: malformedPacket, statement: '' },
  { title: 'CONNACK with Maximum QoS 2', versions: [5], bytes: '20 [00 00 [24 02]]', reasonCode: protocolError, statement: '' },
  { title: 'CONNACK with Receive Maximum 0', versions: [5], bytes: '20 [00 00 [21 0000]]', reasonCode: protocolError, statement: '' },
  { title: 'CONNACK with Maximum Packet Size 0', versions: [5], bytes: '20 [00 00 [27 00000000]]', reasonCode: protocolError, statement: '' },
  { title: 'CONNACK with a Will Delay Interval', versions: [5], bytes: '20 [00 00 [18 00000001]]', reasonCode: malformedPacket, statement: '' },
];

/** Bad rows of CONNACK. */
export const badConnacks: readonly BadCase[] = badConnackRows.map((row) => ({
  from: 'server',
  versions: everyVersion,
  ...row,
}));

const statements = { puback: 'MQTT-3.4.2-1', pubrec: 'MQTT-3.5.2-1', pubrel: 'MQTT-3.6.2-1', pubcomp: 'MQTT-3.7.2-1' };

// biome-ignore format: a table
function badAcknowledgement({ type, name, first }: (typeof kinds)[number]): BadRow[] {
  return [
    { title: `${name} without a body`, bytes: `${first} 00`, reasonCode: malformedPacket, statement: '' },
    { title: `${name} with half a Packet Identifier`, bytes: `${first} 01 00`, reasonCode: malformedPacket, statement: '' },
    { title: `${name} with Packet Identifier 0`, bytes: `${first} 02 0000`, reasonCode: protocolError, statement: '' },
    { title: `${name} with a byte too many`, versions: beforeFive, bytes: `${first} 03 0007 00`, reasonCode: malformedPacket, statement: '' },
    { title: `${name} with bytes after its properties`, versions: [5], bytes: `${first} 05 0007 00 00 00`, reasonCode: malformedPacket, statement: '' },
    { title: `${name} with a Reason Code of SUBACK`, versions: [5], bytes: `${first} 03 0007 01`, reasonCode: protocolError, statement: statements[type] },
    { title: `${name} with a Reason Code that does not exist`, versions: [5], bytes: `${first} 03 0007 ff`, reasonCode: protocolError, statement: statements[type] },
    { title: `${name} with a Reason String twice`, versions: [5], bytes: `${first} [0007 00 [1f '' 1f '']]`, reasonCode: protocolError, statement: '' },
    { title: `${name} with a Server Reference`, versions: [5], bytes: `${first} [0007 00 [1c 'b']]`, reasonCode: malformedPacket, statement: '' },
  ];
}

/** Bad rows of the four acknowledgements of a PUBLISH. */
export const badAcknowledgements: readonly BadCase[] = kinds
  .flatMap(badAcknowledgement)
  .map((row) => ({ from: 'client', versions: everyVersion, ...row }));

// biome-ignore format: a table
const returnCodes: [ReasonCode, number][] = [
  [ReasonCode.unspecifiedError, 3], [ReasonCode.implementationSpecificError, 3],
  [unsupportedProtocolVersion, 1], [clientIdentifierNotValid, 2], [badUserNameOrPassword, 4], [notAuthorized, 5],
  [serverUnavailable, 3], [ReasonCode.serverBusy, 3], [ReasonCode.banned, 5], [ReasonCode.badAuthenticationMethod, 5],
  [ReasonCode.packetTooLarge, 3], [ReasonCode.quotaExceeded, 3], [ReasonCode.useAnotherServer, 3], [ReasonCode.connectionRateExceeded, 3],
];

/** What older versions hear of our acknowledgements. */
export const spokenAcknowledgements: readonly SpokenCase[] = [
  ...returnCodes.map(
    ([reasonCode, returnCode]): SpokenCase => ({
      title: `CONNACK with Reason Code ${reasonCode} is return code ${returnCode}`,
      versions: beforeFive,
      packet: connack(reasonCode),
      bytes: `20 02 00 0${returnCode}`,
    }),
  ),
  ...[malformedPacket, protocolError].map(
    (reasonCode): SpokenCase => ({
      title: `CONNACK with Reason Code ${reasonCode} is not sent [3.1.1 MQTT-3.1.4-1]`,
      versions: beforeFive,
      packet: connack(reasonCode),
      bytes: '',
    }),
  ),
  {
    title: 'CONNACK has no Session Present before 3.1.1',
    versions: [3],
    packet: connack(success, true),
    bytes: '20 02 00 00',
  },
  {
    title: 'CONNACK never says Session Present in a refusal [MQTT-3.2.2-6]',
    versions: beforeFive,
    packet: connack(notAuthorized, true),
    bytes: '20 02 00 05',
  },
  {
    title: 'CONNACK never says Session Present in a refusal [MQTT-3.2.2-6]',
    versions: [5],
    packet: connack(notAuthorized, true),
    bytes: '20 03 00 87 00',
  },
  {
    title: 'CONNACK cannot say Server shutting down, and says Server unavailable [MQTT-3.2.2-8]',
    versions: [5],
    packet: connack(ReasonCode.serverShuttingDown),
    bytes: '20 03 00 88 00',
  },
  {
    title: 'CONNACK says Unspecified error for what it cannot say [MQTT-3.2.2-8]',
    versions: [5],
    packet: connack(ReasonCode.sessionTakenOver),
    bytes: '20 03 00 80 00',
  },
  {
    title: 'CONNACK drops its properties',
    versions: beforeFive,
    packet: { type: 'connack', sessionPresent: false, reasonCode: 0, properties: { assignedClientIdentifier: 'x' } },
    bytes: '20 02 00 00',
  },
  ...kinds.map(
    ({ type, name, first }): SpokenCase => ({
      title: `${name} drops Reason Code and properties`,
      versions: beforeFive,
      packet: acknowledgement(type, ReasonCode.quotaExceeded, { reasonString: 'why' }),
      bytes: `${first} 02 00 07`,
    }),
  ),
  {
    title: 'PUBACK with properties that hold nothing takes the short form',
    versions: [5],
    packet: acknowledgement('puback', success, { userProperties: [] }),
    bytes: '40 02 00 07',
  },
];
