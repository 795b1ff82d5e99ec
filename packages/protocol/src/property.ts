// All properties of MQTT 5.0 in one table [§2.2.2.2, table 2-4]; everything else about them is derived from it.
//
// A property is known by its identifier on the wire and by its name in our packets. One identifier has two rows: a
// PUBLISH carries a Subscription Identifier for each subscription that matched, a SUBSCRIBE only one.

import type {
  AckProperties,
  AuthProperties,
  ConnackProperties,
  ConnectProperties,
  DisconnectProperties,
  PublishProperties,
  SubscribeProperties,
  UnsubscribeProperties,
  WillProperties,
} from './packet.ts';

/** Where properties stand. The acknowledgements PUBACK to PUBCOMP, SUBACK and UNSUBACK all have the same ones. */
export interface PropertiesOf {
  connect: ConnectProperties;
  will: WillProperties;
  connack: ConnackProperties;
  publish: PublishProperties;
  acknowledgement: AckProperties;
  subscribe: SubscribeProperties;
  unsubscribe: UnsubscribeProperties;
  disconnect: DisconnectProperties;
  auth: AuthProperties;
}

/** A place where properties stand. */
export type PropertyPlace = keyof PropertiesOf;

/**
 * How a property is written. Every Byte of MQTT 5.0 may only be 0 or 1, so it is called a bit here; `identifier` is a
 * Variable Byte Integer, `topic` a UTF-8 Encoded String that must be a Topic Name.
 */
export type PropertyType = 'bit' | 'two' | 'four' | 'identifier' | 'text' | 'topic' | 'data' | 'pair';

/** One property in some places. */
export interface Property {
  readonly id: number;
  /** Its key in a packet's `properties`. */
  readonly name: string;
  /** Its name in the specification. */
  readonly title: string;
  readonly type: PropertyType;
  readonly places: readonly PropertyPlace[];
  /** It may stand there more than once, and its values are kept in an array. */
  readonly repeats?: true;
  /** Zero is not a value of it. */
  readonly neverZero?: true;
}

const everywhere: readonly PropertyPlace[] = [
  'connect',
  'will',
  'connack',
  'publish',
  'acknowledgement',
  'subscribe',
  'unsubscribe',
  'disconnect',
  'auth',
];

// biome-ignore format: a table
const table: readonly Property[] = [
  { id: 0x01, type: 'bit', name: 'payloadFormatIndicator', title: 'Payload Format Indicator', places: ['publish', 'will'] },
  { id: 0x02, type: 'four', name: 'messageExpiryInterval', title: 'Message Expiry Interval', places: ['publish', 'will'] },
  { id: 0x03, type: 'text', name: 'contentType', title: 'Content Type', places: ['publish', 'will'] },
  { id: 0x08, type: 'topic', name: 'responseTopic', title: 'Response Topic', places: ['publish', 'will'] },
  { id: 0x09, type: 'data', name: 'correlationData', title: 'Correlation Data', places: ['publish', 'will'] },
  { id: 0x0b, type: 'identifier', name: 'subscriptionIdentifiers', title: 'Subscription Identifier', places: ['publish'], repeats: true, neverZero: true },
  { id: 0x0b, type: 'identifier', name: 'subscriptionIdentifier', title: 'Subscription Identifier', places: ['subscribe'], neverZero: true },
  { id: 0x11, type: 'four', name: 'sessionExpiryInterval', title: 'Session Expiry Interval', places: ['connect', 'connack', 'disconnect'] },
  { id: 0x12, type: 'text', name: 'assignedClientIdentifier', title: 'Assigned Client Identifier', places: ['connack'] },
  { id: 0x13, type: 'two', name: 'serverKeepAlive', title: 'Server Keep Alive', places: ['connack'] },
  { id: 0x15, type: 'text', name: 'authenticationMethod', title: 'Authentication Method', places: ['connect', 'connack', 'auth'] },
  { id: 0x16, type: 'data', name: 'authenticationData', title: 'Authentication Data', places: ['connect', 'connack', 'auth'] },
  { id: 0x17, type: 'bit', name: 'requestProblemInformation', title: 'Request Problem Information', places: ['connect'] },
  { id: 0x18, type: 'four', name: 'willDelayInterval', title: 'Will Delay Interval', places: ['will'] },
  { id: 0x19, type: 'bit', name: 'requestResponseInformation', title: 'Request Response Information', places: ['connect'] },
  { id: 0x1a, type: 'text', name: 'responseInformation', title: 'Response Information', places: ['connack'] },
  { id: 0x1c, type: 'text', name: 'serverReference', title: 'Server Reference', places: ['connack', 'disconnect'] },
  { id: 0x1f, type: 'text', name: 'reasonString', title: 'Reason String', places: ['connack', 'acknowledgement', 'disconnect', 'auth'] },
  { id: 0x21, type: 'two', name: 'receiveMaximum', title: 'Receive Maximum', places: ['connect', 'connack'], neverZero: true },
  { id: 0x22, type: 'two', name: 'topicAliasMaximum', title: 'Topic Alias Maximum', places: ['connect', 'connack'] },
  { id: 0x23, type: 'two', name: 'topicAlias', title: 'Topic Alias', places: ['publish'], neverZero: true },
  { id: 0x24, type: 'bit', name: 'maximumQos', title: 'Maximum QoS', places: ['connack'] },
  { id: 0x25, type: 'bit', name: 'retainAvailable', title: 'Retain Available', places: ['connack'] },
  { id: 0x26, type: 'pair', name: 'userProperties', title: 'User Property', places: everywhere, repeats: true },
  { id: 0x27, type: 'four', name: 'maximumPacketSize', title: 'Maximum Packet Size', places: ['connect', 'connack'], neverZero: true },
  { id: 0x28, type: 'bit', name: 'wildcardSubscriptionAvailable', title: 'Wildcard Subscription Available', places: ['connack'] },
  { id: 0x29, type: 'bit', name: 'subscriptionIdentifiersAvailable', title: 'Subscription Identifier Available', places: ['connack'] },
  { id: 0x2a, type: 'bit', name: 'sharedSubscriptionAvailable', title: 'Shared Subscription Available', places: ['connack'] },
];

function eachPlace<Value>(make: (place: PropertyPlace) => Value): Record<PropertyPlace, Value> {
  return {
    connect: make('connect'),
    will: make('will'),
    connack: make('connack'),
    publish: make('publish'),
    acknowledgement: make('acknowledgement'),
    subscribe: make('subscribe'),
    unsubscribe: make('unsubscribe'),
    disconnect: make('disconnect'),
    auth: make('auth'),
  };
}

const inOrder = eachPlace((place) => table.filter((property) => property.places.includes(place)));

const byId = eachPlace((place) => {
  const row: (Property | undefined)[] = new Array(0x2b).fill(undefined);
  for (const property of inOrder[place]) row[property.id] = property;
  return row;
});

/** The properties that may stand in a place, in the order in which we write them. */
export function propertiesIn(place: PropertyPlace): readonly Property[] {
  return inOrder[place];
}

/** The property that an identifier means in a place; undefined where it may not stand there. */
export function propertyIn(place: PropertyPlace, id: number): Property | undefined {
  return byId[place][id];
}

/** The name of a property wherever it may stand; undefined if there is no such property. */
export function propertyTitle(id: number): string | undefined {
  return table.find((property) => property.id === id)?.title;
}
