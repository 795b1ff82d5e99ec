// SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK, good and bad [§3.8 to §3.11].

import { type Packet, ReasonCode } from '../src/index.ts';
import { type BadCase, beforeFive, everyVersion, type GoodCase, type SpokenCase, subscription } from './case.ts';

function subscribe(
  subscriptions: Extract<Packet, { type: 'subscribe' }>['subscriptions'],
  properties: Extract<Packet, { type: 'subscribe' }>['properties'] = undefined,
): Packet {
  return { type: 'subscribe', packetId: 7, subscriptions, properties };
}

function suback(reasonCodes: ReasonCode[], properties: { reasonString: string } | undefined = undefined): Packet {
  return { type: 'suback', packetId: 7, reasonCodes, properties };
}

function unsuback(reasonCodes: ReasonCode[], properties: { reasonString: string } | undefined = undefined): Packet {
  return { type: 'unsuback', packetId: 7, reasonCodes, properties };
}

/** Good rows. */
export const subscribes: readonly GoodCase[] = [
  {
    title: 'SUBSCRIBE to one, every byte spelled out',
    from: 'client',
    versions: beforeFive,
    bytes: '82 08 00 07 00 03 61 2f 62 01',
    packet: subscribe([subscription({ qos: 1 })]),
  },
  {
    title: 'SUBSCRIBE to one, every byte spelled out',
    from: 'client',
    versions: [5],
    bytes: '82 09 00 07 00 00 03 61 2f 62 01',
    packet: subscribe([subscription({ qos: 1 })]),
  },
  {
    title: 'SUBSCRIBE to several, in order',
    from: 'client',
    versions: beforeFive,
    bytes: "82 [0007 'a/b' 00 '#' 01 '+/ü' 02]",
    packet: subscribe([
      subscription(),
      subscription({ topicFilter: '#', qos: 1 }),
      subscription({ topicFilter: '+/ü', qos: 2 }),
    ]),
  },
  {
    title: 'SUBSCRIBE with every option',
    from: 'client',
    versions: [5],
    bytes: "82 [0007 [] 'a/b' 04 'a/b' 08 'a/b' 10 'a/b' 20 'a/b' 2e]",
    packet: subscribe([
      subscription({ noLocal: true }),
      subscription({ retainAsPublished: true }),
      subscription({ retainHandling: 1 }),
      subscription({ retainHandling: 2 }),
      subscription({ qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }),
    ]),
  },
  {
    title: 'SUBSCRIBE with every property',
    from: 'client',
    versions: [5],
    bytes: "82 [0007 [0b 80 01 26 'k' 'v'] 'a/b' 00]",
    packet: subscribe([subscription()], { subscriptionIdentifier: 128, userProperties: [['k', 'v']] }),
  },
  {
    title: 'SUBSCRIBE to filters that the broker will refuse one by one',
    from: 'client',
    versions: beforeFive,
    bytes: "82 [0007 '' 00 'a#' 00]",
    packet: subscribe([subscription({ topicFilter: '' }), subscription({ topicFilter: 'a#' })]),
  },
  {
    title: 'SUBSCRIBE sent again with DUP, as this version does',
    from: 'client',
    versions: [3],
    bytes: "8a [0007 'a/b' 00]",
    packet: subscribe([subscription()]),
    decodedOnly: true,
  },
  {
    title: 'SUBSCRIBE with upper bits that this version does not use',
    from: 'client',
    versions: [3],
    bytes: "82 [0007 'a/b' fd]",
    packet: subscribe([subscription({ qos: 1 })]),
    decodedOnly: true,
  },
  {
    title: 'SUBACK',
    from: 'server',
    versions: beforeFive,
    bytes: '90 06 00 07 00 01 02 80',
    packet: suback([0, 1, 2, ReasonCode.unspecifiedError]),
  },
  {
    title: 'SUBACK',
    from: 'server',
    versions: [5],
    bytes: '90 07 00 07 00 00 01 02 8f',
    packet: suback([0, 1, 2, ReasonCode.topicFilterInvalid]),
  },
  {
    title: 'SUBACK with a Reason String',
    from: 'server',
    versions: [5],
    bytes: "90 [0007 [1f 'why'] 9e]",
    packet: suback([ReasonCode.sharedSubscriptionsNotSupported], { reasonString: 'why' }),
  },
  {
    title: 'UNSUBSCRIBE',
    from: 'client',
    versions: beforeFive,
    bytes: 'a2 07 00 07 00 03 61 2f 62',
    packet: { type: 'unsubscribe', packetId: 7, topicFilters: ['a/b'], properties: undefined },
  },
  {
    title: 'UNSUBSCRIBE from several',
    from: 'client',
    versions: [5],
    bytes: "a2 [0007 [26 'k' 'v'] 'a/b' '#']",
    packet: {
      type: 'unsubscribe',
      packetId: 7,
      topicFilters: ['a/b', '#'],
      properties: { userProperties: [['k', 'v']] },
    },
  },
  {
    title: 'UNSUBSCRIBE sent again with DUP, as this version does',
    from: 'client',
    versions: [3],
    bytes: "aa [0007 'a/b']",
    packet: { type: 'unsubscribe', packetId: 7, topicFilters: ['a/b'], properties: undefined },
    decodedOnly: true,
  },
  { title: 'UNSUBACK', from: 'server', versions: beforeFive, bytes: 'b0 02 00 07', packet: unsuback([]) },
  {
    title: 'UNSUBACK',
    from: 'server',
    versions: [5],
    bytes: 'b0 05 00 07 00 00 11',
    packet: unsuback([ReasonCode.success, ReasonCode.noSubscriptionExisted]),
  },
  {
    title: 'UNSUBACK with a Reason String',
    from: 'server',
    versions: [5],
    bytes: "b0 [0007 [1f 'why'] 87]",
    packet: unsuback([ReasonCode.notAuthorized], { reasonString: 'why' }),
  },
];

const { malformedPacket, protocolError } = ReasonCode;

type BadRow = Omit<BadCase, 'from' | 'versions'> & Partial<Pick<BadCase, 'from' | 'versions'>>;

// biome-ignore format: a table
const bad: BadRow[] = [
  { title: 'SUBSCRIBE with its flags 0', bytes: "80 [0007 'a/b' 00]", reasonCode: malformedPacket, statement: 'MQTT-3.8.1-1' },
  { title: 'SUBSCRIBE with DUP', versions: [4, 5], bytes: "8a [0007 'a/b' 00]", reasonCode: malformedPacket, statement: 'MQTT-3.8.1-1' },
  { title: 'SUBSCRIBE without a body', bytes: '82 00', reasonCode: malformedPacket, statement: '' },
  { title: 'SUBSCRIBE with Packet Identifier 0', bytes: "82 [0000 'a/b' 00]", reasonCode: protocolError, statement: 'MQTT-2.2.1-3' },
  { title: 'SUBSCRIBE to nothing', versions: beforeFive, bytes: '82 02 0007', reasonCode: protocolError, statement: 'MQTT-3.8.3-2' },
  { title: 'SUBSCRIBE to nothing', versions: [5], bytes: '82 03 0007 00', reasonCode: protocolError, statement: 'MQTT-3.8.3-2' },
  { title: 'SUBSCRIBE without Property Length', versions: [5], bytes: '82 02 0007', reasonCode: malformedPacket, statement: '' },
  { title: 'SUBSCRIBE with a Topic Filter past the end', bytes: `82 [0007 0000 00 0009 "a/b" 00]`, versions: beforeFive, reasonCode: malformedPacket, statement: '' },
  { title: 'SUBSCRIBE without the options of its second Topic Filter', versions: beforeFive, bytes: "82 [0007 'a/b' 00 'c']", reasonCode: malformedPacket, statement: '' },
  { title: 'SUBSCRIBE to a Topic Filter that is no UTF-8', versions: beforeFive, bytes: '82 [0007 <ff> 00]', reasonCode: malformedPacket, statement: 'MQTT-1.5.4-1' },
  { title: 'SUBSCRIBE to a Topic Filter with U+0000', versions: [5], bytes: '82 [0007 [] <61 00> 00]', reasonCode: malformedPacket, statement: 'MQTT-1.5.4-2' },
  { title: 'SUBSCRIBE at QoS 3', versions: beforeFive, bytes: "82 [0007 'a/b' 03]", reasonCode: protocolError, statement: '3.1.1 MQTT-3-8.3-4' },
  { title: 'SUBSCRIBE at QoS 3', versions: [5], bytes: "82 [0007 [] 'a/b' 03]", reasonCode: protocolError, statement: '' },
  { title: 'SUBSCRIBE with options that this version does not have', versions: [4], bytes: "82 [0007 'a/b' 04]", reasonCode: malformedPacket, statement: '3.1.1 MQTT-3-8.3-4' },
  { title: 'SUBSCRIBE with reserved bit 6', versions: [5], bytes: "82 [0007 [] 'a/b' 40]", reasonCode: malformedPacket, statement: 'MQTT-3.8.3-5' },
  { title: 'SUBSCRIBE with reserved bit 7', versions: [5], bytes: "82 [0007 [] 'a/b' 81]", reasonCode: malformedPacket, statement: 'MQTT-3.8.3-5' },
  { title: 'SUBSCRIBE with Retain Handling 3', versions: [5], bytes: "82 [0007 [] 'a/b' 30]", reasonCode: protocolError, statement: '' },
  { title: 'SUBSCRIBE with Subscription Identifier 0', versions: [5], bytes: "82 [0007 [0b 00] 'a/b' 00]", reasonCode: protocolError, statement: '' },
  { title: 'SUBSCRIBE with two Subscription Identifiers', versions: [5], bytes: "82 [0007 [0b 01 0b 02] 'a/b' 00]", reasonCode: protocolError, statement: '' },
  { title: 'SUBSCRIBE with a Reason String', versions: [5], bytes: "82 [0007 [1f 'x'] 'a/b' 00]", reasonCode: malformedPacket, statement: '' },
  { title: 'UNSUBSCRIBE with its flags 0', bytes: "a0 [0007 'a/b']", reasonCode: malformedPacket, statement: 'MQTT-3.10.1-1' },
  { title: 'UNSUBSCRIBE with Packet Identifier 0', bytes: "a2 [0000 'a/b']", reasonCode: protocolError, statement: 'MQTT-2.2.1-3' },
  { title: 'UNSUBSCRIBE from nothing', versions: beforeFive, bytes: 'a2 02 0007', reasonCode: protocolError, statement: 'MQTT-3.10.3-2' },
  { title: 'UNSUBSCRIBE from nothing', versions: [5], bytes: 'a2 03 0007 00', reasonCode: protocolError, statement: 'MQTT-3.10.3-2' },
  { title: 'UNSUBSCRIBE with half a Topic Filter', versions: beforeFive, bytes: `a2 [0007 0004 "a/b"]`, reasonCode: malformedPacket, statement: '' },
  { title: 'UNSUBSCRIBE with a Subscription Identifier', versions: [5], bytes: "a2 [0007 [0b 01] 'a/b']", reasonCode: malformedPacket, statement: '' },
  { title: 'SUBACK without Reason Code', from: 'server', versions: beforeFive, bytes: '90 02 0007', reasonCode: protocolError, statement: 'MQTT-3.9.3-2' },
  { title: 'SUBACK with a Reason Code of 5.0', from: 'server', versions: beforeFive, bytes: '90 03 0007 87', reasonCode: protocolError, statement: '3.1.1 MQTT-3.9.3-2' },
  { title: 'SUBACK with a Reason Code of UNSUBACK', from: 'server', versions: [5], bytes: '90 04 0007 00 11', reasonCode: protocolError, statement: 'MQTT-3.9.3-2' },
  { title: 'SUBACK with Packet Identifier 0', from: 'server', versions: beforeFive, bytes: '90 03 0000 00', reasonCode: protocolError, statement: '' },
  { title: 'UNSUBACK without Reason Code', from: 'server', versions: [5], bytes: 'b0 03 0007 00', reasonCode: protocolError, statement: 'MQTT-3.11.3-2' },
  { title: 'UNSUBACK with a Reason Code', from: 'server', versions: beforeFive, bytes: 'b0 03 0007 00', reasonCode: malformedPacket, statement: '' },
  { title: 'UNSUBACK with a Reason Code of SUBACK', from: 'server', versions: [5], bytes: 'b0 04 0007 00 01', reasonCode: protocolError, statement: 'MQTT-3.11.3-2' },
];

/** Bad rows. */
export const badSubscribes: readonly BadCase[] = bad.map((row) => ({ from: 'client', versions: everyVersion, ...row }));

/** What older versions hear, or say, of subscriptions. */
export const spokenSubscribes: readonly SpokenCase[] = [
  {
    title: 'SUBACK says 0x80 for every failure',
    versions: beforeFive,
    packet: suback([2, ReasonCode.notAuthorized, 0, ReasonCode.wildcardSubscriptionsNotSupported], {
      reasonString: 'x',
    }),
    bytes: '90 06 0007 02 80 00 80',
  },
  {
    title: 'UNSUBACK has no Reason Codes',
    versions: beforeFive,
    packet: unsuback([ReasonCode.success, ReasonCode.noSubscriptionExisted], { reasonString: 'x' }),
    bytes: 'b0 02 0007',
  },
  {
    title: 'SUBSCRIBE drops options and properties',
    versions: beforeFive,
    packet: subscribe([subscription({ qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 })], {
      subscriptionIdentifier: 1,
    }),
    bytes: "82 [0007 'a/b' 01]",
  },
];
